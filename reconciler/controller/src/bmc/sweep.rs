// SPDX-License-Identifier: AGPL-3.0-or-later
//! Looks at every BMC from time to time: power, our slots, the boot override, whether it answers.
//!
//! Guarantees: one small look per server and interval, spread by jitter; less and less often where a BMC
//! does not answer, and then at nobody else's expense; never while a job is active on the server; an
//! account that was refused is not tried again before its Secret changes.

use std::sync::Arc;
use std::time::Duration;

use shoal_core::desired::{Desired, resolve};
use shoal_redfish::{Bmc, BmcState, Discovered};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tracing::Instrument as _;

use super::schedule::{Looked, Pool};
use super::{ConnectError, deeds, seen};
use crate::controller::Controller;
use crate::rows::ServerRow;

/// Looks at once at BMCs that answered last,
const AT_ONCE: usize = 64;
/// and at those that did not: each of these may keep its place for minutes.
const SILENT_AT_ONCE: usize = 16;
/// A look that lasts longer is one at a BMC that does not answer.
const SLOW: Duration = Duration::from_secs(5);
/// How often the inventory is compared with who is looked at.
const TICK: Duration = Duration::from_secs(1);

impl Controller {
    /// Looks at a server at the next opportunity.
    pub(crate) fn sweep_soon(&self, server: &str) {
        self.deeds.soon(server);
    }
}

/// Looks until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    let answering = Arc::new(Semaphore::new(AT_ONCE));
    let silent = Arc::new(Semaphore::new(SILENT_AT_ONCE));
    let over = Arc::new(Notify::new());
    // Not a pause after each look: where there are many, it would never end.
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_tick = tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = over.notified() => false,
            _ = ticks.tick() => true,
        };
        if is_tick {
            keep_up(&controller);
        }
        for (pool, places) in [(Pool::Answering, &answering), (Pool::Silent, &silent)] {
            // Those that do not answer are in no hurry.
            if pool == Pool::Silent && !is_tick {
                continue;
            }
            // Looks that last take places among the silent at any time, so that these are held first.
            let due = controller.deeds.due(pool, places.available_permits());
            let free = || Arc::clone(places).try_acquire_owned().ok();
            let held: Vec<_> = std::iter::from_fn(free).take(due).collect();
            let servers = controller.deeds.take(pool, held.len());
            for (server, place) in servers.into_iter().zip(held) {
                let place = Some(place);
                let turn = Turn { place, silent: Arc::clone(&silent), over: Arc::clone(&over) };
                let controller = Arc::clone(&controller);
                let tasks = controller.tasks.clone();
                tasks.spawn(async move { turn.take(&controller, &server).await });
            }
        }
    }
}

/// One look, and the place that it takes.
struct Turn {
    place: Option<OwnedSemaphorePermit>,
    silent: Arc<Semaphore>,
    over: Arc<Notify>,
}

impl Turn {
    async fn take(mut self, controller: &Controller, server: &str) {
        let look = look(controller, server).instrument(span(controller, server));
        tokio::pin!(look);
        let result = tokio::select! {
            result = &mut look => result,
            () = tokio::time::sleep(controller.bmcs.scaled(SLOW)) => {
                // One that does not answer goes on among those, if there is room: its place here is for
                // its neighbours.
                if let Ok(place) = Arc::clone(&self.silent).try_acquire_owned() {
                    self.place = Some(place);
                    self.over.notify_one();
                }
                look.await
            }
        };
        controller.deeds.looked(server, result, controller.settings.sweep);
        self.place = None;
        self.over.notify_one();
    }
}

/// Who says what is said during a look.
fn span(controller: &Controller, server: &str) -> tracing::Span {
    let machine = controller.world().servers.get(server).and_then(|row| row.status.record.serial.clone());
    tracing::info_span!(
        "look",
        server,
        server_serial = machine.as_deref().unwrap_or(server),
        worker_id = controller.worker_id(),
    )
}

/// Those in Git, and those that left it and are not yet in order, with their failures so far.
fn keep_up(controller: &Controller) {
    let servers: Vec<(String, u32)> = {
        let world = controller.world();
        if world.control.observe_only && !world.loaded {
            return;
        }
        let missed = |name: &String| world.servers.get(name).map_or(0, |row| row.missed);
        let releasing = world.servers.iter().filter(|(_, row)| row.releasing).map(|(name, _)| name);
        world.inventory.servers.keys().chain(releasing).map(|name| (name.clone(), missed(name))).collect()
    };
    controller.deeds.keep(&servers, controller.settings.sweep);
}

async fn look(controller: &Controller, server: &str) -> Looked {
    let Ok(_one) = controller.deeds.claim(server) else { return Looked::NotAsked };
    let (row, desired, active) = {
        let world = controller.world();
        let row = world.servers.get(server).cloned();
        let desired = world
            .inventory
            .servers
            .contains_key(server)
            .then(|| resolve(&world.inventory, &world.fleet, server).ok())
            .flatten();
        (row, desired, world.active.contains_key(server))
    };
    if active {
        return Looked::NotAsked;
    }
    match (row, desired) {
        (Some(row), _) if row.releasing => {
            if row.is_left_alone() || controller.world().control.observe_only {
                return Looked::NotAsked;
            }
            let Err(error) = deeds::finish_release(controller, &row).await else { return Looked::Answered };
            tracing::warn!(server, error = %error.told(), "media of a released server are still in");
            deeds::remember_refusal(controller, server, &error).await;
            Looked::Failed
        }
        (row, Some(desired)) => {
            let held = row.as_ref().and_then(|row| row.refused_credentials.clone());
            if held.is_some() && held == desired.bmc.credentials_digest {
                return Looked::NotAsked;
            }
            let seen = see(controller, &desired).await;
            let result = if seen.is_ok() { Looked::Answered } else { Looked::Failed };
            keep(controller, &desired, seen).await;
            result
        }
        _ => Looked::NotAsked,
    }
}

/// What one look saw.
pub(super) struct Seen {
    pub(super) found: Discovered,
    pub(super) state: BmcState,
    pub(super) certificate: Option<String>,
}

async fn see(controller: &Controller, desired: &Desired) -> Result<Seen, ConnectError> {
    let bmc = controller.bmcs.look_again(controller, desired).await?;
    let state = bmc.read_state().await;
    let seen =
        state.map(|state| Seen { found: bmc.discovered().clone(), state, certificate: certificate(&*bmc) });
    super::end(&*bmc).await;
    match &seen {
        Ok(seen) if !seen::is_outdated(seen) => {}
        _ => controller.bmcs.doubt(&desired.name),
    }
    Ok(seen?)
}

fn certificate(bmc: &dyn Bmc) -> Option<String> {
    bmc.certificate().map(|fingerprint| fingerprint.to_string())
}

async fn keep(controller: &Controller, desired: &Desired, seen: Result<Seen, ConnectError>) {
    let _held = controller.lock(&desired.name).await;
    // A job began in the meantime: what was seen is the past.
    if controller.world().active.contains_key(&desired.name) {
        return;
    }
    let known = controller.world().servers.get(&desired.name).cloned();
    let before = known.map_or_else(|| ServerRow::new(&desired.name), |row| (*row).clone());
    let mut row = before.clone();
    match seen {
        Ok(seen) => seen::saw(controller, desired, &mut row, seen),
        Err(error) => seen::missed(controller, desired, &mut row, &error),
    }
    if row == before {
        return;
    }
    let visible = row.status != before.status;
    if let Err(error) = controller.put_row(row, false).await {
        error.tell(&desired.name, "what a sweep saw was not kept");
    }
    if visible {
        controller.wake.notify_one();
    }
}
