// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power: transitions, refusals, graceful requests, the BMC's own restart.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shoal_testbed::bmc::profiles::{ALL, IDRAC9_6, ILO5, Profile, SMC_X13_SINGLE};
use shoal_testbed::bmc::{AfterShutdown, ManualClock, Power, StopCause, Told};

use crate::client::Answer;
use crate::fixture::{Fixture, Options};

pub(crate) fn system(profile: &Profile) -> String {
    format!("/redfish/v1/Systems/{}", profile.system.id)
}

pub(crate) async fn reset(fixture: &Fixture, kind: &str) -> Answer {
    let action = format!("{}/Actions/ComputerSystem.Reset", system(fixture.bmc().profile()));
    fixture.client.post(&action, json!({"ResetType": kind})).await
}

async fn power_state(fixture: &Fixture) -> String {
    let system = fixture.client.get(&system(fixture.bmc().profile())).await.expect(200).json();
    system["PowerState"].as_str().expect("a power state").to_owned()
}

fn accepted(answer: &Answer) {
    assert!((200..300).contains(&answer.status), "{}", answer.body);
}

/// Lets the clock run, a little at a time, until `holds`.
async fn run_until(fixture: &Fixture, clock: &ManualClock, what: &str, holds: impl Fn(&Fixture) -> bool) {
    for _ in 0..10_000 {
        if holds(fixture) {
            return;
        }
        clock.advance(Duration::from_millis(500));
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    panic!("never came true: {what}: {:#?}", fixture.bmc().state());
}

#[tokio::test]
async fn on_goes_through_powering_on_and_post_to_a_boot() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), time_scale: 1.0, ..Options::default() };
    let fixture = Fixture::with(&IDRAC9_6, options).await;
    assert_eq!(power_state(&fixture).await, "Off");
    accepted(&reset(&fixture, "On").await);
    assert_eq!(power_state(&fixture).await, "PoweringOn");
    run_until(&fixture, &clock, "on", |f| f.bmc().state().power == Power::On).await;
    let state = fixture.bmc().state();
    assert!(state.in_post && state.counters.boots == 0, "{state:#?}");
    run_until(&fixture, &clock, "booted", |f| f.bmc().state().counters.boots == 1).await;
    // 3 s to power on and 90 s of POST.
    let seconds = {
        use shoal_testbed::bmc::Clock as _;
        clock.elapsed().as_secs()
    };
    assert!((93..110).contains(&seconds), "{seconds} s");
    fixture.until("the machine was told", |f| matches!(f.machine.told().last(), Some(Told::Boot(_)))).await;
}

#[tokio::test]
async fn models_without_transitions_show_the_old_state_meanwhile() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options =
        Options { clock: Some(clock.clone()), time_scale: 1.0, powered_on: true, ..Options::default() };
    let fixture = Fixture::with(&ILO5, options).await;
    accepted(&reset(&fixture, "ForceOff").await);
    assert_eq!(fixture.bmc().state().power, Power::PoweringOff);
    assert_eq!(power_state(&fixture).await, "On");
    run_until(&fixture, &clock, "off", |f| f.bmc().state().power == Power::Off).await;
    assert_eq!(power_state(&fixture).await, "Off");
}

#[tokio::test]
async fn force_off_stops_the_machine_at_once() {
    for profile in ALL {
        let fixture = Fixture::with(profile, Options { powered_on: true, ..Options::default() }).await;
        accepted(&reset(&fixture, "ForceOff").await);
        assert_eq!(fixture.machine.told(), [Told::Stop(StopCause::PowerOff)]);
        fixture.until("off", |f| f.bmc().state().power == Power::Off).await;
        assert_eq!(fixture.bmc().state().counters.power_offs, 1);
    }
}

#[tokio::test]
async fn a_power_action_that_changes_nothing_is_answered_as_the_model_does() {
    let dell = Fixture::new(&IDRAC9_6).await;
    let answer = reset(&dell, "ForceOff").await.expect(409);
    assert_eq!(answer.message_id(), "IDRAC.2.8.PSU501");
    assert!(answer.body.contains("already powered OFF"), "{}", answer.body);
    let hpe = Fixture::new(&ILO5).await;
    let answer = reset(&hpe, "GracefulShutdown").await.expect(400);
    assert_eq!(answer.message_id(), "iLO.2.18.InvalidOperationForSystemState");
    let smc = Fixture::new(&SMC_X13_SINGLE).await;
    reset(&smc, "ForceOff").await.expect(200);
    assert_eq!(smc.bmc().state().power, Power::Off);
    assert_eq!(smc.bmc().state().counters.power_offs, 0);
}

#[tokio::test]
async fn restarting_a_machine_that_is_off_is_refused() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        for kind in ["ForceRestart", "GracefulRestart"] {
            let answer = reset(&fixture, kind).await;
            assert!((400..500).contains(&answer.status), "{}: {kind}: {}", profile.name, answer.body);
        }
        assert_eq!(fixture.bmc().state().power, Power::Off);
    }
}

#[tokio::test]
async fn only_listed_reset_types_are_taken() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let unlisted = if profile.system.reset_types.contains(&"ForceOn") { "Suspend" } else { "ForceOn" };
        let answer = reset(&fixture, unlisted).await.expect(400);
        assert!(answer.message_id().ends_with("ActionParameterValueNotInList"), "{}", answer.body);
        let action = format!("{}/Actions/ComputerSystem.Reset", system(profile));
        for body in [json!({}), json!({"ResetType": 1}), json!({"ResetType": "On", "Delay": 1})] {
            fixture.client.post(&action, body).await.expect(400);
        }
        assert_eq!(fixture.bmc().state().power, Power::Off);
    }
}

#[tokio::test]
async fn a_graceful_shutdown_ends_off_when_the_system_listens() {
    let listed = |profile: &&'static Profile| profile.system.reset_types.contains(&"GracefulShutdown");
    for profile in ALL.into_iter().filter(listed) {
        let fixture = Fixture::with(profile, Options { powered_on: true, ..Options::default() }).await;
        accepted(&reset(&fixture, "GracefulShutdown").await);
        fixture.until("off", |f| f.bmc().state().power == Power::Off).await;
        let told = fixture.machine.told();
        let expected = [Told::ShutdownRequested(AfterShutdown::PowerOff), Told::Stop(StopCause::PowerOff)];
        assert_eq!(told, expected, "{}", profile.name);
    }
}

#[tokio::test]
async fn a_hung_system_stays_on_until_it_is_forced_off() {
    let options = Options { powered_on: true, ignores_shutdown: true, ..Options::default() };
    let fixture = Fixture::with(&ILO5, options).await;
    accepted(&reset(&fixture, "GracefulShutdown").await);
    fixture.until("the button was pressed", |f| !f.machine.told().is_empty()).await;
    assert_eq!(fixture.bmc().state().power, Power::On);
    accepted(&reset(&fixture, "ForceOff").await);
    fixture.until("off", |f| f.bmc().state().power == Power::Off).await;
}

#[tokio::test]
async fn a_restart_keeps_the_power_and_boots_again() {
    let fixture = Fixture::with(&IDRAC9_6, Options { powered_on: true, ..Options::default() }).await;
    accepted(&reset(&fixture, "ForceRestart").await);
    fixture.until("booted", |f| f.bmc().state().counters.boots == 1).await;
    accepted(&reset(&fixture, "GracefulRestart").await);
    fixture.until("booted again", |f| f.bmc().state().counters.boots == 2).await;
    let counters = fixture.bmc().state().counters;
    assert_eq!((counters.resets, counters.power_ons, counters.power_offs), (2, 0, 0));
}

#[tokio::test]
async fn a_power_cycle_goes_through_off() {
    let fixture = Fixture::with(&SMC_X13_SINGLE, Options { powered_on: true, ..Options::default() }).await;
    accepted(&reset(&fixture, "PowerCycle").await);
    fixture.until("booted", |f| f.bmc().state().counters.boots == 1).await;
    let counters = fixture.bmc().state().counters;
    assert_eq!((counters.power_offs, counters.power_ons), (1, 1));
}

#[tokio::test]
async fn a_force_off_during_power_on_voids_the_boot() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), time_scale: 1.0, ..Options::default() };
    let fixture = Fixture::with(&IDRAC9_6, options).await;
    accepted(&reset(&fixture, "On").await);
    run_until(&fixture, &clock, "in POST", |f| f.bmc().state().in_post).await;
    accepted(&reset(&fixture, "ForceOff").await);
    // The first POST would end in here.
    clock.advance(Duration::from_secs(200));
    run_until(&fixture, &clock, "off", |f| f.bmc().state().power == Power::Off).await;
    accepted(&reset(&fixture, "On").await);
    run_until(&fixture, &clock, "booted", |f| matches!(f.machine.told().last(), Some(Told::Boot(_)))).await;
    assert_eq!(fixture.bmc().state().counters.boots, 1);
    assert_eq!(fixture.machine.told().len(), 2, "one stop, one boot: {:?}", fixture.machine.told());
}

#[tokio::test]
async fn a_restarting_manager_answers_nobody_and_forgets_its_sessions() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), time_scale: 1.0, ..Options::default() };
    let fixture = Fixture::with(&IDRAC9_6, options).await;
    let (token, _) = fixture.client.login().await;
    let action = "/redfish/v1/Managers/iDRAC.Embedded.1/Actions/Manager.Reset";
    fixture.client.post(action, json!({"ResetType": "GracefulRestart"})).await.expect(204);
    let request = fixture.client.request(http::Method::GET, "/redfish/v1");
    fixture.client.try_send(request).await.expect_err("it is away");
    clock.advance(Duration::from_secs(151));
    fixture.client.get("/redfish/v1").await.expect(200);
    fixture.client.with_token(&token).get("/redfish/v1/Systems").await.expect(401);
}
