// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a request means: resources read, changed and acted upon. Everything here comes after authentication.

use std::sync::Arc;

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::errors::{self, Refusal};
use super::etag;
use super::instance::Bmc;
use super::log::Event;
use super::oem::MOUNTED;
use super::profiles::{Ack, Profile};
use super::reply::{Payload, Reply};
use super::resources::{self, View};
use super::routes::{Action, Resource};
use super::tasks::Done;
use crate::faults::Effects;

/// A request as the handlers see it.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// `https://host:port`, for the BMCs that answer with full URLs.
    pub(crate) origin: &'a str,
    pub(crate) effects: &'a Effects,
}

impl Bmc {
    /// Carries out a request on a resource that exists and knows the method.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        resource: &Resource,
        call: &Call<'_>,
    ) -> Result<Reply, Refusal> {
        match call.method {
            "GET" | "HEAD" => self.read(resource, call),
            "PATCH" => self.patch(resource, call).await,
            "DELETE" => self.delete(resource),
            _ => self.post(resource, call).await,
        }
    }

    /// A success that has no resource to show, as the model says it.
    pub(crate) fn acknowledged(&self) -> Reply {
        match self.config.profile.ack {
            Ack::NoContent => Reply::new(204, Payload::Empty),
            Ack::Message => Reply::new(200, Payload::Json(errors::success_body(self.config.profile))),
        }
    }

    /// The resource as JSON, if it exists just now.
    pub(crate) fn render(&self, resource: &Resource) -> Option<Value> {
        let locked = self.lock();
        let view = View {
            profile: self.config.profile,
            identity: &self.config.identity,
            user: &self.config.credentials.user,
            state: &locked.state,
            now: self.shared.clock.now(),
            elapsed: self.shared.clock.elapsed(),
        };
        resources::render(resource, &view)
    }

    fn read(&self, resource: &Resource, call: &Call<'_>) -> Result<Reply, Refusal> {
        let profile = self.config.profile;
        let resource = &self.with_query(resource, call.query)?;
        if *resource == Resource::Metadata {
            return Ok(Reply::new(200, Payload::Xml(resources::metadata(profile))));
        }
        let not_found = || Refusal::NotFound { uri: resource.path(profile) };
        let mut value = self.render(resource).ok_or_else(not_found)?;
        let tag = etag::of(&value, profile.etag);
        let seen =
            call.headers.get(header::IF_NONE_MATCH).is_some_and(|header| etag::if_none_match(header, &tag));
        let reply = if seen {
            Reply::new(304, Payload::Empty)
        } else {
            let described = describedby(&value);
            if profile.etag.in_body() && value.get("@odata.id").is_some() {
                value["@odata.etag"] = Value::from(tag.as_str());
            }
            let reply = Reply::new(200, Payload::Json(value));
            match described {
                Some(link) => reply.with(header::LINK, &link),
                None => reply,
            }
        };
        Ok(reply.with(header::ALLOW, &allow(resource, profile)).with(header::ETAG, &tag))
    }

    /// Follows `only`, refuses what is not supported, ignores what is not Redfish's.
    fn with_query(&self, resource: &Resource, query: Option<&str>) -> Result<Resource, Refusal> {
        let mut resource = resource.clone();
        for option in query.unwrap_or_default().split('&') {
            let (name, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            match name {
                "only" if value.is_none_or(str::is_empty) => {
                    resource = self.only_member(&resource)?;
                }
                "only" | "excerpt" => return Err(Refusal::QueryInvalid { name: name.to_owned() }),
                _ if name.starts_with('$') || name.starts_with("%24") => {
                    return Err(Refusal::QueryUnsupported { name: name.to_owned() });
                }
                _ => {}
            }
        }
        Ok(resource)
    }

    fn only_member(&self, resource: &Resource) -> Result<Resource, Refusal> {
        let profile = self.config.profile;
        let value = self.render(resource);
        let members = value.as_ref().and_then(|value| value.get("Members")).and_then(Value::as_array);
        match members.map(Vec::as_slice) {
            None => Err(Refusal::QueryInvalid { name: "only".to_owned() }),
            Some([member]) => {
                let found = member["@odata.id"].as_str().and_then(|path| Resource::find(profile, path));
                Ok(found.unwrap_or_else(|| resource.clone()))
            }
            Some(_) => Ok(resource.clone()),
        }
    }

    fn delete(&self, resource: &Resource) -> Result<Reply, Refusal> {
        let uri = || resource.path(self.config.profile);
        match resource {
            Resource::Session(id) if self.close_session(id) => Ok(self.acknowledged()),
            Resource::Session(_) => Err(Refusal::NotFound { uri: uri() }),
            Resource::MountImage(id) if self.take_off_list(*id)? => Ok(self.acknowledged()),
            Resource::MountImage(_) => Err(Refusal::NotFound { uri: uri() }),
            _ => Err(Refusal::MethodNotAllowed),
        }
    }

    async fn post(self: &Arc<Self>, resource: &Resource, call: &Call<'_>) -> Result<Reply, Refusal> {
        match resource {
            Resource::Sessions | Resource::SessionsMembers => self.post_session(call),
            Resource::Action(action) => self.act(*action, call).await,
            Resource::MountImages => self.put_on_list(call),
            _ => Err(Refusal::MethodNotAllowed),
        }
    }

    fn post_session(&self, call: &Call<'_>) -> Result<Reply, Refusal> {
        let profile = self.config.profile;
        let body = object(call, true)?;
        let known = |name: &str| match name {
            "UserName" | "Password" => true,
            "Oem" => profile.sessions.domain.is_some(),
            _ => false,
        };
        if let Some(name) = body.keys().find(|name| !known(name)) {
            return Err(Refusal::PropertyUnknown { name: name.clone() });
        }
        if let Some((vendor, domain)) = profile.sessions.domain {
            let given = body.get("Oem").and_then(|oem| oem.get(vendor)).and_then(|oem| oem.get("Domain"));
            if given.and_then(Value::as_str) != Some(domain) {
                return Err(Refusal::LoginFailed);
            }
        }
        let text = |name: &'static str| match body.get(name) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => {
                Err(Refusal::PropertyValueType { value: "(not shown)".to_owned(), name: name.to_owned() })
            }
            None => Err(Refusal::PropertyMissing { name }),
        };
        let made =
            self.open_session(text("UserName")?, text("Password")?, call.effects.sessions_exhausted)?;
        let resource = Resource::Session(made.id);
        let path = resource.path(profile);
        let location =
            if profile.sessions.absolute_location { format!("{}{path}", call.origin) } else { path };
        let shown = self.render(&resource).map_or(Payload::Empty, Payload::Json);
        let token = http::HeaderName::from_static("x-auth-token");
        Ok(Reply::new(201, shown).with(header::LOCATION, &location).with(token, &made.token))
    }

    async fn act(self: &Arc<Self>, action: Action, call: &Call<'_>) -> Result<Reply, Refusal> {
        let profile = self.config.profile;
        if profile.preconditions.action_refuses_if_match && call.headers.contains_key(header::IF_MATCH) {
            return Err(Refusal::PreconditionFailed);
        }
        match action {
            Action::SystemReset => {
                let kind = reset_type(call, "ComputerSystem.Reset", profile.system.reset_types)?;
                self.reset(&kind, call.effects)?;
            }
            Action::ManagerReset => {
                reset_type(call, "Manager.Reset", profile.manager.reset_types)?;
                self.restart_manager(false);
            }
            Action::ManagerDefaults => {
                let types = profile.manager.defaults.as_ref().map_or(&[][..], |(_, types)| types);
                reset_type(call, "Manager.ResetToDefaults", types)?;
                self.restart_manager(true);
            }
            Action::Insert { place, .. } => {
                let body = object(call, true)?;
                let done = self.insert(place.slot, &body, call.effects).await?;
                return Ok(self.done(done));
            }
            Action::Eject { place, .. } => {
                let body = object(call, profile.media.eject_needs_body)?;
                if let Some(name) = body.keys().next() {
                    return Err(Refusal::ParameterUnknown {
                        action: "VirtualMedia.EjectMedia",
                        name: name.clone(),
                    });
                }
                let done = self.eject(place.slot)?;
                return Ok(self.done(done));
            }
            Action::Control { place } => return self.control(place.slot, call).await,
            Action::Mount => return self.mount(call).await,
            Action::MountList => self.mount_list(call).await?,
            Action::UnmountList => self.unmount_list(),
            Action::Unmount => {
                let done = self.eject(MOUNTED)?;
                return Ok(self.done(done));
            }
            Action::Import => return self.import(call),
        }
        Ok(self.acknowledged())
    }

    /// The answer to an insertion or ejection: done, or a task.
    pub(crate) fn done(&self, done: Done) -> Reply {
        match done {
            Done::Now => self.acknowledged(),
            Done::Later { task } => {
                let shown = self.render(&Resource::Task(task)).map_or(Payload::Empty, Payload::Json);
                let monitor = Resource::TaskMonitor(task).path(self.config.profile);
                Reply::new(202, shown).with(header::LOCATION, &monitor)
            }
        }
    }

    /// The BMC restarts: sessions end and nobody answers for a while. With `defaults` media and override go too.
    fn restart_manager(self: &Arc<Self>, defaults: bool) {
        let away = self.scaled(self.config.profile.timing.manager_restart);
        {
            let mut locked = self.lock();
            locked.state.sessions.clear();
            locked.state.away_until = Some(self.shared.clock.elapsed() + away);
            if defaults {
                self.eject_all(&mut locked);
                let boot = &mut locked.state.boot_override;
                boot.enabled = super::state::Enabled::Disabled;
                boot.target = self.config.profile.boot.idle_target;
                boot.http_uri = None;
            }
            locked.event(Event::ManagerReset);
        }
        self.deliver();
    }
}

/// The `Allow` header of a resource.
pub(crate) fn allow(resource: &Resource, profile: &Profile) -> String {
    resource.methods(profile).join(", ")
}

/// The `Link` to the schema of a resource.
fn describedby(resource: &Value) -> Option<String> {
    let schema = resource.get("@odata.type")?.as_str()?.trim_start_matches('#');
    let mut parts: Vec<&str> = schema.split('.').collect();
    parts.pop();
    Some(format!("<http://redfish.dmtf.org/schemas/v1/{}.json>; rel=describedby", parts.join(".")))
}

/// The body as a JSON object. Without a body: an empty one, unless it is `needed`.
pub(crate) fn object(call: &Call<'_>, needed: bool) -> Result<Map<String, Value>, Refusal> {
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if call.body.is_empty() && !needed {
        return Ok(Map::new());
    }
    if !kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("json")) {
        return Err(Refusal::UnsupportedMediaType);
    }
    match serde_json::from_slice(call.body) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Refusal::MalformedJson),
    }
}

/// The `ResetType` of an action, checked against its list.
fn reset_type(call: &Call<'_>, action: &'static str, allowed: &[&str]) -> Result<String, Refusal> {
    const NAME: &str = "ResetType";
    let body = object(call, true)?;
    if let Some(name) = body.keys().find(|name| *name != NAME) {
        return Err(Refusal::ParameterUnknown { action, name: name.clone() });
    }
    match body.get(NAME) {
        Some(Value::String(kind)) if allowed.contains(&kind.as_str()) => Ok(kind.clone()),
        Some(Value::String(kind)) => {
            Err(Refusal::ParameterNotInList { action, name: NAME, value: kind.clone() })
        }
        Some(other) => {
            Err(Refusal::ParameterType { action, name: NAME.to_owned(), value: other.to_string() })
        }
        None => Err(Refusal::ParameterMissing { action, name: NAME }),
    }
}
