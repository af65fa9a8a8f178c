// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power on machines that are slow, deaf or busy.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Effect, ErrorKind, PowerOff};

use crate::support::fake::{Fake, refused};
use crate::support::server::{Asked, Reply};
use crate::support::trees::{SYSTEM, two_cd};

const RESET: &str = "ComputerSystem.Reset";
const GRACEFUL: Duration = Duration::from_millis(150);

pub(crate) fn resets(fake: &Fake) -> Vec<String> {
    fake.asked("POST", RESET)
        .iter()
        .map(|line| line.body["ResetType"].as_str().unwrap_or_default().to_owned())
        .collect()
}

pub(crate) fn is_reset(asked: &Asked, reset_type: &str) -> bool {
    asked.path.ends_with(RESET) && asked.json()["ResetType"] == reset_type
}

pub(crate) fn power(fake: &Fake, state: &str) {
    fake.state().tree.get_mut(SYSTEM).unwrap()["PowerState"] = json!(state);
}

/// Accepts this reset and does nothing.
fn deaf_to(fake: &Arc<Fake>, reset_type: &'static str) {
    fake.hook(move |asked, _| is_reset(asked, reset_type).then(|| Reply::status(204)));
}

#[tokio::test]
async fn a_shutdown_that_is_not_heard_or_refused_is_forced() {
    let fake = Fake::new(two_cd());
    deaf_to(&fake, "GracefulShutdown");
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.ensure_power_off(GRACEFUL).await.unwrap(), PowerOff::Forced);
    assert_eq!(resets(&fake), ["GracefulShutdown", "ForceOff"]);

    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| is_reset(asked, "GracefulShutdown").then(|| Reply::status(400)));
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.ensure_power_off(Duration::from_secs(60)).await.unwrap(), PowerOff::Forced);
}

#[tokio::test]
async fn no_shutdown_is_asked_of_a_bmc_that_lists_none() {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] =
        json!(["On", "ForceOff"]);
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    bmc.ensure_power_off(GRACEFUL).await.unwrap();
    assert_eq!(resets(&fake), ["ForceOff"]);
}

#[tokio::test]
async fn a_missing_list_of_reset_types_does_not_mean_that_there_are_none() {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] =
        Value::Null;
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.ensure_power_off(GRACEFUL).await.unwrap(), PowerOff::Graceful);
    assert_eq!(bmc.ensure_power_on().await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn a_machine_on_its_way_down_is_waited_for() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    power(&fake, "PoweringOff");
    let mut reads = 0;
    fake.hook(move |asked, state| {
        if asked.method == "GET" && asked.path == SYSTEM {
            reads += 1;
            if reads > 3 {
                state.tree.get_mut(SYSTEM).unwrap()["PowerState"] = json!("Off");
            }
        }
        None
    });
    assert_eq!(bmc.ensure_power_off(Duration::from_secs(60)).await.unwrap(), PowerOff::Graceful);
    assert!(resets(&fake).is_empty());
}

#[tokio::test]
async fn a_machine_that_cannot_be_switched_off_is_told() {
    let fake = Fake::new(two_cd());
    deaf_to(&fake, "ForceOff");
    let (_server, bmc) = fake.connected_in_a_hurry().await;
    let error = bmc.ensure_power_off(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoEffect { .. }), "{error}");
    assert_eq!(error.step_key(), "redfish.reset");
    assert_eq!(resets(&fake), ["ForceOff"; 3]);
}

#[tokio::test]
async fn an_early_on_that_conflicts_is_sent_again() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    power(&fake, "Off");
    let mut conflicts = 7;
    fake.hook(move |asked, _| {
        (is_reset(asked, "On") && conflicts > 0).then(|| {
            conflicts -= 1;
            refused(409, "Base.1.12.ActionParameterValueConflict", "", &["ResetType", "On"])
        })
    });
    assert_eq!(bmc.ensure_power_on().await.unwrap(), Effect::Changed);
    assert_eq!(resets(&fake), ["On"; 8]);
}

#[tokio::test]
async fn an_on_that_is_lost_is_repeated_and_nothing_else_is_ever_sent() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected_in_a_hurry().await;
    power(&fake, "Off");
    let mut lost = 1;
    fake.hook(move |asked, _| {
        (is_reset(asked, "On") && lost > 0).then(|| {
            lost -= 1;
            Reply::broken()
        })
    });
    assert_eq!(bmc.ensure_power_on().await.unwrap(), Effect::Changed);
    assert_eq!(resets(&fake), ["On"; 2]);
}

#[tokio::test]
async fn powering_on_is_on_enough() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    power(&fake, "PoweringOn");
    assert_eq!(bmc.ensure_power_on().await.unwrap(), Effect::AlreadySo);
}

#[tokio::test]
async fn an_on_that_is_refused_for_good_is_told_at_once() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    power(&fake, "Off");
    fake.hook(|asked, _| {
        is_reset(asked, "On").then(|| refused(403, "Base.1.12.InsufficientPrivilege", "", &[]))
    });
    let error = bmc.ensure_power_on().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Forbidden { .. }), "{error}");
    assert_eq!(resets(&fake), ["On"]);
}

#[tokio::test]
async fn a_system_without_a_reset_action_is_told() {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap().as_object_mut().unwrap().remove("Actions");
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    let error = bmc.ensure_power_off(GRACEFUL).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoResetAction), "{error}");
    assert_eq!(bmc.discovered().warnings[0].text, "the system has no reset action");
}
