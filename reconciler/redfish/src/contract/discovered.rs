// SPDX-License-Identifier: AGPL-3.0-or-later
//! What discovery found: the whole understanding of a BMC, for people and for tests.
//!
//! Serialised, [`Discovered`] is what `shoal bmc inspect --json` prints.

use std::fmt;

use serde::Serialize;

use super::image::MediaUrl;
use super::warning::Warning;

/// The whole understanding of a BMC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Discovered {
    /// `Dell`, `HPE`, `Lenovo`, ...; the BMC's own word for makers that are not known.
    pub vendor: String,
    /// Model of the system.
    pub model: Option<String>,
    /// Firmware of the first manager.
    pub firmware: Option<String>,
    /// Serial number of the system. On Dell this is the board's; the service tag is the SKU.
    pub serial: Option<String>,
    /// SKU of the system.
    pub sku: Option<String>,
    /// UUID of the system, as the BMC writes it.
    pub uuid: Option<String>,
    /// URI of the system.
    pub system: String,
    /// URIs of the managers of that system.
    pub managers: Vec<String>,
    /// Power when it was read.
    pub power: String,
    /// Boot override.
    pub boot: BootFacts,
    /// Every virtual media slot, in stable order, the preferred view first.
    pub media: Vec<MediaFacts>,
    /// What the slots are good for.
    pub rung: Rung,
    /// URI of the slot for the boot medium.
    pub boot_slot: Option<String>,
    /// URI of the slot for the task medium.
    pub task_slot: Option<String>,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<Warning>,
    /// What callers need beyond the report.
    #[serde(skip)]
    pub facts: Facts,
}

/// The boot override of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct BootFacts {
    /// URI of the resource that takes the override.
    pub resource: Option<String>,
    /// Allowable targets; empty when the BMC does not list them.
    pub targets: Vec<String>,
    /// Allowable modes; the current one alone when the BMC does not list them.
    pub modes: Vec<String>,
    /// The target that boots our medium; none when no target can.
    pub chosen: Option<String>,
}

/// One virtual media slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct MediaFacts {
    /// URI of the slot.
    pub uri: String,
    /// What the machine can see in it: `cd`, `usb`, `floppy` joined by `+` in this order, or
    /// `unknown`. `DVD` counts as `cd`.
    pub kind: String,
    /// How an image is put in.
    pub insert: InsertVia,
    /// Whether something is in it.
    pub inserted: bool,
    /// What is in it, without its capability.
    pub image: Option<MediaUrl>,
}

/// How an image is put into a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InsertVia {
    /// `#VirtualMedia.InsertMedia`.
    Action,
    /// PATCH of the slot itself.
    Patch,
    /// A vendor's own action.
    Oem,
    /// Not at all, or not from a URL.
    None,
}

/// What the slots are good for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Two optical slots: maintenance ISO and task ISO.
    TwoCd,
    /// An optical slot and a USB or floppy slot: maintenance ISO and raw task image.
    CdUsb,
    /// One optical slot: one ISO composed per job.
    Single,
    /// No slot, but the firmware boots over HTTP.
    UefiHttp,
    /// This machine cannot be provisioned through its BMC.
    None,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TwoCd => "two-cd",
            Self::CdUsb => "cd-usb",
            Self::Single => "single",
            Self::UefiHttp => "uefi-http",
            Self::None => "none",
        })
    }
}

/// What callers need beyond the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Which schemes of image addresses the BMC takes.
    pub schemes: ImageSchemes,
    /// Allowable reset types; empty when the BMC does not list them, which does not mean that
    /// it has none.
    pub reset_types: Vec<String>,
    /// Usable optical slots that were not chosen.
    pub spare_slots: Vec<String>,
    /// Boot targets that may start our medium, best first.
    pub boot_ways: Vec<String>,
    /// Whether the system has `BootProgress`.
    pub boot_progress: bool,
    /// The BMC's words where it shows no slot for want of a licence.
    pub missing_licence: Option<String>,
}

/// Which schemes of image addresses a BMC takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageSchemes {
    /// `http://`.
    pub http: bool,
    /// `https://`.
    pub https: bool,
}

impl Default for ImageSchemes {
    /// Nothing is known to be refused.
    fn default() -> Self {
        Self { http: true, https: true }
    }
}

impl ImageSchemes {
    /// Whether an address of this scheme may be tried.
    pub fn takes(self, scheme: &str) -> bool {
        match scheme {
            "http" => self.http,
            "https" => self.https,
            _ => false,
        }
    }

    /// The schemes in words, for messages.
    pub fn in_words(self) -> &'static str {
        match (self.http, self.https) {
            (true, true) => "http and https",
            (true, false) => "http",
            (false, true) => "https",
            (false, false) => "neither http nor https",
        }
    }
}
