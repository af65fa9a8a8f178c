// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which rules of one maker are on: decided once, from what discovery saw.
//!
//! The only place that asks who made a machine. Makers are told apart by what a BMC shows and
//! not by its version, wherever that is possible: iDRAC10 began again at 1.x.

use super::vendor::Vendor;
use super::{Rule, Rules};

/// What discovery saw before any decision.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) vendor: Vendor,
    /// `Model` of the system.
    pub(crate) model: String,
    /// The manager calls itself OpenBMC, whoever built the machine.
    pub(crate) is_openbmc: bool,
    /// The system itself has virtual media, not only its manager.
    pub(crate) has_system_view: bool,
    /// Ids of the slots of the preferred view.
    pub(crate) slot_ids: Vec<String>,
}

/// Models of Supermicro's whose virtual CD is `Cd` all the same (sushy `system.py`).
const PLAIN_CD_MODELS: [&str; 1] = ["ars-111gl-nhr"];

/// All rules of this BMC.
pub(crate) fn decide(seen: &Seen) -> Rules {
    let mut rules = Rules::general();
    let mut on = |rule: Rule, when: bool| {
        if when {
            rules = rules.with(rule);
        }
    };
    if seen.is_openbmc {
        on(Rule::OpenBmcTakesHttpsOnly, true);
        on(Rule::OpenBmcSlotsAreHonest, true);
    }
    match seen.vendor {
        Vendor::Ami | Vendor::AsrockRack | Vendor::Gigabyte => on(Rule::AmiWantsTheWholeOverride, true),
        Vendor::Dell => {
            on(Rule::OldIdracFailsTheSecondImage, !seen.has_system_view);
            on(Rule::OldIdracBootsItsPhysicalDrive, !seen.has_system_view);
            on(Rule::DellChangesTheBootModeByAJob, true);
        }
        Vendor::Fujitsu => {
            on(Rule::FujitsuTakesHttpsOnly, true);
            on(Rule::FujitsuBootsByItsOwnConfiguration, true);
        }
        Vendor::H3c => on(Rule::H3cTakesFileSharesOnly, true),
        Vendor::Huawei => on(Rule::HuaweiTakesNoHttp, true),
        Vendor::Lenovo => {
            let is_xcc = seen.slot_ids.iter().any(|id| id.starts_with("EXT"));
            on(Rule::XccTakesPatchUnsaid, is_xcc);
            on(Rule::XccTakesAddressesInExtSlotsOnly, is_xcc);
            on(Rule::FirstXccTakesHttpOnly, is_xcc && !seen.has_system_view);
        }
        Vendor::Nvidia => {
            on(Rule::GraceHopperBootsOverHttpUnlisted, seen.model.to_ascii_lowercase().contains("gh200"));
        }
        Vendor::Supermicro if !seen.is_openbmc => {
            let model = seen.model.to_ascii_lowercase();
            on(Rule::SupermicroBootsUsbCd, !PLAIN_CD_MODELS.iter().any(|plain| model.contains(plain)));
            on(Rule::SupermicroForgetsTheMode, true);
            on(Rule::SupermicroTakesTheImageAlone, true);
            on(Rule::SupermicroTakesNoQuery, true);
            on(
                Rule::OldSupermicroHasOneImage,
                !seen.slot_ids.iter().all(|id| id.starts_with("VirtualMedia")),
            );
        }
        Vendor::Xfusion => on(Rule::XfusionTakesHttpsOnly, true),
        _ => {}
    }
    rules
}

/// Whether the SKU of a system is a serial number. Asked before a system is chosen.
pub(crate) fn service_tag_is_the_sku(rules: Rules, vendor: &Vendor) -> bool {
    rules.has(Rule::ServiceTagIsTheSkuOnDell) && *vendor == Vendor::Dell
}
