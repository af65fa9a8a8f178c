// SPDX-License-Identifier: AGPL-3.0-or-later
//! Resource trees of machines that nobody makes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) const ROOT: &str = "/redfish/v1";
pub(crate) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/1";
pub(crate) const MANAGER: &str = "/redfish/v1/Managers/1";
pub(crate) const MEDIA: &str = "/redfish/v1/Managers/1/VirtualMedia";
pub(crate) const FIRST: &str = "/redfish/v1/Managers/1/VirtualMedia/1";
pub(crate) const SECOND: &str = "/redfish/v1/Managers/1/VirtualMedia/2";
pub(crate) const SETTINGS: &str = "/redfish/v1/Systems/1/Settings";

pub(crate) type Tree = BTreeMap<String, Value>;

pub(crate) fn link(path: &str) -> Value {
    json!({"@odata.id": path})
}

fn collection(path: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| link(member)).collect();
    json!({"@odata.id": path, "Members@odata.count": members.len(), "Members": members})
}

/// An empty slot with actions.
pub(crate) fn slot(path: &str, media_types: &[&str]) -> Value {
    json!({
        "@odata.id": path,
        "Id": path.rsplit('/').next().unwrap(),
        "MediaTypes": media_types,
        "Inserted": false,
        "Image": null,
        "ConnectedVia": "NotConnected",
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
            "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")}
        }
    })
}

/// An empty slot that is patched.
pub(crate) fn patched_slot(path: &str) -> Value {
    let mut slot = slot(path, &["CD", "DVD"]);
    slot.as_object_mut().unwrap().remove("Actions");
    slot["@odata.etag"] = json!("\"slot-1\"");
    slot
}

/// A running machine with these slots under its manager.
pub(crate) fn machine(slots: &[Value]) -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: &str, value: Value| tree.insert(path.to_owned(), value);
    put(
        ROOT,
        json!({
            "@odata.id": "/redfish/v1/",
            "RedfishVersion": "1.15.0",
            "Vendor": "Acme",
            "Systems": link("/redfish/v1/Systems"),
            "Managers": link("/redfish/v1/Managers"),
            "Links": {"Sessions": link(SESSIONS)}
        }),
    );
    put("/redfish/v1/Systems", collection("/redfish/v1/Systems", &[SYSTEM]));
    put(
        SYSTEM,
        json!({
            "@odata.id": SYSTEM,
            "Id": "1",
            "Manufacturer": "Acme",
            "Model": "Rocket",
            "SerialNumber": "ACME-1",
            "UUID": "12345678-9abc-def0-1234-56789abcdef0",
            "PowerState": "On",
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideTarget": "None",
                "BootSourceOverrideMode": "UEFI",
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd", "Hdd"]
            },
            "Actions": {"#ComputerSystem.Reset": {
                "target": format!("{SYSTEM}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown", "ForceRestart"]
            }},
            "Links": {"ManagedBy": [link(MANAGER)]}
        }),
    );
    put("/redfish/v1/Managers", collection("/redfish/v1/Managers", &[MANAGER]));
    put(
        MANAGER,
        json!({"@odata.id": MANAGER, "Id": "1", "FirmwareVersion": "1.0", "VirtualMedia": link(MEDIA)}),
    );
    let paths: Vec<&str> = slots.iter().filter_map(|slot| slot["@odata.id"].as_str()).collect();
    put(MEDIA, collection(MEDIA, &paths));
    for slot in slots {
        put(slot["@odata.id"].as_str().unwrap(), slot.clone());
    }
    tree
}

/// A running machine with two optical slots.
pub(crate) fn two_cd() -> Tree {
    machine(&[slot(FIRST, &["CD", "DVD"]), slot(SECOND, &["CD", "DVD"])])
}

/// The same from another maker.
pub(crate) fn made_by(mut tree: Tree, vendor: &str) -> Tree {
    tree.get_mut(ROOT).unwrap()["Vendor"] = json!(vendor);
    tree.get_mut(SYSTEM).unwrap()["Manufacturer"] = json!(vendor);
    tree
}
