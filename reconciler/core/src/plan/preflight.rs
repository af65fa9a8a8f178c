// SPDX-License-Identifier: AGPL-3.0-or-later
//! How media would come to a machine that is to be installed, and what would not work: told before
//! anybody agrees to anything. As its BMC was last seen; enters no digest.

use shoal_schema::plan::{Hold, HoldCode, Preflight};
use shoal_schema::status::BmcFacts;

use crate::desired::Desired;

/// The rungs of the media ladder that a job can use.
const USABLE_RUNGS: [&str; 4] = ["two-cd", "cd-usb", "single", OVER_HTTP];
/// The rung of a machine without slots, whose firmware fetches the medium itself.
const OVER_HTTP: &str = "uefi-http";

/// What is known of the way. Nothing where the BMC never answered.
pub(super) fn of(bmc: &BmcFacts) -> Option<Preflight> {
    Some(Preflight {
        rung: bmc.rung.clone()?,
        scheme: bmc.scheme.clone(),
        boots_by: bmc.boots_by.clone(),
        warnings: bmc.warnings.clone(),
    })
}

/// What people should know beyond that.
pub(super) fn note(preflight: &Preflight) -> Option<String> {
    (preflight.rung == OVER_HTTP).then(|| {
        format!(
            "the BMC has no virtual media: the firmware fetches the medium itself over its own network ({OVER_HTTP})"
        )
    })
}

/// What would stop an install, each with what to do.
pub(super) fn obstacles(desired: &Desired, bmc: &BmcFacts) -> Vec<Hold> {
    let hold = |message: String, hint: String| Hold { code: HoldCode::NoRoute, message, hint: Some(hint) };
    let found: Vec<Hold> =
        bmc.obstacles.iter().map(|obstacle| hold(obstacle.message.clone(), obstacle.hint.clone())).collect();
    if !found.is_empty() {
        return found;
    }
    let Some(rung) = bmc.rung.as_deref().filter(|rung| !USABLE_RUNGS.contains(rung)) else {
        return Vec::new();
    };
    let message = if rung == "none" {
        "the BMC offers no way to bring media to this machine".to_owned()
    } else {
        format!("the BMC offers only {rung}, which this version cannot use")
    };
    vec![hold(message, format!("'shoal bmc check {}' shows what the BMC offers", desired.name))]
}

/// The way of the media on one line, for people.
pub fn line(preflight: Option<&Preflight>) -> String {
    let Some(preflight) = preflight else {
        return "not known: the BMC was not looked at yet".to_owned();
    };
    let way = match preflight.rung.as_str() {
        "two-cd" => "in two optical slots",
        "cd-usb" => "in an optical slot and a USB or floppy slot",
        "single" => "as one image in one optical slot",
        OVER_HTTP => "fetched by the firmware",
        _ => "no way",
    };
    let mut line = format!("{way} ({})", preflight.rung);
    if let Some(scheme) = &preflight.scheme {
        line.push_str(" over ");
        line.push_str(scheme);
    }
    if let Some(target) = &preflight.boots_by {
        line.push_str(", started as ");
        line.push_str(target);
    }
    line
}
