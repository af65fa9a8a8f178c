// SPDX-License-Identifier: AGPL-3.0-or-later
//! What makers have of their own: media by one action, by configuration or by a list, boot overrides in a resource or an
//! import of their own.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use serde_json::{Map, Value, json};

use super::errors::Refusal;
use super::handlers::{Call, object};
use super::instance::Bmc;
use super::reply::{Payload, Reply};
use super::routes::Resource;
use super::state::{Enabled, ListedImage};

/// The slot that is mounted by configuration or by a list: such BMCs have one.
pub(crate) const MOUNTED: usize = 0;
/// Where images on a list may come from. Only HTTP is ever fetched here.
const LISTED_TYPES: [&str; 5] = ["NFS", "Samba", "HTTP", "SFTP", "FTP"];
/// Until an address that was written is taken over (fakefish waits for three seconds before it mounts).
const TAKEN_OVER: Duration = Duration::from_secs(2);
/// How long an import of two attributes takes.
const IMPORT: Duration = Duration::from_secs(12);

fn text(
    body: &Map<String, Value>,
    action: &'static str,
    name: &'static str,
) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            Err(Refusal::ParameterType { action, name: name.to_owned(), value: other.to_string() })
        }
    }
}

impl Bmc {
    /// VmmControl: connects an image or disconnects what there is. An ejection is over at once.
    pub(crate) async fn control(self: &Arc<Self>, slot: usize, call: &Call<'_>) -> Result<Reply, Refusal> {
        const ACTION: &str = "VirtualMedia.VmmControl";
        const TYPE: &str = "VmmControlType";
        let body = object(call, true)?;
        if let Some(name) = body.keys().find(|name| !matches!(name.as_str(), TYPE | "Image")) {
            return Err(Refusal::ParameterUnknown { action: ACTION, name: name.clone() });
        }
        match text(&body, ACTION, TYPE)?.as_deref() {
            Some("Connect") => {
                let image: Map<String, Value> =
                    body.into_iter().filter(|(name, _)| name == "Image").collect();
                let done = self.insert(slot, &image, call.effects).await?;
                Ok(self.done(done))
            }
            Some("Disconnect") => {
                self.eject_now(slot)?;
                Ok(self.acknowledged())
            }
            Some(other) => {
                Err(Refusal::ParameterNotInList { action: ACTION, name: TYPE, value: other.to_owned() })
            }
            None => Err(Refusal::ParameterMissing { action: ACTION, name: TYPE }),
        }
    }

    /// PATCH of the configuration of the one CD.
    pub(crate) fn configure(&self, body: &Map<String, Value>) -> Result<(), Refusal> {
        const KNOWN: [&str; 4] = ["Host", "Path", "Username", "Password"];
        if let Some(name) = body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Refusal::PropertyUnknown { name: name.clone() });
        }
        let given = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let elapsed = self.shared.clock.elapsed();
        let from = elapsed + self.scaled(TAKEN_OVER);
        let configured = &mut self.lock().state.configured;
        let (host, path) = configured.at(elapsed).clone();
        configured.change(elapsed, from, given("Host").unwrap_or(host), given("Path").unwrap_or(path));
        Ok(())
    }

    /// IsoConfig.Mount: what is in force is inserted.
    pub(crate) async fn mount(self: &Arc<Self>, call: &Call<'_>) -> Result<Reply, Refusal> {
        let (host, path) = self.lock().state.configured.at(self.shared.clock.elapsed()).clone();
        let image = Map::from_iter([("Image".to_owned(), json!(format!("{host}{path}")))]);
        let done = self.insert(MOUNTED, &image, call.effects).await?;
        Ok(self.done(done))
    }

    /// POST to a list of images.
    pub(crate) fn put_on_list(&self, call: &Call<'_>) -> Result<Reply, Refusal> {
        const KNOWN: [&str; 7] =
            ["FilePath", "Type", "Username", "Password", "Domain", "Readonly", "Options"];
        let body = object(call, true)?;
        if let Some(name) = body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Refusal::PropertyUnknown { name: name.clone() });
        }
        let given = |name: &'static str| {
            body.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(Refusal::PropertyMissing { name })
        };
        let (path, protocol) = (given("FilePath")?, given("Type")?);
        if !LISTED_TYPES.contains(&protocol.as_str()) {
            return Err(Refusal::PropertyValueNotInList { value: protocol, name: "Type".to_owned() });
        }
        let resource = {
            let list = &mut self.lock().state.listed;
            list.made += 1;
            list.images.push(ListedImage { id: list.made, path, protocol, is_mounted: false });
            Resource::MountImage(list.made)
        };
        let shown = self.render(&resource).map_or(Payload::Empty, Payload::Json);
        Ok(Reply::new(201, shown).with(header::LOCATION, &resource.path(self.config.profile)))
    }

    /// DELETE of an image on a list; false when there is none of that number.
    pub(crate) fn take_off_list(&self, id: u64) -> Result<bool, Refusal> {
        let mut locked = self.lock();
        let images = &mut locked.state.listed.images;
        match images.iter().position(|image| image.id == id) {
            Some(at) if images[at].is_mounted => {
                Err(Refusal::SlotOccupied { id: self.config.profile.slots[MOUNTED].id })
            }
            at => Ok(at.map(|at| images.remove(at)).is_some()),
        }
    }

    /// LenovoRemoteMapService.Mount: whatever is on the list.
    pub(crate) async fn mount_list(self: &Arc<Self>, call: &Call<'_>) -> Result<(), Refusal> {
        loop {
            let images = self.lock().state.listed.images.clone();
            let Some(next) = images.into_iter().find(|image| !image.is_mounted) else { return Ok(()) };
            let image = Map::from_iter([("Image".to_owned(), json!(next.path))]);
            self.insert(MOUNTED, &image, call.effects).await?;
            let mut locked = self.lock();
            let images = &mut locked.state.listed.images;
            images.iter_mut().filter(|image| image.id == next.id).for_each(|image| image.is_mounted = true);
        }
    }

    /// LenovoRemoteMapService.UMount: all of them. They stay on the list.
    pub(crate) fn unmount_list(self: &Arc<Self>) {
        // An empty slot is no refusal here.
        let _ = self.eject_now(MOUNTED);
        self.lock().state.listed.images.iter_mut().for_each(|image| image.is_mounted = false);
    }

    /// PATCH of the maker's own resource for boot overrides.
    pub(crate) fn configure_boot(&self, body: &Map<String, Value>) -> Result<(), Refusal> {
        let mut boot = Map::new();
        for (name, value) in body {
            let wrong = || Refusal::PropertyValueType { value: value.to_string(), name: name.clone() };
            match name.as_str() {
                "BootDevice" => {
                    boot.insert("BootSourceOverrideTarget".to_owned(), value.clone());
                }
                "BootType" => {
                    boot.insert("BootSourceOverrideMode".to_owned(), value.clone());
                }
                "NextBootOnlyEnabled" => {
                    let once = if value.as_bool().ok_or_else(wrong)? { "Once" } else { "Continuous" };
                    boot.insert("BootSourceOverrideEnabled".to_owned(), json!(once));
                }
                _ => return Err(Refusal::PropertyUnknown { name: name.clone() }),
            }
        }
        if boot.get("BootSourceOverrideTarget").is_some_and(|target| target == "None") {
            boot.insert("BootSourceOverrideEnabled".to_owned(), json!(Enabled::Disabled.name()));
        }
        self.set_boot(&boot)
    }

    /// An import of configuration, of which nothing but the next boot from the virtual CD is known here. A job fails
    /// over white space between the elements (sushy-oem-idrac).
    pub(crate) fn import(self: &Arc<Self>, call: &Call<'_>) -> Result<Reply, Refusal> {
        const ACTION: &str = "ImportSystemConfiguration";
        let body = object(call, true)?;
        let missing = |name| Refusal::ParameterMissing { action: ACTION, name };
        let buffer = text(&body, ACTION, "ImportBuffer")?.ok_or_else(|| missing("ImportBuffer"))?;
        if body.get("ShareParameters").and_then(|share| share.get("Target")).is_none() {
            return Err(missing("ShareParameters"));
        }
        let bmc = self.clone();
        let done = self.as_task("Import Configuration", IMPORT, async move {
            bmc.shared.clock.sleep(bmc.scaled(IMPORT)).await;
            let is_spaced = buffer.split('>').skip(1).any(|part| part.starts_with(char::is_whitespace));
            let (Some(once), Some(device), false) = (
                attribute(&buffer, "ServerBoot.1#BootOnce"),
                attribute(&buffer, "ServerBoot.1#FirstBootDevice"),
                is_spaced,
            ) else {
                return Err(Refusal::MalformedJson);
            };
            bmc.lock().state.virtual_cd_once = once == "Enabled" && device.eq_ignore_ascii_case("VCD-DVD");
            Ok(())
        });
        Ok(self.done(done))
    }
}

/// The value of an attribute in a server configuration profile.
fn attribute<'a>(buffer: &'a str, name: &str) -> Option<&'a str> {
    let behind = buffer.split_once(&format!("<Attribute Name=\"{name}\">"))?.1;
    Some(behind.split_once("</Attribute>")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_by_its_whole_name() {
        let buffer = "<C><Attribute Name=\"ServerBoot.1#BootOnce\">Enabled</Attribute></C>";
        assert_eq!(attribute(buffer, "ServerBoot.1#BootOnce"), Some("Enabled"));
        assert_eq!(attribute(buffer, "BootOnce"), None);
        assert_eq!(attribute("<Attribute Name=\"a\">", "a"), None);
    }
}
