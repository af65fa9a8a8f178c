// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people write into Git: servers, rules, reverts and rewritten branches.

use std::sync::Arc;

use crate::event::Event;
use crate::git::Tree;
use crate::people::{Server, Wanted};
use crate::world::{State, World};

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
    let fetched = world.git(|git| git.fetched);
    world.with(|state| {
        if rewritten {
            for seen in fetched.iter().flatten() {
                if let Some(seen) = state.commits.get(seen).cloned() {
                    state.oracle.stays(now, seen);
                }
            }
        }
        state.rewritten |= rewritten;
        state.commits.extend(tip.map(|tip| (tip, wanted.clone())));
        state.oracle.stands(now, wanted, state.rewritten);
    });
}

pub(crate) fn pick_name(wanted: &Wanted, n: u64) -> Option<String> {
    let count = wanted.servers.len();
    (count > 0).then(|| wanted.servers.keys().nth(n as usize % count).cloned()).flatten()
}

/// Changes what people want. Whether anything changed.
pub(crate) fn write(state: &mut State, event: &Event) -> bool {
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

/// What stood in Git some commits ago: as a new commit, or as the tip of a rewritten branch.
pub(crate) fn revert(world: &World, n: u64, rewrite: bool) {
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
