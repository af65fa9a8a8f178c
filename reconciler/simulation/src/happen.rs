// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lets an event happen.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_store::MemoryStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::controllers::{alive, ask, bury, hosts, start};
use crate::git::Tree;
use crate::hardware::{Bmc, Content, Disk, Machine};
use crate::machine;
use crate::oracle::Agreed;
use crate::people::{Server, Wanted};
use crate::scenario::Event;
use crate::world::{State, World};

/// Lets an event happen.
pub(crate) async fn happen(world: &Arc<World>, event: &Event) {
    world.say("event", || format!("{event:?}"));
    match event {
        Event::Approve(n) => approve(world, *n, "install").await,
        Event::Adopt(n) => approve(world, *n, "adopt").await,
        Event::Accept => accept(world).await,
        Event::Cancel(n) => cancel(world, *n).await,
        Event::Retry(n) => {
            if let Some(name) = world.with(|state| pick_name(&state.wanted, *n)) {
                post(world, &format!("/api/v1/servers/{name}/retry"), json!({})).await;
            }
        }
        Event::Pause(paused) => post(world, "/api/v1/pause", json!({"paused": paused})).await,
        Event::Takeover => post(world, "/api/v1/takeover", json!({})).await,
        Event::GitDown(long) => {
            world.git(|git| git.down = true);
            let world = Arc::clone(world);
            let long = *long;
            tokio::spawn(async move {
                tokio::time::sleep(long).await;
                world.git(|git| git.down = false);
            });
        }
        Event::GitAnswerLost => world.git(|git| git.lose_next_answer = true),
        Event::StatusStale(n) => world.git(|git| {
            if let Some(tip) = git.status {
                let history = git.history(tip);
                git.status = Some(history[(*n as usize) % history.len()]);
            }
        }),
        Event::Revert(n) => revert(world, *n, false),
        Event::ForcePush(n) => revert(world, *n, true),
        Event::Crash => crash(world, 0),
        Event::CrashAfter(effects) => world.with(|state| state.crash_after = Some(*effects)),
        Event::Stop => stop(world).await,
        Event::LoseDatabase => {
            crash(world, 0);
            world.with(|state| state.store = Arc::new(MemoryStore::new()));
        }
        Event::Backup => world.with(|state| state.backup = Some(Arc::new(state.store.copy()))),
        Event::RestoreBackup => {
            let backup = world.with(|state| state.backup.clone());
            if let Some(backup) = backup {
                crash(world, 0);
                world.with(|state| state.store = Arc::new(backup.copy()));
            }
        }
        Event::SecondController(copy) => {
            if alive(world, 1).is_none() {
                let store = world.with(|state| if *copy { state.store.copy() } else { MemoryStore::new() });
                start(world, 1, Arc::new(store));
            }
        }
        Event::EndSecond => crash(world, 1),
        Event::DiskFull(long) => {
            world.with(|state| state.faults.disk_full = true);
            let world = Arc::clone(world);
            let long = *long;
            tokio::spawn(async move {
                tokio::time::sleep(long).await;
                world.with(|state| state.faults.disk_full = false);
            });
        }
        Event::BmcFaults(percent) => world.with(|state| state.faults.bmc = *percent),
        Event::NetworkFaults(percent) => world.with(|state| state.faults.network = *percent),
        Event::ClockJump(seconds) => world.with(|state| state.clock_ahead += seconds * 1000),
        hardware @ (Event::Hang(_)
        | Event::Reboot(_)
        | Event::PowerCut(_)
        | Event::SwitchOn(_)
        | Event::StaleMedium(_)
        | Event::StepFails(_)
        | Event::Swap(..)
        | Event::NewDisk(_)
        | Event::ByHand(_)
        | Event::BmcDown(..)
        | Event::BmcLies(..)) => world.with(|state| on_hardware(world, state, hardware)),
        written => {
            let changed = world.with(|state| write(state, written));
            if changed {
                commit(world);
            }
        }
    }
}

/// Commits what people want.
pub(crate) fn commit(world: &World) {
    let (wanted, tree) = world.with(|state| (state.wanted.clone(), state.wanted.tree()));
    world.git(|git| {
        let parent = git.main;
        git.main = Some(git.commit(parent, tree));
    });
    stands(world, wanted, false);
}

fn stands(world: &World, wanted: Wanted, rewritten: bool) {
    let tip = world.git(|git| git.main);
    let now = world.elapsed();
    world.with(|state| {
        state.rewritten |= rewritten;
        state.commits.extend(tip.map(|tip| (tip, wanted.clone())));
        state.oracle.stands(now, wanted, state.rewritten);
    });
}

fn pick_name(wanted: &Wanted, n: u64) -> Option<String> {
    let count = wanted.servers.len();
    (count > 0).then(|| wanted.servers.keys().nth(n as usize % count).cloned()).flatten()
}

/// Changes what people want. Whether anything changed.
fn write(state: &mut State, event: &Event) -> bool {
    let versions: Vec<String> = state.wanted.images.keys().cloned().collect();
    let next = state.wanted.servers.len();
    match event {
        Event::FirstInstall => state.wanted.blank_only = !state.wanted.blank_only,
        Event::DropApprovals => state.wanted.approvals.clear(),
        Event::Add(n) => {
            let known: Vec<usize> = state.wanted.servers.values().map(|server| server.bmc).collect();
            let Some(bmc) = (0..state.bmcs.len()).find(|bmc| !known.contains(bmc)) else { return false };
            let machine = &state.machines[state.bmcs[bmc].machine];
            let (serial, disk) = (machine.serial.clone(), machine.disk.serial.clone());
            if state.wanted.servers.values().any(|server| server.serial == serial) {
                return false;
            }
            let version = versions[*n as usize % versions.len()].clone();
            let name = format!("added-{next}-{}", n % 1000);
            state.wanted.servers.insert(name, server(serial, bmc, Some(disk), version));
        }
        Event::Version(n)
        | Event::Remove(n)
        | Event::Rename(n)
        | Event::Suspend(n)
        | Event::Protect(n)
        | Event::Reinstall(n)
        | Event::Power(n)
        | Event::Break(n) => {
            let Some(name) = pick_name(&state.wanted, *n) else { return false };
            let server = state.wanted.servers.get_mut(&name).expect("it was picked just now");
            if server.broken && !matches!(event, Event::Break(_) | Event::Remove(_)) {
                return false;
            }
            match event {
                Event::Version(n) => {
                    server.version.clone_from(&versions[(*n / 64) as usize % versions.len()]);
                }
                Event::Suspend(_) => server.suspended = !server.suspended,
                Event::Protect(_) => server.protected = !server.protected,
                Event::Reinstall(_) => server.reinstall += 1,
                Event::Power(n) => server.power = [None, Some("On"), Some("Off")][(*n / 64) as usize % 3],
                Event::Break(_) => server.broken = !server.broken,
                Event::Remove(_) => drop(state.wanted.servers.remove(&name)),
                _ => {
                    let server = state.wanted.servers.remove(&name).expect("it is there");
                    state.wanted.servers.insert(format!("renamed-{next}-{}", n % 1000), server);
                }
            }
        }
        _ => return false,
    }
    true
}

/// A server as it is first written down.
pub(crate) fn server(serial: String, bmc: usize, disk: Option<String>, version: String) -> Server {
    Server {
        serial,
        bmc,
        disk,
        version,
        suspended: false,
        protected: false,
        reinstall: 0,
        power: None,
        broken: false,
    }
}

fn on_hardware(world: &Arc<World>, state: &mut State, event: &Event) {
    let count = state.machines.len() as u64;
    let at = |n: u64| (n % count) as usize;
    let bmc = |n: u64| (n % count) as usize;
    match event {
        Event::Hang(n) => state.machines[at(*n)].hangs_next = true,
        Event::StaleMedium(n) => {
            state.machines[at(*n)].stale_next = true;
            restart(world, state, at(*n));
        }
        Event::StepFails(n) => state.machines[at(*n)].fails_next = true,
        Event::Reboot(n) => restart(world, state, at(*n)),
        Event::PowerCut(n) => state.machines[at(*n)].switch_off(),
        Event::SwitchOn(n) if !state.machines[at(*n)].on => machine::switch_on(world, state, at(*n)),
        Event::Swap(a, b) => {
            let (a, b) = (bmc(*a), bmc(*b));
            if a != b {
                let (first, second) = (state.bmcs[a].machine, state.bmcs[b].machine);
                for machine in [first, second] {
                    state.machines[machine].switch_off();
                }
                (state.bmcs[a].machine, state.bmcs[b].machine) = (second, first);
            }
        }
        Event::NewDisk(n) => {
            let machine = &mut state.machines[at(*n)];
            machine.switch_off();
            let serial = format!("{}-N{}", machine.serial, machine.boots);
            machine.disk = Disk { serial, content: Content::Blank, stamp: None };
            machine.tampered = true;
        }
        Event::ByHand(n) => {
            let machine = &mut state.machines[at(*n)];
            machine.switch_off();
            (machine.disk.content, machine.disk.stamp) = (Content::Foreign, None);
            machine.tampered = true;
        }
        Event::BmcDown(n, long) => state.bmcs[bmc(*n)].down_until = Some(Instant::now() + *long),
        Event::BmcLies(n, lie) => state.bmcs[bmc(*n)].lies = *lie,
        _ => {}
    }
}

fn restart(world: &Arc<World>, state: &mut State, machine: usize) {
    if state.machines[machine].on {
        state.machines[machine].switch_off();
        machine::switch_on(world, state, machine);
    }
}

/// What stood in Git some commits ago: as a new commit, or as the tip of a rewritten branch.
fn revert(world: &World, n: u64, rewrite: bool) {
    let found = world.git(|git| {
        let history = git.history(git.main?);
        let back = history.get(1 + (n as usize % 4))?;
        let tree: Arc<Tree> = Arc::clone(&git.get(*back)?.tree);
        Some((*back, tree))
    });
    let Some((back, tree)) = found else { return };
    let Some(wanted) = world.with(|state| state.commits.get(&back).cloned()) else { return };
    world.git(|git| {
        git.main = Some(if rewrite { back } else { git.commit(git.main, tree) });
    });
    world.with(|state| state.wanted = wanted.clone());
    stands(world, wanted, rewrite);
}

/// A controller loses its power.
pub(crate) fn crash(world: &World, side: usize) {
    if let Some(number) = alive(world, side) {
        world.say("crash", || format!("controller {side}"));
        world.with(|state| state.incarnations[number].power.cancel());
    }
    bury(world);
}

async fn stop(world: &Arc<World>) {
    let Some(number) = alive(world, 0) else { return };
    let running = world.with(|state| state.incarnations[number].running.take());
    if let Some(running) = running {
        running.stop().await;
    }
    world.with(|state| state.incarnations[number].power.cancel());
    bury(world);
}

/// Starts the controller again where it has no power.
pub(crate) fn restart_controller(world: &Arc<World>) {
    if alive(world, 0).is_none() {
        bury(world);
        let store = world.with(|state| Arc::clone(&state.store));
        start(world, 0, store);
    }
}

async fn get(world: &Arc<World>, path: &str) -> Option<Value> {
    let answer = ask(world, hosts(0).0, "GET", path, &[], Vec::new()).await?;
    (answer.status == 200).then(|| answer.json())
}

/// What the controller shows.
pub(crate) async fn shown(world: &Arc<World>, path: &str) -> Option<Value> {
    get(world, path).await
}

/// An operator says something.
pub(crate) async fn post(world: &Arc<World>, path: &str, body: Value) {
    let json = vec![("content-type", "application/json".to_owned())];
    let answer = ask(world, hosts(0).0, "POST", path, &json, body.to_string().into_bytes()).await;
    world.say("operator", || {
        let text = answer.map(|answer| (answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
        format!("{path}: {text:?}")
    });
}

async fn cancel(world: &Arc<World>, n: u64) {
    let Some(jobs) = get(world, "/api/v1/jobs").await else { return };
    let jobs = jobs.as_array().or_else(|| jobs["jobs"].as_array()).cloned().unwrap_or_default();
    let active: Vec<&str> =
        jobs.iter().filter(|job| job["status"] != "complete").filter_map(|job| job["id"].as_str()).collect();
    if !active.is_empty() {
        let id = active[n as usize % active.len()].to_owned();
        post(world, &format!("/api/v1/jobs/{id}/cancel"), json!({})).await;
    }
}

/// Accepts whatever stands in Git now.
pub(crate) async fn accept(world: &Arc<World>) {
    let Some(tip) = world.git(|git| git.main) else { return };
    // The controller must have seen it to take it.
    post(world, "/api/v1/reconcile", json!({})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    post(world, "/api/v1/accept", json!({"revision": tip.to_string()})).await;
}

/// Agrees to what waits for it: every entry where the number is 0, one of them elsewhere.
async fn approve(world: &Arc<World>, n: u64, action: &str) {
    let Some(plan) = get(world, "/api/v1/plan").await else { return };
    let waits = |entry: &&Value| {
        matches!(entry["action"].as_str(), Some("install" | "reinstall"))
            && matches!(entry["approval"]["state"].as_str(), Some("needed" | "expired"))
    };
    let entries: Vec<Value> =
        plan["entries"].as_array().into_iter().flatten().filter(waits).cloned().collect();
    let chosen: Vec<&Value> = match (n, entries.len()) {
        (_, 0) => return,
        (0, _) => entries.iter().collect(),
        (n, count) => vec![&entries[n as usize % count]],
    };
    let commit = plan["source"]["commit"].as_str().and_then(|text| text.parse().ok());
    world.with(|state| {
        let Some(seen) = commit.and_then(|id| state.commits.get(&id)).cloned() else { return };
        let mut agreed = Vec::new();
        for entry in chosen {
            let (name, digest) = (entry["server"].as_str(), entry["digest"].as_str());
            let (Some(name), Some(digest)) = (name, digest) else { continue };
            agreed.push(json!({"server": name, "action": action, "entry": digest}));
            let image = seen.servers.get(name).and_then(|server| seen.image(server));
            if let Some(image) = image
                && action == "install"
            {
                let serial = entry["machine"].as_str().unwrap_or_default().to_owned();
                state.oracle.agreed.insert(digest.to_owned(), Agreed { serial, image });
            }
        }
        let name = format!("approval-{}", state.wanted.approvals.len());
        state.wanted.approvals.insert(name, json!({"reason": "simulation", "entries": agreed}));
    });
    self::commit(world);
}

/// A fleet of machines, each with its BMC.
pub(crate) fn build(state: &mut State, count: usize, foreign: u64) {
    for number in 0..count {
        let serial = format!("SIM{number:04}");
        let content = if state.dice.percent(foreign) { Content::Foreign } else { Content::Blank };
        let disk = Disk { serial: format!("DISK{number:04}"), content, stamp: None };
        state.machines.push(Machine {
            serial,
            disk,
            on: false,
            boots: 0,
            life: CancellationToken::new(),
            runs_system: false,
            last_task: None,
            hangs_next: false,
            stale_next: false,
            fails_next: false,
            tampered: false,
        });
        let slots_there = if state.dice.percent(70) { 2 } else { 1 };
        let starts_by = usize::from(state.dice.percent(10));
        state.bmcs.push(Bmc {
            machine: number,
            slots: [None, None],
            slots_there,
            boot_once: None,
            starts_by,
            down_until: None,
            lies: None,
        });
    }
}
