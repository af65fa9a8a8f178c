// SPDX-License-Identifier: AGPL-3.0-or-later
//! The recordings of real BMCs, served read-only over HTTPS, and what is to be understood of
//! each. The recordings are not part of the product: without them these tests say so and end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Discovered, IdentityHint, RedfishBmc};

use crate::support::client::{endpoint, wiring};
use crate::support::server::{Asked, Handler, Reply, Server};

/// Serves `DIR/redfish/.../index.json`, and sessions.
struct Recording(PathBuf);

impl Handler for Recording {
    async fn answer(&self, asked: Asked) -> Reply {
        match asked.method.as_str() {
            "POST" if asked.path.ends_with("/SessionService/Sessions") => {
                Reply::json(201, &json!({"@odata.id": "/redfish/v1/SessionService/Sessions/9"}))
                    .header("X-Auth-Token", "t0ken")
                    .header("Location", "/redfish/v1/SessionService/Sessions/9")
            }
            "DELETE" if asked.path.ends_with("/Sessions/9") => Reply::status(204),
            "GET" => {
                let file = self.0.join(asked.path.trim_matches('/')).join("index.json");
                match std::fs::read(file) {
                    Ok(bytes) => Reply::json(200, &serde_json::from_slice(&bytes).unwrap()),
                    Err(_) => Reply::status(404),
                }
            }
            _ => Reply::status(405).header("Allow", "GET, HEAD"),
        }
    }
}

fn recordings() -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    if found.is_dir() {
        return Some(found);
    }
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    {
        eprintln!("SKIPPED: the recordings of real BMCs are not at ../shared/recordings");
    }
    None
}

async fn inspect(name: &str, identity: IdentityHint) -> Option<Discovered> {
    let recordings = recordings()?;
    let server = Server::https(Arc::new(Recording(recordings.join(name)))).await;
    let mut endpoint = endpoint(&server);
    endpoint.identity = identity;
    let bmc = RedfishBmc::connect(&endpoint, wiring()).await.unwrap();
    let found = bmc.discovered().clone();
    bmc.close().await.unwrap();
    Some(found)
}

/// The report without its lists of boot targets and slots, which are compared apart.
fn summary(found: &Discovered) -> Value {
    let mut shown = serde_json::to_value(found).unwrap();
    shown.as_object_mut().unwrap().remove("media");
    shown["boot"].as_object_mut().unwrap().remove("targets");
    shown
}

/// `id kind route` of each slot, in order.
fn slots(found: &Discovered) -> Vec<String> {
    found
        .media
        .iter()
        .map(|slot| {
            let route = serde_json::to_value(slot.insert).unwrap();
            let view = if slot.uri.contains("/Systems/") { "system" } else { "manager" };
            let id = slot.uri.rsplit('/').next().unwrap();
            format!("{view} {id} {} {}", slot.kind, route.as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn dell_idrac9_has_two_system_slots_and_boots_from_the_first() {
    let Some(found) = inspect("dell", IdentityHint::default()).await else {
        return;
    };
    assert_eq!(
        summary(&found),
        json!({
            "vendor": "Dell",
            "model": "PowerEdge R750",
            "firmware": "6.00.30.00",
            "serial": "CNIVC0014M0388",
            "sku": "F54P1G3",
            "uuid": "4c4c4544-0035-3410-8050-c6c04f314733",
            "system": "/redfish/v1/Systems/System.Embedded.1",
            "managers": ["/redfish/v1/Managers/iDRAC.Embedded.1"],
            "power": "On",
            "boot": {"resource": "/redfish/v1/Systems/System.Embedded.1", "modes": ["UEFI"], "chosen": "Cd"},
            "rung": "two-cd",
            "boot_slot": "/redfish/v1/Systems/System.Embedded.1/VirtualMedia/1",
            "task_slot": "/redfish/v1/Systems/System.Embedded.1/VirtualMedia/2",
            "warnings": []
        })
    );
    assert_eq!(
        slots(&found),
        [
            "system 1 cd+usb action",
            "system 2 cd+usb action",
            "manager CD cd action",
            "manager RemovableDisk usb action"
        ]
    );
    assert_eq!(
        found.boot.targets,
        ["None", "Pxe", "Floppy", "Cd", "Hdd", "BiosSetup", "Utilities", "UefiTarget", "SDCard", "UefiHttp"]
    );
    assert_eq!(
        found.facts.reset_types,
        [
            "On",
            "ForceOff",
            "ForceRestart",
            "GracefulRestart",
            "GracefulShutdown",
            "PushPowerButton",
            "Nmi",
            "PowerCycle"
        ]
    );
    assert!(found.facts.schemes.http && found.facts.schemes.https);
}

#[tokio::test]
async fn hpe_ilo5_has_one_cd_and_the_task_medium_goes_to_the_usb_slot() {
    let Some(found) = inspect("hpe", IdentityHint::default()).await else {
        return;
    };
    assert_eq!(
        summary(&found),
        json!({
            "vendor": "HPE",
            "model": "ProLiant DL385 Gen10 Plus v2",
            "firmware": "iLO 5 v2.72",
            "serial": "MXQ302099S",
            "sku": "P38411-B21",
            "uuid": "34383350-3131-584D-5133-303230393953",
            "system": "/redfish/v1/Systems/1",
            "managers": ["/redfish/v1/Managers/1"],
            "power": "On",
            "boot": {"resource": "/redfish/v1/Systems/1", "modes": ["UEFI"], "chosen": "Cd"},
            "rung": "cd-usb",
            "boot_slot": "/redfish/v1/Managers/1/VirtualMedia/2",
            "task_slot": "/redfish/v1/Managers/1/VirtualMedia/1",
            "warnings": []
        })
    );
    assert_eq!(slots(&found), ["manager 1 usb+floppy action", "manager 2 cd action"]);
    assert_eq!(
        found.facts.reset_types,
        ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "PushPowerButton", "GracefulRestart"]
    );
}

#[tokio::test]
async fn lenovo_xcc_is_patched_and_only_its_ext_slots_count() {
    let Some(found) = inspect("lenovo", IdentityHint::default()).await else {
        return;
    };
    assert_eq!(
        summary(&found),
        json!({
            "vendor": "Lenovo",
            "model": "ThinkSystem SR670 V2",
            "firmware": "TGBT42S 2.83 2023-07-05",
            "serial": "J105958B",
            "sku": "7Z23CTO1WW",
            "uuid": "6173ecec-6ef5-11ee-834a-0a8fc3a58a71",
            "system": "/redfish/v1/Systems/1",
            "managers": ["/redfish/v1/Managers/1"],
            "power": "On",
            "boot": {"resource": "/redfish/v1/Systems/1", "modes": ["UEFI"], "chosen": "Cd"},
            "rung": "two-cd",
            "boot_slot": "/redfish/v1/Systems/1/VirtualMedia/EXT1",
            "task_slot": "/redfish/v1/Systems/1/VirtualMedia/EXT2",
            "warnings": []
        })
    );
    let kind = "cd+usb+floppy";
    let expected: Vec<String> = ["EXT1", "EXT2", "EXT3", "EXT4"]
        .map(|id| format!("system {id} {kind} patch"))
        .into_iter()
        .chain(
            ["RDOC1", "RDOC2", "Remote1", "Remote2", "Remote3", "Remote4"]
                .map(|id| format!("system {id} {kind} none")),
        )
        .collect();
    assert_eq!(slots(&found), expected);
    assert_eq!(
        found.facts.spare_slots,
        ["/redfish/v1/Systems/1/VirtualMedia/EXT3", "/redfish/v1/Systems/1/VirtualMedia/EXT4"]
    );
    assert_eq!(
        found.facts.reset_types,
        ["On", "Nmi", "GracefulShutdown", "GracefulRestart", "ForceOn", "ForceOff", "ForceRestart"]
    );
}

#[tokio::test]
async fn supermicro_has_three_slots_and_boots_from_the_usb_cd() {
    let Some(found) = inspect("supermicro", IdentityHint::default()).await else {
        return;
    };
    assert_eq!(
        summary(&found),
        json!({
            "vendor": "Supermicro",
            "model": "SYS-821GE-TNHR",
            "firmware": "11.01.01",
            "serial": "S889914X3710910",
            "sku": "0x1D1415D9",
            "uuid": "00000000-0000-0000-0000-7CC25550A8FF",
            "system": "/redfish/v1/Systems/1",
            "managers": ["/redfish/v1/Managers/1"],
            "power": "On",
            "boot": {"resource": "/redfish/v1/Systems/1", "modes": ["UEFI"], "chosen": "UsbCd"},
            "rung": "two-cd",
            "boot_slot": "/redfish/v1/Managers/1/VirtualMedia/VirtualMedia1",
            "task_slot": "/redfish/v1/Managers/1/VirtualMedia/VirtualMedia2",
            "warnings": []
        })
    );
    assert_eq!(
        slots(&found),
        ["VirtualMedia1", "VirtualMedia2", "VirtualMedia3"]
            .map(|id| format!("manager {id} cd+usb+floppy action"))
    );
    assert_eq!(
        found.facts.reset_types,
        [
            "On",
            "ForceOff",
            "GracefulShutdown",
            "GracefulRestart",
            "ForceRestart",
            "Nmi",
            "ForceOn",
            "PowerCycle"
        ]
    );
    assert!(found.facts.boot_progress);
}

#[tokio::test]
async fn of_the_two_systems_of_a_gb200_the_host_is_meant() {
    let host = IdentityHint { serial: None, uuid: Some("501F2928-84EA-8579-CF52-DC2DBD2E4656".to_owned()) };
    for identity in [IdentityHint::default(), host] {
        let Some(found) = inspect("nvidia_gb200", identity).await else {
            return;
        };
        assert_eq!(
            summary(&found),
            json!({
                "vendor": "NVIDIA",
                "model": null,
                "firmware": "GB200Nvl-24.12-8",
                "serial": null,
                "sku": null,
                "uuid": "501f2928-84ea-8579-cf52-dc2dbd2e4656",
                "system": "/redfish/v1/Systems/System_0",
                "managers": ["/redfish/v1/Managers/BMC_0"],
                "power": "On",
                "boot": {"resource": "/redfish/v1/Systems/System_0", "modes": [], "chosen": "Cd"},
                "rung": "two-cd",
                "boot_slot": "/redfish/v1/Managers/BMC_0/VirtualMedia/USB1",
                "task_slot": "/redfish/v1/Managers/BMC_0/VirtualMedia/USB2",
                "warnings": [
                    "the system has no serial number: use its uuid as identity",
                    "images are taken over https only"
                ]
            })
        );
        assert_eq!(slots(&found), ["manager USB1 cd+usb action", "manager USB2 cd+usb action"]);
        assert_eq!(
            found.facts.reset_types,
            [
                "ForceOff",
                "PowerCycle",
                "Nmi",
                "GracefulShutdown",
                "On",
                "ForceOn",
                "GracefulRestart",
                "ForceRestart"
            ]
        );
        assert!(!found.facts.schemes.http && found.facts.schemes.https);
    }
}
