// SPDX-License-Identifier: AGPL-3.0-or-later
//! Paths to resources and back.
//!
//! [`Resource`] names everything that a BMC serves; [`Resource::find`] reads a path for a profile, [`Resource::path`]
//! writes it. Paths are case-sensitive; one trailing slash is forgiven.

use super::profiles::{
    InsertRoute, Listing, MemberOf, OwnBoot, Profile, SettingsModel, SlotPatch, SlotView, Takes,
};

/// Last segment of the path where the address of an image is configured.
const CONFIG: &str = "CfgCD";

/// A slot, and the resource under which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index into the profile.
    pub(crate) slot: usize,
    /// Where.
    pub(crate) view: SlotView,
}

/// A resource or an action's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/redfish`.
    Versions,
    /// `/redfish/v1`.
    Root,
    /// `/redfish/v1/odata`.
    OData,
    /// `/redfish/v1/$metadata`.
    Metadata,
    /// Collection of systems.
    Systems,
    /// The system.
    System,
    /// The settings of the system.
    SystemSettings,
    /// ActionInfo of ComputerSystem.Reset.
    ResetActionInfo,
    /// Host interfaces.
    SystemNics,
    /// A host interface, by index.
    SystemNic(usize),
    /// Collection of managers.
    Managers,
    /// The manager.
    Manager,
    /// ActionInfo of Manager.Reset.
    ManagerResetActionInfo,
    /// ActionInfo of Manager.ResetToDefaults.
    DefaultsActionInfo,
    /// Management interfaces.
    ManagerNics,
    /// The management interface.
    ManagerNic,
    /// Virtual media of one view.
    Media(SlotView),
    /// A slot.
    Slot(Place),
    /// ActionInfo of InsertMedia.
    InsertActionInfo(Place),
    /// Where the address of an image is configured before it is mounted.
    IsoConfig,
    /// The service that mounts a list of images.
    RemoteMap,
    /// That list.
    MountImages,
    /// An image on it, by number.
    MountImage(u64),
    /// The maker's own resource for boot overrides.
    BootConfig,
    /// Attributes of the manager.
    Attributes,
    /// Collection of chassis.
    ChassisCollection,
    /// The chassis.
    Chassis,
    /// SessionService.
    SessionService,
    /// Sessions. `members` tells whether the path was `.../Sessions/Members`.
    Sessions,
    /// The member list as a target of POST.
    SessionsMembers,
    /// A session, by id.
    Session(String),
    /// AccountService.
    AccountService,
    /// Accounts.
    Accounts,
    /// The account.
    Account,
    /// Roles.
    Roles,
    /// A role, by index into the profile.
    Role(usize),
    /// TaskService.
    TaskService,
    /// Tasks.
    Tasks,
    /// A task, by number.
    Task(u64),
    /// Its monitor.
    TaskMonitor(u64),
    /// A resource beyond the shared ones, by index into the profile.
    Extra(usize),
    /// The target of an action.
    Action(Action),
}

/// What can be POSTed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// ComputerSystem.Reset.
    SystemReset,
    /// Manager.Reset.
    ManagerReset,
    /// Manager.ResetToDefaults.
    ManagerDefaults,
    /// VirtualMedia.InsertMedia, or its OEM twin.
    Insert {
        /// The slot.
        place: Place,
        /// Whether it is the OEM twin.
        oem: bool,
    },
    /// VirtualMedia.EjectMedia, or its OEM twin.
    Eject {
        /// The slot.
        place: Place,
        /// Whether it is the OEM twin.
        oem: bool,
    },
    /// VirtualMedia.VmmControl, which connects and disconnects.
    Control {
        /// The slot.
        place: Place,
    },
    /// IsoConfig.Mount.
    Mount,
    /// IsoConfig.UnMount.
    Unmount,
    /// LenovoRemoteMapService.Mount.
    MountList,
    /// LenovoRemoteMapService.UMount.
    UnmountList,
    /// Import of configuration into the manager.
    Import,
}

impl Resource {
    /// The resource at `path` (without query), if the profile has one.
    pub(crate) fn find(profile: &Profile, path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.strip_prefix("/redfish")?.split('/').skip(1);
        match segments.next() {
            None => return path.eq("/redfish").then_some(Self::Versions),
            Some("v1") => {}
            Some(_) => return None,
        }
        let rest: Vec<&str> = segments.collect();
        let shared = match rest.as_slice() {
            [] => Some(Self::Root),
            ["odata"] => Some(Self::OData),
            ["$metadata"] => Some(Self::Metadata),
            ["Systems"] => Some(Self::Systems),
            ["Systems", id, rest @ ..] if *id == profile.system.id => Self::under_system(profile, rest),
            ["Managers"] => Some(Self::Managers),
            ["Managers", id, rest @ ..] if *id == profile.manager.id => Self::under_manager(profile, rest),
            ["Chassis"] => Some(Self::ChassisCollection),
            ["Chassis", id] if *id == profile.chassis_id => Some(Self::Chassis),
            ["SessionService"] => Some(Self::SessionService),
            ["SessionService", "Sessions"] => Some(Self::Sessions),
            ["SessionService", "Sessions", "Members"] => Some(Self::SessionsMembers),
            ["SessionService", "Sessions", id] => Some(Self::Session((*id).to_owned())),
            ["AccountService"] => Some(Self::AccountService),
            ["AccountService", "Accounts"] => Some(Self::Accounts),
            ["AccountService", "Accounts", id] if *id == profile.account_id => Some(Self::Account),
            ["AccountService", "Roles"] => Some(Self::Roles),
            ["AccountService", "Roles", id] => position(profile.roles, id).map(Self::Role),
            ["TaskService"] => Some(Self::TaskService),
            ["TaskService", "Tasks"] => Some(Self::Tasks),
            ["TaskService", "Tasks", id] => number(id).map(Self::Task),
            ["TaskService", "Tasks", id, "Monitor"] => number(id).map(Self::TaskMonitor),
            _ => None,
        };
        shared.or_else(|| profile.extras.iter().position(|extra| extra.path == path).map(Self::Extra))
    }

    fn under_system(profile: &Profile, rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::System),
            [segment] if settings(profile).is_some_and(|settings| settings.segment == *segment) => {
                Some(Self::SystemSettings)
            }
            ["Actions", "ComputerSystem.Reset"] => Some(Self::Action(Action::SystemReset)),
            ["ResetActionInfo"] if profile.system.reset_listing == Listing::ActionInfo => {
                Some(Self::ResetActionInfo)
            }
            ["EthernetInterfaces"] if !profile.system.nic_ids.is_empty() => Some(Self::SystemNics),
            ["EthernetInterfaces", id] => position(profile.system.nic_ids, id).map(Self::SystemNic),
            ["Oem", vendor, "BootConfig"] => {
                matches!(profile.boot.own, OwnBoot::Config { vendor: own } if own == *vendor)
                    .then_some(Self::BootConfig)
            }
            [segment, rest @ ..] if *segment == profile.media.segment => {
                Self::under_media(profile, SlotView::System, rest)
            }
            _ => None,
        }
    }

    fn under_manager(profile: &Profile, rest: &[&str]) -> Option<Self> {
        let defaults = profile.manager.defaults.as_ref();
        match rest {
            [] => Some(Self::Manager),
            ["Actions", "Manager.Reset"] => Some(Self::Action(Action::ManagerReset)),
            ["Actions", "Manager.ResetToDefaults"] if defaults.is_some() => {
                Some(Self::Action(Action::ManagerDefaults))
            }
            ["ResetActionInfo"] if profile.manager.reset_listing == Listing::ActionInfo => {
                Some(Self::ManagerResetActionInfo)
            }
            ["ResetToDefaultsActionInfo"] => defaults
                .is_some_and(|(listing, _)| *listing == Listing::ActionInfo)
                .then_some(Self::DefaultsActionInfo),
            ["EthernetInterfaces"] => Some(Self::ManagerNics),
            ["EthernetInterfaces", id] if *id == profile.manager.nic_id => Some(Self::ManagerNic),
            ["Actions", "Oem", name] => match profile.boot.own {
                OwnBoot::Import { action, .. } if action == *name => Some(Self::Action(Action::Import)),
                _ => None,
            },
            ["Oem", "Lenovo", "RemoteMap", rest @ ..] if profile.media.route == InsertRoute::Listed => {
                Self::under_remote_map(rest)
            }
            ["Oem", "Dell", "DellAttributes", id] if *id == profile.manager.id => {
                matches!(profile.boot.own, OwnBoot::Import { .. }).then_some(Self::Attributes)
            }
            [segment, rest @ ..] if *segment == profile.media.segment => {
                Self::under_media(profile, SlotView::Manager, rest)
            }
            _ => None,
        }
    }

    fn under_remote_map(rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::RemoteMap),
            ["MountImages"] => Some(Self::MountImages),
            ["MountImages", id] => number(id).map(Self::MountImage),
            ["Actions", "LenovoRemoteMapService.Mount"] => Some(Self::Action(Action::MountList)),
            ["Actions", "LenovoRemoteMapService.UMount"] => Some(Self::Action(Action::UnmountList)),
            _ => None,
        }
    }

    fn under_media(profile: &Profile, view: SlotView, rest: &[&str]) -> Option<Self> {
        if !profile.slots.iter().any(|slot| slot.is_in(view)) {
            return None;
        }
        let [id, rest @ ..] = rest else { return Some(Self::Media(view)) };
        if profile.media.route == InsertRoute::Configured && *id == CONFIG {
            return match rest {
                [] => Some(Self::IsoConfig),
                ["Actions", "IsoConfig.Mount"] => Some(Self::Action(Action::Mount)),
                ["Actions", "IsoConfig.UnMount"] => Some(Self::Action(Action::Unmount)),
                _ => None,
            };
        }
        let slot = profile.slots.iter().position(|slot| slot.is_in(view) && slot.id == *id)?;
        let place = Place { slot, view };
        let oem = profile.media.oem_actions.as_ref();
        let takes = profile.slots[slot].takes == Takes::Address;
        let acts = takes && profile.media.route == InsertRoute::Action;
        let acts_oem = takes && matches!(profile.media.route, InsertRoute::Action | InsertRoute::OemPair);
        match rest {
            [] => Some(Self::Slot(place)),
            ["Oem", vendor, "Actions", "VirtualMedia.VmmControl"] => {
                let is_own =
                    matches!(profile.media.route, InsertRoute::Control { vendor: own } if own == *vendor);
                (takes && is_own).then_some(Self::Action(Action::Control { place }))
            }
            ["Actions", "Oem", ..] if !acts_oem => None,
            ["Actions", "Oem", vendor, name] => {
                let oem = oem.filter(|oem| oem.vendor == *vendor)?;
                if *name == oem.insert {
                    Some(Self::Action(Action::Insert { place, oem: true }))
                } else if *name == oem.eject {
                    Some(Self::Action(Action::Eject { place, oem: true }))
                } else {
                    None
                }
            }
            _ if !acts => None,
            ["InsertMediaActionInfo"] if profile.media.insert_listing == Listing::ActionInfo => {
                Some(Self::InsertActionInfo(place))
            }
            ["Actions", "VirtualMedia.InsertMedia"] => {
                Some(Self::Action(Action::Insert { place, oem: false }))
            }
            ["Actions", "VirtualMedia.EjectMedia"] => Some(Self::Action(Action::Eject { place, oem: false })),
            _ => None,
        }
    }

    /// The canonical path.
    pub(crate) fn path(&self, profile: &Profile) -> String {
        let system = || format!("/redfish/v1/Systems/{}", profile.system.id);
        let manager = || format!("/redfish/v1/Managers/{}", profile.manager.id);
        let media = |view| match view {
            SlotView::System => format!("{}/{}", system(), profile.media.segment),
            SlotView::Manager => format!("{}/{}", manager(), profile.media.segment),
        };
        let slot = |place: &Place| format!("{}/{}", media(place.view), profile.slots[place.slot].id);
        match self {
            Self::Versions => "/redfish".to_owned(),
            Self::Root => "/redfish/v1".to_owned(),
            Self::OData => "/redfish/v1/odata".to_owned(),
            Self::Metadata => "/redfish/v1/$metadata".to_owned(),
            Self::Systems => "/redfish/v1/Systems".to_owned(),
            Self::System => system(),
            Self::SystemSettings => {
                let segment = settings(profile).map_or("Settings", |settings| settings.segment);
                format!("{}/{segment}", system())
            }
            Self::ResetActionInfo => format!("{}/ResetActionInfo", system()),
            Self::SystemNics => format!("{}/EthernetInterfaces", system()),
            Self::SystemNic(index) => {
                format!("{}/EthernetInterfaces/{}", system(), profile.system.nic_ids[*index])
            }
            Self::Managers => "/redfish/v1/Managers".to_owned(),
            Self::Manager => manager(),
            Self::ManagerResetActionInfo => format!("{}/ResetActionInfo", manager()),
            Self::DefaultsActionInfo => format!("{}/ResetToDefaultsActionInfo", manager()),
            Self::ManagerNics => format!("{}/EthernetInterfaces", manager()),
            Self::ManagerNic => format!("{}/EthernetInterfaces/{}", manager(), profile.manager.nic_id),
            Self::Media(view) => media(*view),
            Self::Slot(place) => slot(place),
            Self::InsertActionInfo(place) => format!("{}/InsertMediaActionInfo", slot(place)),
            Self::IsoConfig => format!("{}/{CONFIG}", media(SlotView::Manager)),
            Self::RemoteMap => format!("{}/Oem/Lenovo/RemoteMap", manager()),
            Self::MountImages => format!("{}/Oem/Lenovo/RemoteMap/MountImages", manager()),
            Self::MountImage(id) => format!("{}/Oem/Lenovo/RemoteMap/MountImages/{id}", manager()),
            Self::BootConfig => {
                let OwnBoot::Config { vendor } = profile.boot.own else { return system() };
                format!("{}/Oem/{vendor}/BootConfig", system())
            }
            Self::Attributes => format!("{}/Oem/Dell/DellAttributes/{}", manager(), profile.manager.id),
            Self::ChassisCollection => "/redfish/v1/Chassis".to_owned(),
            Self::Chassis => format!("/redfish/v1/Chassis/{}", profile.chassis_id),
            Self::SessionService => "/redfish/v1/SessionService".to_owned(),
            Self::Sessions => "/redfish/v1/SessionService/Sessions".to_owned(),
            Self::SessionsMembers => "/redfish/v1/SessionService/Sessions/Members".to_owned(),
            Self::Session(id) => format!("/redfish/v1/SessionService/Sessions/{id}"),
            Self::AccountService => "/redfish/v1/AccountService".to_owned(),
            Self::Accounts => "/redfish/v1/AccountService/Accounts".to_owned(),
            Self::Account => format!("/redfish/v1/AccountService/Accounts/{}", profile.account_id),
            Self::Roles => "/redfish/v1/AccountService/Roles".to_owned(),
            Self::Role(index) => format!("/redfish/v1/AccountService/Roles/{}", profile.roles[*index]),
            Self::TaskService => "/redfish/v1/TaskService".to_owned(),
            Self::Tasks => "/redfish/v1/TaskService/Tasks".to_owned(),
            Self::Task(id) => format!("/redfish/v1/TaskService/Tasks/{id}"),
            Self::TaskMonitor(id) => format!("/redfish/v1/TaskService/Tasks/{id}/Monitor"),
            Self::Extra(index) => profile.extras[*index].path.to_owned(),
            Self::Action(action) => action.path(profile),
        }
    }

    /// What the resource can be asked, in the order of the `Allow` header.
    pub(crate) fn methods(&self, profile: &Profile) -> &'static [&'static str] {
        match self {
            Self::Action(_) | Self::SessionsMembers => &["POST"],
            Self::Sessions | Self::MountImages => &["GET", "HEAD", "POST"],
            Self::Session(_) | Self::MountImage(_) => &["GET", "HEAD", "DELETE"],
            Self::System | Self::SystemSettings | Self::IsoConfig | Self::BootConfig => {
                &["GET", "HEAD", "PATCH"]
            }
            Self::Slot(_) if profile.media.slot_patch != SlotPatch::None => &["GET", "HEAD", "PATCH"],
            _ => &["GET", "HEAD"],
        }
    }

    /// Whether it is shown without credentials.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Versions | Self::Root | Self::OData | Self::Metadata)
    }
}

impl Action {
    fn path(self, profile: &Profile) -> String {
        let oem = |place: Place, name: fn(&super::profiles::OemMediaActions) -> &'static str| {
            let vendor = profile.media.oem_actions.as_ref().map_or("", |oem| oem.vendor);
            let name = profile.media.oem_actions.as_ref().map_or("", name);
            format!("{}/Actions/Oem/{vendor}/{name}", Resource::Slot(place).path(profile))
        };
        match self {
            Self::SystemReset => format!("{}/Actions/ComputerSystem.Reset", Resource::System.path(profile)),
            Self::ManagerReset => format!("{}/Actions/Manager.Reset", Resource::Manager.path(profile)),
            Self::ManagerDefaults => {
                format!("{}/Actions/Manager.ResetToDefaults", Resource::Manager.path(profile))
            }
            Self::Insert { place, oem: false } => {
                format!("{}/Actions/VirtualMedia.InsertMedia", Resource::Slot(place).path(profile))
            }
            Self::Eject { place, oem: false } => {
                format!("{}/Actions/VirtualMedia.EjectMedia", Resource::Slot(place).path(profile))
            }
            Self::Insert { place, oem: true } => oem(place, |names| names.insert),
            Self::Eject { place, oem: true } => oem(place, |names| names.eject),
            Self::Control { place } => {
                let InsertRoute::Control { vendor } = profile.media.route else { return String::new() };
                let slot = Resource::Slot(place).path(profile);
                format!("{slot}/Oem/{vendor}/Actions/VirtualMedia.VmmControl")
            }
            Self::Mount => format!("{}/Actions/IsoConfig.Mount", Resource::IsoConfig.path(profile)),
            Self::Unmount => format!("{}/Actions/IsoConfig.UnMount", Resource::IsoConfig.path(profile)),
            Self::MountList | Self::UnmountList => {
                let verb = if self == Self::MountList { "Mount" } else { "UMount" };
                let service = Resource::RemoteMap.path(profile);
                format!("{service}/Actions/LenovoRemoteMapService.{verb}")
            }
            Self::Import => {
                let OwnBoot::Import { action, .. } = profile.boot.own else { return String::new() };
                format!("{}/Actions/Oem/{action}", Resource::Manager.path(profile))
            }
        }
    }
}

fn settings(profile: &Profile) -> Option<&SettingsModel> {
    profile.boot.settings.as_ref()
}

/// A number in the one form that it is written in.
fn number(id: &str) -> Option<u64> {
    id.parse().ok().filter(|number: &u64| number.to_string() == id)
}

/// The members that a collection lists beside the one of the profile.
pub(crate) fn extra_members(profile: &Profile, collection: MemberOf) -> impl Iterator<Item = Resource> {
    let listed = profile.extras.iter().enumerate();
    let listed = listed.filter(move |(_, extra)| extra.member_of == Some(collection));
    listed.map(|(index, _)| Resource::Extra(index)).collect::<Vec<_>>().into_iter()
}

fn position(ids: &[&str], id: &str) -> Option<usize> {
    ids.iter().position(|known| *known == id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bmc::profiles::{ALL, IDRAC9_6, ILO5};

    #[test]
    fn every_path_leads_back_to_its_resource() {
        for profile in ALL {
            let mut resources = vec![
                Resource::Versions,
                Resource::Root,
                Resource::System,
                Resource::Manager,
                Resource::ManagerNic,
                Resource::Chassis,
                Resource::Session("5".to_owned()),
                Resource::Account,
                Resource::Role(0),
                Resource::Tasks,
                Resource::Action(Action::SystemReset),
                Resource::Action(Action::ManagerReset),
            ];
            if profile.system.nic_ids.len() > 1 {
                resources.push(Resource::SystemNic(1));
            }
            if profile.boot.settings.is_some() {
                resources.push(Resource::SystemSettings);
            }
            resources.extend((0..profile.extras.len()).map(Resource::Extra));
            resources.extend([Resource::Task(7), Resource::TaskMonitor(7)]);
            match profile.boot.own {
                OwnBoot::None => {}
                OwnBoot::Config { .. } => resources.push(Resource::BootConfig),
                OwnBoot::Import { .. } => {
                    resources.extend([Resource::Attributes, Resource::Action(Action::Import)]);
                }
            }
            if profile.media.route == InsertRoute::Configured {
                resources.extend([Action::Mount, Action::Unmount].map(Resource::Action));
                resources.push(Resource::IsoConfig);
            }
            if profile.media.route == InsertRoute::Listed {
                resources.extend([Action::MountList, Action::UnmountList].map(Resource::Action));
                resources.extend([Resource::RemoteMap, Resource::MountImages, Resource::MountImage(3)]);
            }
            for (slot, model) in profile.slots.iter().enumerate() {
                let views = [SlotView::System, SlotView::Manager];
                for view in views.into_iter().filter(|view| model.is_in(*view)) {
                    let place = Place { slot, view };
                    resources.push(Resource::Slot(place));
                    if model.takes == Takes::Nothing {
                        continue;
                    }
                    if profile.media.route == InsertRoute::Action {
                        resources.push(Resource::Action(Action::Insert { place, oem: false }));
                        resources.push(Resource::Action(Action::Eject { place, oem: false }));
                    }
                    if matches!(profile.media.route, InsertRoute::Control { .. }) {
                        resources.push(Resource::Action(Action::Control { place }));
                    }
                    if profile.media.oem_actions.is_some() {
                        resources.push(Resource::Action(Action::Eject { place, oem: true }));
                    }
                }
            }
            for resource in resources {
                let path = resource.path(profile);
                assert_eq!(Resource::find(profile, &path), Some(resource.clone()), "{} {path}", profile.name);
                assert_eq!(
                    Resource::find(profile, &format!("{path}/")),
                    Some(resource),
                    "{} {path}/",
                    profile.name
                );
            }
        }
    }

    #[test]
    fn paths_of_other_models_and_nonsense_lead_nowhere() {
        for path in [
            "",
            "/",
            "/redfishx",
            "/redfish/v2",
            "/redfish/v1/Systems/System.Embedded.1",
            "/redfish/v1/Systems/1/VirtualMedia",
            "/redfish/v1/Systems/1/ResetActionInfo",
            "/redfish/v1//Systems",
            "/redfish/v1/Managers/1/VirtualMedia/3",
        ] {
            assert_eq!(Resource::find(&ILO5, path), None, "{path}");
        }
        assert_eq!(Resource::find(&IDRAC9_6, "/redfish/v1/Systems/1"), None);
    }

    proptest! {
        #[test]
        fn any_path_is_found_canonically_or_not_at_all(path in "(/(redfish|v1|Systems|Managers|1|VirtualMedia|2|Actions|VirtualMedia\\.EjectMedia|Oem|Hpe|[a-z$.%]{0,4})){0,9}/?") {
            for profile in ALL {
                if let Some(resource) = Resource::find(profile, &path) {
                    let canonical = resource.path(profile);
                    prop_assert_eq!(canonical.as_str(), path.strip_suffix('/').unwrap_or(&path));
                }
            }
        }
    }
}
