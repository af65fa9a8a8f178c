// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a steady sweep reads: power, boot override and our slots.

use std::fmt;

use serde::Serialize;

use super::image::MediaUrl;

/// One look at a BMC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BmcState {
    /// Power of the system.
    pub power: PowerState,
    /// The boot override as the chosen boot resource shows it.
    pub boot: BootOverride,
    /// The chosen slots, boot slot first.
    pub slots: Vec<SlotState>,
    /// `BootProgress.LastState`, where the BMC has it.
    pub boot_progress: Option<String>,
}

/// Power of a system. `PoweringOn` and `PoweringOff` are not settled: keep reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum PowerState {
    /// On. Arrives minutes before the firmware reads the boot override.
    On,
    /// Off.
    Off,
    /// On its way up.
    PoweringOn,
    /// On its way down.
    PoweringOff,
    /// Suspended.
    Paused,
    /// Not said, or said in a word that is not known.
    Unknown,
}

impl PowerState {
    /// Reads the property's value; whatever is not known is `Unknown`.
    pub fn parse(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "on" => Self::On,
            "off" => Self::Off,
            "poweringon" => Self::PoweringOn,
            "poweringoff" => Self::PoweringOff,
            "paused" => Self::Paused,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "On",
            Self::Off => "Off",
            Self::PoweringOn => "PoweringOn",
            Self::PoweringOff => "PoweringOff",
            Self::Paused => "Paused",
            Self::Unknown => "Unknown",
        })
    }
}

/// The boot override. `None` means that the BMC does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct BootOverride {
    /// `BootSourceOverrideEnabled`: `Disabled`, `Once`, `Continuous`.
    pub enabled: Option<String>,
    /// `BootSourceOverrideTarget`: `None`, `Cd`, `UsbCd`, ... `None` also where the disk for good stands for it.
    pub target: Option<String>,
    /// `BootSourceOverrideMode`: `UEFI`, `Legacy`.
    pub mode: Option<String>,
    /// `HttpBootUri`: what is fetched where the target is `UefiHttp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_image: Option<MediaUrl>,
}

impl BootOverride {
    /// Whether the next boot takes another way than the usual one.
    pub fn is_active(&self) -> bool {
        let enabled = self.enabled.as_deref();
        let target = self.target.as_deref();
        matches!(enabled, Some("Once" | "Continuous")) && !matches!(target, None | Some("None"))
    }
}

/// One virtual media slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SlotState {
    /// The slot.
    pub uri: String,
    /// Whether something is in it.
    pub inserted: bool,
    /// What is in it. May be stale when `inserted` is false.
    pub image: Option<MediaUrl>,
    /// `ConnectedVia`: `NotConnected`, `URI`, `Applet`, `Oem`.
    pub connected_via: Option<String>,
}
