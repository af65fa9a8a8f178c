// SPDX-License-Identifier: AGPL-3.0-or-later
//! The hostile model: every fault shows up, and patience gets through all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::{HOSTILE, Profile};
use shoal_testbed::bmc::{BootDevice, Power, What};
use shoal_testbed::faults::FaultPlan;

use super::once;
use crate::client::Client;
use crate::fixture::{Fixture, PASSWORD, USER};
use crate::image_server::ImageServer;

const SYSTEM: &str = "/redfish/v1/Systems/System.Embedded.1";
const SLOT: &str = "/redfish/v1/Systems/System.Embedded.1/VirtualMedia/1";

/// A client that tries again whatever happens, and believes nothing but what it reads.
struct Patient {
    client: Client,
    session: Option<Client>,
}

impl Patient {
    /// The body of the next answer that is a success; none when there was no answer at all.
    async fn once(&mut self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        if self.session.is_none() {
            let login = json!({"UserName": USER, "Password": PASSWORD});
            let request =
                self.client.request(Method::POST, "/redfish/v1/SessionService/Sessions").json(&login);
            let answer = self.client.try_send(request).await.ok().filter(|answer| answer.status == 201)?;
            self.session = Some(self.client.with_token(answer.header("x-auth-token")));
        }
        let client = self.session.as_ref().expect("just made");
        let request = client.request(method, path);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = client.try_send(request).await.ok()?;
        if answer.status == 401 {
            self.session = None;
        }
        let success = (200..300).contains(&answer.status);
        success.then(|| serde_json::from_str(&answer.body).unwrap_or(Value::Null))
    }

    async fn read(&mut self, path: &str) -> Value {
        for _ in 0..50 {
            if let Some(body) = self.once(Method::GET, path, None).await {
                return body;
            }
        }
        panic!("{path} cannot be read");
    }

    /// Writes until the resource shows it.
    async fn make_true(
        &mut self,
        (method, path, body): (Method, &str, &Value),
        read: &str,
        holds: impl Fn(&Value) -> bool,
    ) {
        for _ in 0..20 {
            self.once(method.clone(), path, Some(body)).await;
            for _ in 0..40 {
                if holds(&self.read(read).await) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        panic!("{path} never has an effect");
    }
}

fn fired(fixture: &Fixture) -> BTreeSet<String> {
    let records = fixture.bmc().log(0).into_iter();
    let names = records.filter_map(|record| match record.what {
        What::Request(request) => Some(request.faults),
        What::Event(_) => None,
    });
    names.flatten().collect()
}

fn rules(profile: &Profile) -> BTreeSet<String> {
    let plan = FaultPlan::parse(profile.faults).expect("the model's own faults");
    plan.rules.into_iter().map(|rule| rule.name).collect()
}

#[tokio::test]
async fn patience_gets_through_everything_and_meets_every_fault() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&HOSTILE).await;
    let mut patient = Patient { client: Client::nobody(fixture.bmc()), session: None };
    let url = images.url("boot.iso");
    let insert = format!("{SLOT}/Actions/VirtualMedia.InsertMedia");
    let eject = format!("{SLOT}/Actions/VirtualMedia.EjectMedia");
    let reset = format!("{SYSTEM}/Actions/ComputerSystem.Reset");

    let media = patient.read(&format!("{SYSTEM}/VirtualMedia")).await;
    assert_eq!(media["Members"], Value::Null, "as reported");
    let media = patient.read(&format!("{SYSTEM}/VirtualMedia")).await;
    assert_eq!(media["Members"].as_array().map(Vec::len), Some(2));

    let image = json!({"Image": url});
    patient.make_true((Method::POST, &insert, &image), SLOT, |slot| slot["Inserted"] == true).await;
    let mut tries = 0;
    loop {
        tries += 1;
        assert!(tries < 10, "it never boots the CD");
        patient
            .make_true((Method::PATCH, SYSTEM, &once("Cd")), SYSTEM, |system| {
                system["Boot"]["BootSourceOverrideEnabled"] == "Once"
            })
            .await;
        let boots = fixture.bmc().state().counters.boots;
        let on = json!({"ResetType": "On"});
        patient.make_true((Method::POST, &reset, &on), SYSTEM, |system| system["PowerState"] == "On").await;
        fixture.until("booted", |fixture| fixture.bmc().state().counters.boots > boots).await;
        let plan = fixture.bmc().state().last_boot.expect("just booted");
        if plan.device == (BootDevice::Cd { slot: 0 }) {
            break;
        }
        let off = json!({"ResetType": "ForceOff"});
        patient.make_true((Method::POST, &reset, &off), SYSTEM, |system| system["PowerState"] == "Off").await;
    }
    let off = json!({"ResetType": "ForceOff"});
    patient.make_true((Method::POST, &reset, &off), SYSTEM, |system| system["PowerState"] == "Off").await;
    patient.make_true((Method::POST, &eject, &json!({})), SLOT, |slot| slot["Inserted"] == false).await;
    let state = fixture.bmc().state();
    assert_eq!((state.power, state.slots[0].image.as_deref()), (Power::Off, None));
    assert_eq!(fired(&fixture), rules(&HOSTILE));
}

#[tokio::test]
async fn a_task_is_forgotten_the_moment_it_ends() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&HOSTILE).await;
    fixture.bmc().set_faults(FaultPlan::default()).expect("valid");
    let action = format!("{SLOT}/Actions/VirtualMedia.InsertMedia");
    let answer = fixture.client.post(&action, json!({"Image": images.url("a.iso")})).await.expect(202);
    fixture.until("inserted", |fixture| fixture.bmc().state().slots[0].image.is_some()).await;
    let monitor = answer.header("location").to_owned();
    while fixture.client.get(&monitor).await.status == 200 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture.client.get(&monitor).await.expect(404);
}
