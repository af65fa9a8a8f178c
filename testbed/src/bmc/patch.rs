// SPDX-License-Identifier: AGPL-3.0-or-later
//! PATCH: of the system and its settings, and of slots.

use std::sync::Arc;

use http::header;
use serde_json::{Map, Value};

use super::errors::{self, Refusal};
use super::etag;
use super::handlers::{Call, object};
use super::instance::Bmc;
use super::profiles::{OwnBoot, Patched, SettingsBoot, SlotPatch};
use super::reply::{Payload, Reply};
use super::routes::Resource;
use super::tasks::Done;
use crate::faults::Effects;

impl Bmc {
    pub(crate) async fn patch(
        self: &Arc<Self>,
        resource: &Resource,
        call: &Call<'_>,
    ) -> Result<Reply, Refusal> {
        let profile = self.config.profile;
        let shown = self.render(resource).ok_or_else(|| Refusal::NotFound { uri: resource.path(profile) })?;
        let tag = etag::of(&shown, profile.etag);
        match call.headers.get(header::IF_MATCH) {
            Some(header) if !etag::if_match(header, &tag) => return Err(Refusal::PreconditionFailed),
            None if profile.preconditions.patch_needs_if_match => return Err(Refusal::PreconditionRequired),
            _ => {}
        }
        let body = object(call, true)?;
        if let (Resource::Slot(place), SlotPatch::Media) = (resource, profile.media.slot_patch) {
            return Ok(match self.patch_media(place.slot, &body, call.effects).await? {
                Done::Now => self.changed(resource),
                later @ Done::Later { .. } => self.done(later),
            });
        }
        if let (Resource::Slot(place), SlotPatch::Image) = (resource, profile.media.slot_patch)
            && body.contains_key("Image")
        {
            self.patch_image(place.slot, body, call.effects).await?;
            return Ok(self.changed(resource));
        }
        match resource {
            Resource::IsoConfig => self.configure(&body)?,
            Resource::BootConfig => self.configure_boot(&body)?,
            _ => return self.patch_shared(resource, &body, &shown),
        }
        Ok(self.changed(resource))
    }

    /// PATCH of system, settings and slots, as most models do it.
    fn patch_shared(
        &self,
        resource: &Resource,
        body: &Map<String, Value>,
        shown: &Value,
    ) -> Result<Reply, Refusal> {
        let profile = self.config.profile;
        if let Some(name) = body.keys().find(|name| !matches!(name.as_str(), "Boot" | "Oem")) {
            let name = name.clone();
            let known = shown.get(&name).is_some();
            return Err(match resource {
                Resource::Slot(_) if profile.media.slot_patch == SlotPatch::NotImplemented => {
                    Refusal::PatchNotImplemented { name }
                }
                _ if known => Refusal::PropertyNotWritable { name },
                _ => Refusal::PropertyUnknown { name },
            });
        }
        match resource {
            Resource::System | Resource::SystemSettings => self.patch_boot(resource, body)?,
            Resource::Slot(place) => self.patch_slot(place.slot, body)?,
            _ => return Err(Refusal::MethodNotAllowed),
        }
        Ok(self.changed(resource))
    }

    /// A successful PATCH, as the model answers it.
    fn changed(&self, resource: &Resource) -> Reply {
        let profile = self.config.profile;
        match profile.patched {
            Patched::Message => Reply::new(200, Payload::Json(errors::success_body(profile))),
            Patched::NoContent => Reply::new(204, Payload::Empty),
            Patched::Resource => Reply::new(200, self.render(resource).map_or(Payload::Empty, Payload::Json)),
        }
    }

    fn patch_boot(&self, resource: &Resource, body: &Map<String, Value>) -> Result<(), Refusal> {
        let settings = self.config.profile.boot.settings.as_ref().map(|settings| settings.boot);
        let refused = match resource {
            Resource::System => {
                let own = self.config.profile.boot.own;
                matches!(settings, Some(SettingsBoot::Only { .. })) || matches!(own, OwnBoot::Config { .. })
            }
            _ => settings == Some(SettingsBoot::Never),
        };
        match body.get("Boot") {
            Some(Value::Object(_)) if refused => {
                Err(Refusal::PropertyNotWritable { name: "Boot".to_owned() })
            }
            Some(Value::Object(boot)) => self.set_boot(boot),
            Some(other) => {
                Err(Refusal::PropertyValueType { value: other.to_string(), name: "Boot".to_owned() })
            }
            None => match body.keys().next() {
                Some(name) => Err(Refusal::PropertyNotWritable { name: name.clone() }),
                None => Err(Refusal::PropertyMissing { name: "Boot" }),
            },
        }
    }

    /// PATCH of a slot's `Image`, with what is wanted of it beside: `null` ejects.
    async fn patch_image(
        self: &Arc<Self>,
        slot: usize,
        mut body: Map<String, Value>,
        effects: &Effects,
    ) -> Result<(), Refusal> {
        let image = body.remove("Image").unwrap_or_default();
        if let Some(name) = body.keys().find(|name| *name != "Oem") {
            return Err(Refusal::PropertyNotWritable { name: name.clone() });
        }
        if image.is_null() {
            self.eject_now(slot)?;
        } else {
            let image = Map::from_iter([("Image".to_owned(), image)]);
            self.insert(slot, &image, effects).await?;
        }
        if body.is_empty() { Ok(()) } else { self.patch_slot(slot, &body) }
    }

    fn patch_slot(&self, slot: usize, body: &Map<String, Value>) -> Result<(), Refusal> {
        const PROPERTY: &str = "BootOnNextServerReset";
        let profile = self.config.profile;
        let vendor = profile.media.oem_actions.as_ref().map_or("", |oem| oem.vendor);
        let given = body.get("Oem").and_then(|oem| oem.get(vendor)).and_then(Value::as_object);
        let given = given.ok_or(Refusal::PropertyMissing { name: PROPERTY })?;
        if let Some(name) = given.keys().find(|name| *name != PROPERTY || !profile.slots[slot].optical()) {
            return Err(Refusal::PropertyUnknown { name: name.clone() });
        }
        let value = given.get(PROPERTY).ok_or(Refusal::PropertyMissing { name: PROPERTY })?;
        let wrong = || Refusal::PropertyValueType { value: value.to_string(), name: PROPERTY.to_owned() };
        self.set_boot_next(slot, value.as_bool().ok_or_else(wrong)?);
        Ok(())
    }
}
