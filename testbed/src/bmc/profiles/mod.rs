// SPDX-License-Identifier: AGPL-3.0-or-later
//! Models of BMCs: one file each, over shared resources.
//!
//! A [`Profile`] is data: ids, versions, slots, allowable values, habits and times. What data cannot say is said by
//! two functions of the profile: `decorate` adds a model's own properties to a shared resource, and
//! `refuse` words an error as that vendor does. Nothing else in this crate knows a vendor.
//!
//! Adding a model is a new file here and a line in [`ALL`]. Each file tells what its model is taken from.
//!
//! | model | what it is for | taken from |
//! |---|---|---|
//! | `idrac9-6` | two views of media, two CDs, stale `Inserted` | recording |
//! | `idrac10` | override in Settings alone, slot 2 boots nothing, 409 after off, malformed tags | reports |
//! | `ilo5` | one CD and one USB slot, POST, 415, media that go at the second reset | recording, registry |
//! | `xcc` | media by PATCH with `If-Match`, slots that take nothing | recording, vendor's scripts |
//! | `smc-x12` | the image alone, `Cd` boots nothing, names that stay | reports |
//! | `smc-x13-single` | one slot, ActionInfo, no eject action while empty | recording |
//! | `openbmc-gb200` | two systems, HTTPS alone, a slot without an action | recording, bmcweb |
//! | `ami-dgx` | override in `/SD` alone with `If-Match`, a user for images, members that are none | public recording, reports |
//! | `ibmc-xfusion` | tasks, required protocol, address without port | published captures |
//! | `ilo4` | media by the actions of `Oem.Hp` or a PATCH of `Image`, no boot mode | vendor's examples, reports |
//! | `ibmc-v5` | media by `VmmControl`, which fails at random, logins with a domain | field notes |
//! | `smc-x10` | media by configuration, a CD that is there only while it is mounted | published fixtures, scripts |
//! | `xcc-18d` | images on a list that is mounted, slots that are there only while they are full | vendor's scripts, notes |
//! | `xcc3` | a PATCH that answers 202 and a task | vendor's documentation and scripts |
//! | `irmc-s5` | the boot override in a resource of its own, `If-Match` | vendor's provider and samples |
//! | `idrac9-5` | boot from the virtual CD by an import, one image at a time | vendor's scripts, sushy-oem-idrac |
//! | `bluefield` | no media, UEFI HTTP boot | public recording |
//! | `hostile` | an iDRAC9 with every fault at once | reports, as data in `hostile.yaml` |

mod ami_dgx;
mod bluefield;
mod habits;
mod hostile;
mod ibmc_v5;
mod ibmc_xfusion;
mod idrac10;
mod idrac9_5;
mod idrac9_6;
mod ilo4;
mod ilo5;
mod irmc_s5;
mod model;
mod openbmc_gb200;
mod smc_x10;
mod smc_x12;
mod smc_x13_single;
mod xcc;
mod xcc3;
mod xcc_18d;

use std::time::Duration;

use serde_json::{Map, Value};

use super::errors::{Refusal, Said};
use super::resources::View;
use super::routes::{Place, Resource};

pub use ami_dgx::AMI_DGX;
pub use bluefield::BLUEFIELD;
pub use habits::{
    Ack, ErrorModel, EtagStyle, InsertRoute, MediaModel, OemMediaActions, Patched, Preconditions, Probe,
    SessionIds, SessionModel, SlotPatch, TaskModel, Timing,
};
pub use hostile::HOSTILE;
pub use ibmc_v5::IBMC_V5;
pub use ibmc_xfusion::IBMC_XFUSION;
pub use idrac9_5::IDRAC9_5;
pub use idrac9_6::IDRAC9_6;
pub use idrac10::IDRAC10;
pub use ilo4::ILO4;
pub use ilo5::ILO5;
pub use irmc_s5::IRMC_S5;
pub use model::{
    BootModel, Extra, Listing, ManagerModel, MemberOf, OwnBoot, SettingsBoot, SettingsModel, SlotModel,
    SlotView, SystemModel, Takes,
};
pub use openbmc_gb200::OPENBMC_GB200;
pub use smc_x10::SMC_X10;
pub use smc_x12::SMC_X12;
pub use smc_x13_single::SMC_X13_SINGLE;
pub use xcc::XCC;
pub use xcc_18d::XCC_18D;
pub use xcc3::XCC3;

/// Every model that keeps to its own rules.
pub static ALL: [&Profile; 17] = [
    &IDRAC9_6,
    &IDRAC10,
    &ILO5,
    &XCC,
    &SMC_X12,
    &SMC_X13_SINGLE,
    &OPENBMC_GB200,
    &AMI_DGX,
    &IBMC_XFUSION,
    &ILO4,
    &IBMC_V5,
    &SMC_X10,
    &XCC_18D,
    &XCC3,
    &IRMC_S5,
    &IDRAC9_5,
    &BLUEFIELD,
];

/// Every model, those too that break their own rules.
pub fn every() -> impl Iterator<Item = &'static Profile> {
    ALL.into_iter().chain([&HOSTILE])
}

/// The model of that name.
pub fn by_name(name: &str) -> Option<&'static Profile> {
    every().find(|profile| profile.name == name)
}

/// A model of a BMC.
pub struct Profile {
    /// Name on the command line.
    pub name: &'static str,
    /// Folder of the recording that it is modelled on; none where it follows reports alone.
    pub recording: Option<&'static str>,
    /// Value of `RedfishVersion`.
    pub redfish_version: &'static str,
    /// Schema versions.
    pub versions: Versions,
    /// Whether resources carry `@odata.context`.
    pub odata_context: bool,
    /// Entity tags.
    pub etag: EtagStyle,
    /// What is asked of `If-Match`.
    pub preconditions: Preconditions,
    /// The system.
    pub system: SystemModel,
    /// The manager.
    pub manager: ManagerModel,
    /// Id of the chassis.
    pub chassis_id: &'static str,
    /// Boot override.
    pub boot: BootModel,
    /// Slots, in the order in which firmware looks at them.
    pub slots: &'static [SlotModel],
    /// Virtual media habits.
    pub media: MediaModel,
    /// Read-only resources beyond the shared ones.
    pub extras: &'static [Extra],
    /// Sessions.
    pub sessions: SessionModel,
    /// Account lockout: failures, and for how long.
    pub lockout: Option<(u32, Duration)>,
    /// Id of the administrator's account.
    pub account_id: &'static str,
    /// Predefined roles.
    pub roles: &'static [&'static str],
    /// Error bodies.
    pub errors: ErrorModel,
    /// What a successful action answers.
    pub ack: Ack,
    /// What a successful PATCH answers.
    pub patched: Patched,
    /// How long things take.
    pub timing: Timing,
    /// Faults that are a part of the model: rules in YAML, or nothing.
    pub faults: &'static str,
    /// Adds this model's own properties to a resource.
    pub(crate) decorate: fn(&Resource, &View<'_>, &mut Map<String, Value>),
    /// Words an error as this model does; `None` leaves it to the shared wording.
    pub(crate) refuse: fn(&Refusal) -> Option<Said>,
}

impl Profile {
    /// Where a slot is found first.
    pub(crate) fn place(&self, slot: usize) -> Place {
        Place { slot, view: self.slots[slot].view }
    }

    /// Redfish path of the resource that takes boot overrides.
    pub fn boot_path(&self) -> String {
        match &self.boot.settings {
            _ if matches!(self.boot.own, OwnBoot::Config { .. }) => Resource::BootConfig.path(self),
            Some(SettingsModel { boot: SettingsBoot::Only { .. }, .. }) => {
                Resource::SystemSettings.path(self)
            }
            _ => Resource::System.path(self),
        }
    }
}

/// Schema versions, as in `v1_10_0`.
pub struct Versions {
    /// ServiceRoot.
    pub service_root: &'static str,
    /// ComputerSystem.
    pub computer_system: &'static str,
    /// Manager.
    pub manager: &'static str,
    /// Chassis.
    pub chassis: &'static str,
    /// VirtualMedia.
    pub virtual_media: &'static str,
    /// EthernetInterface.
    pub ethernet_interface: &'static str,
    /// SessionService.
    pub session_service: &'static str,
    /// Session.
    pub session: &'static str,
    /// AccountService.
    pub account_service: &'static str,
    /// ManagerAccount.
    pub manager_account: &'static str,
    /// Role.
    pub role: &'static str,
    /// TaskService.
    pub task_service: &'static str,
    /// Task.
    pub task: &'static str,
    /// ActionInfo.
    pub action_info: &'static str,
}
