// SPDX-License-Identifier: AGPL-3.0-or-later
//! Farms: addresses, certificates, the control endpoint, the log file, the end.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::{IDRAC9_6, ILO5, SMC_X13_SINGLE};
use shoal_testbed::bmc::{Event, Farm, FarmError, NullMachine, Power, Record, Snapshot, What};

use crate::behaviour_power::system;
use crate::client::Client;
use crate::fixture::{PASSWORD, bmc_config, farm_config};

fn bmcs(count: usize) -> Vec<shoal_testbed::bmc::BmcConfig> {
    let models = [&IDRAC9_6, &ILO5, &SMC_X13_SINGLE];
    (0..count)
        .map(|n| bmc_config(models[n % models.len()], n, Arc::new(NullMachine::default()), false))
        .collect()
}

#[tokio::test]
async fn every_bmc_has_its_own_port_machine_and_certificate() {
    let mut config = farm_config(bmcs(6));
    config.tls = true;
    let farm = Farm::start(config).await.expect("a farm on loopback");
    let mut ports = HashSet::new();
    let mut fingerprints = HashSet::new();
    for bmc in farm.bmcs() {
        assert!(bmc.url().starts_with("https://127.0.0.1:"));
        ports.insert(bmc.address().port());
        fingerprints.insert(bmc.fingerprint().expect("TLS is on").to_owned());
        let shown = Client::basic(bmc).get(&system(bmc.profile())).await.expect(200).json();
        let field = if bmc.profile().system.sku_is_service_tag { "SKU" } else { "SerialNumber" };
        assert_eq!(shown[field], bmc.identity().serial.as_str());
    }
    assert_eq!((ports.len(), fingerprints.len()), (6, 6));
    farm.shutdown().await;
}

#[tokio::test]
async fn the_fingerprint_is_the_one_of_the_wire() {
    use sha2::{Digest as _, Sha256};
    let mut config = farm_config(bmcs(1));
    config.tls = true;
    let farm = Farm::start(config).await.expect("a farm on loopback");
    let bmc = &farm.bmcs()[0];
    let tls = shoal_testbed::tls::unverified_client_config().expect("ring is there");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let stream = tokio::net::TcpStream::connect(bmc.address()).await.expect("it listens");
    let name = "localhost".try_into().expect("a name");
    let stream = connector.connect(name, stream).await.expect("a handshake");
    let certificate = &stream.get_ref().1.peer_certificates().expect("a certificate")[0];
    let digest = format!("{:x}", Sha256::digest(certificate));
    assert_eq!(bmc.fingerprint(), Some(digest.as_str()));
}

#[tokio::test]
async fn ports_follow_each_other_from_a_given_one() {
    // Somewhere there are three free ports in a row; another process may take one between look and use.
    for _ in 0..500 {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let first = probe.local_addr().expect("bound");
        drop(probe);
        let mut config = farm_config(bmcs(3));
        config.listen = first;
        match Farm::start(config).await {
            Ok(farm) => {
                let ports: Vec<u16> = farm.bmcs().iter().map(|bmc| bmc.address().port()).collect();
                assert_eq!(ports, [first.port(), first.port() + 1, first.port() + 2]);
                return;
            }
            Err(FarmError::Listen { .. } | FarmError::Ports { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("never three free ports in a row");
}

#[tokio::test]
async fn a_farm_that_cannot_be_is_refused_with_the_reason() {
    let mut config = farm_config(bmcs(3));
    config.listen = ([127, 0, 0, 1], 65_534).into();
    let error = Farm::start(config).await.err().expect("there is no port 65536");
    assert!(matches!(error, FarmError::Ports { .. } | FarmError::Listen { .. }), "{error}");
    let mut config = farm_config(bmcs(1));
    config.time_scale = f64::NAN;
    assert!(matches!(Farm::start(config).await, Err(FarmError::TimeScale(_))));
}

#[tokio::test]
async fn the_control_endpoint_shows_and_steers() {
    let mut config = farm_config(bmcs(2));
    config.control = Some(([127, 0, 0, 1], 0).into());
    let farm = Farm::start(config).await.expect("a farm on loopback");
    let base = format!("http://{}", farm.control().expect("it was asked for"));
    let http = Client::nobody(&farm.bmcs()[0]).http;
    let get = async |path: &str| http.get(format!("{base}{path}")).send().await.expect("an answer");

    let all: Vec<Snapshot> = get("/control/bmcs").await.json().await.expect("snapshots");
    assert_eq!(all.len(), 2);
    assert_eq!(get("/control/bmc/2/state").await.status(), 404);

    let client = Client::basic(&farm.bmcs()[1]);
    let reset = format!("{}/Actions/ComputerSystem.Reset", system(farm.bmcs()[1].profile()));
    client.post(&reset, json!({"ResetType": "On"})).await.expect(200);
    let state: Snapshot = get("/control/bmc/1/state").await.json().await.expect("a snapshot");
    assert_ne!(state.power, Power::Off);
    let log: Vec<Record> = get("/control/bmc/1/log").await.json().await.expect("records");
    let on = What::Event(Event::Reset { kind: "On".to_owned() });
    assert!(log.iter().any(|record| record.what == on), "{log:#?}");
    let last = log.last().expect("there was one").seq;
    let later: Vec<Record> =
        get(&format!("/control/bmc/1/log?after={last}")).await.json().await.expect("records");
    assert!(later.iter().all(|record| record.seq > last));

    let _session = Client::nobody(&farm.bmcs()[0]).login().await;
    let totals: Value = get("/control/totals").await.json().await.expect("totals");
    assert_eq!((&totals["requests"], &totals["reads"]), (&json!(2), &json!(0)), "a reset and a login");
    assert_eq!((&totals["sessions"], &totals["fewest_sessions_closed"]), (&json!(1), &json!(0)));

    let url = format!("{base}/control/bmc/1/faults");
    let plan = "rules: [{name: gone, path: /redfish/v1/Systems, fault: {kind: status, status: 404}}]";
    assert_eq!(http.post(&url).body(plan).send().await.expect("an answer").status(), 200);
    client.get("/redfish/v1/Systems").await.expect(404);
    Client::basic(&farm.bmcs()[0]).get("/redfish/v1/Systems").await.expect(200);
    let bad = http.post(&url).body("rules: [{name: x}]").send().await.expect("an answer");
    assert_eq!(bad.status(), 400);
    let shown: Value = http.get(&url).send().await.expect("an answer").json().await.expect("a plan");
    assert_eq!(shown["rules"][0]["name"], "gone", "a bad plan does not replace a good one");
    http.delete(&url).send().await.expect("an answer");
    client.get("/redfish/v1/Systems").await.expect(200);
}

#[tokio::test]
async fn the_log_file_has_a_line_for_every_record_and_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log.jsonl");
    let mut config = farm_config(bmcs(2));
    config.log_file = Some(path.clone());
    let farm = Farm::start(config).await.expect("a farm on loopback");
    let (token, _) = Client::nobody(&farm.bmcs()[1]).login().await;
    Client::basic(&farm.bmcs()[0]).get("/redfish/v1").await.expect(200);
    farm.shutdown().await;
    let text = std::fs::read_to_string(&path).expect("the file");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |bmc: usize| lines.iter().filter(|line| line["bmc"] == bmc).count();
    assert_eq!((of(0), of(1)), (1, 2), "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains(&token), "a secret stands in the file");
}

#[tokio::test]
async fn after_shutdown_nobody_answers() {
    let farm = Farm::start(farm_config(bmcs(3))).await.expect("a farm on loopback");
    let client = Client::basic(&farm.bmcs()[2]);
    client.get("/redfish/v1").await.expect(200);
    farm.shutdown().await;
    let request = client.request(http::Method::GET, "/redfish/v1");
    client.try_send(request).await.expect_err("the listener is gone, and with it the open connection");
}

#[tokio::test]
async fn neighbours_share_nothing_but_the_process() {
    let config = vec![
        bmc_config(&IDRAC9_6, 0, Arc::new(NullMachine::default()), false),
        bmc_config(&ILO5, 1, Arc::new(NullMachine::default()), false),
    ];
    let farm = Farm::start(farm_config(config)).await.expect("a farm on loopback");
    let (first, second) = (Client::basic(&farm.bmcs()[0]), Client::basic(&farm.bmcs()[1]));
    let (token, _) = first.login().await;
    second.with_token(&token).get("/redfish/v1/Systems").await.expect(401);
    second.get("/redfish/v1/Systems/System.Embedded.1").await.expect(404);
    assert_eq!(farm.bmcs()[1].state().open_sessions, 0);
}
