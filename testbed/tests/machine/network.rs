// SPDX-License-Identifier: AGPL-3.0-or-later
//! The way to the controller: lost, doubled and late messages, TLS, waiting.

use serde_json::json;
use shoal_testbed::machine::Happening;

use crate::bench::{Bench, Options};
use crate::controller::Controller;

/// Delivery ids of what left the machine, and whether it did.
fn tries(bench: &Bench) -> Vec<(String, bool)> {
    let report = bench.report();
    let tried = report.find(|what| match what {
        Happening::WebhookTried { delivery_id, sent, .. } => Some((delivery_id.clone(), *sent)),
        _ => None,
    });
    tried.collect()
}

#[tokio::test]
async fn a_lost_webhook_is_tried_again_with_the_same_delivery_id() {
    let bench = Bench::new("{faults: [{kind: loses_webhook, tries: 3}]}").await;
    bench.attempt().await;
    // The machine knows of its own success a moment after the controller.
    bench.until_happened(1, |what| matches!(what, Happening::WebhookTried { sent: true, .. })).await;
    let tries = tries(&bench);
    let sent: Vec<bool> = tries.iter().map(|(_, sent)| *sent).collect();
    assert_eq!(sent, [false, false, false, true]);
    assert!(tries.iter().all(|(id, _)| *id == tries[0].0));
    assert_eq!(bench.controller.webhooks()[0]["delivery_id"], tries[0].0);
}

#[tokio::test]
async fn a_webhook_that_never_arrives_is_given_up_after_ten_tries() {
    let bench = Bench::new("{faults: [{kind: loses_webhook}]}").await;
    bench.attempt().await;
    bench.until_happened(10, |what| matches!(what, Happening::WebhookTried { sent: false, .. })).await;
    bench.until("the install counted", |bench| bench.report().installs == 1).await;
    assert!(bench.controller.webhooks().is_empty());
    assert_eq!(tries(&bench).len(), 10);
}

#[tokio::test]
async fn an_answer_that_gets_lost_makes_a_second_delivery_with_the_same_id() {
    for (text, count) in [
        ("{faults: [{kind: loses_webhook_answer, tries: 2}]}", 3),
        ("{faults: [{kind: repeats_webhook}]}", 2),
    ] {
        let bench = Bench::new(text).await;
        bench.attempt().await;
        bench.until_webhooks(count).await;
        let webhooks = bench.controller.webhooks();
        assert_eq!(webhooks.len(), count, "{text}");
        assert!(webhooks.iter().all(|webhook| *webhook == webhooks[0]), "{text}: the bodies differ");
    }
}

#[tokio::test]
async fn a_late_webhook_comes_all_the_same() {
    let bench = Bench::new("{faults: [{kind: delays_webhook, ms: 600000}]}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    assert_eq!(bench.controller.webhooks()[0]["status"], "success");
}

#[tokio::test]
async fn a_network_that_comes_up_late_costs_tries_and_not_the_install() {
    let bench = Bench::new("{faults: [{kind: offline, calls: 5}]}").await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    assert_eq!(bench.controller.webhooks()[0]["status"], "success");
    let report = bench.report();
    let lost = report.find(|what| matches!(what, Happening::PermitAsked { status: None, .. }).then_some(()));
    assert_eq!(lost.count(), 5);
}

#[tokio::test]
async fn a_controller_that_says_wait_is_asked_again_until_it_grants() {
    let bench = Bench::new("{}").await;
    bench.controller.answers(json!({"decision": "wait", "reason": "paused", "retry_after_seconds": 30}));
    bench.attempt().await;
    bench.until("asked three times", |bench| bench.controller.permit_requests().len() >= 3).await;
    assert_eq!(bench.disk_writes(), 0);
    bench.controller.grants_again();
    bench.until_webhooks(1).await;
    assert_eq!(bench.controller.webhooks()[0]["status"], "success");
}

#[tokio::test]
async fn what_is_installed_already_is_told_as_success_and_written_no_more() {
    let bench = Bench::new("{}").await;
    bench.controller.answers(json!({"decision": "already_installed"}));
    bench.attempt().await;
    bench.until_webhooks(1).await;
    assert_eq!(bench.controller.webhooks()[0]["status"], "success");
    assert_eq!(bench.disk_writes(), 0);
}

#[tokio::test]
async fn an_install_goes_over_tls_with_the_pinned_key_even_with_a_dead_clock() {
    let options = Options { behaviour: "{faults: [{kind: dead_clock}]}", ..Options::default() };
    let bench = Bench::with(Controller::tls(true).await, options).await;
    bench.attempt().await;
    bench.until_webhooks(1).await;
    let webhook = &bench.controller.webhooks()[0];
    assert_eq!(webhook["status"], "success");
    // It began in 1970, and ended by the controller's clock.
    assert!(webhook["started_at"].as_str().expect("a time").starts_with("1970-01-01"), "{webhook}");
    assert!(webhook["finished_at"].as_str().expect("a time").starts_with("2026-03-01"), "{webhook}");
}

#[tokio::test]
async fn a_controller_with_another_key_is_never_told_anything() {
    let bench = Bench::with(Controller::tls(false).await, Options::default()).await;
    bench.attempt().await;
    bench.until_happened(1, |what| matches!(what, Happening::Dispatched { exit, code } if exit.code() == 21 && code.as_deref() == Some("pin_mismatch"))).await;
    assert!(bench.controller.permit_requests().is_empty() && bench.controller.webhooks().is_empty());
    assert_eq!(bench.disk_writes(), 0);
}
