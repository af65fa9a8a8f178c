// SPDX-License-Identifier: AGPL-3.0-or-later
//! One turn of the loop: plan what Git says against what is known, do what needs no job, start what
//! may start, say what waits and why.
//!
//! Guarantees: level, not edge: every turn re-reads everything; nothing is started from a plan that
//! the linter does not let through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shoal_core::conditions::{View, conditions};
use shoal_core::decide::{InFlight, Turn, turns};
use shoal_core::desired::resolve;
use shoal_core::inventory::Inventory;
use shoal_core::plan::{self, PlanRequest, lint};
use shoal_core::{record, retry};
use shoal_schema::kinds::FleetSpec;
use shoal_schema::plan::{Action, ApprovalState, Class, Entry, HoldCode, Plan};
use shoal_store::{Batch, ledger};

use crate::bmc::deeds;
use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::jobs::start::{Along, start};
use crate::notify::Message;
use crate::rows::{self, ServerRow};

/// Without any event the loop turns so often, for what has run out in the meantime.
const IDLE: Duration = Duration::from_secs(30);

/// Turns until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    loop {
        if controller.world().loaded {
            turn(&controller).await;
        }
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = controller.wake.notified() => {}
            () = tokio::time::sleep(IDLE) => {}
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

/// One turn.
pub(crate) async fn turn(controller: &Arc<Controller>) {
    let _turning = controller.turning.lock().await;
    if let Err(error) = rename(controller).await {
        tracing::error!(error, "a rename was not kept");
    }
    let Some(mut plan) = make_plan(controller) else { return };
    let observe_only = controller.world().control.observe_only;
    if !observe_only && plan.entries.iter().any(settles) {
        settle_entries(controller, &plan).await;
        // Records moved, so that what starts is judged anew.
        let Some(anew) = make_plan(controller) else { return };
        plan = anew;
    }
    let waiting = decide(controller, &plan);
    publish_view(controller, &plan, &waiting).await;
    if observe_only {
        return;
    }
    for (entry, turn) in &waiting {
        if *turn == Turn::Start {
            start_entry(controller, &plan, entry).await;
        }
    }
    for entry in &plan.entries {
        let deed = matches!(entry.action, Action::Tidy | Action::PowerOn | Action::PowerOff);
        if deed && entry.holds.is_empty() {
            deeds::spawn(controller, entry, entry.action);
        } else if tidies_beside(controller, entry) {
            deeds::spawn(controller, entry, Action::Tidy);
        }
    }
}

/// The plan at the commit in force, if there is one and the linter lets it through. Before an
/// inventory was read there is no plan: it would say that every server left Git.
pub(crate) fn make_plan(controller: &Controller) -> Option<Planned> {
    let (inventory, fleet, observed, commit) = {
        let world = controller.world();
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
    let plan = match plan::make(&request) {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!(error = %chain(&error), "no plan could be made");
            return None;
        }
    };
    let lints = lint::check(&plan);
    if !lints.is_empty() {
        for lint in &lints {
            tracing::error!(%lint, plan = plan.id.short(), "the plan breaks a rule of its own; nothing is done");
        }
        return None;
    }
    let plan = Arc::new(plan);
    controller.world_mut().plan = Some(Arc::clone(&plan));
    Some(Planned { plan, inventory, fleet })
}

/// What a job left over is taken out although the entry is about something else.
fn tidies_beside(controller: &Controller, entry: &Entry) -> bool {
    let row = controller.world().servers.get(&entry.server).cloned();
    row.is_some_and(|row| plan::tidies(entry, &row.status))
}

/// Records move to the names that their machines have in Git now. What stays behind keeps approvals
/// of the old name void.
async fn rename(controller: &Controller) -> Result<(), String> {
    let renames = {
        let world = controller.world();
        let held = world.control.observe_only
            || world.control.paused
            || world.plan.as_ref().is_some_and(|plan| !plan.guards.is_empty());
        if held {
            return Ok(());
        }
        plan::renames(&world.inventory, &world.observed())
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
        moved.status.name.clone_from(&new);
        moved.status.record =
            record::renamed(&row.status.record, there.as_ref().map(|there| &there.status.record));
        let mut left = ServerRow::new(&old);
        left.file.clone_from(&row.file);
        left.status.record = record::left_behind(&row.status.record);
        let mut batch = Batch::new();
        rows::put_server(&mut batch, &left);
        rows::put_server(&mut batch, &moved);
        ledger::bump(&mut batch);
        controller.commit(&new, batch).await.map_err(|error| chain(&error))?;
        let mut world = controller.world_mut();
        world.ledger.counter += 1;
        world.servers.insert(old.clone(), Arc::new(left));
        world.servers.insert(new.clone(), Arc::new(moved));
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
    row.status.record = record::adopted(&row.status.record, &desired, target);
    row.stalled = None;
    row.status.last_error = None;
    row.status.applied_entry = Some(entry.digest.clone());
    match controller.put_row(row, true).await {
        Ok(()) => tracing::info!(server = entry.server, "adopted as it is, unverified"),
        Err(error) => tracing::error!(server = entry.server, error = %chain(&error), "adoption was not kept"),
    }
}

/// Who starts now, and who waits for what.
fn decide<'a>(controller: &Controller, plan: &'a Plan) -> Vec<(&'a Entry, Turn)> {
    let world = controller.world();
    let now = controller.now();
    let labels = |name: &String| {
        let server = world.inventory.servers.get(name);
        server.map(|server| server.value.metadata.labels.clone()).unwrap_or_default()
    };
    let mut stalled = BTreeMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.class == Class::Destructive) {
        let Some(row) = world.servers.get(&entry.server) else { continue };
        if let Some(why) = stall(row, entry, &world.inventory, now) {
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

async fn start_entry(controller: &Arc<Controller>, plan: &Planned, entry: &Entry) {
    if let Err(error) = start(controller, plan, entry, Along::default()).await {
        tracing::warn!(server = entry.server, error = %chain(&error), "a job was not started");
        controller.wake.notify_one();
    }
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

/// Brings every server's conditions up to date, and tells people who is held.
async fn publish_view(controller: &Controller, plan: &Plan, waiting: &[(&Entry, Turn)]) {
    let turns: BTreeMap<&str, &Turn> =
        waiting.iter().map(|(entry, turn)| (entry.server.as_str(), turn)).collect();
    let entries: BTreeMap<&str, &Entry> =
        plan.entries.iter().map(|entry| (entry.server.as_str(), entry)).collect();
    let (inventory, fleet) = {
        let world = controller.world();
        (Arc::clone(&world.inventory), Arc::clone(&world.fleet))
    };
    let now = controller.now();
    // Whoever holds the locks of several servers takes them in the order of their names.
    let names: Vec<String> = {
        let world = controller.world();
        let all: BTreeSet<&String> = inventory.servers.keys().chain(world.servers.keys()).collect();
        all.into_iter().cloned().collect()
    };
    let mut held_back = Vec::new();
    let mut guards = Vec::new();
    let mut batch = Batch::new();
    let mut changed = Vec::new();
    let view = |row: &ServerRow, name: &str| {
        let mut row = row.clone();
        let world = controller.world();
        let entry = entries.get(name).copied();
        row.status.drift = entry
            .filter(|entry| entry.class == Class::None)
            .map(|entry| entry.notes.clone())
            .unwrap_or_default();
        let broken = plan.problems.iter().find(|problem| problem.server.as_deref() == Some(name));
        row.status.conditions = conditions(
            &View {
                status: &row.status,
                entry,
                turn: turns.get(name).copied(),
                job: world.active_job(name).map(AsRef::as_ref),
                broken: broken.map(|problem| problem.message.as_str()),
                stalled: row.stalled.as_deref(),
            },
            now,
        );
        if let Some(server) = inventory.servers.get(name) {
            row.file = server.file.to_string();
            if let Ok(desired) = resolve(&inventory, &fleet, name) {
                row.target = Some(desired.bmc);
            }
        }
        row
    };
    for name in names {
        let known = controller.world().servers.get(&name).cloned();
        let row = known.as_ref().map_or_else(|| ServerRow::new(&name), |row| (**row).clone());
        if known.as_deref() == Some(&view(&row, &name)) {
            continue;
        }
        guards.push(controller.lock(&name).await);
        let known = controller.world().servers.get(&name).cloned();
        let row = known.as_ref().map_or_else(|| ServerRow::new(&name), |row| (**row).clone());
        let after = view(&row, &name);
        if newly_held(&row, &after) {
            held_back.push((name.clone(), after.status.conditions.clone()));
        }
        rows::put_server(&mut batch, &after);
        changed.push(after);
    }
    let any = !changed.is_empty();
    if any && let Err(error) = controller.commit("the conditions of servers", batch).await {
        tracing::error!(error = %chain(&error), "conditions were not kept");
        return;
    }
    {
        let mut world = controller.world_mut();
        for row in changed {
            world.servers.insert(row.status.name.clone(), Arc::new(row));
        }
        world.turns = turns.into_iter().map(|(name, turn)| (name.to_owned(), turn.clone())).collect();
        world.reconciled = true;
    }
    drop(guards);
    if any {
        controller.publish.notify_one();
    }
    for (server, conditions) in held_back {
        let text = conditions
            .iter()
            .find(|condition| condition.reason == "ApprovalNeeded")
            .map(|condition| condition.message.clone())
            .unwrap_or_default();
        let hint = Some(format!("shoal approve {server}"));
        controller.tell(&Message { kind: "held".to_owned(), server, text, hint, job: None, time: now });
    }
    count_conditions(controller);
}

fn newly_held(before: &ServerRow, after: &ServerRow) -> bool {
    let held = |row: &ServerRow| row.status.conditions.iter().any(|c| c.reason == "ApprovalNeeded");
    held(after) && !held(before)
}

fn count_conditions(controller: &Controller) {
    let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
    for condition in ["ready", "reconciling", "stalled", "drifted", "suspended"] {
        counts.insert(condition, 0);
    }
    for row in controller.world().servers.values() {
        for condition in row.status.conditions.iter().filter(|condition| condition.status) {
            *counts.entry(crate::publish::condition_word(condition.kind)).or_default() += 1;
        }
    }
    for (condition, count) in counts {
        controller.metrics.servers(condition, count);
    }
}
