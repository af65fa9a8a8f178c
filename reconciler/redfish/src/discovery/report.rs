// SPDX-License-Identifier: AGPL-3.0-or-later
//! The findings as a report, with what an operator should know.

use super::boot::BootPlace;
use super::ladder::Picked;
use super::layout::Reset;
use super::managers::Manager;
use super::slots::Slot;
use crate::contract::discovered::{BootFacts, Discovered, Facts, ImageSchemes, MediaFacts, Rung};
use crate::contract::endpoint::{BmcEndpoint, TlsTrust};
use crate::contract::warning::{About, Warning};
use crate::model::action::Parameters;
use crate::model::system::System;
use crate::rules::vendor::Vendor;
use crate::rules::{Rule, Rules};

/// All that was found.
pub(crate) struct Findings<'a> {
    pub(crate) endpoint: &'a BmcEndpoint,
    pub(crate) vendor: &'a Vendor,
    pub(crate) system: &'a System,
    pub(crate) managers: &'a [Manager],
    pub(crate) reset: Option<&'a Reset>,
    pub(crate) boot: &'a BootPlace,
    /// Targets that may start our medium, best first.
    pub(crate) ways: &'a [String],
    pub(crate) slots: &'a [Slot],
    pub(crate) picked: &'a Picked,
    pub(crate) rules: Rules,
    pub(crate) media_enabled: Option<bool>,
    pub(crate) missing_licence: Option<String>,
    /// Why no slot is shown, where that is for want of a licence.
    pub(crate) unlicensed: Option<String>,
    pub(crate) media_are_detached: bool,
    /// Some way for images is there, and takes them from file shares only.
    pub(crate) takes_shares_only: bool,
}

/// Writes the report. `warnings` are those of the walk; more are added.
pub(crate) fn write(found: &Findings<'_>, warnings: &mut Vec<Warning>) -> Discovered {
    let uri = |at: Option<usize>| at.map(|at| found.slots[at].media.uri.clone());
    let schemes = schemes(found);
    warn(found, schemes, warnings);
    Discovered {
        vendor: found.vendor.name().to_owned(),
        model: found.system.model.clone(),
        firmware: found.managers.iter().find_map(|manager| manager.firmware.clone()),
        serial: found.system.serial.clone(),
        sku: found.system.sku.clone(),
        uuid: found.system.uuid.clone(),
        system: found.system.uri.clone(),
        managers: found.managers.iter().map(|manager| manager.uri.clone()).collect(),
        power: found.system.power.to_string(),
        boot: BootFacts {
            resource: found.boot.resource.clone(),
            targets: found.boot.targets.clone(),
            modes: found.boot.modes.clone(),
            chosen: match found.picked.rung {
                Rung::TwoCd | Rung::CdUsb | Rung::Single => found.ways.first().cloned(),
                Rung::UefiHttp => Some("UefiHttp".to_owned()),
                Rung::None => None,
            },
        },
        media: found
            .slots
            .iter()
            .map(|slot| MediaFacts {
                uri: slot.media.uri.clone(),
                kind: slot.media.kinds.label(),
                insert: slot.via,
                inserted: slot.media.inserted,
                image: slot.media.image.clone(),
            })
            .collect(),
        rung: found.picked.rung,
        boot_slot: uri(found.picked.boot),
        task_slot: uri(found.picked.task),
        warnings: std::mem::take(warnings),
        facts: Facts {
            schemes,
            reset_types: found.reset.map(|reset| reset.types.clone()).unwrap_or_default(),
            spare_slots: found.picked.spares.iter().filter_map(|at| uri(Some(*at))).collect(),
            boot_ways: found.ways.to_vec(),
            boot_progress: found.system.has_boot_progress,
            missing_licence: found.unlicensed.clone(),
        },
    }
}

/// What is known to be refused: by a rule, or by the allowable values of the boot slot.
fn schemes(found: &Findings<'_>) -> ImageSchemes {
    // What the BMC itself refuses is nothing to the firmware that fetches the image.
    if found.picked.rung == Rung::UefiHttp {
        return ImageSchemes::default();
    }
    let listed = found.picked.boot.map(|at| schemes_of(&found.slots[at].parameters)).unwrap_or_default();
    ImageSchemes {
        http: listed.http && !found.rules.images_need_https(),
        https: listed.https && !found.rules.has(Rule::FirstXccTakesHttpOnly),
    }
}

/// What the allowable values of `TransferProtocolType` leave; everything where there are none.
pub(crate) fn schemes_of(parameters: &Parameters) -> ImageSchemes {
    let allowed = parameters.allowed("TransferProtocolType");
    let has = |name: &str| allowed.is_empty() || allowed.iter().any(|value| value.eq_ignore_ascii_case(name));
    ImageSchemes { http: has("HTTP"), https: has("HTTPS") }
}

fn warn(found: &Findings<'_>, schemes: ImageSchemes, warnings: &mut Vec<Warning>) {
    let mut say = |about, text: String| warnings.push(Warning::new(about, text));
    if found.endpoint.url.scheme() == "http" {
        say(About::NoTls, "the bmc is spoken to without tls: credentials travel in the clear".to_owned());
    } else if matches!(found.endpoint.tls, TlsTrust::Insecure) {
        say(About::UncheckedCertificate, "the bmc's certificate is not checked".to_owned());
    }
    if found.system.serial.is_none() {
        say(About::NoSerial, "the system has no serial number: use its uuid as identity".to_owned());
    }
    if found.managers.is_empty() {
        say(About::NoManager, "no manager of the system was found".to_owned());
    }
    if found.reset.is_none() {
        say(About::NoReset, "the system has no reset action".to_owned());
    }
    if found.media_are_detached {
        say(
            About::MediaDetached,
            "virtual media are kept from the host: set VirtualMedia.1.Attached to AutoAttach in the idrac"
                .to_owned(),
        );
    }
    if let Some(missing) = &found.missing_licence {
        say(About::Licence, missing.clone());
    }
    if found.media_enabled == Some(false) {
        say(About::MediaDisabled, "virtual media are disabled in the manager's network protocol".to_owned());
    }
    if found.managers.iter().any(|manager| manager.remote_media_are_off) {
        let switch = found.managers.iter().find_map(|manager| manager.remote_media.as_ref());
        if found.slots.is_empty() || switch.is_none() {
            // Before there is a slot nobody agreed to an install, so that nothing is written.
            let by = switch
                .map(|switch| format!(", or POST {{\"RMediaState\": \"Enable\"}} to {}", switch.target));
            say(
                About::RemoteMediaOff,
                format!(
                    "remote media are switched off: enable remote media support in the bmc's settings{}",
                    by.unwrap_or_default()
                ),
            );
        } else {
            say(
                About::RemoteMediaSwitchedOn,
                "remote media are switched off: they are switched on before the first image".to_owned(),
            );
        }
    }
    let without_cd = found.managers.iter().find(|manager| manager.has_no_cd_instance);
    if let Some(manager) = without_cd.filter(|_| found.rules.has(Rule::CdInstancesMayBeNone)) {
        let action = manager.configure_cds.as_deref().unwrap_or("the manager's action ConfigureCDInstance");
        say(
            About::NoCdInstance,
            format!("remote media have no CD: set two of them, or POST {{\"CDInstance\": 2}} to {action}"),
        );
    }
    for slot in found.slots {
        let media = &slot.media;
        if media.is_held_by_a_console() {
            say(About::SlotHeldByConsole, format!("{} is held by a console session", media.uri));
        } else if media.inserted {
            let image = media.image.as_ref().map_or_else(String::new, |image| format!(": {image}"));
            say(About::SlotOccupied, format!("{} already holds an image{image}", media.uri));
        }
    }
    match found.picked.rung {
        Rung::TwoCd | Rung::CdUsb => {}
        Rung::Single => {
            say(
                About::OneImage,
                "one image at a time: maintenance OS and task data are composed into one".to_owned(),
            );
        }
        Rung::UefiHttp => say(About::OverHttp, no_slot(found)),
        Rung::None if found.unlicensed.is_some() => say(About::Licence, no_slot(found)),
        Rung::None => say(About::NoMedia, no_slot(found)),
    }
    if matches!(found.picked.rung, Rung::TwoCd | Rung::CdUsb | Rung::Single) {
        if !(schemes.http && schemes.https) {
            say(About::Schemes, format!("images are taken over {} only", schemes.in_words()));
        }
        let verifies = found.picked.boot.is_some_and(|at| found.slots[at].media.verifies);
        if verifies && !schemes.http && found.rules.has(Rule::SlotsMayVerifyCertificates) {
            say(
                About::MediaCertificate,
                "the bmc checks the certificate of https images: it must trust the one of our media"
                    .to_owned(),
            );
        }
        if found.boot.resource.is_none() {
            say(
                About::NoOverride,
                "the bmc shows no boot override: it cannot be told to start from our medium".to_owned(),
            );
        }
        if found.boot.targets.is_empty() {
            say(About::TargetsNotListed, "the bmc does not list its boot targets: Cd is assumed".to_owned());
        }
        if let Some(mode) = found.boot.mode.as_deref().filter(|mode| *mode != "UEFI") {
            if found.rules.has(Rule::DellChangesTheBootModeByAJob) {
                say(
                    About::WrongBootMode,
                    format!("the boot mode is {mode}: set it to UEFI in the firmware's settings first"),
                );
            } else {
                say(
                    About::BootModeChanged,
                    format!("the boot mode is {mode}: it is set to UEFI for our boot"),
                );
            }
        }
    }
}

fn no_slot(found: &Findings<'_>) -> String {
    if let Some(message) = &found.unlicensed {
        return format!("no slot is shown for want of a licence: {message}");
    }
    let has_a_list = found.managers.iter().any(|manager| manager.mount_list.is_some());
    let what = if found.takes_shares_only {
        "images are taken from file shares only (NFS, SMB, CIFS), and ours are served over http and https: newer \
         firmware may take https"
    } else if found.slots.is_empty() && has_a_list && found.rules.has(Rule::OldXccMountsByAList) {
        "the bmc shows slots only while they are mounted, by a list that is switched off: update the XCC to 2.50 or newer"
    } else if found.slots.is_empty() {
        "the bmc has no virtual media"
    } else if found.ways.is_empty() {
        "no boot target starts from virtual media"
    } else {
        "no slot takes an optical image from a url"
    };
    match found.picked.rung {
        Rung::UefiHttp => format!("{what}: only booting over http is left"),
        _ => format!(
            "{what}, and the firmware does not offer booting over http: this machine cannot be provisioned"
        ),
    }
}
