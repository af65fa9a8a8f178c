// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates that are trusted on first use.

use shoal_store::Reader as _;
use shoal_store::{Batch, RedbStore, Scan, Store as _, Table};

use super::world::World;

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
        let store = RedbStore::open(&path, "test").unwrap();
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
    assert_eq!(world.farm.bmcs()[0].state().counters.sessions, logins, "no password was sent");
    world.stop().await;
}
