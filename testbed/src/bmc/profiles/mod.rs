// SPDX-License-Identifier: AGPL-3.0-or-later
//! Models of BMCs: one file each, over shared resources.
//!
//! A [`Profile`] is data: ids, versions, slots, allowable values, habits and times. What data cannot say is said by
//! two functions of the profile: `decorate` adds a model's own properties to a shared resource, and
//! `refuse` words an error as that vendor does. Nothing else in this crate knows a vendor.
//!
//! Adding a model is a new file here and a line in [`ALL`].

mod idrac9_6;
mod ilo5;
mod smc_x13_single;

use std::time::Duration;

use serde_json::{Map, Value};

use super::errors::{Refusal, Said};
use super::resources::View;
use super::routes::Resource;

pub use idrac9_6::IDRAC9_6;
pub use ilo5::ILO5;
pub use smc_x13_single::SMC_X13_SINGLE;

/// Every model.
pub static ALL: [&Profile; 3] = [&IDRAC9_6, &ILO5, &SMC_X13_SINGLE];

/// The model of that name.
pub fn by_name(name: &str) -> Option<&'static Profile> {
    ALL.into_iter().find(|profile| profile.name == name)
}

/// A model of a BMC.
pub struct Profile {
    /// Name on the command line.
    pub name: &'static str,
    /// Folder of the recording that it is modelled on.
    pub recording: &'static str,
    /// Value of `RedfishVersion`.
    pub redfish_version: &'static str,
    /// Schema versions.
    pub versions: Versions,
    /// Whether resources carry `@odata.context`.
    pub odata_context: bool,
    /// Entity tags.
    pub etag: EtagStyle,
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
    /// What a successful write without a resource of its own answers.
    pub ack: Ack,
    /// How long things take.
    pub timing: Timing,
    /// Adds this model's own properties to a resource.
    pub(crate) decorate: fn(&Resource, &View<'_>, &mut Map<String, Value>),
    /// Words an error as this model does; `None` leaves it to the shared wording.
    pub(crate) refuse: fn(&Refusal) -> Option<Said>,
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
    /// ActionInfo.
    pub action_info: &'static str,
}

/// How entity tags look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtagStyle {
    /// `"118005423341"`, in the header only.
    Decimal,
    /// `W/"9B9F7D67"`, in header and body.
    WeakHex8,
    /// `"a0a7128477b3552049bdbf0d3286de78"`, in header and body.
    StrongHex32,
}

/// Where the allowable values of an action stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Beside the action's target.
    Inline,
    /// In an ActionInfo resource.
    ActionInfo,
}

/// The system.
pub struct SystemModel {
    /// Id.
    pub id: &'static str,
    /// Manufacturer.
    pub manufacturer: &'static str,
    /// Model.
    pub model: &'static str,
    /// Whether UUIDs are shown in upper case.
    pub upper_case_uuid: bool,
    /// Reset types, in recorded order.
    pub reset_types: &'static [&'static str],
    /// Where they are listed.
    pub reset_listing: Listing,
    /// Ids of the host's interfaces, in recorded order; as many are shown as the machine has MACs.
    pub nic_ids: &'static [&'static str],
    /// Whether `SerialNumber` is the board's, and `SKU` the service tag.
    pub sku_is_service_tag: bool,
    /// Whether PowerState shows PoweringOn and PoweringOff.
    pub shows_transitions: bool,
    /// Whether a power action that changes nothing is refused.
    pub refuses_no_op: bool,
    /// Where the system's VirtualMedia link leads, if it has one.
    pub virtual_media: Option<SlotView>,
}

/// The manager.
pub struct ManagerModel {
    /// Id.
    pub id: &'static str,
    /// Firmware version.
    pub firmware: &'static str,
    /// Model.
    pub model: &'static str,
    /// Reset types.
    pub reset_types: &'static [&'static str],
    /// Types of ResetToDefaults, where the action exists.
    pub defaults: Option<(Listing, &'static [&'static str])>,
    /// Id of the management interface.
    pub nic_id: &'static str,
}

/// The boot override.
pub struct BootModel {
    /// Allowable targets.
    pub targets: &'static [&'static str],
    /// The target that virtual CDs answer to.
    pub cd_target: &'static str,
    /// The target that virtual USB devices answer to.
    pub usb_target: Option<&'static str>,
    /// Target while nothing is overridden.
    pub idle_target: &'static str,
    /// Whether a PATCH of the target without `BootSourceOverrideEnabled` is refused.
    pub needs_enabled: bool,
    /// Whether the mode falls back to Legacy when a PATCH leaves it out.
    pub mode_falls_to_legacy: bool,
    /// Whether changes are refused while the machine is in POST.
    pub refused_in_post: bool,
}

/// Under which resource a slot is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotView {
    /// The system.
    System,
    /// The manager.
    Manager,
}

/// A virtual media slot.
pub struct SlotModel {
    /// Where it is found.
    pub view: SlotView,
    /// Id.
    pub id: &'static str,
    /// Name.
    pub name: &'static str,
    /// Media types, in recorded order.
    pub media_types: &'static [&'static str],
    /// `WriteProtected` while empty.
    pub idle_write_protected: Option<bool>,
}

impl SlotModel {
    /// Whether the slot can be an optical drive.
    pub fn optical(&self) -> bool {
        self.media_types.iter().any(|kind| matches!(*kind, "CD" | "DVD"))
    }

    /// Whether the slot can be a USB stick or floppy.
    pub fn removable(&self) -> bool {
        self.media_types.iter().any(|kind| matches!(*kind, "USBStick" | "Floppy"))
    }
}

/// How a BMC looks at an image when it is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// HEAD, then one Range GET of so many bytes.
    HeadThenRange(u64),
    /// Range GETs of `block` bytes, one after the other, up to `limit` bytes or the end.
    RangeLoop {
        /// Bytes of one request.
        block: u64,
        /// Bytes in all.
        limit: u64,
    },
    /// One Range GET of so many bytes.
    Range(u64),
}

/// Virtual media habits.
pub struct MediaModel {
    /// Order of the members of the manager's collection, where it is not the order of [`Profile::slots`].
    pub manager_order: Option<&'static [&'static str]>,
    /// Parameters that InsertMedia knows.
    pub insert_parameters: &'static [&'static str],
    /// Where InsertMedia lists them.
    pub insert_listing: Listing,
    /// Endings that an image must have.
    pub extensions: Option<&'static [&'static str]>,
    /// Whether `?` and `=` in the URL are refused.
    pub plain_urls_only: bool,
    /// How an image is looked at.
    pub probe: Probe,
    /// Bytes of a Range request while the machine reads.
    pub read_block: u64,
    /// How many media may be connected at once.
    pub max_connected: usize,
    /// Whether ejecting an empty slot is refused.
    pub refuses_empty_eject: bool,
    /// Whether EjectMedia needs a JSON body.
    pub eject_needs_body: bool,
    /// Whether the EjectMedia action is hidden while the slot is empty.
    pub eject_hidden_when_empty: bool,
    /// `Image` while empty: an empty string instead of null.
    pub empty_image_is_string: bool,
    /// OEM actions that do the same: name, and the segments between `Actions` and the name.
    pub oem_actions: Option<OemMediaActions>,
}

/// OEM twins of InsertMedia and EjectMedia.
pub struct OemMediaActions {
    /// Key under `Oem`.
    pub vendor: &'static str,
    /// Name of the insert action, without `#`.
    pub insert: &'static str,
    /// Name of the eject action, without `#`.
    pub eject: &'static str,
}

/// How session ids look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionIds {
    /// Counted from here.
    Counter(u64),
    /// User name and hex digits.
    UserHex,
}

/// Sessions.
pub struct SessionModel {
    /// How many at once.
    pub max: usize,
    /// When an idle one ends.
    pub timeout: Duration,
    /// What `SessionTimeout` claims.
    pub shown_timeout: u64,
    /// Ids.
    pub ids: SessionIds,
    /// Whether `Location` is a full URL.
    pub absolute_location: bool,
    /// Whether the collection lists the newest first.
    pub newest_first: bool,
}

/// Error bodies.
pub struct ErrorModel {
    /// Prefix of standard message ids.
    pub base: &'static str,
    /// Prefix of the vendor's message ids.
    pub oem: &'static str,
    /// `error.code`.
    pub code: &'static str,
    /// `error.message`.
    pub message: &'static str,
    /// Whether messages carry their text, or only id and arguments.
    pub with_text: bool,
}

/// What a successful write without a resource of its own answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// 204.
    NoContent,
    /// 200 with a Success message.
    Message,
}

/// How long things take on a real one; a farm scales all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From `On` to PowerState On.
    pub power_on: Duration,
    /// From PowerState On to the boot device.
    pub post: Duration,
    /// From `ForceOff` to PowerState Off.
    pub power_off: Duration,
    /// From a graceful request to the button press that the system sees.
    pub graceful: Duration,
    /// Mounting an image, beside the fetching.
    pub insert: Duration,
    /// How long an ejected image is still reported.
    pub stale_after_eject: Duration,
    /// How long the BMC is away when it restarts.
    pub manager_restart: Duration,
}
