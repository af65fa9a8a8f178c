// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ways of makers to bring an image in and out, where the standard has none.

use serde_json::Value;

use super::action::{self, Action};
use super::json;
use crate::contract::image::MediaUrl;
use crate::rules::{Rule, Rules};

/// How a slot is filled and emptied by a maker's own actions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OemRoute {
    /// HPE iLO4: two actions below `Oem.Hp`.
    Pair { insert: Action, eject: Option<Action> },
    /// Huawei, xFusion, H3C: one action that connects and disconnects.
    VmmControl(Action),
    /// Supermicro X10 and X11: the address is set by PATCH, then mounted. Whether something is
    /// mounted shows in the collection only.
    IsoConfig { mount: Action, unmount: Option<Action> },
}

impl OemRoute {
    /// The route of a slot, if it has one.
    pub(crate) fn read(slot: &Value, rules: Rules) -> Option<Self> {
        let find =
            |rule: Rule, ending: &str| rules.has(rule).then(|| action::find_oem(slot, ending)).flatten();
        if let Some(insert) = find(Rule::IloFourHasItsOwnActions, ".InsertVirtualMedia") {
            return Some(Self::Pair { insert, eject: action::find_oem(slot, ".EjectVirtualMedia") });
        }
        if let Some(control) = find(Rule::HuaweiControlsMediaByOneAction, ".VmmControl") {
            return Some(Self::VmmControl(control));
        }
        if !rules.has(Rule::OldSupermicroMountsByConfiguration) {
            return None;
        }
        let mount = action::find(slot, "#IsoConfig.Mount")?;
        Some(Self::IsoConfig { mount, unmount: action::find(slot, "#IsoConfig.UnMount") })
    }
}

/// The configuration of Supermicro's one CD, as its collection of slots names it.
pub(crate) fn iso_config(collection: &Value) -> Option<String> {
    let oem = json::object(collection, "Oem");
    json::link(json::object(oem, "Supermicro"), "VirtualMediaConfig")
}

/// The address in such a configuration.
pub(crate) fn configured_image(config: &Value) -> Option<MediaUrl> {
    let (host, path) = (json::text(config, "Host")?, json::text(config, "Path")?);
    Some(MediaUrl::new(format!("{}{path}", host.trim_end_matches('/'))))
}

/// Whether remote media are switched off as a whole (AMI MegaRAC).
pub(crate) fn remote_media_are_off(manager: &Value) -> bool {
    let ami = json::object(json::object(manager, "Oem"), "Ami");
    json::text(json::object(ami, "VirtualMedia"), "RMediaStatus")
        .is_some_and(|status| status.eq_ignore_ascii_case("disabled"))
}

/// Whether an attribute of a manager of Dell's has this value.
pub(crate) fn attribute_is(attributes: &Value, name: &str, value: &str) -> bool {
    json::text(json::object(attributes, "Attributes"), name)
        .is_some_and(|shown| shown.eq_ignore_ascii_case(value))
}

/// Whether images are mounted by a list of the maker's own, as XCC did before it had slots.
pub(crate) fn mounts_by_a_list(manager: &Value) -> bool {
    let lenovo = json::object(json::object(manager, "Oem"), "Lenovo");
    json::link(lenovo, "RemoteMap").is_some()
}

/// Where iRMC keeps the boot override, as the system names it.
pub(crate) fn boot_config(system: &Value) -> Option<String> {
    let oem = json::object(system, "Oem");
    ["ts_fujitsu", "fsas"].into_iter().find_map(|maker| json::link(json::object(oem, maker), "BootConfig"))
}

/// The attributes of a manager of Dell's.
pub(crate) fn dell_attributes(manager: &Value, id: &str) -> Option<String> {
    let dell = json::object(json::object(json::object(manager, "Links"), "Oem"), "Dell");
    json::links(dell, "DellAttributes").into_iter().find(|link| link.ends_with(&format!("/{id}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_makers_route_is_recognised_and_the_standard_is_none_of_them() {
        let at = json!({"target": "/t"});
        let read = |slot: Value| OemRoute::read(&slot, Rules::general());
        assert!(matches!(
            read(json!({"Oem": {"Hp": {"Actions": {"#HpiLOVirtualMedia.InsertVirtualMedia": at}}}})),
            Some(OemRoute::Pair { eject: None, .. })
        ));
        assert!(matches!(
            read(json!({"Oem": {"Huawei": {"Actions": {"#VirtualMedia.VmmControl": at}}}})),
            Some(OemRoute::VmmControl(_))
        ));
        assert!(matches!(
            read(json!({"Actions": {"#IsoConfig.Mount": at, "#IsoConfig.UnMount": at}})),
            Some(OemRoute::IsoConfig { unmount: Some(_), .. })
        ));
        assert_eq!(read(json!({"Actions": {"#VirtualMedia.InsertMedia": at}})), None);
    }

    #[test]
    fn a_configured_image_is_host_and_path() {
        let config = json!({"Host": "http://10.0.0.1:8081", "Path": "/media/x/boot.iso"});
        assert_eq!(configured_image(&config).unwrap().expose(), "http://10.0.0.1:8081/media/x/boot.iso");
        assert!(configured_image(&json!({"Host": "", "Path": ""})).is_none());
    }
}
