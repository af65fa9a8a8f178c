// SPDX-License-Identifier: AGPL-3.0-or-later
//! Looks at BMCs while nothing is to be done: what they cost, and what they see.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_testbed::bmc::{RequestRecord, What};
use shoal_testbed::faults::FaultPlan;

use super::world::{PASSWORD, World, client};

const SYSTEM: &str = "/redfish/v1/Systems/1";
const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/2";
const USB: &str = "/redfish/v1/Managers/1/VirtualMedia/1";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// A machine that is installed, and looked at often.
async fn installed() -> World {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.sweep = Duration::from_millis(100);
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.wait_server(0, "a machine that started", |view| view["entry"].is_null()).await;
    // Nobody may change a machine that is just starting.
    while world.farm.bmcs()[0].state().in_post {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world
}

impl World {
    /// The number of the last thing that a BMC noted.
    pub(crate) fn mark(&self, index: usize) -> u64 {
        self.farm.bmcs()[index].log(0).last().map_or(0, |record| record.seq)
    }

    /// What a BMC was asked since then.
    fn asked(&self, index: usize, since: u64) -> Vec<RequestRecord> {
        let records = self.farm.bmcs()[index].log(since).into_iter();
        records
            .filter_map(|record| if let What::Request(request) = record.what { Some(request) } else { None })
            .collect()
    }

    /// Looks since then that are over: each begins with a login and ends with a logout.
    fn looks(&self, index: usize, since: u64) -> Vec<Vec<RequestRecord>> {
        let mut looks = Vec::new();
        let mut now = Vec::new();
        for request in self.asked(index, since) {
            let (begins, ends) = (request.method == "POST", request.method == "DELETE");
            if begins {
                now.clear();
            }
            now.push(request);
            if ends {
                looks.push(std::mem::take(&mut now));
            }
        }
        // What was under way at the mark is no whole look.
        looks.retain(|look| look[0].method == "POST");
        looks
    }

    pub(crate) async fn wait_looks(&self, index: usize, since: u64, count: usize) -> Vec<Vec<RequestRecord>> {
        let end = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let looks = self.looks(index, since);
            if looks.len() >= count {
                return looks;
            }
            assert!(tokio::time::Instant::now() < end, "only {} looks", looks.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Somebody else writes to a BMC.
    async fn somebody(&self, method: &str, path: &str, body: &Value) {
        let url = format!("{}{path}", self.farm.bmcs()[0].url());
        let request = client().request(method.parse().unwrap(), url).basic_auth("root", Some(PASSWORD));
        let answer = request.json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_costs_the_system_and_its_own_slots_and_most_answers_are_nothing_new() {
    let mut world = installed().await;
    let since = world.mark(0);
    let looks = world.wait_looks(0, since, 20).await;
    let mut codes: BTreeMap<u16, usize> = BTreeMap::new();
    for look in &looks {
        let shown: Vec<(&str, &str)> =
            look.iter().map(|request| (&*request.method, request.path.trim_end_matches('/'))).collect();
        let (session, reads) = (&shown[0], &shown[1..shown.len() - 1]);
        assert_eq!(*session, ("POST", SESSIONS));
        assert_eq!(reads, [("GET", SYSTEM), ("GET", CD), ("GET", USB)], "three small reads and no more");
        let (method, path) = shown[shown.len() - 1];
        assert!(method == "DELETE" && path.starts_with(SESSIONS), "{method} {path}");
        for request in &look[1..look.len() - 1] {
            *codes.entry(request.status).or_default() += 1;
        }
    }
    // The job changed power, override and slots, and with them the ETags: they have proven themselves.
    // Every eighth look is whole all the same.
    let (whole, unchanged) = (codes[&200], codes.get(&304).copied().unwrap_or_default());
    assert_eq!(whole + unchanged, looks.len() * 3);
    assert!(unchanged >= looks.len() * 2, "{codes:?}");
    assert!(whole > 0, "{codes:?}");
    world.stop().await;
}

/// The piece of an image that a BMC asks for.
fn piece(image: &[u8], headers: &http::HeaderMap) -> http::Response<axum::body::Body> {
    let range =
        headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let answer = http::Response::builder().header("accept-ranges", "bytes");
    let Some((from, to)) = range else { return answer.body(image.to_vec().into()).unwrap() };
    let from: usize = from.parse().unwrap();
    let to = to.parse().unwrap_or(usize::MAX).min(image.len() - 1);
    answer
        .status(206)
        .header("content-range", format!("bytes {from}-{to}/{}", image.len()))
        .body(image[from..=to].to_vec().into())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_changes_is_seen_and_told_and_left_alone() {
    let mut world = installed().await;
    let since = world.mark(0);
    // A medium of somebody's own, from where anybody may fetch it.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let image = format!("http://{}/rescue.iso", listener.local_addr().unwrap());
    let iso = std::fs::read(world.path("maintenance.iso")).unwrap();
    let get = move |headers: http::HeaderMap| std::future::ready(piece(&iso, &headers));
    let router = axum::Router::new().route("/rescue.iso", axum::routing::get(get));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let insert = format!("{CD}/Actions/VirtualMedia.InsertMedia");
    world.somebody("POST", &insert, &json!({"Image": image})).await;
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}});
    world.somebody("PATCH", SYSTEM, &boot).await;
    let reset = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
    world.somebody("POST", &reset, &json!({"ResetType": "ForceOff"})).await;

    let view = world
        .wait_server(0, "what was changed", |view| {
            let bmc = &view["status"]["bmc"];
            bmc["power"] == "Off"
                && bmc["foreignMedia"][0] == "127.0.0.1"
                && bmc["foreignOverride"] == "Once Pxe"
        })
        .await;
    assert_ne!(view["status"]["bmc"]["ownMedia"], true);
    assert_ne!(view["status"]["bmc"]["bootOverride"], true);
    let view = world
        .wait_server(0, "drift", |view| {
            view["status"]["drift"].as_array().is_some_and(|drift| drift.len() == 2)
        })
        .await;
    let drifted = view["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Drifted");
    let message = drifted.unwrap()["message"].as_str().unwrap();
    assert!(message.contains("(127.0.0.1); they are left alone"), "{message}");
    assert!(message.contains("boot override (Once Pxe); it is left alone"), "{message}");
    let metrics = client().get(world.api("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("servers{condition=\"drifted\"} 1"), "{metrics}");
    world
        .wait_status("servers/rack-a/web-00.json", "the drift", |s| s["bmc"]["foreignOverride"] == "Once Pxe")
        .await;

    // Nothing was written back: three writes, and none of them ours.
    let ours = world.looks(0, since).concat();
    assert!(ours.iter().all(|request| request.method == "GET" || request.path.starts_with(SESSIONS)));

    // The same for a machine that is to be installed: its plan says what becomes of it.
    world.write_server(0, "13.1");
    world.push("bump");
    let view = world.wait_server(0, "an entry", |view| view["entry"]["action"] == "reinstall").await;
    let notes = view["entry"]["notes"].to_string();
    assert!(notes.contains("(127.0.0.1); the install takes them out"), "{notes}");
    assert!(notes.contains("(Once Pxe); the install sets its own"), "{notes}");
    world.stop().await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_job_goes_whole_although_the_bmc_keeps_the_medium_at_first() {
    let mut world = installed().await;
    // As a job leaves it that was lost with the database: media of ours, and the override that boots them.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let iso = std::fs::read(world.path("maintenance.iso")).unwrap();
    let get = move |headers: http::HeaderMap| std::future::ready(piece(&iso, &headers));
    let router = axum::Router::new().route("/media/left/shoal.iso", axum::routing::get(get));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let path = world.path("work/shoal.yaml");
    let mut fleet: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    fleet["spec"]["mediaUrls"] = json!([{"url": base}]);
    std::fs::write(&path, fleet.to_string()).unwrap();
    // It takes the medium out at the third request only.
    let keeps = "rules:
      - {name: keeps, methods: [POST], path: '**EjectMedia', count: 2, fault: {kind: status, status: 400}}";
    world.farm.bmcs()[0].set_faults(FaultPlan::parse(keeps).unwrap()).unwrap();
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"}});
    world.somebody("PATCH", SYSTEM, &boot).await;
    let insert = format!("{CD}/Actions/VirtualMedia.InsertMedia");
    world.somebody("POST", &insert, &json!({"Image": format!("{base}/media/left/shoal.iso")})).await;
    world.push("where media of ours are");

    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    let state = loop {
        let state = world.farm.bmcs()[0].state();
        if state.slots.iter().all(|slot| slot.image.is_none()) {
            break state;
        }
        assert!(tokio::time::Instant::now() < end, "{:?}", state.slots);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(format!("{:?}", state.boot_override.enabled), "Disabled");
    world.stop().await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn bmcs_that_do_not_answer_delay_none_of_their_neighbours() {
    // More than are looked at at once, and the last one answers.
    const DEAD: usize = 70;
    let mut world = World::new(&["ilo5"; DEAD + 1]).await;
    world.tweak = |settings| {
        settings.sweep = Duration::from_millis(200);
        settings.redfish_timeout = Duration::from_secs(600);
        settings.bmc_concurrency = 256;
        // Nothing but looks.
        settings.worker_concurrency = 0;
    };
    let stall = FaultPlan::parse("rules:\n  - {name: dead, fault: {kind: stall}}").unwrap();
    for bmc in &world.farm.bmcs()[..DEAD] {
        bmc.set_faults(stall.clone()).unwrap();
    }
    world.push("a rack without power, and one server");
    world.start().await;
    world.wait_looks(DEAD, 0, 10).await;
    for index in 0..DEAD {
        assert_eq!(world.looks(index, 0).len(), 0, "nobody waited for {index}");
    }
    world.crash().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_stops_leaves_no_session_behind() {
    let mut world = World::new(&["ilo5", "idrac9-6"]).await;
    world.tweak = |settings| {
        settings.sweep = Duration::from_millis(100);
        settings.worker_concurrency = 0;
    };
    // A look is under way nearly always.
    let slow = "rules:\n  - {name: slow, methods: [GET], fault: {kind: latency, ms: 200}}";
    for bmc in world.farm.bmcs() {
        bmc.set_faults(FaultPlan::parse(slow).unwrap()).unwrap();
    }
    world.push("two servers");
    world.start().await;
    while !world.farm.bmcs().iter().all(|bmc| bmc.state().open_sessions > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.stop().await;
    for bmc in world.farm.bmcs() {
        let state = bmc.state();
        assert!(state.counters.sessions > 0);
        assert_eq!(state.open_sessions, 0, "{:?}", state.counters);
    }
}
