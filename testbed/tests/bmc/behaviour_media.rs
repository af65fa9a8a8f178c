// SPDX-License-Identifier: AGPL-3.0-or-later
//! Virtual media: inserting, what the image server sees of it, ejecting, reading.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::{ALL, IDRAC9_6, ILO5, InsertRoute, Profile, SMC_X13_SINGLE};
use shoal_testbed::bmc::{Event, ManualClock, Told};

use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{self, cd_slot, eject, insert, try_insert};

const DELL_1: &str = "/redfish/v1/Systems/System.Embedded.1/VirtualMedia/1";
const HPE_USB: &str = "/redfish/v1/Managers/1/VirtualMedia/1";
const HPE_CD: &str = "/redfish/v1/Managers/1/VirtualMedia/2";
const SMC: &str = "/redfish/v1/Managers/1/VirtualMedia/VirtualMedia1";

/// The models with a CD.
pub(crate) fn with_media() -> impl Iterator<Item = &'static Profile> {
    ALL.into_iter().filter(|profile| route::cd_index(profile).is_some())
}

/// What is shown of a slot; one that is there only while it is full is empty otherwise.
async fn shown(fixture: &Fixture, slot: &str) -> Value {
    let answer = fixture.client.get(slot).await;
    if fixture.bmc().profile().media.hides_empty && answer.status == 404 {
        return json!({"Inserted": false, "Image": null, "ConnectedVia": "NotConnected"});
    }
    answer.expect(200).json()
}

#[tokio::test]
async fn an_image_is_inserted_shown_told_and_ejected() {
    for profile in with_media() {
        let images = route::images(profile, 300_000).await;
        let fixture = Fixture::with(profile, Options { time_scale: 0.0, ..Options::default() }).await;
        let slot = &cd_slot(&fixture);
        let url = images.url("boot.iso");
        insert(&fixture, slot, &url).await;

        let resource = shown(&fixture, slot).await;
        assert_eq!(resource["Inserted"], true);
        let port = format!(":{}", images.address.port());
        let echoed = if profile.media.hides_port { url.replace(&port, "") } else { url.clone() };
        assert_eq!(resource["Image"], echoed.as_str());
        assert_eq!(resource["ConnectedVia"], "URI");
        let by_action = profile.media.route == InsertRoute::Action;
        let action = &resource["Actions"]["#VirtualMedia.EjectMedia"]["target"];
        assert_eq!(action.is_string(), by_action, "{}", profile.name);
        assert_eq!(fixture.machine.told(), [Told::MediaChanged(vec![url.clone()])]);
        assert!(!images.ranges().is_empty(), "the image was never looked at");

        eject(&fixture, slot).await;
        let resource = shown(&fixture, slot).await;
        assert_eq!(resource["Inserted"], false);
        let empty = if profile.media.empty_image_is_string { json!("") } else { Value::Null };
        let left = if profile.media.keeps_image_name { json!(url) } else { empty };
        assert_eq!(resource["Image"], left);
        assert_eq!(resource["ConnectedVia"], "NotConnected");
        assert_eq!(fixture.machine.told().last(), Some(&Told::MediaChanged(vec![])));
        let inserted = fixture
            .events()
            .iter()
            .any(|event| matches!(event, Event::Inserted { image, .. } if *image == url));
        assert!(inserted, "{:?}", fixture.events());
    }
}

#[tokio::test]
async fn each_model_looks_at_an_image_in_its_own_way() {
    let images = ImageServer::start(300_000).await;
    let dell = Fixture::new(&IDRAC9_6).await;
    insert(&dell, DELL_1, &images.url("a.iso")).await;
    assert_eq!((images.heads(), images.ranges()), (1, vec!["bytes=0-65535".to_owned()]));

    let images = ImageServer::start(300_000).await;
    let hpe = Fixture::new(&ILO5).await;
    insert(&hpe, HPE_CD, &images.url("a.iso")).await;
    assert_eq!(images.heads(), 0);
    assert_eq!(images.ranges(), ["bytes=0-131071", "bytes=131072-262143", "bytes=262144-393215"]);

    let images = ImageServer::start(300_000).await;
    let smc = Fixture::new(&SMC_X13_SINGLE).await;
    insert(&smc, SMC, &images.url("a.iso")).await;
    assert_eq!((images.heads(), images.ranges()), (0, vec!["bytes=0-2047".to_owned()]));
}

#[tokio::test]
async fn https_images_are_fetched_without_verification() {
    let images = ImageServer::https(4096).await;
    let fixture = Fixture::new(&IDRAC9_6).await;
    insert(&fixture, DELL_1, &images.url("a.iso")).await;
    assert_eq!(shown(&fixture, DELL_1).await["TransferProtocolType"], "HTTPS");
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_not_inserted() {
    for profile in with_media() {
        let images = route::images(profile, 4096).await;
        let no_ranges = route::images(profile, 4096).await.without_ranges();
        let fixture = Fixture::new(profile).await;
        let slot = &cd_slot(&fixture);
        let scheme = images.scheme();
        // A port that was bound and is closed again answers nobody.
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("bound")
        };
        for url in [
            format!("{scheme}://{closed}/m/t/a.iso"),
            format!("{scheme}://{}/nowhere/a.iso", images.address),
            no_ranges.url("a.iso"),
        ] {
            let answer = try_insert(&fixture, slot, &url).await;
            assert!(answer.status >= 400, "{}: {url} was inserted", profile.name);
            assert!(!answer.message_id().is_empty());
            assert_eq!(shown(&fixture, slot).await["Inserted"], false);
        }
        assert_eq!(fixture.bmc().state().counters.inserts_failed, 3);
        insert(&fixture, slot, &images.url("a.iso")).await;
    }
}

#[tokio::test]
async fn dell_says_why_in_its_own_words() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&IDRAC9_6).await;
    let action = format!("{DELL_1}/Actions/VirtualMedia.InsertMedia");
    let missing = format!("http://{}/nowhere/a.iso", images.address);
    let answer = fixture.client.post(&action, json!({"Image": missing})).await.expect(500);
    assert_eq!(answer.message_id(), "IDRAC.2.8.RAC0720");
    let answer = fixture.client.post(&action, json!({"Image": images.url("a.bin")})).await.expect(500);
    assert_eq!(answer.message_id(), "IDRAC.2.8.RAC0720");
    assert!(images.ranges().is_empty(), "an unacceptable name is not even fetched");
}

#[tokio::test]
async fn an_occupied_slot_keeps_its_image() {
    for profile in with_media() {
        let images = route::images(profile, 4096).await;
        let fixture = Fixture::new(profile).await;
        let slot = &cd_slot(&fixture);
        insert(&fixture, slot, &images.url("first.iso")).await;
        let answer = try_insert(&fixture, slot, &images.url("second.iso")).await;
        assert!(answer.status >= 400, "{}", profile.name);
        let image = shown(&fixture, slot).await["Image"].as_str().expect("an image").to_owned();
        assert!(image.ends_with("/first.iso"), "{}: {image}", profile.name);
    }
}

#[tokio::test]
async fn dell_connects_two_images_and_not_three() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&IDRAC9_6).await;
    insert(&fixture, DELL_1, &images.url("a.iso")).await;
    insert(&fixture, "/redfish/v1/Systems/System.Embedded.1/VirtualMedia/2", &images.url("b.iso")).await;
    let third = "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia/CD/Actions/VirtualMedia.InsertMedia";
    let answer = fixture.client.post(third, json!({"Image": images.url("c.iso")})).await.expect(500);
    assert_eq!(answer.message_id(), "IDRAC.2.8.VRM0021");
}

#[tokio::test]
async fn dell_shows_an_ejected_image_for_a_while() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::UNIX_EPOCH));
    let images = ImageServer::start(4096).await;
    // Scale 0 for the insertion would also end the staleness, so the insertion takes its time on the manual clock.
    let options = Options { clock: Some(clock.clone()), time_scale: 1.0, ..Options::default() };
    let fixture = Fixture::with(&IDRAC9_6, options).await;
    let url = images.url("a.iso");
    let inserting = insert(&fixture, DELL_1, &url);
    let time = async {
        fixture.until("the image was looked at", |_| !images.ranges().is_empty()).await;
        while fixture.bmc().state().slots[0].image.is_none() {
            clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(inserting, time);

    eject(&fixture, DELL_1).await;
    assert_eq!(fixture.bmc().state().slots[0].image, None, "it is really out");
    let stale = shown(&fixture, DELL_1).await;
    assert_eq!((&stale["Inserted"], &stale["Image"]), (&json!(true), &json!(url)));
    clock.advance(Duration::from_secs(9));
    assert_eq!(shown(&fixture, DELL_1).await["Inserted"], false);
}

#[tokio::test]
async fn an_eject_of_an_empty_slot_is_answered_as_the_model_does() {
    let dell = Fixture::new(&IDRAC9_6).await;
    let answer =
        dell.client.post(&format!("{DELL_1}/Actions/VirtualMedia.EjectMedia"), json!({})).await.expect(500);
    assert_eq!(answer.message_id(), "IDRAC.2.8.VRM0009");
    let hpe = Fixture::new(&ILO5).await;
    hpe.client.post(&format!("{HPE_CD}/Actions/VirtualMedia.EjectMedia"), json!({})).await.expect(200);
    let smc = Fixture::new(&SMC_X13_SINGLE).await;
    let hidden = shown(&smc, SMC).await;
    assert_eq!(hidden["Actions"].get("#VirtualMedia.EjectMedia"), None);
    smc.client.post(&format!("{SMC}/Actions/VirtualMedia.EjectMedia"), json!({})).await.expect(400);
}

#[tokio::test]
async fn hpe_wants_a_json_body_for_an_eject() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&ILO5).await;
    insert(&fixture, HPE_USB, &images.url("task.img")).await;
    let action = format!("{HPE_USB}/Actions/VirtualMedia.EjectMedia");
    let bare = fixture.client.request(http::Method::POST, &action);
    fixture.client.send(bare).await.expect(415);
    assert_eq!(shown(&fixture, HPE_USB).await["Inserted"], true);
    fixture.client.post(&action, json!({})).await.expect(200);
    assert_eq!(shown(&fixture, HPE_USB).await["Inserted"], false);

    let dell = Fixture::new(&IDRAC9_6).await;
    insert(&dell, DELL_1, &images.url("a.iso")).await;
    let bare = dell.client.request(http::Method::POST, &format!("{DELL_1}/Actions/VirtualMedia.EjectMedia"));
    dell.client.send(bare).await.expect(204);
}

#[tokio::test]
async fn hpe_oem_actions_do_the_same() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&ILO5).await;
    let actions = shown(&fixture, HPE_CD).await["Oem"]["Hpe"]["Actions"].clone();
    let target = |name: &str| actions[name]["target"].as_str().expect("a target").to_owned();
    let insert = target("#HpeiLOVirtualMedia.InsertVirtualMedia");
    fixture.client.post(&insert, json!({"Image": images.url("a.iso")})).await.expect(200);
    assert_eq!(shown(&fixture, HPE_CD).await["Inserted"], true);
    fixture.client.post(&target("#HpeiLOVirtualMedia.EjectVirtualMedia"), json!({})).await.expect(200);
    assert_eq!(shown(&fixture, HPE_CD).await["Inserted"], false);
}

#[tokio::test]
async fn an_insertion_goes_on_when_the_client_hangs_up() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::with(&SMC_X13_SINGLE, Options { time_scale: 0.02, ..Options::default() }).await;
    let action = format!("{SMC}/Actions/VirtualMedia.InsertMedia");
    let request =
        fixture.client.request(http::Method::POST, &action).json(&json!({"Image": images.url("a.iso")}));
    let impatient = request.timeout(Duration::from_millis(20));
    fixture.client.try_send(impatient).await.expect_err("the client gave up");
    fixture.until("the image is in", |fixture| fixture.bmc().state().slots[0].image.is_some()).await;
}

#[tokio::test]
async fn the_action_info_lists_what_insert_takes() {
    let fixture = Fixture::new(&SMC_X13_SINGLE).await;
    let resource = shown(&fixture, SMC).await;
    let info =
        resource["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"].as_str().expect("a path");
    let info = shown(&fixture, info).await;
    let parameters = info["Parameters"].as_array().expect("a list");
    let required: Vec<&Value> =
        parameters.iter().filter(|p| p["Required"] == true).map(|p| &p["Name"]).collect();
    assert_eq!(required, [&json!("Image")]);
}
