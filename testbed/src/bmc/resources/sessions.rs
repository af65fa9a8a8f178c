// SPDX-License-Identifier: AGPL-3.0-or-later
//! SessionService and sessions. Tokens are never rendered.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::routes::Resource;

pub(super) fn service(view: &View<'_>) -> Map<String, Value> {
    let version = view.profile.versions.session_service;
    let id = "SessionService";
    let mut map = view.entity(&Resource::SessionService, "SessionService", version, id, "Session Service");
    map.insert("Description".into(), json!("Session Service"));
    map.insert("ServiceEnabled".into(), json!(true));
    map.insert("SessionTimeout".into(), json!(view.profile.sessions.shown_timeout));
    map.insert("Sessions".into(), view.link(&Resource::Sessions));
    map
}

pub(super) fn collection(view: &View<'_>) -> Map<String, Value> {
    let mut members: Vec<Resource> =
        view.state.sessions.iter().map(|session| Resource::Session(session.id.clone())).collect();
    if view.profile.sessions.newest_first {
        members.reverse();
    }
    view.collection(&Resource::Sessions, "SessionCollection", "Session Collection", &members)
}

pub(super) fn session(view: &View<'_>, id: &str) -> Option<Map<String, Value>> {
    let session = view.state.sessions.iter().find(|session| session.id == id)?;
    let resource = Resource::Session(session.id.clone());
    let mut map =
        view.entity(&resource, "Session", view.profile.versions.session, &session.id, "User Session");
    map.insert("Description".into(), json!("User Session"));
    map.insert("UserName".into(), json!(view.user));
    Some(map)
}
