// SPDX-License-Identifier: AGPL-3.0-or-later
//! Licences that images from a URL need, told in the plan and not by a refusal.
//!
//! # Caveats
//! Names of licences change with every generation, so that a missing one is a warning only. A
//! BMC that says nothing about licences is believed to have what it needs.

use serde_json::Value;

use super::slots::RawSlot;
use super::walk::Walk;
use crate::contract::error::Error;
use crate::model::json;
use crate::rules::Rule;

/// Licences with which XCC, XCC2 and XCC3 take images from a URL.
const XCC: [&str; 3] = ["enterprise", "platinum", "premier"];

/// What HPE's manager calls its licence.
pub(crate) fn of_ilo(manager: &Value) -> Option<String> {
    let oem = json::object(manager, "Oem");
    ["Hpe", "Hp"]
        .into_iter()
        .find_map(|maker| json::text(json::object(json::object(oem, maker), "License"), "LicenseString"))
}

/// What is missing, in a sentence; none when nothing is, or nobody says.
pub(crate) async fn missing(
    walk: &mut Walk<'_>,
    root: &Value,
    ilo: Option<&str>,
    slots: &[RawSlot],
) -> Result<Option<String>, Error> {
    if let Some(licence) = ilo.filter(|_| walk.rules().has(Rule::IloNeedsAnAdvancedLicence))
        && !licence.to_ascii_lowercase().contains("advanced")
    {
        let licence: String = licence.chars().filter(|c| !c.is_control()).take(40).collect();
        return Ok(Some(format!("the bmc's licence is {licence}: images from a url need iLO Advanced")));
    }
    let is_xcc = slots.iter().any(|slot| slot.media.id.starts_with("EXT"));
    if !is_xcc || !walk.rules().has(Rule::XccNeedsAnEnterpriseLicence) {
        return Ok(None);
    }
    let Some(service) = json::link(root, "LicenseService") else {
        return Ok(None);
    };
    let Some(service) = walk.read_quietly(&service).await? else {
        return Ok(None);
    };
    let Some(licences) = json::link(&service, "Licenses") else {
        return Ok(None);
    };
    let (licences, page) = walk.pages(&licences).await?;
    let suffices = licences.iter().any(|licence| {
        let words =
            ["Id", "Name", "Description"].map(|key| json::text(&licence.value, key).unwrap_or_default());
        XCC.iter().any(|name| words.join(" ").to_ascii_lowercase().contains(name))
    });
    let is_known = page.is_some_and(|page| json::links(&page, "Members").len() == licences.len());
    Ok((is_known && !suffices).then(|| {
        "no XCC Enterprise, Platinum or Premier licence is listed: images from a url need one".to_owned()
    }))
}
