// SPDX-License-Identifier: AGPL-3.0-or-later
//! TLS pinned to a key, over a real handshake. The server's certificate expired in 1999 and names another host.

use crate::support::controller::{Controller, pin};
use crate::support::machine::Machine;
use crate::support::media::{TOKEN, files, granted, iso, recipe, task};
use shoal_dispatcher::endpoint::Endpoint;
use shoal_dispatcher::exit::Exit;
use shoal_dispatcher::progress::Listener as _;
use shoal_dispatcher::run::{End, run};
use shoal_dispatcher::settings::Settings;
use shoal_dispatcher::transport::{Call, HttpTransport, Route, Transport as _, TransportError};
use shoal_schema::wire::progress::ProgressBody;
use shoal_schema::wire::task::Callback;
use shoal_schema::{JobId, SecretString};

fn transport(url: &str, pins: &[&str]) -> HttpTransport {
    let pins = pins.iter().map(|pin| (*pin).to_owned()).collect();
    let endpoint = Endpoint::try_from(&Callback { url: url.to_owned(), pins }).expect("an endpoint");
    HttpTransport::new(&endpoint).expect("a client")
}

fn webhook() -> Call {
    Call {
        route: Route::Webhook("SERIAL1".to_owned()),
        token: SecretString::new(TOKEN.to_owned()),
        body: b"{}".to_vec(),
    }
}

fn stranger() -> String {
    pin(&rcgen::KeyPair::generate().expect("a key"))
}

#[tokio::test]
async fn a_pinned_key_is_trusted_whatever_its_certificate_says() {
    let controller = Controller::tls().await;
    let own = controller.pin.clone().expect("TLS");
    for pins in [vec![own.clone()], vec![stranger(), own.to_uppercase()]] {
        let pins: Vec<&str> = pins.iter().map(String::as_str).collect();
        let answer = transport(&controller.url(), &pins).post(&webhook()).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_pinned_authority_vouches_for_what_it_signed() {
    let controller = Controller::tls().await;
    let authority = controller.authority_pin.clone().expect("TLS");
    let answer = transport(&controller.url(), &[&authority]).post(&webhook()).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn any_other_key_is_refused_and_is_sent_nothing() {
    let controller = Controller::tls().await;
    let result = transport(&controller.url(), &[&stranger()]).post(&webhook()).await;
    assert!(matches!(result, Err(TransportError::Pin)));
    assert!(controller.webhooks_seen().is_empty());
}

#[tokio::test]
async fn progress_is_told_to_the_pinned_key_alone() {
    let controller = Controller::tls().await;
    let (job, token) = (JobId::from_bytes([7; 16]), SecretString::new(TOKEN.to_owned()));
    let body = ProgressBody {
        attempt: 1,
        boot_id: "boot-1".to_owned(),
        step: "partition".to_owned(),
        bytes: 0,
        total: 0,
        written: 0,
        rate: 0,
        done: false,
    };
    let refused = transport(&controller.url(), &[&stranger()]).hear(&job, &token, &body).await;
    assert!(matches!(refused, Err(TransportError::Pin)));
    let own = controller.pin.clone().expect("TLS");
    let answer = transport(&controller.url(), &[&own]).hear(&job, &token, &body).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(controller.heard_progress().await.subject, job.as_str());
}

#[tokio::test]
async fn an_authority_that_is_only_sent_along_vouches_for_nothing() {
    // Two controllers: the pin is of the first one's authority, and the second one does not have its signature.
    let (one, two) = (Controller::tls().await, Controller::tls().await);
    let authority = one.authority_pin.clone().expect("TLS");
    let result = transport(&two.url(), &[&authority]).post(&webhook()).await;
    assert!(matches!(result, Err(TransportError::Pin)));
}

#[tokio::test]
async fn nobody_listening_is_a_broken_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    assert!(matches!(transport(&url, &[]).post(&webhook()).await, Err(TransportError::Broken(_))));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (one, two) = (Controller::plain().await, Controller::plain().await);
    one.webhooks([(
        307,
        serde_json::json!({"location": format!("{}/api/v1/status-webhook/SERIAL1", two.url())}),
    )]);
    let answer = transport(&one.url(), &[]).post(&webhook()).await.expect("an answer");
    assert_eq!(answer.status, 307);
    assert!(two.webhooks_seen().is_empty());
}

#[tokio::test]
async fn a_run_goes_over_pinned_tls_and_ends_when_the_key_is_another() {
    let controller = Controller::tls().await;
    controller.permits([(200, granted(""))]);
    let own = controller.pin.clone().expect("TLS");
    let good = Machine::with_medium(&iso(&files(&task(&controller.url(), &[own]), &recipe())).bytes);
    assert_eq!(run(&good, &Settings::default()).await.exit, Exit::HandedOff);

    let bad = Machine::with_medium(&iso(&files(&task(&controller.url(), &[stranger()]), &recipe())).bytes);
    let mut settings = Settings::default();
    settings.permit.budget = std::time::Duration::from_secs(60);
    let report = run(&bad, &settings).await;
    assert_eq!(report.exit, Exit::PermitRefused);
    assert!(matches!(&report.end, End::Failed { code, .. } if code == "pin_mismatch"));
    assert_eq!(controller.permits_seen().len(), 1, "only the good one got through");
}
