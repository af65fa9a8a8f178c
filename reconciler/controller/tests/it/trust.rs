// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates that are trusted on first use.

use shoal_store::Reader as _;
use shoal_store::{Batch, Opening, RedbStore, Scan, Store as _, Table};

use serde_json::Value;

use super::world::{PASSWORD, World, client};

/// Why nothing goes on without a person: reason and message.
fn stalled(view: &Value) -> Option<(String, String)> {
    let conditions = view["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|c| c["type"] == "Stalled" && c["status"] == true)?;
    Some((found["reason"].as_str()?.to_owned(), found["message"].as_str()?.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_refused_is_tried_once_and_again_only_when_somebody_says_so() {
    // The second one has an account of its own, and tells how often both were looked at.
    let mut world = World::new(&["ilo5", "ilo5"]).await;
    world.write_secret("bmc/rack-b", &[("username", "root"), ("password", PASSWORD)]);
    world.bmc_account(1, "bmc/rack-b");
    // No job takes part: looks alone must not lock the account either.
    world.tweak = |settings| {
        settings.worker_concurrency = 0;
        settings.sweep = std::time::Duration::from_millis(100);
    };
    world.write_secret("bmc/rack-a", &[("username", "root"), ("password", "wr0ng-and-only-once")]);
    world.push("one server, and a password that is wrong");
    world.start().await;
    let refused = |world: &World| world.farm.bmcs()[0].state().counters.logins_refused;
    let view = world.wait_server(0, "a person is asked for", |view| stalled(view).is_some()).await;
    assert_eq!(stalled(&view).unwrap().0, "AccountRefused");
    assert_eq!(view["status"]["bmc"]["unreachable"]["code"], "credentials-rejected");
    assert_eq!(view["entry"]["holds"][0]["code"], "credentials-held", "{:#}", view["entry"]);
    // Many looks later.
    let plan = world.get("/api/v1/plan").await;
    assert!(plan["entries"][0]["holds"].to_string().contains("shoal retry web-00"), "{plan:#}");
    world.post("/api/v1/reconcile", Value::Null).await;
    world.wait_looks(1, world.mark(1), 10).await;
    assert_eq!(refused(&world), 1, "tried once");
    // After a restart, too.
    world.stop().await;
    world.start().await;
    world.wait_server(0, "a person is asked for", |view| stalled(view).is_some()).await;
    world.wait_looks(1, world.mark(1), 10).await;
    assert_eq!(refused(&world), 1, "not again after a restart");
    world.post("/api/v1/servers/web-00/retry", Value::Null).await;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while refused(&world) < 2 {
        assert!(tokio::time::Instant::now() < end, "an operator said retry");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // The Secret is corrected, and nothing else is needed.
    world.write_secret("bmc/rack-a", &[("username", "root"), ("password", PASSWORD)]);
    world.push("the right password");
    let view = world
        .wait_server(0, "a BMC that answers", |view| {
            view["status"]["bmc"]["reachable"] == true && stalled(view).is_none()
        })
        .await;
    assert!(view["status"]["bmc"]["unreachable"].is_null());
    assert_eq!(refused(&world), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_trusted_on_first_use_is_kept_and_another_one_is_an_alarm() {
    let mut world = World::new(&["ilo5"]).await;
    world.trust_on_first_use(0);
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.stop().await;
    let path = world.path("state/db/shoal.redb");
    {
        let store = RedbStore::open(&path, &Opening::new("test", jiff::Timestamp::now())).unwrap();
        let pins = store.scan(Table::BmcPins, &Scan::ALL).unwrap();
        let kept: String = serde_json::from_slice(&pins[0].1).unwrap();
        let shown = world.farm.bmcs()[0].fingerprint().unwrap().to_owned();
        assert_eq!(kept.replace(':', "").to_lowercase(), shown.replace(':', "").to_lowercase());
        // As if the BMC showed another certificate than the one that was trusted.
        let mut batch = Batch::new();
        batch.put(Table::BmcPins, "web-00", serde_json::to_vec(&"ab".repeat(32)).unwrap());
        store.commit(batch).unwrap();
    }
    let logins = world.farm.bmcs()[0].state().counters.sessions;
    world.start().await;
    let view = world
        .wait_server(0, "an alarm", |view| view["status"]["bmc"]["unreachable"]["message"].is_string())
        .await;
    let message = view["status"]["bmc"]["unreachable"]["message"].as_str().unwrap();
    assert!(message.contains("certificate"), "{message}");
    assert_eq!(view["status"]["bmc"]["unreachable"]["code"], "certificate-changed");
    let view = world.wait_server(0, "a person is asked for", |view| stalled(view).is_some()).await;
    let (reason, message) = stalled(&view).unwrap();
    assert_eq!(reason, "CertificateChanged");
    assert!(message.contains("shows another certificate") && message.contains(&"ab".repeat(32)), "{message}");
    let metrics = client().get(world.api("/metrics")).send().await.unwrap().text().await.unwrap();
    let counted = r#"shoal_provisioner_redfish_requests_total{code="certificate-changed",op="login""#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains(r#"shoal_provisioner_servers{condition="stalled"} 1"#), "{metrics}");
    assert_eq!(world.farm.bmcs()[0].state().counters.sessions, logins, "no password was sent");
    world.stop().await;
}
