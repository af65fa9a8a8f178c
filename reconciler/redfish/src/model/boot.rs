// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `Boot` object of a system or of its settings resource.

use serde_json::Value;

use super::json;
use crate::contract::image::MediaUrl;
use crate::contract::state::BootOverride;

const TARGETS: &str = "BootSourceOverrideTarget@Redfish.AllowableValues";
const SUPPORTED: &str = "BootSourceOverrideSupported";
/// The disk as a target.
pub(crate) const DISK: &str = "Hdd";
/// No override, as a target.
pub(crate) const NONE: &str = "None";
const MODES: &str = "BootSourceOverrideMode@Redfish.AllowableValues";

/// What a `Boot` object says about overrides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) current: BootOverride,
    pub(crate) targets: Vec<String>,
    /// As listed before there were allowable values (HPE iLO 4).
    pub(crate) supported: Vec<String>,
    pub(crate) modes: Vec<String>,
    /// Whether the object has override properties, be they null.
    pub(crate) has_override: bool,
    /// Whether it has a mode, be it null. Where it has none, none is sent (HPE Gen9,
    /// Supermicro X10).
    pub(crate) has_mode: bool,
}

impl Boot {
    /// Reads the `Boot` object of a resource; one without it says nothing.
    pub(crate) fn read(resource: &Value) -> Self {
        let boot = json::object(resource, "Boot");
        let modes = match json::texts(boot, MODES) {
            listed if !listed.is_empty() => listed,
            _ => json::texts(boot, "BootSourceOverrideMode"),
        };
        let mut read = Self {
            current: BootOverride {
                enabled: json::text(boot, "BootSourceOverrideEnabled"),
                target: json::text(boot, "BootSourceOverrideTarget"),
                mode: json::text(boot, "BootSourceOverrideMode"),
                http_image: json::text(boot, "HttpBootUri").map(MediaUrl::new),
            },
            targets: json::texts(boot, TARGETS),
            supported: json::texts(boot, SUPPORTED),
            modes,
            has_override: boot.get("BootSourceOverrideTarget").is_some()
                || boot.get("BootSourceOverrideEnabled").is_some(),
            has_mode: boot.get("BootSourceOverrideMode").is_some(),
        };
        read.disk_stands_for_none();
        read
    }

    /// The disk for good is no override where there is no other word for none.
    fn disk_stands_for_none(&mut self) {
        let is_disk = self.current.target.as_deref() == Some(DISK);
        if is_disk && self.current.enabled.as_deref() == Some("Continuous") && self.knows_no_none() {
            self.current.target = Some(NONE.to_owned());
        }
    }

    /// Whether the disk is listed as a target, and `None` is not.
    pub(crate) fn knows_no_none(&self) -> bool {
        let lists = |wanted: &str| self.targets.iter().any(|target| target == wanted);
        lists(DISK) && !lists(NONE)
    }
}
