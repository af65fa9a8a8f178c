// SPDX-License-Identifier: AGPL-3.0-or-later
//! AccountService with one administrator and the predefined roles. All read-only.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::routes::Resource;

pub(super) fn service(view: &View<'_>) -> Map<String, Value> {
    let version = view.profile.versions.account_service;
    let id = "AccountService";
    let mut map = view.entity(&Resource::AccountService, "AccountService", version, id, "Account Service");
    map.insert("Description".into(), json!("BMC User Accounts"));
    map.insert("MinPasswordLength".into(), json!(8));
    map.insert("Accounts".into(), view.link(&Resource::Accounts));
    map.insert("Roles".into(), view.link(&Resource::Roles));
    map
}

pub(super) fn collection(view: &View<'_>) -> Map<String, Value> {
    let name = "Accounts Collection";
    view.collection(&Resource::Accounts, "ManagerAccountCollection", name, &[Resource::Account])
}

pub(super) fn account(view: &View<'_>) -> Map<String, Value> {
    let version = view.profile.versions.manager_account;
    let id = view.profile.account_id;
    let mut map = view.entity(&Resource::Account, "ManagerAccount", version, id, "User Account");
    map.insert("UserName".into(), json!(view.user));
    map.insert("Password".into(), Value::Null);
    map.insert("RoleId".into(), json!("Administrator"));
    map.insert("Enabled".into(), json!(true));
    map.insert("Locked".into(), json!(view.state.locked_until.is_some_and(|until| view.elapsed < until)));
    map.insert("Links".into(), json!({"Role": view.link(&Resource::Role(0))}));
    map
}

pub(super) fn roles(view: &View<'_>) -> Map<String, Value> {
    let members: Vec<Resource> = (0..view.profile.roles.len()).map(Resource::Role).collect();
    view.collection(&Resource::Roles, "RoleCollection", "Roles Collection", &members)
}

pub(super) fn role(view: &View<'_>, index: usize) -> Map<String, Value> {
    let id = view.profile.roles[index];
    let privileges: &[&str] = match id {
        "Administrator" => {
            &["Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"]
        }
        "Operator" => &["Login", "ConfigureSelf", "ConfigureComponents"],
        "ReadOnly" => &["Login", "ConfigureSelf"],
        _ => &[],
    };
    let mut map = view.entity(&Resource::Role(index), "Role", view.profile.versions.role, id, "User Role");
    map.insert("RoleId".into(), json!(id));
    map.insert("IsPredefined".into(), json!(true));
    map.insert("AssignedPrivileges".into(), json!(privileges));
    map
}
