// SPDX-License-Identifier: AGPL-3.0-or-later
//! The controller's shared parts, and the one way in which anything changes.
//!
//! Guarantees: a job or a server changes only under that server's lock; the change is durable
//! before anybody can see it; a controller whose incarnation is over can write nothing.
//! Assumptions: one [`Controller`] per process.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use shoal_core::job::{Event, Job, Phase, step};
use shoal_core::plan::Planner;
use shoal_core::plan::lint::Linter;
use shoal_core::record;
use shoal_http::login::Logins;
use shoal_schema::JobId;
use shoal_schema::disk::DiskFacts;
use shoal_schema::status::LastError;
use shoal_store::{Batch, CommitError, Store, Table, ledger};
use shoal_tls::OwnCertificate;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::bmc::Bmcs;
use crate::bmc::schedule::Schedule;
use crate::http::guesses::Guesses;
use crate::http::logins;
use crate::jobs::perform::chain;
use crate::keys::Keys;
use crate::media::MediaShelf;
use crate::metrics::Metrics;
use crate::notify::Outbox;
use crate::outside::{Blocking, Outside, Random, Repository, Tasks};
use crate::progress::{Board, is_at_work};
use crate::publish::Published;
use crate::rows::{self, ControlRow, JournalRow, ServerRow};
use crate::settings::{Role, Settings};
use crate::trouble::Trouble;
use crate::view::Viewed;
use crate::world::World;

/// Before a store that could not be read is read again.
const STORE_PAUSE: Duration = Duration::from_secs(2);

/// The controller's shared parts.
pub struct Controller {
    /// What it was told at start.
    pub settings: Settings,
    /// Drawn at this start: no other process has it, whatever database it runs on.
    pub incarnation: String,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Capabilities and tokens.
    pub keys: Keys,
    /// The certificate of its own making.
    pub own_certificate: OwnCertificate,
    /// Numbers for people.
    pub metrics: Metrics,
    /// BMCs.
    pub bmcs: Bmcs,
    /// Media of active jobs.
    pub media: MediaShelf,
    /// When each server is looked at, and what is done to it without a job.
    pub deeds: Schedule,
    /// What people are told.
    pub outbox: Outbox,
    /// Accounts, passwords that were right, and addresses that were wrong.
    pub logins: Logins<Role>,
    /// Wrong tokens of machines, by source.
    pub(crate) guesses: Guesses,
    /// How far machines are.
    pub(crate) progress: Board,
    /// Wakes the reconciler.
    pub wake: Notify,
    /// Wakes the publisher.
    pub publish: Notify,
    /// Wakes the source.
    pub fetch: Notify,
    /// Fetches that began.
    pub(crate) fetches_begun: AtomicU64,
    /// The number of the last one that is over, and in force where it was good.
    pub(crate) fetched: tokio::sync::watch::Sender<u64>,
    /// The repository; nothing where a plain directory is read.
    pub repository: Option<Arc<dyn Repository>>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where work is done that blocks.
    pub blocking: Blocking,
    /// Sends notifications, where any are sent.
    pub(crate) http: Option<reqwest::Client>,
    /// What is known of the status branch.
    pub published: Arc<tokio::sync::Mutex<Published>>,
    /// One backup at a time: each keeps old pages of the database.
    pub(crate) backing_up: Arc<Semaphore>,
    /// One turn of the loop at a time, whoever asked for it.
    pub(crate) turning: tokio::sync::Mutex<Viewed>,
    /// Makes the plans.
    pub(crate) planner: Mutex<Planner>,
    /// Looks at them before they are carried out.
    pub(crate) linter: Mutex<Linter>,
    /// The end.
    pub shutdown: CancellationToken,
    /// Everything that runs.
    pub tasks: Tasks,
    world: RwLock<World>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The store has no room.
    store_trouble: Trouble,
    /// Status cannot be published.
    pub(crate) publish_trouble: Trouble,
    fenced: Notify,
    runners: Mutex<HashMap<JobId, Arc<Notify>>>,
    running: Mutex<HashSet<JobId>>,
    pub(crate) switching: tokio::sync::Mutex<()>,
}

/// A change that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The store could not keep it.
    #[error("cannot keep the change of {subject}")]
    Commit {
        /// Server or job.
        subject: String,
        /// Why.
        #[source]
        source: CommitError,
    },
    /// There is no such job.
    #[error("there is no job {id}")]
    NoJob {
        /// The job.
        id: JobId,
    },
}

/// What comes along with an event and is kept with it.
#[derive(Default)]
pub(crate) struct Brought<'a> {
    /// The webhook delivery that brought it.
    pub(crate) delivery: Option<&'a str>,
    /// The disks that the machine showed of itself.
    pub(crate) disks: &'a [DiskFacts],
    /// The journal's row of the effect that it is about.
    pub(crate) journal: Option<(Vec<u8>, &'a JournalRow)>,
}

/// The shared parts that are made before the controller.
pub struct Parts {
    /// What it was told at start.
    pub settings: Settings,
    /// The world outside.
    pub outside: Outside,
    /// Capabilities and tokens.
    pub keys: Keys,
    /// The certificate of its own making.
    pub own_certificate: OwnCertificate,
    /// Numbers for people.
    pub metrics: Metrics,
    /// The maintenance ISO and what is derived from it.
    pub media: MediaShelf,
    /// Certificates that were trusted on first use, by server.
    pub pins: HashMap<String, String>,
    /// What was read from the database.
    pub world: World,
    /// Drawn at this start.
    pub incarnation: String,
}

impl Controller {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { settings, outside, keys, own_certificate, metrics, media, pins, world, incarnation } =
            parts;
        let Outside { store, repository, bmcs, random, blocking, power, http } = outside;
        let bmcs = Bmcs::new(&settings, metrics.clone(), bmcs, Arc::clone(&random), pins, world.ledger.epoch);
        let dice = Arc::clone(&random);
        Arc::new(Self {
            bmcs,
            outbox: Outbox::default(),
            guesses: Guesses::default(),
            progress: Board::default(),
            logins: logins(&settings.auth),
            deeds: Schedule::new(Box::new(move || crate::bmc::jitter(&*dice))),
            incarnation,
            settings,
            store,
            keys,
            own_certificate,
            metrics,
            media,
            wake: Notify::new(),
            store_trouble: Trouble::default(),
            publish_trouble: Trouble::default(),
            fenced: Notify::new(),
            publish: Notify::new(),
            fetch: Notify::new(),
            fetches_begun: AtomicU64::new(0),
            fetched: tokio::sync::watch::Sender::new(0),
            repository,
            random,
            blocking,
            http,
            published: Arc::default(),
            backing_up: Arc::new(Semaphore::new(1)),
            turning: tokio::sync::Mutex::default(),
            planner: Mutex::default(),
            linter: Mutex::default(),
            shutdown: CancellationToken::new(),
            tasks: Tasks::new(power),
            world: RwLock::new(world),
            locks: Mutex::new(HashMap::new()),
            runners: Mutex::new(HashMap::new()),
            running: Mutex::default(),
            switching: tokio::sync::Mutex::default(),
        })
    }

    /// What is known. Hold it briefly and never across an await.
    pub fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which controller, and which incarnation of it: in every log line about a machine.
    pub(crate) fn worker_id(&self) -> String {
        let world = self.world();
        format!("{}-{}", world.ledger.id.short(), world.ledger.epoch)
    }

    /// A number in `0.0..1.0`, to spread what would come all at once.
    pub(crate) fn jitter(&self) -> f64 {
        crate::bmc::jitter(&*self.random)
    }

    /// Now, by the wall clock.
    pub fn now(&self) -> jiff::Timestamp {
        self.settings.clock.now()
    }

    /// Whoever changes a server, or a job of it, holds this.
    pub async fn lock(&self, server: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(server.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    /// The status branch is another controller's: whatever is being done to a machine ends at once.
    pub(crate) fn only_observe(&self) {
        self.world_mut().control.observe_only = true;
        self.fenced.notify_waiters();
    }

    /// Until this controller only observes.
    pub(crate) async fn until_fenced(&self) {
        // Made before the look, so that nothing is missed in between.
        let fenced = self.fenced.notified();
        if !self.world().control.observe_only {
            fenced.await;
        }
    }

    /// Told when a job changes.
    pub fn job_changed(&self, id: &JobId) -> Arc<Notify> {
        let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(runners.entry(id.clone()).or_default())
    }

    /// Whether the caller is the one who runs this job from now on.
    pub(crate) fn claim_runner(&self, id: &JobId) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    }

    pub(crate) fn forget_runner(&self, id: &JobId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.runners.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Makes a batch durable, unless this incarnation is over. Where the store cannot say whether it kept it, it is
    /// read until it can be: what is believed here and what is kept there must never part.
    pub async fn commit(&self, subject: &str, mut batch: Batch) -> Result<(), ChangeError> {
        let epoch = self.world().ledger.epoch;
        ledger::require_epoch(&mut batch, epoch);
        let mut result = self.store.commit_async(batch.clone()).await;
        self.tell_of_room(&result);
        if let Err(CommitError::Unknown { source }) = result {
            if !source.is_disk_full() {
                tracing::error!(subject, error = %source, "the store does not say whether it kept a change; reading it");
            }
            result = match self.is_kept(&batch).await {
                Some(true) => Ok(()),
                Some(false) => Err(CommitError::NotWritten { source }),
                None => Err(CommitError::Unknown { source }),
            };
        }
        if let Err(error) = &result
            && ledger::is_stale_epoch(error)
        {
            tracing::error!("another controller took this database over; stopping");
            self.shutdown.cancel();
        }
        result.map_err(|source| ChangeError::Commit { subject: subject.to_owned(), source })
    }

    /// A disk that is full is met by everybody who has something to keep: it is said once.
    fn tell_of_room(&self, result: &Result<(), CommitError>) {
        match result {
            Ok(()) if self.store_trouble.over() => {
                tracing::info!("there is room for the database again; everything goes on");
            }
            Err(error) if error.is_disk_full() && self.store_trouble.met("full") => {
                tracing::error!(
                    database = %self.settings.db_path.display(),
                    "the disk of the database is full: nothing is started, permitted or taken in until there is room; make room there, and everything goes on by itself"
                );
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Reads until the store answers, or this incarnation ends: then the next one reads everything.
    async fn is_kept(&self, batch: &Batch) -> Option<bool> {
        loop {
            match batch.is_kept_by(&*self.store) {
                Ok(kept) => return Some(kept),
                Err(error) if error.is_disk_full() => {}
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the store cannot be read; trying again");
                }
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                () = tokio::time::sleep(STORE_PAUSE) => {}
            }
        }
    }

    /// One event meets a job; what follows for the server's record moves with it. Returns the job
    /// as it is afterwards. `only`: the phase and attempt that the event belongs to; elsewhere it
    /// changes nothing.
    pub async fn job_event(
        &self,
        id: &JobId,
        only: Option<(Phase, u32)>,
        event: Event,
    ) -> Result<Arc<Job>, ChangeError> {
        self.brought_events(id, only, vec![event], &Brought::default()).await
    }

    /// As [`Controller::job_event`], for events that are one step of the job's life and one commit, with what came
    /// along.
    pub(crate) async fn brought_events(
        &self,
        id: &JobId,
        only: Option<(Phase, u32)>,
        events: Vec<Event>,
        brought: &Brought<'_>,
    ) -> Result<Arc<Job>, ChangeError> {
        let server = self.world().jobs.get(id).map(|job| job.server.clone());
        let server = server.ok_or_else(|| ChangeError::NoJob { id: id.clone() })?;
        let _held = self.lock(&server).await;
        self.brought_events_locked(id, only, events, brought).await
    }

    /// As [`Controller::job_event`], for a caller that holds the server's lock.
    pub(crate) async fn job_event_locked(
        &self,
        id: &JobId,
        only: Option<(Phase, u32)>,
        event: Event,
    ) -> Result<Arc<Job>, ChangeError> {
        self.brought_event_locked(id, only, event, &Brought::default()).await
    }

    /// As [`Controller::job_event_locked`], with what came along kept in the very same commit: after a
    /// crash in between, the machine's next try would look like a repetition.
    pub(crate) async fn brought_event_locked(
        &self,
        id: &JobId,
        only: Option<(Phase, u32)>,
        event: Event,
        brought: &Brought<'_>,
    ) -> Result<Arc<Job>, ChangeError> {
        self.brought_events_locked(id, only, vec![event], brought).await
    }

    async fn brought_events_locked(
        &self,
        id: &JobId,
        only: Option<(Phase, u32)>,
        events: Vec<Event>,
        brought: &Brought<'_>,
    ) -> Result<Arc<Job>, ChangeError> {
        let (job, row) = {
            let world = self.world();
            let job = world.jobs.get(id).cloned().ok_or_else(|| ChangeError::NoJob { id: id.clone() })?;
            let row = world.servers.get(&job.server).cloned();
            (job, row)
        };
        let now = self.now();
        let mut after = (*job).clone();
        for event in events {
            if only.is_some_and(|(phase, attempt)| after.phase != phase || after.attempt != attempt) {
                break;
            }
            if let Some(delivery) = brought.delivery {
                after.remember_delivery(delivery);
            }
            after = step::step(after, event, &self.settings.budgets, now);
        }
        let mut batch = Batch::new();
        if let Some((key, row)) = &brought.journal {
            rows::put(&mut batch, Table::Journal, key.clone(), row);
        }
        if after == *job {
            if !batch.is_empty() {
                self.commit(&format!("the journal of job {id}"), batch).await?;
            }
            return Ok(job);
        }
        rows::put_job(&mut batch, &after);
        // A pause that comes meanwhile waits, or the row written here would take it back.
        let _switching = if job.phase != Phase::Complete && after.phase == Phase::Complete {
            Some(self.switching.lock().await)
        } else {
            None
        };
        let row_after = row.and_then(|row| self.row_after(&row, &job, &after, brought, &mut batch));
        let is_news = row_after.is_some();
        self.commit(&format!("job {id}"), batch).await?;
        let after = Arc::new(after);
        {
            let mut world = self.world_mut();
            if let Some((row, record_moved)) = row_after {
                world.ledger.counter += u64::from(record_moved);
                world.servers.put(Arc::new(row));
            }
            if job.phase != Phase::Complete && after.phase == Phase::Complete {
                world.control.failures = control_failures(world.control.failures, &after);
            }
            world.set_job(Arc::clone(&after));
            // While nobody can look at the job: nothing is noted for it again.
            if !is_at_work(&after) {
                self.progress.forget(&after.id);
            }
        }
        self.tell_about(&job, &after);
        self.job_changed(id).notify_waiters();
        self.job_changed(id).notify_one();
        if is_news {
            self.publish.notify_one();
        }
        if job.phase != after.phase {
            self.metrics.job_moved(&job, &after);
            if after.phase == Phase::Complete {
                self.wake.notify_one();
            }
        }
        Ok(after)
    }

    /// The server's row after a job changed, whether its record moved, and what is written with it. Nothing where
    /// the row stays as it is: time that passes is the job's alone.
    fn row_after(
        &self,
        row: &ServerRow,
        before: &Job,
        after: &Job,
        brought: &Brought<'_>,
        batch: &mut Batch,
    ) -> Option<(ServerRow, bool)> {
        let (summary, last_error) = (Some(after.summary()), after.failure.clone().map(without_log));
        if row.status.job == summary
            && row.status.last_error == last_error
            && after.phase != Phase::Complete
            && before.permit == after.permit
            && brought.disks.is_empty()
        {
            return None;
        }
        let mut row = row.clone();
        let mut moved = false;
        if after.permit.is_some() && before.permit.is_none() {
            row.status_mut().record = record::permit_granted(&row.status.record, brought.disks);
            moved = true;
        } else if !brought.disks.is_empty() && before.permit.is_none() {
            // A machine that was refused showed its disks: the next plan names those.
            let seen = record::disks_seen(&row.status.record, brought.disks);
            moved = seen != row.status.record;
            row.status_mut().record = seen;
        }
        row.status_mut().job = summary;
        row.status_mut().last_error = last_error;
        if before.phase != Phase::Complete && after.phase == Phase::Complete {
            row.status_mut().record = record::job_ended(&row.status.record, after);
            moved = true;
            crate::jobs::ended::settle(&mut row, after, self.now());
            batch.delete(Table::ActiveJobs, after.server.as_str());
            let mut control = self.world().control.clone();
            control.failures = control_failures(control.failures, after);
            rows::put(batch, Table::Control, "control", &control);
        }
        if moved {
            ledger::bump(batch);
        }
        rows::put_server(batch, &row);
        Some((row, moved))
    }

    /// Changes the switches, durably, one change after the other.
    pub(crate) async fn switch(&self, change: impl Fn(&mut ControlRow)) -> Result<(), ChangeError> {
        let _switching = self.switching.lock().await;
        let mut control = self.world().control.clone();
        change(&mut control);
        let mut batch = Batch::new();
        rows::put(&mut batch, Table::Control, "control", &control);
        self.commit("the switches", batch).await?;
        // Not replaced: 'only observe' may have been found out in the meantime.
        change(&mut self.world_mut().control);
        Ok(())
    }

    /// Moves the ledger's counter, durably, and nothing else: whoever has an older copy of the database is behind once
    /// this is published.
    pub(crate) async fn count_on(&self, what: &str) -> Result<(), ChangeError> {
        let mut batch = Batch::new();
        ledger::bump(&mut batch);
        self.commit(what, batch).await?;
        self.world_mut().ledger.counter += 1;
        Ok(())
    }

    /// Replaces a server's row. The caller holds its lock.
    pub(crate) async fn put_row(&self, row: ServerRow, record_moved: bool) -> Result<(), ChangeError> {
        let mut batch = Batch::new();
        rows::put_server(&mut batch, &row);
        if record_moved {
            ledger::bump(&mut batch);
        }
        self.commit(&row.status.name.clone(), batch).await?;
        let mut world = self.world_mut();
        if record_moved {
            world.ledger.counter += 1;
        }
        world.servers.put(Arc::new(row));
        drop(world);
        self.publish.notify_one();
        Ok(())
    }
}

fn control_failures(failures: u32, job: &Job) -> u32 {
    match job.outcome {
        Some(shoal_core::job::Outcome::Succeeded) => 0,
        _ => failures + 1,
    }
}

impl ChangeError {
    /// The disk of the database is full, which was said.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Commit { source, .. } if source.is_disk_full())
    }

    /// Says what was not kept, unless everything is not kept now.
    pub(crate) fn tell(&self, subject: &str, what: &'static str) {
        if self.is_disk_full() {
            tracing::debug!(subject, "{what}: the disk is full");
        } else {
            tracing::error!(subject, error = %chain(self), "{what}");
        }
    }
}

/// The status branch carries no logs.
pub(crate) fn without_log(mut error: LastError) -> LastError {
    error.log_tail = None;
    error
}
