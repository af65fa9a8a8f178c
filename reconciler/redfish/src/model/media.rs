// SPDX-License-Identifier: AGPL-3.0-or-later
//! A `VirtualMedia` member.

use serde_json::Value;

use super::action::{self, Action};
use super::json;
use super::oem::{self, OemRoute};
use crate::contract::image::MediaUrl;
use crate::contract::state::SlotState;
use crate::rules::{Rule, Rules};

/// What the machine can see in a slot. DVD counts as CD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kinds {
    pub(crate) cd: bool,
    pub(crate) usb: bool,
    pub(crate) floppy: bool,
}

impl Kinds {
    /// From `MediaTypes`, or, where that is missing (Gigabyte), from id and name.
    fn read(value: &Value, rules: Rules) -> Self {
        let mut kinds = Self::default();
        for media_type in json::texts(value, "MediaTypes") {
            match media_type.to_ascii_lowercase().as_str() {
                "cd" => kinds.cd = true,
                "dvd" if rules.has(Rule::DvdIsACd) => kinds.cd = true,
                "usbstick" | "usb" | "hdd" | "removabledisk" => kinds.usb = true,
                "floppy" => kinds.floppy = true,
                _ => {}
            }
        }
        let says_nothing = json::texts(value, "MediaTypes").is_empty();
        if says_nothing && rules.has(Rule::KindsFallBackToTheId) {
            let names = format!(
                "{} {}",
                json::text(value, "Id").unwrap_or_default(),
                json::text(value, "Name").unwrap_or_default()
            )
            .to_ascii_lowercase();
            kinds.cd = names.contains("cd") || names.contains("dvd");
            kinds.usb = !kinds.cd && (names.contains("usb") || names.contains("removable"));
            kinds.floppy = !kinds.cd && names.contains("floppy");
        }
        kinds
    }

    /// As in the report.
    pub(crate) fn label(self) -> String {
        let parts: Vec<&str> = [(self.cd, "cd"), (self.usb, "usb"), (self.floppy, "floppy")]
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
            .collect();
        match parts.as_slice() {
            [] => "unknown".to_owned(),
            parts => parts.join("+"),
        }
    }
}

/// What a slot says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Media {
    pub(crate) uri: String,
    pub(crate) id: String,
    pub(crate) kinds: Kinds,
    pub(crate) inserted: bool,
    pub(crate) image: Option<MediaUrl>,
    pub(crate) connected_via: Option<String>,
    pub(crate) insert: Option<Action>,
    pub(crate) eject: Option<Action>,
    pub(crate) oem: Option<OemRoute>,
    /// `VerifyCertificate`: whether the certificate of an `https` image is checked.
    pub(crate) verifies: bool,
    /// Has the properties that a PATCH would set.
    pub(crate) has_patchable_properties: bool,
}

impl Media {
    /// Reads a slot. `uri` is the link that led to it.
    pub(crate) fn read(uri: &str, value: &Value, rules: Rules) -> Self {
        let image = json::text(value, "Image");
        let connected_via = json::text(value, "ConnectedVia");
        // The image may be stale after an eject (Supermicro), so that it counts only
        // where nothing better is said.
        let inserted = if rules.has(Rule::StaleImagesDoNotCount) {
            json::flag(value, "Inserted").unwrap_or_else(|| match connected_via.as_deref() {
                Some(via) => via != "NotConnected",
                None => image.is_some(),
            })
        } else {
            image.is_some()
        };
        let oem = OemRoute::read(value, rules);
        match oem {
            Some(OemRoute::IsoConfig { .. }) => {
                return Self::of_configuration(uri, "CfgCD", oem::configured_image(value), oem);
            }
            Some(OemRoute::MountList { .. }) => return Self::of_configuration(uri, "RemoteMap", None, oem),
            _ => {}
        }
        let tail = uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        Self {
            uri: uri.to_owned(),
            id: json::text(value, "Id").unwrap_or_else(|| tail.to_owned()),
            kinds: Kinds::read(value, rules),
            inserted,
            image: image.map(MediaUrl::new),
            connected_via,
            insert: action(value, "InsertMedia", rules),
            eject: action(value, "EjectMedia", rules),
            oem,
            verifies: json::flag(value, "VerifyCertificate") == Some(true),
            has_patchable_properties: value.get("Image").is_some() && value.get("Inserted").is_some(),
        }
    }

    /// The one CD of a BMC that mounts by configuration. What a collection lists decides
    /// whether something is in it.
    fn of_configuration(uri: &str, id: &str, image: Option<MediaUrl>, oem: Option<OemRoute>) -> Self {
        Self {
            uri: uri.to_owned(),
            id: id.to_owned(),
            kinds: Kinds { cd: true, ..Kinds::default() },
            inserted: false,
            image,
            connected_via: None,
            insert: None,
            eject: None,
            oem,
            verifies: false,
            has_patchable_properties: false,
        }
    }

    /// With what the collection lists, for a slot that does not say itself what is in it.
    pub(crate) fn listed_in(mut self, collection: &Value) -> Self {
        self.inserted = !json::links(collection, "Members").is_empty();
        self.image = self.image.filter(|_| self.inserted);
        self
    }

    /// With the first image of a list that is mounted, for a slot that is a list.
    pub(crate) fn holding(mut self, images: impl IntoIterator<Item = (Option<MediaUrl>, bool)>) -> Self {
        let mounted = images.into_iter().find(|(_, is_mounted)| *is_mounted);
        self.inserted = mounted.is_some();
        self.image = mounted.and_then(|(image, _)| image);
        self
    }

    /// Connected from somebody's console, not from a URL.
    pub(crate) fn is_held_by_a_console(&self) -> bool {
        self.inserted && self.connected_via.as_deref() == Some("Applet")
    }

    /// The slot itself, whatever was in it when it was read.
    pub(crate) fn forget_content(&mut self) {
        (self.inserted, self.image, self.connected_via) = (false, None, None);
    }

    /// For callers.
    pub(crate) fn state(&self) -> SlotState {
        SlotState {
            uri: self.uri.clone(),
            inserted: self.inserted,
            image: self.image.clone(),
            connected_via: self.connected_via.clone(),
        }
    }
}

/// The standard action of this name, wherever the BMC keeps it.
fn action(slot: &Value, name: &str, rules: Rules) -> Option<Action> {
    let own = || action::find_oem(slot, &format!("VirtualMedia.{name}"));
    action::find(slot, &format!("#VirtualMedia.{name}"))
        .or_else(|| rules.has(Rule::ActionsMayStandAmongTheMakersOwn).then(own).flatten())
}

/// Orders ids the way people do: `2` before `10`, `EXT1` before `EXT2` before `Remote1`.
pub(crate) fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    fn parts(text: &str) -> Vec<(String, u64)> {
        let mut parts: Vec<(String, u64)> = vec![(String::new(), 0)];
        let mut in_number = false;
        for c in text.chars() {
            match c.to_digit(10) {
                Some(digit) => {
                    in_number = true;
                    if let Some((_, number)) = parts.last_mut() {
                        *number = number.saturating_mul(10).saturating_add(u64::from(digit));
                    }
                }
                None => {
                    if in_number {
                        parts.push((String::new(), 0));
                        in_number = false;
                    }
                    if let Some((word, _)) = parts.last_mut() {
                        word.push(c.to_ascii_lowercase());
                    }
                }
            }
        }
        parts
    }
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Media {
        Media::read("/m/x", value, Rules::general())
    }

    #[test]
    fn ids_are_ordered_as_people_do() {
        let mut ids = ["VirtualMedia10", "Remote1", "EXT2", "2", "10", "EXT1", "VirtualMedia2", "1"];
        ids.sort_by(|a, b| natural_order(a, b));
        assert_eq!(ids, ["1", "2", "10", "EXT1", "EXT2", "Remote1", "VirtualMedia2", "VirtualMedia10"]);
    }

    #[test]
    fn kinds_fall_back_to_the_id_where_media_types_are_missing() {
        let kind = |value| read(&value).kinds.label();
        assert_eq!(kind(json!({"Id": "CD1"})), "cd");
        assert_eq!(kind(json!({"Id": "9", "MediaTypes": ["DVD"]})), "cd");
        assert_eq!(kind(json!({"MediaTypes": ["USBStick", "Floppy"]})), "usb+floppy");
        assert_eq!(kind(json!({"Id": "9", "MediaTypes": null})), "unknown");
    }

    #[test]
    fn a_stale_image_does_not_count_as_inserted() {
        let inserted = |value| read(&value).inserted;
        assert!(!inserted(json!({"Inserted": false, "Image": "http://h/a.iso"})));
        assert!(!inserted(json!({"Image": "http://h/a.iso", "ConnectedVia": "NotConnected"})));
        assert!(inserted(json!({"Image": "http://h/a.iso", "ConnectedVia": "URI"})));
        assert!(inserted(json!({"Inserted": "true"})));
        assert!(!inserted(json!({})));
    }
}
