// SPDX-License-Identifier: AGPL-3.0-or-later
//! Getting in and out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoal_redfish::{Bmc, Error, ErrorKind, RedfishBmc};
use shoal_testbed::bmc::{NullMachine, profiles};

use super::{Outcome, Trial, ensure};
use crate::models;
use crate::support::client::{endpoint, wiring};
use crate::support::fake::{Fake, refused};
use crate::support::server::Reply;
use crate::support::trees::{ROOT, SESSIONS, two_cd};

pub(super) async fn root_may_be_bare_before_a_login(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let outside = asked.path.trim_end_matches('/') == ROOT && asked.header("x-auth-token").is_none();
        outside.then(|| Reply::json(200, &json!({"@odata.id": "/redfish/v1", "RedfishVersion": "1.2.0"})))
    });
    trial.connect(&fake).await?;
    Ok(())
}

pub(super) async fn no_login_where_none_is_offered(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(ROOT).unwrap().as_object_mut().unwrap().remove("Links");
    let fake = Fake::new(tree);
    fake.answer("POST", SESSIONS, u32::MAX, || Reply::status(401));
    trial.connect(&fake).await?;
    Ok(())
}

pub(super) async fn basic_where_there_are_no_sessions(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, u32::MAX, || Reply::status(405));
    trial.connect(&fake).await?;
    Ok(())
}

pub(super) async fn session_may_be_named_in_the_body(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "POST" && asked.path == SESSIONS).then(|| {
            state.sessions.insert("token-7".to_owned());
            Reply::json(201, &json!({"@odata.id": format!("{SESSIONS}/7")})).header("X-Auth-Token", "token-7")
        })
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.close().await?;
    ensure!(fake.state().sessions.is_empty(), "a session is left behind");
    Ok(())
}

pub(super) async fn ended_sessions_are_opened_once_more(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    fake.state().sessions.clear();
    bmc.read_state().await?;
    Ok(())
}

pub(super) async fn huawei_logins_name_a_domain(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(ROOT).unwrap()["Oem"] = json!({"Huawei": {}});
    let fake = Fake::new(tree);
    fake.hook(|asked, _| {
        let stray = asked.method == "POST"
            && asked.path == SESSIONS
            && asked.json()["Oem"]["Huawei"]["Domain"] != "LocaliBMC";
        stray.then(|| refused(401, "iBMC.1.0.AuthorizationFailed", "", &[]))
    });
    let (server, bmc) = trial.connect(&fake).await?;
    let discovery = bmc.discovery();
    bmc.close().await?;
    // Also for a client that takes up what is known.
    RedfishBmc::resume(&endpoint(&server), wiring(), discovery)?.read_state().await?;
    Ok(())
}

/// A BMC that answers the service root, and later says that the session is over, each time as the
/// last thing on that connection.
pub(super) async fn logins_take_a_fresh_connection(trial: Trial) -> Outcome {
    const DEAD: &str = "rules:
      - {name: dead, methods: [GET], count: 1, fault: {kind: forget_connection}}
      - {name: thrown out, methods: [GET], after: 4, count: 1, fault: {kind: unauthorized}}
      - {name: dead again, methods: [GET], after: 4, count: 1, fault: {kind: forget_connection}}";
    let farm = models::farm(&profiles::IDRAC9_6, &Arc::new(NullMachine::default()), DEAD).await;
    let endpoint = models::endpoint(&farm.bmcs()[0]);
    let bmc = RedfishBmc::connect_without(&endpoint, wiring(), &trial.off).await;
    if let Ok(bmc) = &bmc {
        bmc.close().await?;
    }
    farm.shutdown().await;
    bmc?;
    Ok(())
}

pub(super) async fn full_sessions_are_named(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, u32::MAX, || {
        refused(503, "IDRAC.2.7.RAC0218", "The maximum number of user sessions is reached.", &[])
    });
    let Err(error) = trial.connect(&fake).await else {
        return Err("there was a session".into());
    };
    let named = error
        .downcast_ref::<Error>()
        .is_some_and(|error| matches!(error.kind(), ErrorKind::SessionsExhausted { .. }));
    ensure!(named, "{error}");
    Ok(())
}

/// A BMC that locks an account after three failures.
pub(super) async fn rejected_credentials_are_not_tried_again(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    // Somebody changed the password.
    fake.state().sessions.clear();
    fake.answer("POST", SESSIONS, u32::MAX, || Reply::status(401));
    let before = fake.asked("POST", SESSIONS).len();
    for _ in 0..3 {
        ensure!(bmc.read_state().await.is_err(), "it was let in");
    }
    let failures = fake.asked("POST", SESSIONS).len() - before;
    ensure!(failures == 1, "the account is locked after {failures} failures");
    Ok(())
}

pub(super) async fn sessions_are_always_ended(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (server, bmc) = trial.connect(&fake).await?;
    bmc.close().await?;
    ensure!(fake.state().sessions.is_empty(), "a closed client leaves a session behind");
    let bmc = RedfishBmc::connect_without(&endpoint(&server), wiring(), &trial.off).await?;
    ensure!(fake.state().sessions.len() == 1, "there is no session");
    drop(bmc);
    let ended = async {
        while !fake.state().sessions.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await?;
    Ok(())
}
