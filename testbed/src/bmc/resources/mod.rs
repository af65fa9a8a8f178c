// SPDX-License-Identifier: AGPL-3.0-or-later
//! Resources, rendered from state on demand. Nothing is stored per BMC but its state.
//!
//! Each shared resource carries what all recorded BMCs have in common; the profile's `decorate` adds the rest. Only
//! what is served is linked: a link never leads to a 404.

mod accounts;
mod chassis;
mod manager;
mod media;
mod oem;
mod root;
mod sessions;
mod system;
mod tasks;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::config::Identity;
use super::profiles::{Extra, MemberOf, Profile, SlotView};
use super::routes::{self, Action, Place, Resource};
use super::state::State;

pub(crate) use root::metadata;

/// What a resource is rendered from.
pub(crate) struct View<'a> {
    pub(crate) profile: &'static Profile,
    pub(crate) identity: &'a Identity,
    pub(crate) user: &'a str,
    pub(crate) state: &'a State,
    pub(crate) now: Timestamp,
    pub(crate) elapsed: Duration,
}

/// Whether a schema of that version has what came with its version 1.`minor`.
fn since(version: &str, minor: u32) -> bool {
    version.split('_').nth(1).and_then(|own| own.parse().ok()).is_some_and(|own: u32| own >= minor)
}

impl View<'_> {
    /// A UUID in the case that the model uses.
    pub(crate) fn uuid(&self, uuid: Uuid) -> String {
        let text = uuid.to_string();
        if self.profile.system.upper_case_uuid { text.to_uppercase() } else { text }
    }

    /// UUID of the Redfish service: made from the machine's, and different from it.
    pub(crate) fn service_uuid(&self) -> String {
        let bytes = self.identity.uuid.as_bytes().map(|byte| byte ^ 0x5a);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// An action, by its target.
    pub(crate) fn action(&self, action: Action) -> Value {
        json!({"target": Resource::Action(action).path(self.profile)})
    }

    /// OEM twins of the media actions.
    pub(crate) fn oem_media_actions(&self, place: Place) -> Value {
        let target = |action: Action| json!({"target": Resource::Action(action).path(self.profile)});
        self.profile.media.oem_actions.as_ref().map_or(Value::Null, |names| {
            let mut actions = Map::new();
            actions.insert(format!("#{}", names.eject), target(Action::Eject { place, oem: true }));
            actions.insert(format!("#{}", names.insert), target(Action::Insert { place, oem: true }));
            Value::Object(actions)
        })
    }

    pub(crate) fn link(&self, resource: &Resource) -> Value {
        json!({"@odata.id": resource.path(self.profile)})
    }

    fn collection(
        &self,
        resource: &Resource,
        kind: &str,
        name: &str,
        members: &[Resource],
    ) -> Map<String, Value> {
        let mut map = self.head(resource, &format!("#{kind}.{kind}"));
        map.insert("Name".into(), json!(name));
        map.insert("Members@odata.count".into(), json!(members.len()));
        map.insert("Members".into(), members.iter().map(|member| self.link(member)).collect());
        map
    }

    /// The one resource of its kind, and what the profile lists beside it.
    fn with_extras(&self, one: Resource, collection: MemberOf) -> Vec<Resource> {
        std::iter::once(one).chain(routes::extra_members(self.profile, collection)).collect()
    }

    pub(crate) fn entity(
        &self,
        resource: &Resource,
        schema: &str,
        version: &str,
        id: &str,
        name: &str,
    ) -> Map<String, Value> {
        let mut map = self.head(resource, &format!("#{schema}.{version}.{schema}"));
        map.insert("Id".into(), json!(id));
        map.insert("Name".into(), json!(name));
        map
    }

    fn head(&self, resource: &Resource, odata_type: &str) -> Map<String, Value> {
        let mut map = Map::new();
        if self.profile.odata_context {
            let schema = odata_type.trim_start_matches('#');
            let schema = schema.split('.').next().unwrap_or(schema);
            map.insert("@odata.context".into(), json!(format!("/redfish/v1/$metadata#{schema}.{schema}")));
        }
        map.insert("@odata.id".into(), json!(resource.path(self.profile)));
        map.insert("@odata.type".into(), json!(odata_type));
        map
    }

    fn action_info(&self, resource: &Resource, id: &str, parameters: Value) -> Map<String, Value> {
        let mut map =
            self.entity(resource, "ActionInfo", self.profile.versions.action_info, id, "Action Info");
        map.insert("Parameters".into(), parameters);
        map
    }
}

/// The resource as JSON; `None` when it does not exist just now, or is not JSON at all.
pub(crate) fn render(resource: &Resource, view: &View<'_>) -> Option<Value> {
    let mut map = match resource {
        Resource::Versions => return Some(json!({"v1": "/redfish/v1/"})),
        Resource::OData => return Some(root::odata(view)),
        Resource::Metadata | Resource::Action(_) | Resource::SessionsMembers => return None,
        Resource::Root => root::root(view),
        Resource::Systems => system::systems(view),
        Resource::System => system::system(view),
        Resource::SystemSettings => system::settings(view)?,
        Resource::ResetActionInfo => system::reset_action_info(view),
        Resource::SystemNics => system::nics(view),
        Resource::SystemNic(index) => system::nic(view, *index)?,
        Resource::Managers => manager::managers(view),
        Resource::Manager => manager::manager(view),
        Resource::ManagerResetActionInfo => manager::reset_action_info(view),
        Resource::DefaultsActionInfo => manager::defaults_action_info(view),
        Resource::ManagerNics => manager::nics(view),
        Resource::ManagerNic => manager::nic(view),
        Resource::Media(of) => media::collection(view, *of),
        Resource::Slot(place) => media::slot(view, *place)?,
        Resource::InsertActionInfo(place) => media::insert_action_info(view, *place),
        Resource::IsoConfig => oem::iso_config(view),
        Resource::RemoteMap => oem::remote_map(view),
        Resource::MountImages => oem::mount_images(view),
        Resource::MountImage(id) => oem::mount_image(view, *id)?,
        Resource::BootConfig => oem::boot_config(view),
        Resource::Attributes => oem::attributes(view),
        Resource::ChassisCollection => chassis::collection(view),
        Resource::Chassis => chassis::chassis(view),
        Resource::SessionService => sessions::service(view),
        Resource::Sessions => sessions::collection(view),
        Resource::Session(id) => sessions::session(view, id)?,
        Resource::AccountService => accounts::service(view),
        Resource::Accounts => accounts::collection(view),
        Resource::Account => accounts::account(view),
        Resource::Roles => accounts::roles(view),
        Resource::Role(index) => accounts::role(view, *index),
        Resource::TaskService => tasks::service(view),
        Resource::Tasks => tasks::collection(view),
        Resource::Task(id) | Resource::TaskMonitor(id) => tasks::task(view, *id)?,
        Resource::Extra(index) => extra(view, &view.profile.extras[*index])?,
    };
    (view.profile.decorate)(resource, view, &mut map);
    Some(Value::Object(map))
}

/// A resource beyond the shared ones; none when it is only listed.
fn extra(view: &View<'_>, extra: &Extra) -> Option<Map<String, Value>> {
    let Value::Object(mut map) = (extra.body?)(view) else { return None };
    map.insert("@odata.id".into(), json!(extra.path));
    Some(map)
}

fn media_of(view: &View<'_>, of: SlotView) -> Option<Value> {
    view.profile.slots.iter().any(|slot| slot.is_in(of)).then(|| view.link(&Resource::Media(of)))
}
