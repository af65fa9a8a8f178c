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
    /// Lenovo XCC before it had slots: images are put on a list, and the whole list is mounted.
    MountList { mount: Action, unmount: Option<Action>, images: String },
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
        let find = |rule: Rule, name: &str| rules.has(rule).then(|| action::find(slot, name)).flatten();
        if let Some(mount) = find(Rule::OldSupermicroMountsByConfiguration, "#IsoConfig.Mount") {
            return Some(Self::IsoConfig { mount, unmount: action::find(slot, "#IsoConfig.UnMount") });
        }
        let mount = find(Rule::OldXccMountsByAList, "#LenovoRemoteMapService.Mount")?;
        Some(Self::MountList {
            mount,
            unmount: action::find(slot, "#LenovoRemoteMapService.UMount"),
            images: json::link(slot, "MountImages")
                .filter(|_| json::flag(slot, "ServiceEnabled") != Some(false))?,
        })
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

/// Whether remote media are switched off as a whole (AMI MegaRAC; Lenovo TSM says it beside the action).
pub(crate) fn remote_media_are_off(manager: &Value) -> bool {
    let ami = json::object(json::object(manager, "Oem"), "Ami");
    json::text(json::object(ami, "VirtualMedia"), "RMediaStatus")
        .or_else(|| json::text(beside_the_action(manager, "#VirtualMedia.EnableRMedia"), "Status"))
        .is_some_and(|status| status.eq_ignore_ascii_case("disabled"))
}

/// Whether remote media have no CD, however many slots the BMC could show (AMI MegaRAC, Lenovo TSM).
pub(crate) fn has_no_cd_instance(manager: &Value) -> bool {
    let ami = json::object(json::object(manager, "Oem"), "Ami");
    json::text(json::object(ami, "VirtualMedia"), "CDInstances")
        .or_else(|| {
            json::text(beside_the_action(manager, "#VirtualMedia.ConfigureCDInstance"), "CDInstances")
        })
        .is_some_and(|instances| instances == "0")
}

fn beside_the_action<'a>(manager: &'a Value, name: &str) -> &'a Value {
    json::object(json::object(json::object(manager, "Actions"), "Oem"), name)
}

/// Whether an attribute of a manager of Dell's has this value.
pub(crate) fn attribute_is(attributes: &Value, name: &str, value: &str) -> bool {
    json::text(json::object(attributes, "Attributes"), name)
        .is_some_and(|shown| shown.eq_ignore_ascii_case(value))
}

/// The list by which images are mounted, as XCC did before it had slots.
pub(crate) fn mount_list(manager: &Value) -> Option<String> {
    json::link(json::object(json::object(manager, "Oem"), "Lenovo"), "RemoteMap")
}

/// Whether images come from file shares alone, by a resource of the maker's own, as with iRMC S4.
pub(crate) fn mounts_file_shares(system: &Value) -> bool {
    let oem = json::object(system, "Oem");
    ["ts_fujitsu", "fsas"]
        .into_iter()
        .any(|maker| json::link(json::object(oem, maker), "VirtualMedia").is_some())
}

/// An image of such a list as it shows itself: its address, and whether it is mounted.
pub(crate) fn listed_image(member: &Value) -> (Option<MediaUrl>, bool) {
    (json::text(member, "FilePath").map(MediaUrl::new), json::flag(member, "Mounted") != Some(false))
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
