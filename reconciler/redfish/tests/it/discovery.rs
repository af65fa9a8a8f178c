// SPDX-License-Identifier: AGPL-3.0-or-later
//! Understanding BMCs that are odd, poor or hostile.

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Discovered, ErrorKind, Rung};

use crate::support::fake::Fake;
use crate::support::server::Reply;
use crate::support::trees::{
    FIRST, MANAGER, MEDIA, ROOT, SECOND, SYSTEM, Tree, link, machine, made_by, patched_slot, slot, two_cd,
};

async fn found(tree: Tree) -> Discovered {
    let (_server, bmc) = Fake::new(tree).connected().await;
    bmc.discovered().clone()
}

async fn failure(tree: Tree) -> ErrorKind {
    let (_server, bmc) = Fake::new(tree).tried().await;
    let error = bmc.err().unwrap();
    assert_eq!(error.step_key(), "redfish.discover");
    // Kinds cannot be cloned; the label is enough to compare.
    match error.kind() {
        ErrorKind::AmbiguousSystem { candidates } => {
            ErrorKind::AmbiguousSystem { candidates: candidates.clone() }
        }
        ErrorKind::TooManyResources { limit } => ErrorKind::TooManyResources { limit: *limit },
        kind => panic!("{kind}"),
    }
}

fn on(path: &str, kinds: &[&str]) -> Value {
    slot(&format!("{MEDIA}/{path}"), kinds)
}

fn rung(found: &Discovered) -> (Rung, Option<&str>, Option<&str>) {
    fn id(uri: Option<&String>) -> Option<&str> {
        uri.and_then(|uri| uri.rsplit('/').next())
    }
    (found.rung, id(found.boot_slot.as_ref()), id(found.task_slot.as_ref()))
}

/// The sentences of discovery.
fn told(found: &Discovered) -> Vec<String> {
    found.warnings.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_order_in_which_slots_are_listed_does_not_count() {
    let mut tree = two_cd();
    tree.insert(MEDIA.to_owned(), json!({"Members": [link(SECOND), link(FIRST)]}));
    assert_eq!(rung(&found(tree).await), (Rung::TwoCd, Some("1"), Some("2")));
}

#[tokio::test]
async fn each_rung_of_the_ladder_is_recognised() {
    for (slots, expected) in [
        (vec![on("1", &["CD"]), on("2", &["CD"]), on("3", &["CD"])], (Rung::TwoCd, Some("1"), Some("2"))),
        (
            vec![on("1", &["Floppy", "USBStick"]), on("2", &["CD", "DVD"])],
            (Rung::CdUsb, Some("2"), Some("1")),
        ),
        (
            vec![on("1", &["Floppy"]), on("2", &["USBStick"]), on("3", &["DVD"])],
            (Rung::CdUsb, Some("3"), Some("2")),
        ),
        (vec![on("CD1", &[])], (Rung::Single, Some("CD1"), None)),
        (vec![on("1", &["USBStick"])], (Rung::None, None, None)),
        (vec![], (Rung::None, None, None)),
    ] {
        let found = found(machine(&slots)).await;
        assert_eq!(rung(&found), expected);
        assert_eq!(found.boot.chosen.is_some(), expected.1.is_some());
        assert_eq!(
            found.warnings.is_empty(),
            matches!(expected.0, Rung::TwoCd | Rung::CdUsb),
            "{:?}",
            found.warnings
        );
    }
}

#[tokio::test]
async fn without_slots_the_firmware_may_boot_over_http() {
    let mut tree = machine(&[]);
    tree.get_mut(SYSTEM).unwrap()["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"] =
        json!(["None", "Pxe", "UefiHttp"]);
    let found = found(tree).await;
    assert_eq!(rung(&found), (Rung::UefiHttp, None, None));
    assert_eq!(found.boot.chosen.as_deref(), Some("UefiHttp"));
}

#[tokio::test]
async fn slots_that_take_no_address_are_never_picked() {
    let console = json!({"Id": "Slot_0", "MediaTypes": ["CD"], "Inserted": false, "Image": "", "@odata.id": format!("{MEDIA}/Slot_0")});
    let no_target = json!({"Id": "0", "MediaTypes": ["CD"], "@odata.id": format!("{MEDIA}/0"),
        "Actions": {"#VirtualMedia.InsertMedia": {}}});
    let found = found(machine(&[console, no_target, on("1", &["CD"])])).await;
    assert_eq!(rung(&found), (Rung::Single, Some("1"), None));
    let routes: Vec<Value> =
        found.media.iter().map(|slot| serde_json::to_value(slot.insert).unwrap()).collect();
    assert_eq!(routes, ["none", "action", "none"]);
}

#[tokio::test]
async fn allow_decides_whether_a_slot_without_actions_is_patched() {
    let at = format!("{MEDIA}/1");
    for (allow, rungs) in
        [(Some("GET, HEAD, PATCH"), Rung::Single), (Some("GET, HEAD"), Rung::None), (None, Rung::Single)]
    {
        let fake = Fake::new(machine(&[patched_slot(&at)]));
        fake.hook(|asked, _| {
            // No maker is known that does not say it and has actions elsewhere.
            (asked.method == "POST" && asked.path.contains("/Actions/")).then(|| Reply::status(405))
        });
        if let Some(allow) = allow {
            fake.hook(move |asked, state| {
                (asked.method == "GET" && asked.path == FIRST)
                    .then(|| Reply::json(200, &state.tree[FIRST]).header("Allow", allow))
            });
        }
        let (_server, bmc) = fake.connected().await;
        assert_eq!(bmc.discovered().rung, rungs, "{allow:?}");
    }
}

#[tokio::test]
async fn one_image_at_a_time_where_two_are_known_to_fail() {
    let old_idrac =
        made_by(machine(&[on("CD", &["CD", "DVD"]), on("RemovableDisk", &["USBStick"])]), "Dell Inc.");
    assert_eq!(rung(&found(old_idrac).await), (Rung::Single, Some("CD"), None));
    let old_supermicro = made_by(machine(&[on("CD1", &["CD"]), on("CD2", &["CD"])]), "Supermicro");
    assert_eq!(rung(&found(old_supermicro).await), (Rung::Single, Some("CD1"), None));
}

#[tokio::test]
async fn the_systems_own_view_is_preferred_and_one_device_is_listed_once() {
    let own = "/redfish/v1/Systems/1/VirtualMedia";
    let mut tree = machine(&[on("CD", &["CD"]), on("Extra", &["USBStick"])]);
    tree.get_mut(SYSTEM).unwrap()["VirtualMedia"] = link(own);
    tree.insert(own.to_owned(), json!({"Members": [link(&format!("{own}/CD"))]}));
    tree.insert(format!("{own}/CD"), slot(&format!("{own}/CD"), &["CD"]));
    let seen = found(tree.clone()).await;
    assert_eq!(seen.boot_slot.as_deref(), Some("/redfish/v1/Systems/1/VirtualMedia/CD"));
    assert_eq!(seen.rung, Rung::Single, "slots of two views are not mixed");
    let uris: Vec<&str> = seen.media.iter().map(|slot| slot.uri.as_str()).collect();
    assert_eq!(uris, [format!("{own}/CD"), format!("{MEDIA}/Extra")]);
    // An empty view of the system's is none.
    tree.insert(own.to_owned(), json!({"Members": null}));
    assert_eq!(rung(&found(tree).await), (Rung::CdUsb, Some("CD"), Some("Extra")));
}

#[tokio::test]
async fn null_members_odd_values_and_missing_properties_are_endured() {
    let mut tree = two_cd();
    tree.insert(MEDIA.to_owned(), json!({"Members": null, "Members@odata.count": "0"}));
    let system = tree.get_mut(SYSTEM).unwrap();
    system["UUID"] = json!("");
    system["SerialNumber"] = json!(4711);
    system["Model"] = Value::Null;
    system["Status"] = json!("fine");
    tree.get_mut(MANAGER).unwrap().as_object_mut().unwrap().remove("FirmwareVersion");
    let found = found(tree).await;
    assert_eq!(
        (found.serial.as_deref(), found.uuid, found.model, found.firmware),
        (Some("4711"), None, None, None)
    );
    assert_eq!(found.rung, Rung::None);
}

#[tokio::test]
async fn members_that_cannot_be_read_are_told_and_skipped() {
    let mut tree = two_cd();
    tree.remove(FIRST);
    let found = found(tree).await;
    assert_eq!(rung(&found), (Rung::Single, Some("2"), None));
    assert!(found.warnings[0].text.contains(FIRST), "{:?}", found.warnings);
}

#[tokio::test]
async fn managers_that_the_system_does_not_name_are_found_by_their_own_links() {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap().as_object_mut().unwrap().remove("Links");
    assert_eq!(found(tree.clone()).await.managers, [MANAGER]);
    let other = "/redfish/v1/Managers/2";
    tree.insert("/redfish/v1/Managers".to_owned(), json!({"Members": [link(other), link(MANAGER)]}));
    tree.insert(other.to_owned(), json!({"Id": "2"}));
    tree.get_mut(MANAGER).unwrap()["Links"] = json!({"ManagerForServers": [link(SYSTEM)]});
    assert_eq!(found(tree).await.managers, [MANAGER]);
}

#[tokio::test]
async fn reset_types_and_values_come_from_the_action_info_too() {
    let info = "/redfish/v1/Systems/1/ResetActionInfo";
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["Actions"]["#ComputerSystem.Reset"] =
        json!({"target": format!("{SYSTEM}/Actions/ComputerSystem.Reset"), "@Redfish.ActionInfo": info});
    tree.insert(
        info.to_owned(),
        json!({"Parameters": [{"Name": "ResetType", "AllowableValues": ["On", "ForceOff"]}]}),
    );
    assert_eq!(found(tree).await.facts.reset_types, ["On", "ForceOff"]);
}

#[tokio::test]
async fn two_machines_behind_one_bmc_are_not_guessed_between() {
    let mut tree = two_cd();
    let mut second = tree[SYSTEM].clone();
    second["SerialNumber"] = json!("ACME-2");
    tree.insert("/redfish/v1/Systems/2".to_owned(), second);
    tree.insert(
        "/redfish/v1/Systems".to_owned(),
        json!({"Members": [link(SYSTEM), link("/redfish/v1/Systems/2")]}),
    );
    match failure(tree).await {
        ErrorKind::AmbiguousSystem { candidates } => assert_eq!(
            candidates,
            ["/redfish/v1/Systems/1 (serial ACME-1)", "/redfish/v1/Systems/2 (serial ACME-2)"]
        ),
        kind => panic!("{kind}"),
    }
}

#[tokio::test]
async fn links_in_a_circle_end() {
    let mut tree = two_cd();
    tree.insert(
        MEDIA.to_owned(),
        json!({
            "Members": [link(MEDIA), link(FIRST), link(FIRST), link(&format!("{FIRST}/")), link(SYSTEM), link(ROOT)],
            "Members@odata.nextLink": MEDIA
        }),
    );
    assert_eq!(rung(&found(tree).await), (Rung::Single, Some("1"), None));
}

#[tokio::test]
async fn pages_are_read_to_their_end() {
    let mut tree = two_cd();
    let second = format!("{MEDIA}?$skip=1");
    tree.insert(MEDIA.to_owned(), json!({"Members": [link(FIRST)], "Members@odata.nextLink": second}));
    tree.insert(second, json!({"Members": [link(SECOND)]}));
    assert_eq!(rung(&found(tree).await), (Rung::TwoCd, Some("1"), Some("2")));
}

#[tokio::test]
async fn more_resources_than_any_bmc_has_end_the_walk() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        // Page after page, each with a slot of its own.
        let page = asked.path.strip_prefix(MEDIA)?;
        let n: u32 = page.strip_prefix("?page=").map_or(Some(0), |n| n.parse().ok())?;
        (asked.method == "GET" && (page.is_empty() || page.starts_with('?'))).then(|| {
            Reply::json(
                200,
                &json!({"Members": [], "Members@odata.nextLink": format!("{MEDIA}?page={}", n + 1)}),
            )
        })
    });
    let (_server, bmc) = fake.tried().await;
    let error = bmc.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::TooManyResources { .. }), "{error}");
    assert!(fake.log().len() < 250);
}

#[tokio::test]
async fn what_is_in_the_slots_and_who_holds_them_is_told_without_capabilities() {
    let mut tree = two_cd();
    let capability = "0123456789abcdef0123456789abcdef";
    let first = tree.get_mut(FIRST).unwrap();
    first["Inserted"] = json!(true);
    first["Image"] = json!(format!("http://h/media/{capability}/old.iso"));
    first["ConnectedVia"] = json!("URI");
    let second = tree.get_mut(SECOND).unwrap();
    second["Inserted"] = json!(true);
    second["ConnectedVia"] = json!("Applet");
    tree.get_mut(MANAGER).unwrap()["NetworkProtocol"] = link("/redfish/v1/Managers/1/NetworkProtocol");
    tree.insert(
        "/redfish/v1/Managers/1/NetworkProtocol".to_owned(),
        json!({"VirtualMedia": {"ProtocolEnabled": false}}),
    );
    let found = found(tree).await;
    assert_eq!(
        told(&found),
        [
            "virtual media are disabled in the manager's network protocol".to_owned(),
            format!("{FIRST} already holds an image: http://h/media/{{hidden}}/old.iso"),
            format!("{SECOND} is held by a console session"),
        ]
    );
    // Of all that, only this would stop an install.
    assert_eq!(
        found.obstacles().iter().map(|obstacle| obstacle.code).collect::<Vec<_>>(),
        ["media-disabled"]
    );
    let shown = serde_json::to_value(&found).unwrap();
    assert_eq!(shown["media"][0]["image"], "http://h/media/{hidden}/old.iso");
    assert_eq!(found.media[0].image.as_ref().map(|image| image.expose().contains(capability)), Some(true));
}

#[tokio::test]
async fn openbmc_takes_https_images_whoever_built_it() {
    let mut tree = made_by(two_cd(), "NVIDIA");
    tree.get_mut(MANAGER).unwrap()["Model"] = json!("OpenBmc");
    let found = found(tree).await;
    assert_eq!(
        (found.vendor.as_str(), found.facts.schemes.http, found.facts.schemes.https),
        ("NVIDIA", false, true)
    );
    assert_eq!(told(&found), ["images are taken over https only"]);
}

#[tokio::test]
async fn makers_whose_images_must_be_https_are_known() {
    for vendor in ["FUJITSU", "xFusion"] {
        let found = found(made_by(two_cd(), vendor)).await;
        assert!(!found.facts.schemes.http && found.facts.schemes.https, "{vendor}");
    }
}

#[tokio::test]
async fn xcc_slots_are_patched_even_where_allow_does_not_say_so() {
    let at = format!("{MEDIA}/EXT1");
    let fake = Fake::new(made_by(machine(&[patched_slot(&at)]), "Lenovo"));
    fake.hook(move |asked, state| {
        (asked.method == "GET" && asked.path == at)
            .then(|| Reply::json(200, &state.tree[&at]).header("Allow", "GET, HEAD"))
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(rung(bmc.discovered()), (Rung::Single, Some("EXT1"), None));
}

#[tokio::test]
async fn ids_and_paths_of_any_form_are_followed() {
    // The same machine under paths that nobody would guess.
    let text = serde_json::to_string(&two_cd()).unwrap();
    let odd = text
        .replace("/Systems/1", "/Systems/System.Embedded.1")
        .replace("/Managers/1", "/Managers/Self")
        .replace("/VirtualMedia/", "/Devices/")
        .replace("/redfish/v1/Systems", "/redfish/v1/Machines");
    let tree: Tree = serde_json::from_str(&odd).unwrap();
    let found = found(tree).await;
    assert_eq!(found.system, "/redfish/v1/Machines/System.Embedded.1");
    assert_eq!(found.managers, ["/redfish/v1/Managers/Self"]);
    assert_eq!(rung(&found), (Rung::TwoCd, Some("1"), Some("2")));
}

#[tokio::test]
async fn nothing_is_asked_with_a_query_of_ours() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.read_state().await.unwrap();
    assert!(fake.log().iter().all(|line| !line.path.contains(['?', '$'])));
}
