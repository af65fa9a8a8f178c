// SPDX-License-Identifier: AGPL-3.0-or-later
//! Supermicro X12 (X12STW-TF): an image and nothing else, one CD, and a name that outlives its image.
//!
//! No recording is at hand; the shapes are the recorded X13's where no report says otherwise. Reported, with where:
//!
//! * One slot, `CD1` (badfish #126, "ID: CD1 - Name: Virtual Removable Media").
//! * `Inserted` and `WriteProtected` in an insertion are "not in the list of valid properties for the resource"
//!   (community.general #4839).
//! * `Image` and `ImageName` are not cleared by an eject; `ConnectedVia` `NotConnected` tells (community.general
//!   #6969, #7470, #12537: X12STW-TF and H13SRD-F).
//! * Addresses with `?` or `=` are refused (Ironic's note on the file name parameter).
//! * `Cd` and `UsbCd` are listed, and `Cd` boots nothing (sushy `system.py`); a boot PATCH carries
//!   `BootSourceOverrideEnabled`, and without the mode it falls to Legacy (Ironic stories 2008547, 2008252, 2008712).
//! * Without the licence `SFT-OOB-LIC`, `OemLicenseNotPassed` even on reads (field notes).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    ManagerModel, MediaModel, Profile, SlotModel, SlotView, SystemModel, Timing, Versions, smc_x13_single,
};
use crate::bmc::errors::{Refusal, Said};
use crate::bmc::resources::View;
use crate::bmc::routes::Resource;

/// The one slot, by the name that it also had before.
pub(super) const ONE_CD: &[SlotModel] = &[SlotModel {
    view: SlotView::Manager,
    id: "CD1",
    name: "Virtual Removable Media",
    media_types: &["CD", "DVD"],
    ..SlotModel::PLAIN
}];

/// The model.
pub static SMC_X12: Profile = Profile {
    name: "smc-x12",
    recording: None,
    redfish_version: "1.9.0",
    versions: Versions { virtual_media: "v1_3_0", ..smc_x13_single::MODEL.versions },
    system: SystemModel {
        model: "SYS-510T-MR",
        nic_ids: &["1", "2", "ToManager"],
        virtual_media: None,
        ..smc_x13_single::MODEL.system
    },
    manager: ManagerModel { firmware: "01.01.19", ..smc_x13_single::MODEL.manager },
    slots: ONE_CD,
    media: MediaModel {
        insert_parameters: &["Image", "UserName", "Password", "TransferProtocolType", "TransferMethod"],
        keeps_image_name: true,
        eject_hidden_when_empty: false,
        refuses_empty_eject: false,
        ..smc_x13_single::MODEL.media
    },
    timing: Timing { insert: Duration::from_secs(5), ..smc_x13_single::MODEL.timing },
    decorate,
    refuse,
    ..smc_x13_single::MODEL
};

fn decorate(resource: &Resource, view: &View<'_>, map: &mut Map<String, Value>) {
    match resource {
        // The USB link to the BMC stands at another index here.
        Resource::SystemNic(index) => {
            if SMC_X12.system.nic_ids[*index] == "ToManager" {
                map.remove("LinkStatus");
            }
        }
        Resource::System => {
            (smc_x13_single::MODEL.decorate)(resource, view, map);
            map.insert("BiosVersion".into(), json!("1.6"));
            map.remove("VirtualMediaConfig");
        }
        Resource::Slot(_) => {
            map.insert("UserName".into(), Value::Null);
            map.insert("Password".into(), Value::Null);
        }
        _ => (smc_x13_single::MODEL.decorate)(resource, view, map),
    }
}

pub(super) fn refuse(refusal: &Refusal) -> Option<Said> {
    match refusal {
        Refusal::ParameterUnknown { name, .. } => Some(
            Said::base(
                400,
                "PropertyUnknown",
                "The property %1 is not in the list of valid properties for the resource.",
                "Remove the unknown property from the request body and resubmit the request if the operation failed.",
            )
            .with_args([name]),
        ),
        Refusal::Unlicensed => Some(Said::oem(
            403,
            "OemLicenseNotPassed",
            "Not licensed to perform this request. The following licenses SFT-OOB-LIC or SFT-DCMS-SINGLE were needed.",
            "Activate the licence and resubmit the request.",
        )),
        _ => None,
    }
}
