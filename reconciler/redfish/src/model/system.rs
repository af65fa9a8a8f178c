// SPDX-License-Identifier: AGPL-3.0-or-later
//! A `ComputerSystem`, as far as it is needed.

use serde_json::Value;

use super::action::{self, Action};
use super::boot::Boot;
use super::{json, oem};
use crate::contract::state::PowerState;

/// What a system says about itself.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) uri: String,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) sku: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) power: PowerState,
    pub(crate) reset: Option<Action>,
    pub(crate) boot: Boot,
    pub(crate) settings: Option<String>,
    pub(crate) boot_config: Option<String>,
    pub(crate) mounts_file_shares: bool,
    pub(crate) managed_by: Vec<String>,
    pub(crate) media: Option<String>,
    pub(crate) has_boot: bool,
    pub(crate) has_boot_progress: bool,
    pub(crate) oem: Vec<String>,
}

impl System {
    /// Reads a system. `uri` is the link that led to it.
    pub(crate) fn read(uri: &str, value: &Value) -> Self {
        let settings = json::object(value, "@Redfish.Settings");
        Self {
            uri: uri.to_owned(),
            id: json::text(value, "Id"),
            name: json::text(value, "Name"),
            manufacturer: json::text(value, "Manufacturer"),
            model: json::text(value, "Model"),
            serial: json::text(value, "SerialNumber"),
            sku: json::text(value, "SKU"),
            uuid: json::text(value, "UUID"),
            power: power(value),
            reset: action::find(value, "#ComputerSystem.Reset"),
            boot: Boot::read(value),
            settings: json::link(settings, "SettingsObject"),
            boot_config: oem::boot_config(value),
            mounts_file_shares: oem::mounts_file_shares(value),
            managed_by: json::links(json::object(value, "Links"), "ManagedBy"),
            media: json::link(value, "VirtualMedia"),
            has_boot: value.get("Boot").is_some_and(Value::is_object),
            has_boot_progress: value.get("BootProgress").is_some_and(Value::is_object),
            oem: json::keys(value, "Oem"),
        }
    }

    /// Whether it can be started on purpose. Baseboards and the like show up as systems
    /// without (NVIDIA HGX).
    pub(crate) fn can_be_started(&self) -> bool {
        self.reset.is_some() && self.has_boot
    }

    /// For messages: the URI, with the serial number where there is one.
    pub(crate) fn label(&self) -> String {
        match &self.serial {
            Some(serial) => format!("{} (serial {serial})", self.uri),
            None => self.uri.clone(),
        }
    }
}

/// Power of a system resource.
pub(crate) fn power(value: &Value) -> PowerState {
    json::text(value, "PowerState").map_or(PowerState::Unknown, |text| PowerState::parse(&text))
}

/// `BootProgress.LastState`.
pub(crate) fn boot_progress(value: &Value) -> Option<String> {
    json::text(json::object(value, "BootProgress"), "LastState")
}
