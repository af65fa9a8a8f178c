// SPDX-License-Identifier: AGPL-3.0-or-later
//! Somebody who stands between a request and what it brings about.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shoal_testbed::bmc::profiles::IDRAC9_6;
use shoal_testbed::bmc::{Deed, Moment, Witness};
use tokio::sync::Notify;

use crate::behaviour_power::reset;
use crate::fixture::Fixture;

#[derive(Default)]
struct Eyes {
    seen: Mutex<Vec<(Moment, String)>>,
    arrived: Notify,
    go_on: Notify,
}

#[async_trait]
impl Witness for Eyes {
    async fn sees(&self, moment: Moment, deed: &Deed) {
        let end = deed.path.rsplit('/').next().unwrap_or_default();
        let kind = deed.body.as_ref().map_or("", |body| body["ResetType"].as_str().unwrap_or_default());
        self.seen.lock().unwrap().push((moment, format!("{} {end} {kind}", deed.method)));
        if moment == Moment::Before {
            self.arrived.notify_one();
            self.go_on.notified().await;
        }
    }
}

#[tokio::test]
async fn a_request_waits_for_the_witness_and_is_carried_out_although_its_client_is_gone() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    let eyes = Arc::new(Eyes::default());
    fixture.farm.show_to(eyes.clone());
    fixture.client.get("/redfish/v1/Systems").await.expect(200);
    assert!(eyes.seen.lock().unwrap().is_empty(), "who only looks is not shown");
    tokio::select! {
        answer = reset(&fixture, "On") => panic!("{} was answered before the witness let it go on", answer.status),
        () = eyes.arrived.notified() => {}
    }
    // The client is dropped with its connection.
    assert_eq!(fixture.bmc().state().counters.power_ons, 0);
    eyes.go_on.notify_one();
    fixture.until("it is on", |fixture| fixture.bmc().state().counters.power_ons == 1).await;
    let what = "POST ComputerSystem.Reset On".to_owned();
    fixture.until("it was shown twice", |_| eyes.seen.lock().unwrap().len() == 2).await;
    assert_eq!(*eyes.seen.lock().unwrap(), [(Moment::Before, what.clone()), (Moment::After, what)]);
}
