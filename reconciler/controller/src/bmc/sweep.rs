// SPDX-License-Identifier: AGPL-3.0-or-later
//! Looks at every BMC from time to time: power, our slots, the boot override, whether it answers.
//!
//! Guarantees: one small look per server and interval, spread by jitter; never while a job is active
//! on the server; an account that was refused is not tried again before its Secret changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use shoal_core::desired::{Desired, resolve};
use shoal_redfish::{Bmc as _, BmcState, Discovered, ErrorKind, PowerState, RedfishBmc};
use shoal_schema::status::{BmcFacts, RecordState, Unreachable};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{ConnectError, deeds, jitter};
use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::notify::Message;
use crate::rows::ServerRow;

/// A BMC counts as unreachable after so many failed looks
const MISSES: u32 = 3;
/// and no sooner than this after the first of them.
const MISSED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Looks at once.
const AT_ONCE: usize = 64;
/// What a machine's boot progress says once its own system runs.
const STARTED: [&str; 2] = ["OSRunning", "OSBootStarted"];

/// When each server is looked at next, and what is under way.
#[derive(Default)]
pub struct Schedule {
    due: Mutex<HashMap<String, Instant>>,
    busy: Mutex<HashSet<String>>,
}

/// One thing at a time is done to a server.
pub(crate) struct Claim<'a> {
    schedule: &'a Schedule,
    server: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.schedule.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.server);
    }
}

/// Something else is under way.
pub(crate) struct Busy;

impl Schedule {
    pub(crate) fn claim(&self, server: &str) -> Result<Claim<'_>, Busy> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(server.to_owned()) {
            Ok(Claim { schedule: self, server: server.to_owned() })
        } else {
            Err(Busy)
        }
    }
}

impl Controller {
    /// Looks at a server at the next opportunity.
    pub(crate) fn sweep_soon(&self, server: &str) {
        let mut due = self.deeds.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.insert(server.to_owned(), Instant::now());
    }
}

/// Looks until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        tokio::select! {
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        for server in take_due(&controller) {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let controller = Arc::clone(&controller);
            let tasks = controller.tasks.clone();
            tasks.spawn(async move {
                let _place = place;
                look(&controller, &server).await;
            });
        }
    }
}

fn take_due(controller: &Controller) -> Vec<String> {
    let interval = controller.settings.sweep;
    let now = Instant::now();
    let names: Vec<String> = {
        let world = controller.world();
        if world.control.observe_only && !world.loaded {
            return Vec::new();
        }
        let releasing = world.servers.iter().filter(|(_, row)| row.releasing).map(|(name, _)| name);
        world.inventory.servers.keys().chain(releasing).cloned().collect()
    };
    let mut due = controller.deeds.due.lock().unwrap_or_else(PoisonError::into_inner);
    let known: HashSet<&String> = names.iter().collect();
    due.retain(|name, _| known.contains(name));
    let mut ready = Vec::new();
    for name in &names {
        // The first look comes soon, but not for all at once.
        let first = interval.min(Duration::from_millis(20).saturating_mul(names.len() as u32));
        let at = *due.entry(name.clone()).or_insert_with(|| now + first.mul_f64(jitter()));
        if at <= now {
            due.insert(name.clone(), now + interval.mul_f64(0.8 + 0.4 * jitter()));
            ready.push(name.clone());
        }
    }
    ready
}

async fn look(controller: &Controller, server: &str) {
    let Ok(_one) = controller.deeds.claim(server) else { return };
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
        return;
    }
    match (row, desired) {
        (Some(row), _) if row.releasing => {
            if controller.world().control.observe_only {
                return;
            }
            if let Err(error) = deeds::finish_release(controller, &row).await {
                tracing::warn!(server, error = %chain(&error), "media of a released server are still in");
                deeds::remember_refusal(controller, server, &error).await;
            }
        }
        (row, Some(desired)) => {
            let held = row.as_ref().and_then(|row| row.refused_credentials.clone());
            if held.is_some() && held == desired.bmc.credentials_digest {
                return;
            }
            let seen = see(controller, &desired).await;
            keep(controller, &desired, seen).await;
        }
        _ => {}
    }
}

struct Seen {
    found: Discovered,
    state: BmcState,
    certificate: Option<String>,
}

async fn see(controller: &Controller, desired: &Desired) -> Result<Seen, ConnectError> {
    let bmc = controller.bmcs.connect(controller, &desired.name, &desired.bmc, &desired.identity).await?;
    let state = bmc.read_state().await;
    let seen =
        state.map(|state| Seen { found: bmc.discovered().clone(), state, certificate: certificate(&bmc) });
    super::end(&bmc).await;
    if seen.is_err() {
        controller.bmcs.forget(&desired.name);
    }
    Ok(seen?)
}

fn certificate(bmc: &RedfishBmc) -> Option<String> {
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
        Ok(seen) => saw(controller, desired, &mut row, seen),
        Err(error) => missed(controller, desired, &mut row, &error),
    }
    if row == before {
        return;
    }
    let visible = row.status != before.status;
    if let Err(error) = controller.put_row(row, false).await {
        tracing::error!(server = desired.name, error = %chain(&error), "what a sweep saw was not kept");
    }
    if visible {
        controller.wake.notify_one();
    }
}

fn saw(controller: &Controller, desired: &Desired, row: &mut ServerRow, seen: Seen) {
    let Seen { found, state, certificate } = seen;
    row.missed = 0;
    row.missed_since = None;
    row.refused_credentials = None;
    let power = match state.power {
        PowerState::On => Some("On".to_owned()),
        PowerState::Off => Some("Off".to_owned()),
        // Not settled: what was last seen stands.
        _ => row.status.bmc.as_ref().and_then(|bmc| bmc.power.clone()),
    };
    let power_before = row.status.bmc.as_ref().and_then(|bmc| bmc.power.clone());
    if power_before.is_some() && power_before != power {
        row.power_changed_at = Some(controller.now());
    }
    let bases = controller.all_media_bases();
    let mut own_media = false;
    let mut foreign_media = Vec::new();
    for slot in state.slots.iter().filter(|slot| slot.inserted) {
        let url = slot.image.as_ref().map(|image| image.expose().to_owned()).unwrap_or_default();
        if is_ours(&url, &bases) {
            own_media = true;
        } else {
            foreign_media.push(host_of(&url));
        }
    }
    if let Some(installed) = &mut row.status.record.installed
        && row.status.record.state == RecordState::Installed
        && state.boot_progress.as_deref().is_some_and(|progress| STARTED.contains(&progress))
    {
        installed.boot_observed = true;
    }
    // An override that somebody else set is their business; ours comes with media of ours, or names
    // one.
    let names_ours = state.boot.http_image.as_ref().is_some_and(|image| is_ours(image.expose(), &bases));
    let boot_override = (own_media || names_ours) && state.boot.is_active();
    row.status.bmc = Some(BmcFacts {
        reachable: true,
        unreachable: None,
        vendor: Some(found.vendor),
        model: found.model,
        firmware: found.firmware,
        serial: found.serial,
        uuid: found.uuid,
        rung: Some(found.rung.to_string()),
        power,
        own_media,
        foreign_media,
        boot_override,
        certificate: desired.bmc.tls.as_ref().filter(|tls| tls.trust_on_first_use).and_then(|_| {
            certificate.or_else(|| row.status.bmc.as_ref().and_then(|b| b.certificate.clone()))
        }),
    });
}

fn missed(controller: &Controller, desired: &Desired, row: &mut ServerRow, error: &ConnectError) {
    let now = controller.now();
    if let ConnectError::Redfish(error) = error
        && matches!(error.kind(), ErrorKind::CredentialsRejected)
    {
        row.refused_credentials.clone_from(&desired.bmc.credentials_digest);
    }
    row.missed = row.missed.saturating_add(1);
    let since = *row.missed_since.get_or_insert(now);
    let lasting = row.missed >= MISSES && now.duration_since(since) >= MISSED_FOR;
    // What was never reached is not held up by a rule for what came and went.
    let never = row.status.bmc.is_none() && row.missed >= MISSES;
    // Another certificate than the one that was trusted is no passing fault: somebody may stand in
    // between. People hear of it at once, and nothing is sent there any more.
    let alarm = matches!(error, ConnectError::Redfish(error)
        if matches!(error.kind(), ErrorKind::CertificateChanged { .. }));
    if !lasting && !never && !alarm {
        return;
    }
    if alarm && row.status.bmc.as_ref().is_none_or(|bmc| bmc.unreachable.is_none()) {
        tracing::error!(server = desired.name, error = %chain(error), "the BMC shows another certificate");
        controller.tell(&Message {
            kind: "stalled".to_owned(),
            server: desired.name.clone(),
            text: chain(error),
            hint: Some(
                "if the BMC or its certificate was replaced on purpose, write the new one as bmc.tls.sha256"
                    .to_owned(),
            ),
            job: None,
            time: now,
        });
    }
    let facts = row.status.bmc.get_or_insert_with(|| BmcFacts {
        reachable: false,
        unreachable: None,
        vendor: None,
        model: None,
        firmware: None,
        serial: None,
        uuid: None,
        rung: None,
        power: None,
        own_media: false,
        foreign_media: Vec::new(),
        boot_override: false,
        certificate: None,
    });
    facts.reachable = false;
    facts.unreachable.get_or_insert(Unreachable { since, message: chain(error) });
}

/// Whether an image's address is one that this controller gives out.
fn is_ours(url: &str, bases: &[String]) -> bool {
    let trim = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    let url = url.to_ascii_lowercase();
    bases.iter().any(|base| url.starts_with(&format!("{}/media/", trim(base))))
}

fn host_of(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}
