// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who gets in: sessions, Basic, limits, time-outs, lockout.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shoal_testbed::bmc::profiles::{ALL, IDRAC9_6, ILO5, SMC_X13_SINGLE};
use shoal_testbed::bmc::{AuthKind, ManualClock, What};

use crate::client::Client;
use crate::fixture::{Fixture, Options, PASSWORD, USER};

const SYSTEMS: &str = "/redfish/v1/Systems";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

#[tokio::test]
async fn only_the_root_documents_are_shown_to_strangers() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let nobody = Client::nobody(fixture.bmc());
        for open in ["/redfish", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"]
        {
            nobody.get(open).await.expect(200);
        }
        for closed in [SYSTEMS, SESSIONS, "/redfish/v1/AccountService", "/redfish/v1/NoSuchThing"] {
            let answer = nobody.get(closed).await.expect(401);
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Redfish\"", "{closed}");
        }
        let wrong = Client::with_password(fixture.bmc(), "wrong");
        wrong.get(SYSTEMS).await.expect(401);
        fixture.client.get(SYSTEMS).await.expect(200);
    }
}

#[tokio::test]
async fn a_login_that_is_refused_says_how_to_get_in() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let body = serde_json::json!({"UserName": USER, "Password": "wrong"});
        let answer = Client::nobody(fixture.bmc()).post(SESSIONS, body).await.expect(401);
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Redfish\"", "{}", profile.name);
    }
}

#[tokio::test]
async fn a_session_lasts_from_login_to_logout() {
    for profile in ALL {
        let fixture = Fixture::with(profile, Options { tls: true, ..Options::default() }).await;
        let nobody = Client::nobody(fixture.bmc());
        let (token, location) = nobody.login().await;
        let session = nobody.with_token(&token);
        session.get(SYSTEMS).await.expect(200);
        let members = session.get(SESSIONS).await.expect(200).json();
        assert_eq!(members["Members@odata.count"], 1);

        let path = location.strip_prefix(&fixture.bmc().url()).unwrap_or(&location);
        assert_eq!(path.len() < location.len(), profile.sessions.absolute_location, "{location}");
        let shown = session.get(path).await.expect(200);
        assert!(!shown.body.contains(&token), "a session shows its token");
        let gone = session.delete(path).await;
        assert!((200..300).contains(&gone.status), "{gone:?}");
        session.get(SYSTEMS).await.expect(401);
        fixture.client.delete(path).await.expect(404);
    }
}

#[tokio::test]
async fn a_login_can_be_posted_to_the_members_too() {
    let fixture = Fixture::new(&SMC_X13_SINGLE).await;
    let body = json!({"UserName": USER, "Password": PASSWORD});
    Client::nobody(fixture.bmc()).post(&format!("{SESSIONS}/Members"), body).await.expect(201);
}

#[tokio::test]
async fn bad_logins_are_refused_with_the_reason() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    let nobody = Client::nobody(fixture.bmc());
    for (body, status, message) in [
        (json!({"UserName": USER, "Password": "wrong"}), 401, "ResourceAtUriUnauthorized"),
        (json!({"UserName": "admin", "Password": PASSWORD}), 401, "ResourceAtUriUnauthorized"),
        (json!({"UserName": USER}), 400, "PropertyMissing"),
        (json!({"UserName": USER, "Password": 5}), 400, "PropertyValueTypeError"),
        (json!({"UserName": USER, "Password": PASSWORD, "Bogus": 1}), 400, "PropertyUnknown"),
        (json!([]), 400, "MalformedJSON"),
    ] {
        let answer = nobody.post(SESSIONS, body).await.expect(status);
        assert!(answer.message_id().ends_with(message), "{}", answer.body);
    }
    assert_eq!(fixture.bmc().state().open_sessions, 0);
}

#[tokio::test]
async fn sessions_run_out_and_come_back_when_one_is_closed() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    let nobody = Client::nobody(fixture.bmc());
    let mut locations = Vec::new();
    for _ in 0..IDRAC9_6.sessions.max {
        locations.push(nobody.login().await.1);
    }
    let body = json!({"UserName": USER, "Password": PASSWORD});
    let full = nobody.post(SESSIONS, body.clone()).await.expect(503);
    assert!(full.message_id().ends_with("RAC0218"), "{}", full.body);
    fixture.client.delete(&locations[3]).await.expect(204);
    nobody.post(SESSIONS, body).await.expect(201);
}

#[tokio::test]
async fn an_idle_session_ends_and_a_used_one_does_not() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), ..Options::default() };
    let fixture = Fixture::with(&SMC_X13_SINGLE, options).await;
    let (used, _) = fixture.client.login().await;
    let (idle, _) = fixture.client.login().await;
    for _ in 0..4 {
        clock.advance(Duration::from_secs(100));
        fixture.client.with_token(&used).get(SYSTEMS).await.expect(200);
    }
    fixture.client.with_token(&idle).get(SYSTEMS).await.expect(401);
}

#[tokio::test]
async fn wrong_passwords_lock_the_account_for_a_while() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let options = Options { clock: Some(clock.clone()), ..Options::default() };
    let fixture = Fixture::with(&SMC_X13_SINGLE, options).await;
    let wrong = Client::with_password(fixture.bmc(), "wrong");
    fixture.client.get(SYSTEMS).await.expect(200);
    for _ in 0..3 {
        wrong.get(SYSTEMS).await.expect(401);
    }
    fixture.client.get(SYSTEMS).await.expect(401);
    clock.advance(Duration::from_secs(31));
    fixture.client.get(SYSTEMS).await.expect(200);
}

#[tokio::test]
async fn the_log_tells_how_each_request_was_authenticated_and_no_password() {
    let fixture = Fixture::new(&ILO5).await;
    let nobody = Client::nobody(fixture.bmc());
    nobody.get(SYSTEMS).await.expect(401);
    let (token, _) = nobody.login().await;
    nobody.with_token(&token).get(SYSTEMS).await.expect(200);
    nobody.with_token("stale").get(SYSTEMS).await.expect(401);
    fixture.client.get(SYSTEMS).await.expect(200);
    let log = fixture.bmc().log(0);
    let kinds: Vec<AuthKind> = log
        .iter()
        .filter_map(|record| match &record.what {
            What::Request(request) if request.path == SYSTEMS => Some(request.auth),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [AuthKind::None, AuthKind::Session, AuthKind::Refused, AuthKind::Basic]);
    let text = serde_json::to_string(&log).expect("serialisable");
    assert!(!text.contains(PASSWORD) && !text.contains(&token), "a secret stands in the log");
    assert!(text.contains("(redacted)"), "the login itself is in the log");
}
