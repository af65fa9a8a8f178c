// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people are told over the outgoing webhook.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use super::world::{HOOK_KEY, World};

#[derive(Default)]
struct Heard {
    messages: Vec<(String, Value)>,
    refusals: u32,
}

type Ear = Arc<Mutex<Heard>>;

/// Refuses the first delivery, takes the next ones.
async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut heard = ear.lock().unwrap();
    if heard.refusals == 0 {
        heard.refusals += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_KEY.as_bytes()).unwrap();
    mac.update(&body);
    let hex = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let signature = headers["x-shoal-signature-256"].to_str().unwrap().to_owned();
    assert_eq!(signature, format!("sha256={hex}"));
    heard.messages.push((signature, serde_json::from_slice(&body).unwrap()));
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn people_hear_of_what_ended_signed_and_again_after_a_refusal() {
    let ear = Ear::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", axum::routing::post(hear)).with_state(Arc::clone(&ear));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut world = World::new(&["ilo5"]).await;
    world.tell(&json!({"url": url, "secret": "hooks/chat"}));
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while ear.lock().unwrap().messages.is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    {
        let heard = ear.lock().unwrap();
        assert_eq!(heard.refusals, 1);
        let (_, message) = heard.messages.first().expect("a message after the refusal");
        assert_eq!((&message["kind"], &message["server"]), (&json!("done"), &json!("web-00")), "{message}");
    }
    world.stop().await;
    server.abort();
}
