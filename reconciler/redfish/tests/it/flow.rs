// SPDX-License-Identifier: AGPL-3.0-or-later
//! The order of a job, on a BMC that behaves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoal_redfish::{
    Bmc, BootOverride, Effect, ErrorKind, ImageKind, ImageRef, MediaUrl, PowerOff, PowerState, RedfishBmc,
    Wiring,
};

use crate::support::client::{Recorder, endpoint, wiring};
use crate::support::fake::Fake;
use crate::support::server::{Reply, Server};
use crate::support::trees::{FIRST, SECOND, SYSTEM, machine, made_by, patched_slot, two_cd};

pub(crate) fn image(name: &str) -> ImageRef {
    ImageRef {
        url: MediaUrl::new(format!("https://127.0.0.1:9/media/{}/{name}", "c4pab1l1ty".repeat(3))),
        kind: ImageKind::Iso,
    }
}

#[tokio::test]
async fn a_whole_job_leaves_the_machine_on_with_media_and_override_and_then_without() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    let graceful = Duration::from_millis(200);
    assert_eq!(bmc.ensure_power_off(graceful).await.unwrap(), PowerOff::Graceful);
    assert_eq!(bmc.eject_ours().await.unwrap(), Effect::AlreadySo);
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(bmc.insert(SECOND, &image("task.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(bmc.set_boot_once_cd().await.unwrap(), Effect::Changed);
    assert_eq!(bmc.ensure_power_on().await.unwrap(), Effect::Changed);

    let state = bmc.read_state().await.unwrap();
    assert_eq!(state.power, PowerState::On);
    assert!(state.boot.is_active());
    assert_eq!(
        state.boot,
        BootOverride {
            enabled: Some("Once".to_owned()),
            target: Some("Cd".to_owned()),
            mode: Some("UEFI".to_owned()),
            http_image: None,
        }
    );
    let slots: Vec<_> = state.slots.iter().map(|slot| (slot.uri.as_str(), slot.inserted)).collect();
    assert_eq!(slots, [(FIRST, true), (SECOND, true)]);
    let held = state.slots[1].image.as_ref().unwrap();
    assert!(image("task.iso").url.same_image(held));

    assert_eq!(bmc.ensure_power_off(Duration::ZERO).await.unwrap(), PowerOff::Forced);
    assert_eq!(bmc.eject_ours().await.unwrap(), Effect::Changed);
    assert_eq!(bmc.clear_boot_override().await.unwrap(), Effect::Changed);
    let state = bmc.read_state().await.unwrap();
    assert!(!state.boot.is_active());
    assert!(state.slots.iter().all(|slot| !slot.inserted && slot.image.is_none()));
    bmc.close().await.unwrap();
    assert!(fake.state().sessions.is_empty());
}

#[tokio::test]
async fn repeating_what_is_so_already_writes_nothing() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    bmc.set_boot_once_cd().await.unwrap();
    let before = fake.writes();
    assert_eq!(bmc.ensure_power_off(Duration::ZERO).await.unwrap(), PowerOff::AlreadyOff);
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::AlreadySo);
    assert_eq!(bmc.set_boot_once_cd().await.unwrap(), Effect::AlreadySo);
    assert_eq!(fake.writes(), before);
    bmc.ensure_power_on().await.unwrap();
    let before = fake.writes();
    assert_eq!(bmc.ensure_power_on().await.unwrap(), Effect::AlreadySo);
    assert_eq!(fake.writes(), before);
}

#[tokio::test]
async fn the_writes_of_a_job_come_in_the_order_they_were_asked_for() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    bmc.set_boot_once_cd().await.unwrap();
    bmc.ensure_power_on().await.unwrap();
    assert_eq!(
        fake.writes(),
        [
            "ComputerSystem.Reset ForceOff".to_owned(),
            format!("POST {FIRST}/Actions/VirtualMedia.InsertMedia"),
            format!("PATCH {SYSTEM}"),
            "ComputerSystem.Reset On".to_owned(),
        ]
    );
}

#[tokio::test]
async fn slots_without_actions_are_patched_both_ways_with_their_etag() {
    let ext = |n: u32| patched_slot(&format!("/redfish/v1/Managers/1/VirtualMedia/EXT{n}"));
    let fake = Fake::new(made_by(machine(&[ext(1), ext(2)]), "Lenovo"));
    fake.hook(|asked, _| {
        let unguarded = asked.method == "PATCH" && asked.header("if-match") != Some("\"slot-1\"");
        unguarded.then(|| Reply::status(412))
    });
    let (_server, bmc) = fake.connected().await;
    let slot = bmc.discovered().boot_slot.clone().unwrap();
    assert!(slot.ends_with("/EXT1"), "{slot}");
    // The first XCC takes http only.
    let refused = bmc.insert(&slot, &image("boot.iso")).await.unwrap_err();
    assert_eq!(refused.kind().label(), "unsupported-image-scheme");
    let plain = ImageRef { url: MediaUrl::new("http://127.0.0.1:9/media/x/boot.iso"), kind: ImageKind::Iso };
    assert_eq!(bmc.insert(&slot, &plain).await.unwrap(), Effect::Changed);
    assert_eq!(bmc.eject(&slot).await.unwrap(), Effect::Changed);
    let bodies: Vec<_> = fake.asked("PATCH", "/EXT1").into_iter().map(|line| line.body).collect();
    assert_eq!(
        bodies,
        [
            json!({"Image": "http://127.0.0.1:9/media/x/boot.iso", "Inserted": true, "WriteProtected": true}),
            json!({"Image": null, "Inserted": false})
        ]
    );
}

#[tokio::test]
async fn a_sweep_costs_the_system_and_its_slots_and_discovers_nothing_again() {
    let fake = Fake::new(two_cd());
    let (server, bmc) = fake.connected().await;
    let discovery = bmc.discovery();
    bmc.close().await.unwrap();
    let before = fake.log().len();

    let bmc = RedfishBmc::resume(&endpoint(&server), wiring(), discovery).unwrap();
    bmc.read_state().await.unwrap();
    bmc.close().await.unwrap();
    let asked: Vec<String> =
        fake.log()[before..].iter().map(|line| format!("{} {}", line.method, line.path)).collect();
    assert_eq!(
        asked,
        [
            "POST /redfish/v1/SessionService/Sessions".to_owned(),
            format!("GET {SYSTEM}"),
            format!("GET {FIRST}"),
            format!("GET {SECOND}"),
            "DELETE /redfish/v1/SessionService/Sessions/2".to_owned(),
        ]
    );
}

/// Answers with ETags that change with the resource, and 304 where it did not change.
fn with_honest_etags(fake: &Fake) {
    fake.hook(|asked, state| {
        let value = state.tree.get(asked.path.trim_end_matches('/')).filter(|_| asked.method == "GET")?;
        let bytes = value
            .to_string()
            .bytes()
            .fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let etag = format!("\"{bytes:x}\"");
        let unchanged = asked.header("if-none-match") == Some(&etag);
        let reply = if unchanged { Reply::status(304) } else { Reply::json(200, value) };
        Some(reply.header("ETag", etag))
    });
}

#[tokio::test]
async fn a_bmc_whose_etags_are_honest_is_asked_for_changes_only() {
    let fake = Fake::new(two_cd());
    with_honest_etags(&fake);
    let recorder = Arc::new(Recorder::default());
    let wiring = Wiring { observer: recorder.clone(), ..wiring() };
    let server = Server::https(fake.clone()).await;
    let bmc = RedfishBmc::connect(&endpoint(&server), wiring.clone()).await.unwrap();
    // A job proves them.
    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    for slot in [FIRST, SECOND] {
        bmc.insert(slot, &image("boot.iso")).await.unwrap();
        bmc.eject(slot).await.unwrap();
    }
    bmc.set_boot_once_cd().await.unwrap();
    bmc.clear_boot_override().await.unwrap();
    bmc.ensure_power_on().await.unwrap();
    let looked = bmc.read_state().await.unwrap();

    // Also for a client that takes up what is known.
    let bmc = RedfishBmc::resume(&endpoint(&server), wiring, bmc.discovery()).unwrap();
    let before = recorder.0.lock().unwrap().len();
    assert_eq!(bmc.read_state().await.unwrap(), looked);
    let codes: Vec<_> = recorder.0.lock().unwrap()[before..].iter().map(|record| record.code).collect();
    assert_eq!(codes, [Some(201), Some(304), Some(304), Some(304)]);
    fake.state().tree.get_mut(SYSTEM).unwrap()["PowerState"] = json!("Off");
    assert_eq!(bmc.read_state().await.unwrap().power, PowerState::Off);
}

#[tokio::test]
async fn a_slot_that_discovery_did_not_see_is_no_slot() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    let error = bmc.eject("/redfish/v1/Managers/1/VirtualMedia/9").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnknownSlot), "{error}");
}
