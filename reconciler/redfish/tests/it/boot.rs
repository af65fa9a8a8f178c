// SPDX-License-Identifier: AGPL-3.0-or-later
//! Boot overrides on BMCs that are particular.

use std::sync::Arc;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Effect, Error, ErrorKind};

use crate::support::fake::{Fake, refused};
use crate::support::server::Reply;
use crate::support::trees::{FIRST, SETTINGS, SYSTEM, Tree, machine, made_by, slot, two_cd};

async fn set(fake: &Arc<Fake>) -> Result<Effect, Error> {
    let (_server, bmc) = fake.connected().await;
    bmc.set_boot_once_cd().await
}

pub(crate) fn boot(tree: &mut Tree) -> &mut Value {
    &mut tree.get_mut(SYSTEM).unwrap()["Boot"]
}

fn patches(fake: &Fake, ending: &str) -> Vec<Value> {
    fake.asked("PATCH", ending).into_iter().map(|line| line.body["Boot"].clone()).collect()
}

/// iDRAC10: allowable targets only in the settings, and the system takes no override.
pub(crate) fn settings_only() -> Tree {
    let mut tree = two_cd();
    boot(&mut tree).as_object_mut().unwrap().remove("BootSourceOverrideTarget@Redfish.AllowableValues");
    tree.get_mut(SYSTEM).unwrap()["@Redfish.Settings"] = json!({"SettingsObject": {"@odata.id": SETTINGS}});
    tree.insert(
        SETTINGS.to_owned(),
        json!({"@odata.id": SETTINGS, "@odata.etag": "W/\"'gen-1'\"", "Boot": {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd"]
        }}),
    );
    tree
}

#[tokio::test]
async fn only_what_differs_is_written() {
    let fake = Fake::new(two_cd());
    assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
    assert_eq!(
        patches(&fake, SYSTEM),
        [json!({"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once"})]
    );
}

#[tokio::test]
async fn makers_that_want_all_three_get_all_three() {
    for vendor in ["Supermicro", "AMI", "ASRockRack"] {
        let fake = Fake::new(made_by(two_cd(), vendor));
        let (_server, bmc) = fake.connected().await;
        bmc.set_boot_once_cd().await.unwrap();
        bmc.clear_boot_override().await.unwrap();
        assert_eq!(
            patches(&fake, SYSTEM),
            [
                json!({"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI"}),
                json!({"BootSourceOverrideTarget": "None", "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideMode": "UEFI"})
            ],
            "{vendor}"
        );
    }
}

#[tokio::test]
async fn a_mode_is_not_sent_to_a_bmc_that_shows_none() {
    let mut tree = made_by(two_cd(), "Supermicro");
    boot(&mut tree).as_object_mut().unwrap().remove("BootSourceOverrideMode");
    let fake = Fake::new(tree);
    set(&fake).await.unwrap();
    assert!(patches(&fake, SYSTEM)[0].get("BootSourceOverrideMode").is_none());
}

#[tokio::test]
async fn legacy_is_changed_to_uefi_except_where_that_is_a_firmware_job() {
    let mut tree = two_cd();
    boot(&mut tree)["BootSourceOverrideMode"] = json!("Legacy");
    let fake = Fake::new(tree.clone());
    set(&fake).await.unwrap();
    assert_eq!(patches(&fake, SYSTEM)[0]["BootSourceOverrideMode"], "UEFI");

    let fake = Fake::new(made_by(tree, "Dell Inc."));
    let error = set(&fake).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WrongBootMode { .. }), "{error}");
    assert!(fake.asked("PATCH", "").is_empty());
}

#[tokio::test]
async fn a_mode_that_cannot_be_changed_is_the_wrong_boot_mode() {
    let mut tree = two_cd();
    boot(&mut tree)["BootSourceOverrideMode"] = json!("Legacy");
    let fake = Fake::new(tree);
    fake.hook(|asked, _| {
        let mode = asked.json()["Boot"].get("BootSourceOverrideMode").is_some();
        mode.then(|| refused(400, "Base.1.12.PropertyNotWritable", "", &["Boot/BootSourceOverrideMode"]))
    });
    let error = set(&fake).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WrongBootMode { .. }), "{error}");
}

#[tokio::test]
async fn an_override_that_lives_in_the_settings_is_set_there_with_their_etag() {
    let fake = Fake::new(settings_only());
    fake.answer("PATCH", SYSTEM, u32::MAX, || refused(400, "Base.1.12.PropertyNotWritable", "", &["Boot"]));
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.discovered().boot.resource.as_deref(), Some(SETTINGS));
    assert_eq!(bmc.discovered().boot.targets, ["None", "Pxe", "Cd"]);
    assert_eq!(bmc.set_boot_once_cd().await.unwrap(), Effect::Changed);
    assert!(bmc.read_state().await.unwrap().boot.is_active());
    let sent = fake.asked("PATCH", SETTINGS);
    assert_eq!(sent[0].if_match.as_deref(), Some("W/\"'gen-1'\""));
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::Changed);
    assert!(fake.asked("PATCH", SYSTEM).is_empty());
}

#[tokio::test]
async fn a_system_that_refuses_the_override_is_left_for_its_settings() {
    for reply in [(|| Reply::status(405)) as fn() -> Reply, || {
        refused(400, "Base.1.12.PropertyNotWritable", "", &["Boot"])
    }] {
        let mut tree = settings_only();
        boot(&mut tree)["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(["None", "Cd"]);
        let fake = Fake::new(tree);
        fake.answer("PATCH", SYSTEM, u32::MAX, reply);
        assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
        assert_eq!(patches(&fake, SETTINGS).len(), 1);
    }
}

#[tokio::test]
async fn settings_that_nobody_links_are_found_where_the_system_says_nothing() {
    let mut tree = two_cd();
    *boot(&mut tree) = json!({"BootOrder": ["a", "b"]});
    let sd = format!("{SYSTEM}/SD");
    tree.insert(
        sd.clone(),
        json!({"@odata.id": sd, "Boot": {
            "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None", "BootSourceOverrideMode": "UEFI",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Cd", "UefiHttp"]
        }}),
    );
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.discovered().boot.resource.as_deref(), Some(sd.as_str()));
    assert_eq!(bmc.set_boot_once_cd().await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn etags_are_tried_weak_then_strong_then_not_at_all() {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["@odata.etag"] = json!("W/\"x\"");
    for (accepted, tries) in [(Some("W/\"x\""), 1), (Some("\"x\""), 2), (None, 3), (Some("*"), 4)] {
        let fake = Fake::new(tree.clone());
        fake.hook(move |asked, _| {
            (asked.method == "PATCH" && asked.header("if-match") != accepted).then(|| Reply::status(412))
        });
        assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
        assert_eq!(fake.asked("PATCH", SYSTEM).len(), tries);
    }
    let fake = Fake::new(tree);
    fake.answer("PATCH", SYSTEM, u32::MAX, || Reply::status(412));
    let error = set(&fake).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused { status: 412, .. }), "{error}");
}

#[tokio::test]
async fn an_override_without_effect_is_no_success_and_a_hidden_one_is_believed() {
    let fake = Fake::new(two_cd());
    fake.answer("PATCH", SYSTEM, u32::MAX, || Reply::status(204));
    let (_server, bmc) = fake.connected_in_a_hurry().await;
    let error = bmc.set_boot_once_cd().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoEffect { .. }), "{error}");
    assert_eq!(error.step_key(), "redfish.boot-override");

    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "PATCH").then(|| {
            *boot(&mut state.tree) = json!({});
            Reply::status(204)
        })
    });
    assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn once_that_is_shown_as_continuous_is_set() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "PATCH").then(|| {
            let boot = boot(&mut state.tree);
            boot["BootSourceOverrideEnabled"] = json!("Continuous");
            boot["BootSourceOverrideTarget"] = json!("Cd");
            Reply::status(204)
        })
    });
    assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn a_machine_in_post_is_waited_for() {
    let fake = Fake::new(two_cd());
    fake.answer("PATCH", SYSTEM, 3, || refused(400, "iLO.2.14.UnableToModifyDuringSystemPOST", "", &[]));
    assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
    assert_eq!(fake.asked("PATCH", SYSTEM).len(), 4);
}

#[tokio::test]
async fn an_override_whose_answer_is_lost_is_judged_by_what_shows() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "PATCH").then(|| {
            let boot = boot(&mut state.tree);
            boot["BootSourceOverrideEnabled"] = json!("Once");
            boot["BootSourceOverrideTarget"] = json!("Cd");
            Reply::broken()
        })
    });
    assert_eq!(set(&fake).await.unwrap(), Effect::Changed);
    assert_eq!(fake.asked("PATCH", SYSTEM).len(), 1);
}

#[tokio::test]
async fn without_a_target_that_starts_our_medium_nothing_is_written() {
    let mut tree = machine(&[slot(FIRST, &["CD"])]);
    boot(&mut tree)["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(["None", "Hdd"]);
    let fake = Fake::new(tree);
    let error = set(&fake).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoBootTarget { .. }), "{error}");
    assert!(fake.asked("PATCH", "").is_empty());
}

#[tokio::test]
async fn an_override_of_somebody_else_is_cleared() {
    let mut tree = two_cd();
    boot(&mut tree)["BootSourceOverrideEnabled"] = json!("Continuous");
    boot(&mut tree)["BootSourceOverrideTarget"] = json!("Pxe");
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::Changed);
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::AlreadySo);
    assert_eq!(patches(&fake, SYSTEM), [json!({"BootSourceOverrideEnabled": "Disabled"})]);
}

#[tokio::test]
async fn a_bmc_that_looks_at_the_target_only_is_cleared_by_the_target() {
    let mut tree = two_cd();
    boot(&mut tree)["BootSourceOverrideEnabled"] = json!("Continuous");
    boot(&mut tree)["BootSourceOverrideTarget"] = json!("Cd");
    let fake = Fake::new(tree);
    fake.hook(|asked, state| {
        (asked.method == "PATCH").then(|| match asked.json()["Boot"].get("BootSourceOverrideTarget") {
            Some(target) => {
                boot(&mut state.tree)["BootSourceOverrideTarget"] = target.clone();
                Reply::status(204)
            }
            None => Reply::status(400),
        })
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::Changed);
    assert!(!bmc.read_state().await.unwrap().boot.is_active());
}

#[tokio::test]
async fn a_machine_that_boots_over_http_is_set_once_and_cleared_once() {
    let mut tree = machine(&[]);
    boot(&mut tree)["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(["None", "UefiHttp"]);
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    let url = crate::flow::image("boot.iso").url;
    assert_eq!(bmc.set_boot_once_http(&url).await.unwrap(), Effect::Changed);
    assert_eq!(bmc.set_boot_once_http(&url).await.unwrap(), Effect::AlreadySo);
    assert_eq!(
        patches(&fake, SYSTEM),
        [json!({
            "BootSourceOverrideTarget": "UefiHttp", "BootSourceOverrideEnabled": "Once", "HttpBootUri": url.expose()
        })]
    );
    let error = bmc.set_boot_once_cd().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoBootTarget { .. }), "{error}");
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::Changed);
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::AlreadySo);
}

#[tokio::test]
async fn an_address_that_is_not_given_up_does_not_hinder_clearing() {
    let mut tree = machine(&[]);
    boot(&mut tree)["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(["None", "UefiHttp"]);
    boot(&mut tree)["HttpBootUri"] = json!("http://h/boot.efi");
    let fake = Fake::new(tree);
    fake.answer("PATCH", SYSTEM, u32::MAX, || Reply::status(400));
    let (_server, bmc) = fake.connected().await;
    bmc.clear_boot_override().await.unwrap();
}

#[tokio::test]
async fn an_http_boot_address_of_somebody_else_is_left_where_we_boot_from_media() {
    let mut tree = two_cd();
    boot(&mut tree)["HttpBootUri"] = json!("http://h/boot.efi");
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::AlreadySo);
    assert!(fake.writes().is_empty());
    let error = bmc.set_boot_once_http(&crate::flow::image("boot.iso").url).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoBootTarget { .. }), "{error}");
}
