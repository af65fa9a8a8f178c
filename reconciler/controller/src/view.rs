// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people see of every server: its conditions, brought up to date once a turn.
//!
//! Guarantees: only what may have changed since the last turn is judged again, and only what did change is
//! written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use shoal_core::alongside::{Alongside, Following};
use shoal_core::by_name::ByName;
use shoal_core::conditions::{View, conditions};
use shoal_core::decide::Turn;
use shoal_core::desired::{account, bmc_target};
use shoal_core::inventory::Located;
use shoal_core::job::Job;
use shoal_schema::kinds::{FleetSpec, Secret, Server};
use shoal_schema::plan::{Class, Entry};
use shoal_store::Batch;

use crate::controller::Controller;
use crate::notify::Message;
use crate::reconcile::Planned;
use crate::rows::{self, ServerRow};
use crate::world::World;

/// What every server's conditions were last judged by.
#[derive(Default)]
pub(crate) struct Viewed {
    servers: BTreeMap<String, Basis>,
    fleet: Option<Arc<FleetSpec>>,
    secrets: ByName<Located<Secret>>,
    /// The conditions that people see numbers of are those of these rows.
    counted: bool,
}

/// What one server's conditions are judged by.
#[derive(Default)]
struct Basis {
    row: Option<Arc<ServerRow>>,
    entry: Option<Arc<Entry>>,
    server: Option<Arc<Located<Server>>>,
    account: Option<Arc<Located<Secret>>>,
    job: Option<Arc<Job>>,
    turn: Option<Turn>,
    broken: Option<String>,
}

impl Basis {
    /// Whether these are what it was judged by. Rows, entries and documents are never changed where they are.
    fn is(&self, now: &Now<'_>) -> bool {
        same(self.row.as_ref(), now.row)
            && same(self.entry.as_ref(), now.entry)
            && same(self.server.as_ref(), now.server)
            && same(self.job.as_ref(), now.job)
            && (self.turn.as_ref(), self.broken.as_deref()) == (now.turn, now.broken)
    }
}

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}

/// What one server's conditions are judged by now, but for its account.
struct Now<'a> {
    row: Option<&'a Arc<ServerRow>>,
    entry: Option<&'a Arc<Entry>>,
    server: Option<&'a Arc<Located<Server>>>,
    job: Option<&'a Arc<Job>>,
    turn: Option<&'a Turn>,
    broken: Option<&'a str>,
}

/// What is the same for all servers in one turn.
struct Of<'a> {
    plan: &'a Planned,
    turns: HashMap<&'a str, &'a Turn>,
    broken: HashMap<&'a str, &'a str>,
    now: jiff::Timestamp,
}

impl<'a> Of<'a> {
    fn new(plan: &'a Planned, waiting: &'a [(&'a Arc<Entry>, Turn)], now: jiff::Timestamp) -> Self {
        let turns = waiting.iter().map(|(entry, turn)| (entry.server.as_str(), turn)).collect();
        let mut broken = HashMap::new();
        for problem in &plan.problems {
            if let Some(server) = &problem.server {
                broken.entry(server.as_str()).or_insert(problem.message.as_str());
            }
        }
        Self { plan, turns, broken, now }
    }

    /// Every name that has a row or a document, in order, with what it is judged by. All that there is by name is gone
    /// through side by side.
    fn each<'b>(&'b self, world: &'b World, mut each: impl FnMut(&'b String, &Now<'b>)) {
        let mut rows = world.servers.iter().peekable();
        let mut servers = self.plan.inventory.servers.iter().peekable();
        let mut active = Alongside::new(&world.active);
        let mut entries = self.plan.entries.iter().peekable();
        loop {
            let name = match (rows.peek(), servers.peek()) {
                (None, None) => return,
                (Some((name, _)), None) | (None, Some((name, _))) => *name,
                (Some((a, _)), Some((b, _))) => (*a).min(*b),
            };
            let row = rows.next_if(|(known, _)| *known == name).map(|(_, row)| row);
            let server = servers.next_if(|(known, _)| *known == name).map(|(_, server)| server);
            while entries.next_if(|entry| entry.server < *name).is_some() {}
            let now = Now {
                row,
                entry: entries.next_if(|entry| entry.server == *name),
                server,
                job: active.get(name).and_then(|id| world.jobs.get(id)),
                turn: if self.turns.is_empty() { None } else { self.turns.get(name.as_str()).copied() },
                broken: if self.broken.is_empty() { None } else { self.broken.get(name.as_str()).copied() },
            };
            each(name, &now);
        }
    }

    fn account(&self, now: &Now<'_>) -> Option<&Arc<Located<Secret>>> {
        let account = now.server.and_then(|server| account(&self.plan.fleet, &server.value.spec.bmc));
        account.and_then(|account| self.plan.inventory.secrets.get(account))
    }

    fn basis(&self, world: &World, name: &str) -> Basis {
        let entries = &self.plan.entries;
        let entry = entries.binary_search_by(|entry| entry.server.as_str().cmp(name)).ok();
        let inventory = &self.plan.inventory;
        let server = inventory.servers.get(name);
        let account = server.and_then(|server| account(&self.plan.fleet, &server.value.spec.bmc));
        Basis {
            row: world.servers.get(name).cloned(),
            entry: entry.map(|index| Arc::clone(&entries[index])),
            server: server.cloned(),
            account: account.and_then(|account| inventory.secrets.get(account)).cloned(),
            job: world.active_job(name).cloned(),
            turn: self.turns.get(name).map(|turn| (*turn).clone()),
            broken: self.broken.get(name).map(|text| (*text).to_owned()),
        }
    }

    /// The row as it should be.
    fn judge(&self, name: &str, basis: &Basis) -> ServerRow {
        let mut row = basis.row.as_ref().map_or_else(|| ServerRow::new(name), |row| (**row).clone());
        let entry = basis.entry.as_deref();
        let drift = entry.filter(|entry| entry.class == Class::None).map(|entry| entry.notes.clone());
        let drift = drift.unwrap_or_default();
        if row.status.drift != drift {
            row.status_mut().drift = drift;
        }
        let view = View {
            status: &row.status,
            entry,
            turn: basis.turn.as_ref(),
            job: basis.job.as_deref(),
            broken: basis.broken.as_deref(),
            stalled: row.stalled.as_deref(),
        };
        let conditions = conditions(&view, self.now);
        if row.status.conditions != conditions {
            row.status_mut().conditions = conditions;
        }
        if let Some(server) = &basis.server {
            row.file = server.file.to_string();
            row.target = Some(bmc_target(&self.plan.inventory, &self.plan.fleet, &server.value.spec.bmc));
        }
        row
    }
}

/// Brings every server's conditions up to date, and tells people who is held.
pub(crate) async fn publish(
    controller: &Controller,
    plan: &Planned,
    waiting: &[(&Arc<Entry>, Turn)],
    viewed: &mut Viewed,
) {
    let of = Of::new(plan, waiting, controller.now());
    if viewed.fleet.as_ref().map(Arc::as_ptr) != Some(Arc::as_ptr(&plan.fleet)) {
        viewed.servers.clear();
        viewed.fleet = Some(Arc::clone(&plan.fleet));
    }
    let secrets = &plan.inventory.secrets;
    let same_secrets = viewed.secrets.is_same(secrets);
    // Whoever holds the locks of several servers takes them in the order of their names.
    let names: Vec<String> = {
        let world = controller.world();
        let mut known = Following::new(&mut viewed.servers);
        let mut names = Vec::new();
        of.each(&world, |name, now| {
            let basis = known.get(name);
            let stays = basis.is_some_and(|basis| {
                basis.is(now) && (same_secrets || same(basis.account.as_ref(), of.account(now)))
            });
            if !stays {
                names.push(name.clone());
            }
        });
        known.end().apply(&mut viewed.servers);
        names
    };
    viewed.counted &= names.is_empty();
    let mut held_back = Vec::new();
    let mut guards = Vec::new();
    let mut batch = Batch::new();
    let mut changed = Vec::new();
    for name in names {
        let basis = of.basis(&controller.world(), &name);
        if basis.row.as_deref() == Some(&of.judge(&name, &basis)) {
            viewed.servers.insert(name, basis);
            continue;
        }
        guards.push(controller.lock(&name).await);
        let basis = of.basis(&controller.world(), &name);
        let after = Arc::new(of.judge(&name, &basis));
        if newly_held(basis.row.as_deref(), &after) {
            held_back.push((name, after.status.conditions.clone()));
        }
        rows::put_server(&mut batch, &after);
        changed.push((after, basis));
    }
    let any = !changed.is_empty();
    if any && let Err(error) = controller.commit("the conditions of servers", batch).await {
        error.tell("", "conditions were not kept");
        return;
    }
    // Not before: whoever was not kept with a new Secret is judged by it again.
    viewed.secrets.clone_from(secrets);
    {
        let mut world = controller.world_mut();
        for (row, basis) in changed {
            let name = row.status.name.clone();
            viewed.servers.insert(name.clone(), Basis { row: Some(Arc::clone(&row)), ..basis });
            world.servers.put(row);
        }
        world.turns = of.turns.iter().map(|(name, turn)| ((*name).to_owned(), (*turn).clone())).collect();
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
        controller.tell(&Message { kind: "held".to_owned(), server, text, hint, job: None, time: of.now });
    }
    if !viewed.counted {
        count_conditions(controller);
        viewed.counted = true;
    }
}

fn newly_held(before: Option<&ServerRow>, after: &ServerRow) -> bool {
    let held = |row: &ServerRow| row.status.conditions.iter().any(|c| c.reason == "ApprovalNeeded");
    held(after) && !before.is_some_and(held)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use shoal_core::desired::bmc_target;
    use shoal_core::inventory::{Inventory, Lines};
    use shoal_store::{CommitFault, MemoryStore};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::outside::{Blocking, Outside, RedfishDoor, SystemRandom};
    use crate::reconcile::turn;
    use crate::settings::{Auth, TlsMode, tests::settings};

    fn document<T: DeserializeOwned>(kind: &str, name: &str, spec: Value) -> Arc<Located<T>> {
        let body =
            json!({"apiVersion": "shoal.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let value = serde_json::from_value(body).unwrap();
        Arc::new(Located { value, file: format!("{name}.yaml").into(), lines: Lines::default() })
    }

    fn secret(text: &str) -> Arc<Located<Secret>> {
        let digest = format!("sha256:{}", "0".repeat(64));
        document("Secret", "bmc", json!({"recipients": ["ops"], "recipientsDigest": digest, "age": text}))
    }

    #[tokio::test]
    async fn a_secret_whose_server_could_not_be_kept_is_taken_at_the_next_turn() {
        let dir = tempfile::tempdir().unwrap();
        let iso =
            shoal_taskiso::build_volume("SHOAL_MAINTENANCE", &shoal_taskiso::TaskFiles::new(), 0, 0, 1 << 20);
        std::fs::write(dir.path().join("maintenance.iso"), &iso.unwrap().bytes).unwrap();
        let mut settings = settings("127.0.0.1:0", TlsMode::Off, None, Auth::None);
        settings.storage_root = dir.path().join("state");
        settings.maintenance_iso = dir.path().join("maintenance.iso");
        let store = Arc::new(MemoryStore::new());
        let outside = Outside {
            store: store.clone(),
            repository: None,
            bmcs: Arc::new(RedfishDoor::default()),
            random: Arc::new(SystemRandom),
            blocking: Blocking::Inline,
            power: CancellationToken::new(),
            http: None,
        };
        let controller = crate::startup::open_in(settings, outside).unwrap();
        // Nothing of what a turn starts goes on.
        controller.shutdown.cancel();
        let mut inventory =
            Inventory { fleet: Some(document("Fleet", "test", json!({}))), ..Inventory::default() };
        let server = json!({
            "serial": "SERIAL0001",
            "bmc": {"address": "https://127.0.0.1:1", "credentials": {"secret": "bmc"}},
        });
        inventory.servers.insert("web-00".to_owned(), document("Server", "web-00", server));
        let mut put = |text: &str| {
            inventory.secrets.insert("bmc".to_owned(), secret(text));
            controller.world_mut().set_inventory(Arc::new(inventory.clone()), BTreeSet::new());
            let bmc = &inventory.servers["web-00"].value.spec.bmc;
            Some(bmc_target(&inventory, &controller.world().fleet, bmc))
        };
        let target = || controller.world().servers["web-00"].target.clone();
        let first = put("one");
        turn(&controller).await;
        assert_eq!(target(), first);
        let second = put("another");
        assert_ne!(first, second);
        store.set_faults(|_| CommitFault::NotWritten);
        turn(&controller).await;
        assert_eq!(target(), first, "the disk is full");
        store.clear_faults();
        turn(&controller).await;
        assert_eq!(target(), second);
    }
}
