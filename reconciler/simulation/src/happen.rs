// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lets an event happen.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoal_core::job::Phase;
use shoal_store::MemoryStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backup;
use crate::commits::{commit, pick_name, revert, write};
use crate::controllers::{alive, bury, start};
use crate::event::{Event, Whom};
use crate::hardware::{Bmc, Content, Disk, Machine};
use crate::journal::JobSeen;
use crate::machine;
use crate::operators::{accept, approve, cancel, post};
use crate::world::{State, World};

/// Lets an event happen.
pub(crate) async fn happen(world: &Arc<World>, event: &Event) {
    world.say("event", || format!("{event:?}"));
    world.with(|state| count(state, event));
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
            // Every other time it is only that the watched branch cannot be read.
            git_is_down(world, true, long.as_secs() % 2 == 1);
            let world = Arc::clone(world);
            let long = *long;
            tokio::spawn(async move {
                tokio::time::sleep(long).await;
                git_is_down(&world, false, false);
            });
        }
        Event::GitAnswerLost => world.git(|git| git.lose_next_answer = true),
        Event::StatusStale(n) => {
            world.git(|git| {
                if let Some(tip) = git.status {
                    let history = git.history(tip);
                    git.status = Some(history[(*n as usize) % history.len()]);
                    git.status_put_back |= git.status != Some(tip);
                }
            });
            backup::branch_forgets(world);
        }
        Event::Revert(n) => revert(world, *n, false),
        Event::ForcePush(n) => revert(world, *n, true),
        Event::Crash => crash(world, 0),
        Event::CrashAfter(effects) => world.with(|state| state.crash_after = Some(*effects)),
        Event::Stop => stop(world).await,
        Event::LoseDatabase => backup::lose(world),
        Event::Backup => backup::take(world),
        Event::RestoreBackup => backup::restore(world),
        Event::CopyBack => backup::put_back(world),
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
        // Whoever goes through a chain does it.
        Event::Wait(_) => {}
        written => {
            let changed = world.with(|state| write(state, written));
            if changed {
                commit(world);
            }
        }
    }
}

/// Git cannot be reached, or can be again. `half`: status can be written all the same.
pub(crate) fn git_is_down(world: &World, down: bool, half: bool) {
    world.git(|git| (git.down, git.hidden) = (down && !half, down && half));
    world.with(|state| state.git_down = down);
}

/// Notes where in their lives the jobs were that the event may mean something to.
fn count(state: &mut State, event: &Event) {
    let (fleet, machines) = (&state.wanted.servers, &state.machines);
    let whom = event.whom(fleet.len(), machines.len());
    let is_meant = |job: &&JobSeen| match whom {
        Whom::Everybody => true,
        Whom::Server(index) => fleet.keys().nth(index).is_some_and(|name| *name == job.server),
        Whom::Machine(index) => machines[index].serial == job.machine,
    };
    let mut phases: Vec<Phase> = state.jobs[0].values().filter(is_meant).map(|job| job.phase).collect();
    phases.sort_unstable();
    phases.dedup();
    if phases.is_empty() {
        // Before a job, or after it.
        phases.push(Phase::Complete);
    }
    for phase in phases {
        *state.cells.entry((event.name(), phase)).or_default() += 1;
    }
}

fn on_hardware(world: &Arc<World>, state: &mut State, event: &Event) {
    let count = state.machines.len() as u64;
    let at = |n: u64| (n % count) as usize;
    // The BMC before the machine.
    let places: Vec<usize> = state.bmcs.iter().map(|bmc| bmc.machine).collect();
    let bmc = |n: u64| places.iter().position(|machine| *machine == at(n)).expect("each has one");
    match event {
        Event::Hang(n) => state.machines[at(*n)].hangs_next = true,
        Event::StaleMedium(n) => {
            state.machines[at(*n)].stale_next = true;
            restart(world, state, at(*n));
        }
        Event::StepFails(n) => state.machines[at(*n)].fails_next = 1 + (*n / 64 % 4) as u32,
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
            machine.disk = Disk { serial, content: Content::Blank, since: world.elapsed(), stamp: None };
            machine.tampered = true;
        }
        Event::ByHand(n) => {
            let machine = &mut state.machines[at(*n)];
            machine.switch_off();
            machine.disk.becomes(Content::Foreign, None, world.elapsed());
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

/// A fleet of machines, each with its BMC.
pub(crate) fn build(state: &mut State, count: usize, foreign: u64) {
    for number in 0..count {
        let serial = format!("SIM{number:04}");
        let content = if state.dice.percent(foreign) { Content::Foreign } else { Content::Blank };
        let disk = Disk { serial: format!("DISK{number:04}"), content, since: Duration::ZERO, stamp: None };
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
            fails_next: 0,
            tampered: false,
            writes: None,
        });
        let slots_there = if state.dice.percent(70) { 2 } else { 1 };
        let starts_by = usize::from(state.dice.percent(10));
        state.bmcs.push(Bmc {
            machine: number,
            slots: [None, None],
            slots_there,
            boot_once: None,
            boot_once_by: 0,
            starts_by,
            down_until: None,
            lies: None,
        });
    }
}
