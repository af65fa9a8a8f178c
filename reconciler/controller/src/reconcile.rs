// SPDX-License-Identifier: AGPL-3.0-or-later
//! One turn of the loop: plan what Git says against what is known, do what needs no job, start what
//! may start, say what waits and why.
//!
//! Guarantees: level, not edge: every turn compares all that is known with what it saw last; nothing is started from a
//! plan that the linter does not let through.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use shoal_core::alongside::Alongside;
use shoal_core::decide::{InFlight, Turn, turns};
use shoal_core::desired::resolve;
use shoal_core::inventory::Inventory;
use shoal_core::plan::{self, PlanRequest};
use shoal_core::{record, retry};
use shoal_schema::kinds::FleetSpec;
use shoal_schema::plan::{Action, ApprovalState, Class, Entry, HoldCode, Plan};
use shoal_store::{Batch, ledger};

use crate::bmc::deeds;
use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::jobs::start::{Along, StartError, start};
use crate::rows::{self, ServerRow};
use crate::view;
use crate::world::known_as;

/// Without any event the loop turns so often, for what has run out in the meantime.
const IDLE: Duration = Duration::from_secs(30);

/// A plan that was too old is made anew after so long, and after twice as long each time that it is too old again: what
/// never fits must not keep a processor busy.
const ANEW: Duration = Duration::from_millis(50);

/// Turns until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    let mut too_old = 0_u32;
    loop {
        let is_too_old = controller.world().loaded && turn(&controller).await;
        too_old = if is_too_old { too_old + 1 } else { 0 };
        let pause = if is_too_old { IDLE.min(ANEW * (1 << too_old.min(10))) } else { IDLE };
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = controller.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A plan, and what it was made from.
pub(crate) struct Planned {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The inventory that it was made from.
    pub inventory: Arc<Inventory>,
    /// The fleet's values in it.
    pub fleet: Arc<FleetSpec>,
}

impl std::ops::Deref for Planned {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

/// One turn. Whether the plan was too old for something that it starts.
pub(crate) async fn turn(controller: &Arc<Controller>) -> bool {
    let mut turning = controller.turning.lock().await;
    if let Err(error) = rename(controller).await {
        tracing::error!(error, "a rename was not kept");
    }
    let Some(mut plan) = make_plan(controller) else { return false };
    let observe_only = controller.world().control.observe_only;
    if !observe_only && plan.entries.iter().any(|entry| settles(entry)) {
        settle_entries(controller, &plan).await;
        // Records moved, so that what starts is judged anew.
        let Some(anew) = make_plan(controller) else { return false };
        plan = anew;
    }
    let waiting = decide(controller, &plan);
    view::publish(controller, &plan, &waiting, &mut turning).await;
    if observe_only {
        return false;
    }
    let mut too_old = false;
    for (entry, turn) in &waiting {
        if *turn == Turn::Start {
            too_old |= !start_entry(controller, &plan, entry).await;
        }
    }
    for (entry, deed) in deeds_of(controller, &plan) {
        deeds::spawn(controller, entry, deed);
    }
    too_old
}

/// What is done to machines without a job.
fn deeds_of<'a>(controller: &Controller, plan: &'a Plan) -> Vec<(&'a Arc<Entry>, Action)> {
    let world = controller.world();
    let mut rows = Alongside::new(world.servers.iter());
    let mut all = Vec::new();
    for entry in &plan.entries {
        let row = rows.get(&entry.server);
        let deed = matches!(entry.action, Action::Tidy | Action::PowerOn | Action::PowerOff);
        if deed && entry.holds.is_empty() {
            all.push((entry, entry.action));
        } else if row.is_some_and(|row| plan::tidies(entry, &row.status)) {
            // What a job left over is taken out although the entry is about something else.
            all.push((entry, Action::Tidy));
        }
    }
    all
}

/// The plan at the commit in force, if there is one and the linter lets it through. Before an
/// inventory was read there is no plan: it would say that every server left Git.
pub(crate) fn make_plan(controller: &Controller) -> Option<Planned> {
    let (inventory, fleet, observed, commit) = {
        let mut world = controller.world_mut();
        if !world.loaded {
            return None;
        }
        (Arc::clone(&world.inventory), Arc::clone(&world.fleet), world.observed(), world.commit.clone())
    };
    let request = PlanRequest {
        inventory: &inventory,
        observed: &observed,
        commit: commit.as_deref(),
        tool: controller.settings.version,
        now: controller.now(),
    };
    let began = Instant::now();
    let made = controller.planner.lock().unwrap_or_else(PoisonError::into_inner).make(&request);
    let plan = match made {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!(error = %chain(&error), "no plan could be made");
            return None;
        }
    };
    let known = controller.world().plan.clone();
    if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &plan)) {
        return Some(Planned { plan, inventory, fleet });
    }
    let lints = controller.linter.lock().unwrap_or_else(PoisonError::into_inner).rules(&plan);
    if !lints.is_empty() {
        for lint in &lints {
            tracing::error!(%lint, plan = plan.id.short(), "the plan breaks a rule of its own; nothing is done");
        }
        return None;
    }
    let seen = {
        let mut world = controller.world_mut();
        world.plan = Some(Arc::clone(&plan));
        world.commit_seen.take()
    };
    controller.metrics.planned("plan", began.elapsed());
    if let Some(seen) = seen {
        controller.metrics.planned("commit", seen.elapsed());
    }
    Some(Planned { plan, inventory, fleet })
}

/// Records move to the names that their machines have in Git now. What stays behind keeps approvals
/// of the old name void.
async fn rename(controller: &Controller) -> Result<(), String> {
    let renames = {
        let mut world = controller.world_mut();
        let held = world.control.observe_only
            || world.control.paused
            || world.plan.as_ref().is_some_and(|plan| !plan.guards.is_empty());
        if held {
            return Ok(());
        }
        let (inventory, observed) = (Arc::clone(&world.inventory), world.observed());
        drop(world);
        controller.planner.lock().unwrap_or_else(PoisonError::into_inner).renames(&inventory, &observed)
    };
    for (new, old) in renames {
        let _first = controller.lock(old.as_str().min(new.as_str())).await;
        let _second = controller.lock(old.as_str().max(new.as_str())).await;
        let (row, there) = {
            let world = controller.world();
            if world.active.contains_key(&old) || world.active.contains_key(&new) {
                continue;
            }
            (world.servers.get(&old).cloned(), world.servers.get(&new).cloned())
        };
        let Some(row) = row else { continue };
        let mut moved = (*row).clone();
        moved.status_mut().name.clone_from(&new);
        moved.status_mut().record =
            record::renamed(&row.status.record, there.as_ref().map(|there| &there.status.record));
        let mut left = ServerRow::new(&old);
        left.file.clone_from(&row.file);
        left.status_mut().record = record::left_behind(&row.status.record);
        let mut batch = Batch::new();
        rows::put_server(&mut batch, &left);
        rows::put_server(&mut batch, &moved);
        ledger::bump(&mut batch);
        controller.commit(&new, batch).await.map_err(|error| chain(&error))?;
        let mut world = controller.world_mut();
        world.ledger.counter += 1;
        world.servers.put(Arc::new(left));
        world.servers.put(Arc::new(moved));
        drop(world);
        controller.bmcs.forget(&old);
        tracing::info!(old, new, "server renamed, its record moved along");
    }
    Ok(())
}

/// Whether an entry changes a record and touches no machine: adoption; and release, which only takes media out.
fn settles(entry: &Entry) -> bool {
    entry.holds.is_empty() && matches!(entry.action, Action::Adopt | Action::Release)
}

async fn settle_entries(controller: &Arc<Controller>, plan: &Planned) {
    for entry in plan.entries.iter().filter(|entry| settles(entry)) {
        match entry.action {
            Action::Adopt => adopt(controller, plan, entry).await,
            Action::Release => deeds::release(controller, &entry.server).await,
            _ => {}
        }
    }
}

async fn adopt(controller: &Controller, plan: &Planned, entry: &Entry) {
    let Ok(desired) = resolve(&plan.inventory, &plan.fleet, &entry.server) else { return };
    let Some(target) = &desired.install else { return };
    let _held = controller.lock(&entry.server).await;
    let row = controller.world().servers.get(&entry.server).cloned();
    let mut row = row.map_or_else(|| ServerRow::new(&entry.server), |row| (*row).clone());
    if row.status.record.number != entry.record || controller.world().active.contains_key(&entry.server) {
        return;
    }
    row.status_mut().record = record::adopted(&row.status.record, &desired, target);
    row.stalled = None;
    row.status_mut().last_error = None;
    row.status_mut().applied_entry = Some(entry.digest.clone());
    match controller.put_row(row, true).await {
        Ok(()) => tracing::info!(server = entry.server, "adopted as it is, unverified"),
        Err(error) => tracing::error!(server = entry.server, error = %chain(&error), "adoption was not kept"),
    }
}

/// Who starts now, and who waits for what.
fn decide<'a>(controller: &Controller, plan: &'a Plan) -> Vec<(&'a Arc<Entry>, Turn)> {
    let world = controller.world();
    let now = controller.now();
    let labels = |name: &String| {
        let server = world.inventory.servers.get(name);
        server.map(|server| server.value.metadata.labels.clone()).unwrap_or_default()
    };
    let mut stalled = BTreeMap::new();
    // Nobody asks of the others.
    let could = |entry: &&Arc<Entry>| entry.class == Class::Destructive && entry.holds.is_empty();
    let left_alone = world.servers.left_alone();
    for entry in plan.entries.iter().filter(could) {
        let elsewhere = || left_alone.get(&known_as(&entry.machine)).map(|name| is_left_alone(name));
        let row = world.servers.get(&entry.server);
        let why = row.and_then(|row| stall(row, entry, &world.inventory, now)).or_else(elsewhere);
        if let Some(why) = why {
            stalled.insert(entry.server.clone(), why);
        }
    }
    let in_flight = InFlight {
        active: world.active.keys().map(|name| (name.clone(), labels(name))).collect(),
        failures: world.control.failures,
        stalled,
        worker_concurrency: controller.settings.worker_concurrency,
    };
    turns(plan, &world.fleet.limits, &in_flight)
}

/// Why a server waits for a person or a time although Git lets it go on.
fn stall(row: &ServerRow, entry: &Entry, inventory: &Inventory, now: jiff::Timestamp) -> Option<String> {
    let secret = &row.refused_credentials;
    if secret.is_some() {
        let same = inventory
            .secrets
            .values()
            .any(|known| Some(&shoal_schema::Sha256::of(known.value.spec.age.as_bytes())) == secret.as_ref());
        if same && !row.retry {
            return Some(
                "the BMC refused the account; not tried again before the Secret changes, so that the BMC locks nothing"
                    .to_owned(),
            );
        }
    }
    if row.is_left_alone() {
        return Some(is_left_alone(&entry.server));
    }
    // Somebody agreed anew since it failed.
    if matches!(entry.approval, ApprovalState::Approved { .. }) || row.retry {
        return None;
    }
    if let Some(until) = row.not_before
        && until > now
    {
        return Some(format!("tried again at {until}"));
    }
    row.stalled.as_ref().map(|why| format!("{why}; 'shoal retry {}' lets it go on", entry.server))
}

/// `server`: the name under which the machine was known to that job.
fn is_left_alone(server: &str) -> String {
    format!(
        "a job of a lost database, or of another controller, may be installing it: left alone for as long as an install may take, or until 'shoal retry {server}'"
    )
}

/// Starts a job, or says why not: false where the plan was too old. What the store or the system refuses, the next turn
/// asks for again: there is one every 30 seconds, and no disk is emptied by asking faster.
async fn start_entry(controller: &Arc<Controller>, plan: &Planned, entry: &Entry) -> bool {
    let Err(error) = start(controller, plan, entry, Along::default()).await else { return true };
    tracing::warn!(server = entry.server, error = %chain(&error), "a job was not started");
    !matches!(error, StartError::Stale { .. })
}

/// A failed job whose approval was used up before anything was written may be taken up again by an
/// operator, once the plan still wants exactly that.
pub(crate) async fn retry_inherited(controller: &Arc<Controller>, server: &str) -> Result<bool, String> {
    let Some(plan) = make_plan(controller) else { return Err("no plan could be made".to_owned()) };
    let Some(entry) = plan.entries.iter().find(|entry| entry.server == server) else {
        return Ok(false);
    };
    let only_approval = entry
        .holds
        .iter()
        .all(|hold| matches!(hold.code, HoldCode::ApprovalNeeded | HoldCode::ApprovalExpired));
    if entry.class != Class::Destructive || entry.holds.is_empty() || !only_approval {
        return Ok(false);
    }
    let previous = {
        let world = controller.world();
        world.jobs.values().filter(|job| job.server == server).max_by_key(|job| job.created_at).cloned()
    };
    let Some(previous) = previous else { return Ok(false) };
    retry::may_inherit(&previous, entry).map_err(|why| chain(&why))?;
    let along = Along { inherits: Some(&previous), ..Along::default() };
    start(controller, &plan, entry, along).await.map_err(|error| chain(&error))?;
    Ok(true)
}
