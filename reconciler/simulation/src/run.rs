// SPDX-License-Identifier: AGPL-3.0-or-later
//! One run: a scenario from its beginning until everything that can settle has settled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_core::job::Phase;

use crate::commits::{commit, server};
use crate::controllers::{alive, bury, start};
use crate::event::Event;
use crate::happen::{build, crash, git_is_down, happen, restart_controller};
use crate::hardware::Content;
use crate::journal::{JobSeen, Waiting, left_alone};
use crate::operators::{accept, post, shown};
use crate::scenario::{Planned, Scenario};
use crate::world::World;

/// Machines that stand there and are not in Git at first.
const SPARE: usize = 2;
/// How long everything may take to settle once nothing goes wrong any more.
const SETTLE: Duration = Duration::from_secs(12 * 3600);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_secs(600);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was not as it must be.
    pub violation: Option<String>,
    /// What happened, counted.
    pub events: u64,
    /// What happened, by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// What happened, in words, where it was kept.
    pub story: Vec<String>,
    /// Disks that were written to.
    pub writes: u64,
    /// How often an event met a job in a phase; `Complete` where there was no job.
    pub cells: BTreeMap<(String, Phase), u64>,
    /// Time that passed in the world.
    pub passed: Duration,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, trace: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO needs nothing of the system");
    let outcome = runtime.block_on(live(scenario, trace));
    runtime.shutdown_background();
    outcome
}

async fn live(scenario: &Scenario, trace: bool) -> Outcome {
    let world = World::new(scenario.seed, trace);
    world.with(|state| {
        build(state, scenario.servers + SPARE, scenario.foreign);
        for (version, letter) in [("12.8", 'a'), ("13.1", 'b'), ("13.2", 'c')] {
            state.wanted.images.insert(version.to_owned(), letter);
        }
        state.wanted.blank_only = scenario.blank_only;
        for number in 0..scenario.servers {
            let machine = &state.machines[number];
            // Where nothing names the disk, the machine's only one is taken.
            let disk = (number % 3 != 2).then(|| machine.disk.serial.clone());
            let wanted = server(machine.serial.clone(), number, disk, "12.8".to_owned());
            state.wanted.servers.insert(format!("web-{number:02}"), wanted);
        }
    });
    commit(&world);
    let store = world.with(|state| Arc::clone(&state.store));
    start(&world, 0, store);
    for Planned { at, phase, event, then } in &scenario.events {
        if !lives_until(&world, *at).await {
            break;
        }
        let links = std::iter::once((*phase, event.clone())).chain(then.iter().cloned()).collect();
        go_on(&world, links, None).await;
    }
    if world.with(|state| state.oracle.violation.is_none()) {
        settle(&world).await;
    }
    crash(&world, 0);
    crash(&world, 1);
    let passed = world.elapsed();
    world.with(|state| Outcome {
        violation: state.oracle.violation.clone(),
        events: state.events,
        kinds: state.kinds.clone(),
        story: std::mem::take(&mut state.story),
        writes: state.oracle.writes,
        cells: std::mem::take(&mut state.cells),
        passed,
    })
}

/// Lets time pass. A controller without power is started again after a while. False: something is broken.
async fn lives_until(world: &Arc<World>, until: Duration) -> bool {
    loop {
        if world.with(|state| state.oracle.violation.is_some()) {
            return false;
        }
        let left = until.saturating_sub(world.elapsed());
        if left.is_zero() {
            return true;
        }
        tokio::select! {
            biased;
            () = world.bell.notified() => happen_now(world).await,
            () = tokio::time::sleep(left.min(Duration::from_secs(10))) => {}
        }
        let gone = alive(world, 0).is_none();
        if gone && world.with(|state| state.dice.percent(15)) {
            restart_controller(world);
        }
        if world
            .with(|state| state.incarnations.iter().any(|i| i.power.is_cancelled() && i.running.is_some()))
        {
            bury(world);
        }
    }
}

/// Lets the events happen whose job is where they waited for it.
async fn happen_now(world: &Arc<World>) {
    while let Some((waiting, job)) = world.with(|state| state.due.pop_front()) {
        let links = std::iter::once((None, waiting.event)).chain(waiting.then).collect();
        go_on(world, links, Some(&job)).await;
    }
}

/// Lets a chain of events go on up to the next that waits for a job; with `job`, to that job's server.
async fn go_on(world: &Arc<World>, mut links: VecDeque<(Option<Phase>, Event)>, job: Option<&JobSeen>) {
    while let Some((phase, event)) = links.pop_front() {
        if let Some(phase) = phase {
            let machine = job.map(|job| job.machine.clone());
            let waiting = Waiting { phase, machine, event, then: links.into_iter().collect() };
            return world.with(|state| state.waiting.push(waiting));
        }
        if let (Event::Wait(long), Some(job), Some((_, event))) = (&event, job, links.front().cloned()) {
            links.pop_front();
            let waiting =
                Waiting { phase: job.phase, machine: None, event, then: links.into_iter().collect() };
            let (world, job, long) = (Arc::clone(world), job.clone(), *long);
            tokio::spawn(async move {
                tokio::time::sleep(long).await;
                world.with(|state| state.due.push_back((waiting, job)));
                world.bell.notify_one();
            });
            return;
        }
        let event = match job {
            None => event,
            Some(job) => world.with(|state| {
                let servers = state.wanted.servers.keys().position(|name| *name == job.server);
                let machines = state.machines.iter().position(|machine| machine.serial == job.machine);
                let servers = servers.map(|place| (place, state.wanted.servers.len()));
                let machines = machines.map(|place| (place, state.machines.len()));
                event.aimed(servers, machines)
            }),
        };
        happen(world, &event).await;
    }
}

/// Nothing goes wrong any more: everything comes to its end, or waits with a reason.
async fn settle(world: &Arc<World>) {
    world.say("settle", String::new);
    crash(world, 1);
    git_is_down(world, false, false);
    world.with(|state| {
        state.crash_after = None;
        state.waiting.clear();
        state.due.clear();
        state.faults = crate::world::Faults::default();
        for bmc in &mut state.bmcs {
            (bmc.down_until, bmc.lies) = (None, None);
        }
        for machine in &mut state.machines {
            (machine.hangs_next, machine.stale_next, machine.fails_next) = (false, false, 0);
        }
    });
    restart_controller(world);
    lives_until(world, world.elapsed() + Duration::from_secs(600)).await;
    post(world, "/api/v1/takeover", json!({})).await;
    post(world, "/api/v1/pause", json!({"paused": false})).await;
    accept(world).await;
    let end = world.elapsed() + SETTLE;
    let mut last = None;
    while world.elapsed() < end {
        if !lives_until(world, world.elapsed() + LOOK).await {
            return;
        }
        go_on_after_failures(world).await;
        last = unsettled(world).await;
        if last.is_some() {
            continue;
        }
        // What is tidied is seen and taken out by the looks that follow; and nothing begins anew.
        lives_until(world, world.elapsed() + 4 * LOOK).await;
        last = unsettled(world).await;
        if last.is_none() {
            break;
        }
    }
    if let Some(why) = last {
        world.with(|state| {
            state.oracle.broken(format!(
                "not settled {} hours after everything works: {why}",
                SETTLE.as_secs() / 3600
            ));
        });
        return;
    }
    judge_end(world).await;
}

/// Where so many jobs failed that the whole fleet stands still, somebody looks, and lets it go on.
async fn go_on_after_failures(world: &Arc<World>) {
    let views = shown(world, "/api/v1/servers").await.unwrap_or_default();
    let views = views.as_array().or_else(|| views["servers"].as_array()).cloned().unwrap_or_default();
    let halted = views.iter().find(|view| {
        let conditions = view["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|condition| condition["reason"] == "Halted"))
    });
    if let Some(name) = halted.and_then(|view| view["status"]["name"].as_str()) {
        post(world, &format!("/api/v1/servers/{name}/retry"), json!({})).await;
    }
}

/// What neither came to its end nor waits for somebody.
async fn unsettled(world: &Arc<World>) -> Option<String> {
    let Some(views) = shown(world, "/api/v1/servers").await else {
        return Some("the controller shows no servers".to_owned());
    };
    // Also of a server that is not in Git any more, or under another name.
    if let Some(job) = world.with(|state| state.jobs[0].values().next().cloned()) {
        return Some(format!("{} has a job: {:?}", job.server, job.phase));
    }
    if let Some(name) = world.with(|state| left_alone(&state.store)) {
        return Some(format!("{name} is left alone"));
    }
    let names: Vec<(String, bool)> = world.with(|state| {
        let servers = state.wanted.servers.iter();
        servers.map(|(name, server)| (name.clone(), server.broken)).collect()
    });
    let views = views.as_array().or_else(|| views["servers"].as_array()).cloned().unwrap_or_default();
    for (name, broken) in names {
        let Some(view) = views.iter().find(|view| view["status"]["name"] == name.as_str()) else {
            if broken {
                // No version of it could ever be read.
                continue;
            }
            return Some(format!("{name} is not shown"));
        };
        if view["job"].is_object() && view["job"]["status"] != "complete" {
            return Some(format!("{name} has a job: {}", view["job"]["status"]));
        }
        let conditions = view["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let held = |condition: &&Value| {
            condition["status"] == true
                && matches!(condition["type"].as_str(), Some("Ready" | "Stalled" | "Suspended"))
        };
        let waits = view["entry"]["holds"].as_array().is_some_and(|holds| !holds.is_empty());
        if !waits && !conditions.iter().any(|condition| held(&condition)) {
            return Some(format!("{name} is neither ready nor does it wait for anybody: {}", view["status"]));
        }
    }
    None
}

/// How a server stands, in a line.
fn told(view: &Value) -> String {
    let all = |list: &Value, what: &str| {
        let texts = list.as_array().into_iter().flatten().filter_map(|one| one[what].as_str());
        texts.collect::<Vec<_>>().join("; ")
    };
    let (status, entry) = (&view["status"], &view["entry"]);
    format!(
        "{} {} {}: {}; held: {}",
        status["name"],
        entry["action"],
        entry["approval"]["state"],
        all(&status["conditions"], "message"),
        all(&entry["holds"], "message")
    )
}

/// What must hold when nothing runs.
async fn judge_end(world: &Arc<World>) {
    let Some(views) = shown(world, "/api/v1/servers").await else { return };
    let views = views.as_array().or_else(|| views["servers"].as_array()).cloned().unwrap_or_default();
    for view in &views {
        world.say("at the end", || told(view));
    }
    world.with(|state| {
        let mut found = Vec::new();
        for (name, server) in &state.wanted.servers {
            let bmc = &state.bmcs[server.bmc];
            let ours = bmc.slots.iter().flatten().any(|url| url.starts_with("http://media-a/"));
            // What the second controller left is that one's.
            let our_override = bmc.boot_once.is_some() && bmc.boot_once_by == 0 && bmc.slots[0].is_none();
            if (ours || our_override) && !server.suspended && !server.broken {
                let view = views.iter().find(|view| view["status"]["name"] == name.as_str());
                found.push(format!(
                    "{name} has media of ours or an override, and nothing runs: {:?}; {}",
                    bmc.slots,
                    view.cloned().unwrap_or_default()
                ));
            }
        }
        for view in &views {
            let record = &view["status"]["record"];
            let serial = record["serial"].as_str().unwrap_or_default();
            let Some(machine) = state.machines.iter().find(|machine| machine.serial == serial) else {
                continue;
            };
            if record["state"] != "installed" || machine.tampered {
                continue;
            }
            let image = record["installed"]["version"].as_str().and_then(|v| state.wanted.images.get(v));
            if image.is_none_or(|image| machine.disk.content != Content::System(*image)) {
                found.push(format!(
                    "{} says that {} is on {serial}, and there is {:?}",
                    view["status"]["name"], record["installed"]["version"], machine.disk.content
                ));
            }
        }
        for what in found {
            state.oracle.broken(what);
        }
    });
}
