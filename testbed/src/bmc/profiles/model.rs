// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a model has: system, manager, boot override, slots.

use std::time::Duration;

use serde_json::Value;

use crate::bmc::resources::View;

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
    /// Ids of the host's interfaces, in recorded order; as many are shown as the machine has MACs. Without any, the
    /// system has no link to them.
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
    /// Where they are listed.
    pub reset_listing: Listing,
    /// Types of ResetToDefaults, where the action exists.
    pub defaults: Option<(Listing, &'static [&'static str])>,
    /// Id of the management interface.
    pub nic_id: &'static str,
}

/// The boot override.
pub struct BootModel {
    /// Allowable targets.
    pub targets: &'static [&'static str],
    /// The target that virtual CDs answer to, where there is virtual media.
    pub cd_target: Option<&'static str>,
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
    /// What `BootSourceOverrideEnabled` takes, and whether the list is shown.
    pub enabled: (&'static [&'static str], bool),
    /// What `BootSourceOverrideMode` takes; empty where there is no such property.
    pub modes: &'static [&'static str],
    /// Whether the system lists the targets.
    pub lists_targets: bool,
    /// A resource of settings beside the system.
    pub settings: Option<SettingsModel>,
    /// The maker's own way to start from virtual media.
    pub own: OwnBoot,
}

/// A maker's own way to start from virtual media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnBoot {
    /// There is none.
    None,
    /// A resource below the system takes the override, and the system only shows it.
    Config {
        /// Key under `Oem`.
        vendor: &'static str,
    },
    /// An import of configuration into the manager names the virtual CD, and it shows in the manager's attributes.
    Import {
        /// Name of the action, without `#`.
        action: &'static str,
        /// How long its task can be read after its end.
        kept: Duration,
    },
}

impl BootModel {
    /// The polite one, for a model to differ from.
    pub(super) const PLAIN: Self = Self {
        targets: &[],
        cd_target: Some("Cd"),
        usb_target: None,
        idle_target: "None",
        needs_enabled: false,
        mode_falls_to_legacy: false,
        refused_in_post: false,
        enabled: (&["Disabled", "Once", "Continuous"], false),
        modes: &["UEFI", "Legacy"],
        lists_targets: true,
        settings: None,
        own: OwnBoot::None,
    };
}

/// What hangs below the system and is to be at the next start (`@Redfish.Settings`).
pub struct SettingsModel {
    /// Last segment of its path.
    pub segment: &'static str,
    /// Id.
    pub id: &'static str,
    /// Name.
    pub name: &'static str,
    /// Its `@odata.type` version where it is not the system's.
    pub version: &'static str,
    /// Version of the Settings schema in the system's link.
    pub link_version: &'static str,
    /// Its part in boot overrides.
    pub boot: SettingsBoot,
}

/// Which resource takes boot overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsBoot {
    /// The system; the settings have none.
    Never,
    /// The system and the settings.
    Also,
    /// The settings; for the system they are read-only.
    Only {
        /// Whether the system shows an override that waits.
        shown_by_system: bool,
    },
}

/// A read-only resource beyond the shared ones.
pub struct Extra {
    /// Path.
    pub path: &'static str,
    /// The collection that lists it.
    pub member_of: Option<MemberOf>,
    /// Its body without `@odata.id`; none for a member that is listed and not there.
    pub(crate) body: Option<fn(&View<'_>) -> Value>,
}

impl Extra {
    /// Whether it is listed and not there.
    pub fn is_missing(&self) -> bool {
        self.body.is_none()
    }
}

/// Collections that list more than the one resource of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberOf {
    /// Systems.
    Systems,
    /// Managers.
    Managers,
    /// Chassis.
    Chassis,
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
    /// What can be put into it over Redfish.
    pub takes: Takes,
    /// Whether the same device is found under the other resource too.
    pub both_views: bool,
    /// Whether firmware boots from it.
    pub boots: bool,
}

/// What can be put into a slot over Redfish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// The address of an image.
    Address,
    /// Nothing: it is for uploads or the console. It has no actions, and a PATCH is refused.
    Nothing,
}

impl SlotModel {
    /// The polite one, for a model to differ from.
    pub(super) const PLAIN: Self = Self {
        view: SlotView::Manager,
        id: "",
        name: "",
        media_types: &[],
        idle_write_protected: None,
        takes: Takes::Address,
        both_views: false,
        boots: true,
    };

    /// Whether it is found under `view`.
    pub(crate) fn is_in(&self, view: SlotView) -> bool {
        self.both_views || self.view == view
    }

    /// Whether the slot can be an optical drive.
    pub fn optical(&self) -> bool {
        self.media_types.iter().any(|kind| matches!(*kind, "CD" | "DVD"))
    }

    /// Whether the slot can be a USB stick or floppy.
    pub fn removable(&self) -> bool {
        self.media_types.iter().any(|kind| matches!(*kind, "USBStick" | "Floppy"))
    }
}
