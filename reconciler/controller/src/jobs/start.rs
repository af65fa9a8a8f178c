// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan entry becomes a job: once, durably, before anything is touched.

use std::sync::Arc;

use shoal_core::desired::{DesiredError, resolve};
use shoal_core::job::{Job, Phase};
use shoal_core::known_disk::expected_disk;
use shoal_core::mistake::Mistake;
use shoal_core::record;
use shoal_schema::JobId;
use shoal_schema::api::Level;
use shoal_schema::plan::{ApprovalState, Entry};
use shoal_store::{Batch, Expect, Table, ledger};

use super::runner;
use crate::controller::{ChangeError, Controller};
use crate::reconcile::Planned;
use crate::rows::{self, ServerRow};

/// Why an entry did not become a job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The server changed since the plan was made.
    #[error("not started: {server} changed since the plan was made")]
    Stale {
        /// The server.
        server: String,
    },
    /// Nothing starts at the moment, whatever was planned.
    #[error("not started: {why}")]
    Held {
        /// Why.
        why: &'static str,
    },
    /// Git cannot be made sense of for this server.
    #[error(transparent)]
    Resolve(#[from] DesiredError),
    /// The store could not keep it.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The operating system gave no randomness.
    #[error("not started: the operating system gave no randomness")]
    Randomness,
}

/// What a start may bring along.
#[derive(Clone, Copy, Default)]
pub(crate) struct Along<'a> {
    /// The failed job whose approval goes on to be used.
    pub inherits: Option<&'a Job>,
    /// The caller's name for this request; one name starts one job.
    pub idempotency_key: Option<&'a str>,
}

/// Makes the job durable and starts it. Consumes the approval. What is installed comes from the very
/// inventory that the plan was made from, and only while that is in force: an approval of one version
/// never starts another one that was pushed since.
pub(crate) async fn start(
    controller: &Arc<Controller>,
    planned: &Planned,
    entry: &Entry,
    along: Along<'_>,
) -> Result<Arc<Job>, StartError> {
    let desired = resolve(&planned.inventory, &planned.fleet, &entry.server)?;
    let stale = || StartError::Stale { server: entry.server.clone() };
    let target = desired.install.as_ref().ok_or_else(stale)?;
    let held = controller.lock(&entry.server).await;
    let (row, ledger) = {
        let world = controller.world();
        if world.control.observe_only {
            return Err(StartError::Held { why: "this controller only observes until 'shoal takeover'" });
        }
        if world.control.paused {
            return Err(StartError::Held { why: "everything is paused" });
        }
        if controller.settings.worker_concurrency == 0 {
            return Err(StartError::Held { why: "draining: WORKER_CONCURRENCY is 0, no new job starts" });
        }
        if !Arc::ptr_eq(&world.inventory, &planned.inventory)
            || entry.desired_digest.as_ref() != Some(&target.digest)
        {
            return Err(stale());
        }
        if world.active.contains_key(&entry.server) && !Mistake::ActiveJobIsNotSeen.is_made() {
            return Err(stale());
        }
        // Nor beside one that the machine has under another name.
        let mut active = world.active.values().filter_map(|id| world.jobs.get(id));
        if active.any(|job| job.machine == entry.machine) && !Mistake::ActiveJobIsNotSeen.is_made() {
            return Err(stale());
        }
        let row = world.servers.get(&entry.server).cloned();
        (row.map_or_else(|| ServerRow::new(&entry.server), |row| (*row).clone()), world.ledger.clone())
    };
    if row.status.record.number != entry.record {
        return Err(stale());
    }
    let mut random = [0_u8; 16];
    controller.random.fill(&mut random).map_err(|_| StartError::Randomness)?;
    let now = controller.now();
    let mut row = row;
    row.status_mut().record = record::job_started(&row.status.record, &desired);
    let approved_by = match &entry.approval {
        ApprovalState::Approved { by } => Some(by.clone()),
        _ => along.inherits.and_then(|job| job.approved_by.clone()),
    };
    let mut job = Job {
        id: JobId::from_bytes(random),
        server: entry.server.clone(),
        machine: entry.machine.clone(),
        ledger: ledger.id.clone(),
        epoch: ledger.epoch,
        record: row.status.record.number,
        entry_digest: entry.digest.clone(),
        require_blank: matches!(entry.approval, ApprovalState::BlankOnly),
        approved_by,
        expected_disk: expected_disk(&row.status.record, &desired.identity, target).cloned(),
        identity: desired.identity.clone(),
        bmc: desired.bmc.clone(),
        install: target.clone(),
        maintenance_iso: controller.media.digest().clone(),
        on_failure: desired.on_failure,
        power_wanted: desired.power,
        created_at: now,
        updated_at: now,
        phase: Phase::Queued,
        phase_ms: 0,
        prepare_ms: 0,
        total_ms: 0,
        attempt: 1,
        tries: 0,
        not_before_ms: 0,
        route: None,
        power_found: None,
        touched: false,
        medium_read: false,
        unread_boots: 0,
        was_away: false,
        permit: None,
        written: None,
        cancel_requested: false,
        outcome: None,
        failure: None,
        cleanup_left: None,
        events: std::collections::VecDeque::new(),
        deliveries: std::collections::VecDeque::new(),
    };
    let why = match (&job.approved_by, job.require_blank) {
        (Some(by), _) => format!("entry {}, approved by {by}", entry.digest.short()),
        (None, true) => format!("entry {}, only onto a blank disk", entry.digest.short()),
        (None, false) => format!("entry {}", entry.digest.short()),
    };
    job.note(now, Level::Info, None, format!("queued: {why}"));
    row.status_mut().job = Some(job.summary());
    row.status_mut().attempted_entry = Some(entry.digest.clone());
    row.status_mut().next_try = None;
    row.stalled = None;
    row.retry = false;
    let (mut batch, digest) = (Batch::new(), entry.digest.to_string());
    if !Mistake::ApprovalIsNotUsedUp.is_made() {
        batch.check(Table::ConsumedApprovals, digest.as_str(), Expect::Absent);
    }
    if !Mistake::ActiveJobIsNotSeen.is_made() {
        batch.check(Table::ActiveJobs, entry.server.as_str(), Expect::Absent);
    }
    if let Some(key) = along.idempotency_key {
        batch.check(Table::IdempotencyKeys, key, Expect::Absent);
        rows::put(&mut batch, Table::IdempotencyKeys, key, &job.id);
    }
    rows::put(&mut batch, Table::ConsumedApprovals, digest.as_str(), &job.id);
    rows::put(&mut batch, Table::ActiveJobs, entry.server.as_str(), &job.id);
    rows::put_job(&mut batch, &job);
    rows::put_server(&mut batch, &row);
    ledger::bump(&mut batch);
    controller.commit(&format!("the start of a job on {}", entry.server), batch).await?;
    let job = Arc::new(job);
    {
        let mut world = controller.world_mut();
        world.ledger.counter += 1;
        world.servers.put(Arc::new(row));
        world.set_job(Arc::clone(&job));
    }
    drop(held);
    tracing::info!(job_id = %job.id, server = %job.server, server_serial = %job.machine, entry = entry.digest.short(), "job queued");
    controller.run_job(&job.id);
    Ok(job)
}

impl Controller {
    /// Starts the runner of a job, unless it has one: a job may be asked for while those of the last
    /// incarnation are still being taken up.
    pub(crate) fn run_job(self: &Arc<Self>, id: &JobId) {
        if !self.claim_runner(id) {
            return;
        }
        let controller = Arc::clone(self);
        let id = id.clone();
        self.tasks.spawn(async move { runner::run(controller, id).await });
    }

    /// Takes up every job that was active when the controller went away.
    pub(crate) fn resume_jobs(self: &Arc<Self>) {
        let mut active: Vec<JobId> = self.world().active.values().cloned().collect();
        if Mistake::JobsAreNotTakenUp.is_made() {
            active.clear();
        }
        for id in active {
            if self.claim_runner(&id) {
                let controller = Arc::clone(self);
                self.tasks.spawn(async move { runner::take_up(controller, id).await });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::NonZeroUsize;

    use serde_json::{Value, json};
    use shoal_inventory::{Checks, DirectorySource, Loader};
    use shoal_taskiso::{TaskFiles, build_volume};

    use super::*;
    use crate::reconcile::make_plan;
    use crate::settings::{Auth, Source, TlsMode};

    fn write(dir: &std::path::Path, kind: &str, name: &str, spec: Value) {
        let body =
            json!({"apiVersion": "shoal.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let folder = match kind {
            "Fleet" => return std::fs::write(dir.join("shoal.yaml"), body.to_string()).unwrap(),
            other => dir.join(format!("{}s", other.to_lowercase())),
        };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.yaml")), body.to_string()).unwrap();
    }

    fn put_in_force(controller: &Controller, dir: &std::path::Path, version: &str) {
        let oci = |digit: &str| json!({"oci": format!("registry.test/os@sha256:{}", digit.repeat(64))});
        write(dir, "Fleet", "test", json!({"firstInstall": "blankOnly", "defaults": {"recipe": "debian"}}));
        let root = json!({"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"});
        let esp = json!({"size": "512M", "type_guid": "ef00", "format": "vfat", "label": "esp"});
        write(dir, "Recipe", "debian", json!({"target": "install-linux.target", "layout": [esp, root]}));
        write(dir, "Image", "debian", json!({"versions": {"12.8": oci("a"), "13.1": oci("b")}}));
        let server = json!({
            "serial": "SERIAL0001", "bmc": {"address": "https://127.0.0.1:1"},
            "os": {"image": "debian", "version": version}, "disk": {"serial": "DISK0001"},
        });
        write(dir, "Server", "web-00", server);
        let checks = Checks { watched_branch: None, now: None };
        let loaded = Loader::new(NonZeroUsize::MIN).load(&DirectorySource::new(dir), &checks).unwrap();
        assert!(loaded.inventory.problems.is_empty(), "{:?}", loaded.inventory.problems);
        controller.world_mut().set_inventory(Arc::new(loaded.inventory), BTreeSet::new());
    }

    #[tokio::test]
    async fn what_was_pushed_after_the_plan_is_not_installed_under_it() {
        let dir = tempfile::tempdir().unwrap();
        let inventory = dir.path().join("inventory");
        std::fs::create_dir(&inventory).unwrap();
        let iso = build_volume("SHOAL_MAINTENANCE", &TaskFiles::new(), 0, 0, 1 << 20).unwrap();
        std::fs::write(dir.path().join("maintenance.iso"), &iso.bytes).unwrap();
        let mut settings = crate::settings::tests::settings("127.0.0.1:0", TlsMode::Off, None, Auth::None);
        settings.source = Source::Directory(inventory.clone());
        settings.db_path = dir.path().join("shoal.redb");
        settings.storage_root = dir.path().join("state");
        settings.maintenance_iso = dir.path().join("maintenance.iso");
        let controller = crate::startup::open(settings).unwrap();
        // Runners end at once.
        controller.shutdown.cancel();
        put_in_force(&controller, &inventory, "12.8");
        let plan = make_plan(&controller).unwrap();
        put_in_force(&controller, &inventory, "13.1");
        let refused = start(&controller, &plan, &plan.entries[0], Along::default()).await;
        assert!(
            matches!(refused, Err(StartError::Stale { .. })),
            "{:?}",
            refused.map(|job| job.install.clone())
        );
        assert!(controller.world().jobs.is_empty());
        let plan = make_plan(&controller).unwrap();
        controller.switch(|control| control.paused = true).await.unwrap();
        let held = start(&controller, &plan, &plan.entries[0], Along::default()).await;
        assert!(matches!(held, Err(StartError::Held { .. })));
        controller.switch(|control| control.paused = false).await.unwrap();
        let job = start(&controller, &plan, &plan.entries[0], Along::default()).await.unwrap();
        assert_eq!(job.install.version, "13.1");
        controller.tasks.tracker().close();
        controller.tasks.tracker().wait().await;
    }
}
