// SPDX-License-Identifier: AGPL-3.0-or-later
//! Logging in, being thrown out, and leaving.

use std::time::Duration;

use serde_json::json;
use shoal_redfish::{Bmc, BmcEndpoint, Credentials, ErrorKind, RedfishBmc};

use crate::support::client::{USER, endpoint, wiring};
use crate::support::fake::{Fake, refused};
use crate::support::server::{Reply, Server};
use crate::support::trees::{ROOT, SESSIONS, SYSTEM, link, two_cd};

/// Waits until something is so; the test runner ends a test that waits for ever.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn logins(fake: &Fake) -> usize {
    fake.asked("POST", SESSIONS).len()
}

fn wrong_password(server: &Server) -> BmcEndpoint {
    BmcEndpoint {
        credentials: Credentials::new(USER.to_owned(), "wrong-password".to_owned()),
        ..endpoint(server)
    }
}

#[tokio::test]
async fn a_session_that_was_ended_is_opened_once_more_and_the_request_replayed() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    fake.state().sessions.clear();
    bmc.read_state().await.unwrap();
    assert_eq!(logins(&fake), 2);
    bmc.close().await.unwrap();
    assert!(fake.state().sessions.is_empty());
}

#[tokio::test]
async fn a_bmc_that_throws_every_session_out_is_left_alone() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    fake.answer("GET", SYSTEM, u32::MAX, || Reply::status(401));
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    assert_eq!(logins(&fake), 2);
    let before = fake.log().len();
    let error = bmc.ensure_power_on().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    assert_eq!(fake.log().len(), before, "no request may follow");
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let error = RedfishBmc::connect(&wrong_password(&server), wiring()).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    assert!(!error.retryable());
    assert_eq!(logins(&fake), 1);
}

#[tokio::test]
async fn a_client_whose_password_was_refused_never_sends_it_again() {
    let fake = Fake::new(two_cd());
    let (server, bmc) = fake.connected().await;
    let bmc = RedfishBmc::resume(&wrong_password(&server), wiring(), bmc.discovery()).unwrap();
    for _ in 0..2 {
        let error = bmc.read_state().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    }
    assert_eq!(logins(&fake), 2, "the good one and a single wrong one");
}

#[tokio::test]
async fn ilos_400_to_a_wrong_password_is_understood() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, 9, || refused(400, "iLO.2.14.UnauthorizedLoginAttempt", "", &[]));
    let (_server, bmc) = fake.tried().await;
    let error = bmc.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    assert_eq!(logins(&fake), 1);
}

#[tokio::test]
async fn the_words_for_an_image_are_about_the_login_where_there_is_no_image() {
    // bmcweb answers a wrong password with the message that it has for images as well.
    let words = || refused(401, "Base.1.13.ResourceAtUriUnauthorized", "Invalid username or password", &[]);
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, 9, words);
    let (_server, bmc) = fake.tried().await;
    let error = bmc.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    assert_eq!(logins(&fake), 1);

    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    fake.answer("GET", SYSTEM, u32::MAX, words);
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    let before = fake.log().len();
    assert!(bmc.read_state().await.is_err());
    assert_eq!(fake.log().len(), before, "no request may follow");
}

#[tokio::test]
async fn without_sessions_every_request_carries_basic_credentials() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, u32::MAX, || Reply::status(405));
    let (server, bmc) = fake.connected().await;
    bmc.ensure_power_off(Duration::ZERO).await.unwrap();
    assert_eq!(logins(&fake), 1);
    let discovery = bmc.discovery();
    bmc.close().await.unwrap();
    let bmc = RedfishBmc::resume(&endpoint(&server), wiring(), discovery).unwrap();
    bmc.read_state().await.unwrap();
    assert_eq!(logins(&fake), 1, "that there are no sessions is remembered");
}

#[tokio::test]
async fn no_login_is_sent_to_a_bmc_that_offers_none() {
    let mut tree = two_cd();
    tree.get_mut(ROOT).unwrap().as_object_mut().unwrap().remove("Links");
    let fake = Fake::new(tree.clone());
    fake.answer("POST", SESSIONS, u32::MAX, || Reply::status(401));
    let (_server, bmc) = fake.connected().await;
    bmc.close().await.unwrap();
    assert_eq!(logins(&fake), 0);

    // One that names a session service is asked where the specification says.
    tree.get_mut(ROOT).unwrap()["SessionService"] = link("/redfish/v1/SessionService");
    let fake = Fake::new(tree);
    let (_server, _bmc) = fake.connected().await;
    assert_eq!(logins(&fake), 1);
}

#[tokio::test]
async fn a_root_that_shows_its_links_after_a_login_only_is_logged_in_to() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let outside = asked.path.trim_end_matches('/') == ROOT && asked.header("x-auth-token").is_none();
        outside.then(|| Reply::json(200, &json!({"@odata.id": "/redfish/v1", "RedfishVersion": "1.2.0"})))
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.discovered().serial.as_deref(), Some("ACME-1"));
    assert_eq!(logins(&fake), 1);
}

#[tokio::test]
async fn wrong_basic_credentials_are_tried_once() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, u32::MAX, || Reply::status(404));
    let server = Server::https(fake.clone()).await;
    let error = RedfishBmc::connect(&wrong_password(&server), wiring()).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::CredentialsRejected), "{error}");
    let refused = fake.log().iter().filter(|line| line.path.starts_with("/redfish/v1/Systems")).count();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn a_session_without_location_is_closed_by_what_the_body_says() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "POST" && asked.path == SESSIONS).then(|| {
            state.sessions.insert("token-7".to_owned());
            Reply::json(201, &json!({"@odata.id": format!("{SESSIONS}/7")})).header("X-Auth-Token", "token-7")
        })
    });
    let (_server, bmc) = fake.connected().await;
    bmc.close().await.unwrap();
    assert!(fake.state().sessions.is_empty());
}

#[tokio::test]
async fn a_session_that_names_itself_nowhere_does_not_hinder_closing() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "POST" && asked.path == SESSIONS).then(|| {
            state.sessions.insert("token-7".to_owned());
            Reply::status(201).header("X-Auth-Token", "token-7")
        })
    });
    let (_server, bmc) = fake.connected().await;
    bmc.close().await.unwrap();
    assert!(fake.asked("DELETE", "").is_empty());
}

#[tokio::test]
async fn a_location_with_an_address_that_we_cannot_reach_still_closes() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        (asked.method == "POST" && asked.path == SESSIONS).then(|| {
            state.sessions.insert("token-7".to_owned());
            Reply::status(201)
                .header("X-Auth-Token", "token-7")
                .header("Location", format!("https://192.0.2.1{SESSIONS}/7"))
        })
    });
    let (_server, bmc) = fake.connected().await;
    bmc.close().await.unwrap();
    assert!(fake.state().sessions.is_empty());
}

#[tokio::test]
async fn a_discovery_that_fails_closes_its_session() {
    let mut tree = two_cd();
    tree.remove("/redfish/v1/Systems");
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.tried().await;
    assert!(matches!(bmc.err().unwrap().kind(), ErrorKind::NotRedfish { .. }));
    assert_eq!(logins(&fake), 1);
    assert!(fake.state().sessions.is_empty());
}

#[tokio::test]
async fn a_client_that_is_dropped_closes_its_session() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    assert_eq!(fake.state().sessions.len(), 1);
    drop(bmc);
    until(|| fake.state().sessions.is_empty()).await;
}

#[tokio::test]
async fn a_connect_that_is_given_up_closes_its_session() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let endpoint = endpoint(&server);
    let connecting = tokio::spawn(async move { RedfishBmc::connect(&endpoint, wiring()).await.is_ok() });
    let seen = fake.clone();
    until(move || !seen.asked("GET", "/Systems").is_empty()).await;
    connecting.abort();
    let _ = connecting.await;
    until(|| fake.state().sessions.is_empty()).await;
}

#[tokio::test]
async fn closing_twice_is_harmless_and_nothing_works_afterwards() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.close().await.unwrap();
    bmc.close().await.unwrap();
    let before = fake.log().len();
    let error = bmc.read_state().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    assert_eq!(fake.log().len(), before);
}

#[tokio::test]
async fn exhausted_sessions_are_named() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", SESSIONS, u32::MAX, || {
        refused(503, "IDRAC.2.7.RAC0218", "The maximum number of user sessions is reached.", &[])
    });
    let (_server, bmc) = fake.tried().await;
    let error = bmc.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::SessionsExhausted { .. }), "{error}");
    assert!(error.retryable());
    assert_eq!(logins(&fake), 5);
}

#[tokio::test]
async fn a_service_root_behind_a_login_is_read_after_it() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let outside = asked.path.trim_end_matches('/') == ROOT && asked.header("x-auth-token").is_none();
        outside.then(|| Reply::status(401))
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.discovered().serial.as_deref(), Some("ACME-1"));
}

#[tokio::test]
async fn what_is_no_redfish_service_is_told_apart() {
    for reply in [
        || Reply::status(404),
        || Reply { body: "<html>router</html>".into(), ..Reply::status(200) },
        || Reply::json(200, &json!([1, 2])),
    ] {
        let fake = Fake::new(two_cd());
        fake.answer("GET", "/redfish/v1/", u32::MAX, reply);
        let (_server, bmc) = fake.tried().await;
        let error = bmc.err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::NotRedfish { .. }), "{error}");
        assert_eq!(logins(&fake), 0, "credentials are not given to it");
    }
}
