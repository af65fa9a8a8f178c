// SPDX-License-Identifier: AGPL-3.0-or-later
//! How a controller starts: the database, whose it is, what was under way.
//!
//! Expected flow: open the database → take the next epoch → compare the ledger with the status branch
//! → listen → read the inventory → take up active jobs → turn.
//!
//! Guarantees: before the comparison nothing is started and no permit is granted; an old copy of a
//! database, and an empty one beside a branch with records, take a new ledger id, so that every
//! approval in Git is void.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shoal_core::inventory::Inventory;
use shoal_core::job::Job;
use shoal_core::ledger::{LedgerVerdict, compare};
use shoal_schema::kinds::FleetSpec;
use shoal_store::{Batch, Table, ledger};
use shoal_tls::OwnCertificate;
use tokio::sync::OwnedMutexGuard;

use crate::controller::{Controller, Parts};
use crate::jobs::perform::chain;
use crate::keys::Keys;
use crate::known::KnownServers;
use crate::known_jobs::KnownJobs;
use crate::media::MediaShelf;
use crate::metrics::Metrics;
use crate::outside::{NoRandomness, Outside, Random, StatusBranch};
use crate::restored::{self, Marked, UnderWay};
use crate::rows::{self, ControlRow, ServerRow};
use crate::settings::Settings;
use crate::world::World;

/// The pause before the status branch is asked for again.
const BRANCH_PAUSE: Duration = Duration::from_secs(5);

/// The controller could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A directory cannot be made.
    #[error("cannot make the directory {path}")]
    Directory {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] shoal_store::OpenError),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] rows::RowError),
    /// The signing secret cannot be had.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    /// The certificate cannot be had.
    #[error(transparent)]
    Tls(#[from] shoal_tls::TlsError),
    /// The registry cannot be served.
    #[error("cannot serve the registry")]
    Registry(#[from] crate::registry::RegistryError),
    /// The maintenance ISO cannot be used.
    #[error(transparent)]
    Shelf(#[from] crate::media::ShelfError),
    /// The mirror cannot be opened.
    #[error(transparent)]
    Git(#[from] shoal_git::GitError),
    /// A metric cannot be registered.
    #[error("cannot register the metrics")]
    Metrics(#[source] prometheus::Error),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// A listener cannot be made.
    #[error(transparent)]
    Listen(#[from] shoal_http::listen::ListenError),
    /// TLS for notifications cannot be set up.
    #[error("cannot set up TLS for notifications")]
    Trust(#[from] shoal_tls::TrustError),
    /// The HTTP client for notifications cannot be made.
    #[error("cannot make the HTTP client for notifications")]
    Client(#[source] reqwest::Error),
}

/// Opens everything. Blocks.
pub(crate) fn open(settings: Settings) -> Result<Arc<Controller>, StartupError> {
    directory(&settings.storage_root)?;
    if let Some(parent) = settings.db_path.parent() {
        directory(parent)?;
    }
    let outside = Outside::real(&settings)?;
    open_in(settings, outside)
}

fn directory(path: &std::path::Path) -> Result<(), StartupError> {
    std::fs::create_dir_all(path).map_err(|source| StartupError::Directory { path: path.to_owned(), source })
}

/// Opens everything that is left, in a world that was handed in. Blocks.
pub(crate) fn open_in(settings: Settings, outside: Outside) -> Result<Arc<Controller>, StartupError> {
    let store = &*outside.store;
    ledger::open_or_create(store, random(&*outside.random)?)?;
    let ledger = ledger::next_epoch(store)?;
    let keys_dir = settings.storage_root.join("keys");
    directory(&keys_dir)?;
    let old = settings.old_signing_secret.clone();
    let keys = match &settings.signing_secret {
        Some(secret) => Keys::new(secret.clone(), old),
        None => Keys::kept(&keys_dir.join("signing.secret"), old)?,
    };
    let own_certificate = OwnCertificate::kept(&keys_dir)?;
    let metrics = Metrics::new().map_err(StartupError::Metrics)?;
    let media = MediaShelf::open(&settings.maintenance_iso)?;
    let mut world = World {
        counter_found: ledger.counter,
        incarnation_found: String::new(),
        ledger,
        inventory: Arc::new(Inventory::default()),
        protected: BTreeSet::new(),
        fleet: Arc::new(FleetSpec::default()),
        loaded: false,
        commit: None,
        commit_seen: None,
        refused: None,
        fetched_at: None,
        fetch_error: None,
        servers: KnownServers::default(),
        jobs: KnownJobs::default(),
        active: BTreeMap::new(),
        control: rows::get(store, Table::Control, "control")?.unwrap_or_default(),
        plan: None,
        turns: BTreeMap::new(),
        reconciled: false,
    };
    for (_, row) in rows::all::<ServerRow, _>(store, Table::Records)? {
        world.servers.put(Arc::new(row));
    }
    for (_, job) in rows::all::<Job, _>(store, Table::Jobs)? {
        world.set_job(Arc::new(job));
    }
    let pins = rows::all::<String, _>(store, Table::BmcPins)?.into_iter().collect();
    let incarnation = crate::hex::hex(&random(&*outside.random)?);
    Ok(Controller::new(Parts {
        settings,
        outside,
        keys,
        own_certificate,
        metrics,
        media,
        pins,
        world,
        incarnation,
    }))
}

fn random(random: &dyn Random) -> Result<[u8; 16], NoRandomness> {
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// Compares the database with the status branch and acts on it. Tries until the branch could be
/// asked for, or the controller stops.
pub(crate) async fn judge_ledger(controller: &Arc<Controller>) {
    let Some(repository) = controller.repository.clone() else { return };
    let branch = loop {
        let asked = Arc::clone(&repository);
        let answer = controller.blocking.run(move || asked.status()).await;
        match answer {
            Ok(Ok(branch)) => break branch,
            Ok(Err(error)) => {
                let error = chain(&error);
                tracing::warn!(error, "the status branch cannot be read; nothing is started before");
                controller.world_mut().fetch_error = Some(error);
            }
            Err(error) => tracing::error!(%error, "reading the status branch failed"),
        }
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(BRANCH_PAUSE) => {}
        }
    };
    let (own, empty) = {
        let world = controller.world();
        let known = world.servers.values().any(|row| row.status.record.number > 0);
        (world.ledger.clone(), !known && world.jobs.is_empty())
    };
    let shown = branch.as_ref().map(|branch| (branch.summary.ledger.clone(), branch.summary.counter));
    let verdict = compare(&own, shown, empty);
    if let Some(branch) = &branch {
        controller.world_mut().incarnation_found.clone_from(&branch.summary.incarnation);
    }
    match verdict {
        LedgerVerdict::Fresh | LedgerVerdict::InStep | LedgerVerdict::Ahead => {
            tracing::info!(?verdict, ledger = %own.id, counter = own.counter, "the database and the status branch agree");
            controller.world_mut().control.observe_only = false;
            if controller.world().control.restored {
                until_kept(controller, "what came after the backup", || {
                    learn_since(controller, branch.as_ref())
                })
                .await;
            }
        }
        LedgerVerdict::Foreign => {
            tracing::error!(
                database = %controller.settings.db_path.display(),
                ledger = %own.id,
                "the status branch is another database's: only observing until 'shoal takeover', or until the right database is in the place of this one"
            );
            controller.world_mut().control.observe_only = true;
        }
        LedgerVerdict::BehindOldCopy | LedgerVerdict::LostDatabase => {
            tracing::warn!(
                ?verdict,
                "this database is not what the branch tells of: a new ledger is taken, every approval in Git is void"
            );
            until_kept(controller, "a new ledger", || renew(controller, branch.as_ref())).await;
        }
    }
}

/// Tries until it is kept, or the controller stops: a disk that is full has room again some day, and before this nothing
/// is started.
async fn until_kept<F: Future<Output = Result<(), String>>>(
    controller: &Controller,
    what: &'static str,
    keep: impl Fn() -> F,
) {
    let mut said = None;
    while let Err(why) = keep().await {
        if said.as_ref() != Some(&why) {
            tracing::error!(why, "{what} cannot be kept, and nothing is started before; trying again");
            said = Some(why);
        }
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(BRANCH_PAUSE) => {}
        }
    }
}

/// Jobs of the process before are taken up once the branch names this one: a copy of this database that runs elsewhere,
/// with the very same jobs, finds that out at its next fetch. Tries until it could be published, or is not ours to do.
pub(crate) async fn claim(controller: &Arc<Controller>) {
    if controller.world().active.is_empty() || controller.world().control.observe_only {
        return;
    }
    let count_on =
        || async { controller.count_on("that jobs are taken up").await.map_err(|error| chain(&error)) };
    until_kept(controller, "that jobs are taken up", count_on).await;
    let publish = || async {
        let published = controller.fence().await;
        // It is another controller's: they are not taken up at all.
        if controller.world().control.observe_only { Ok(()) } else { published }
    };
    until_kept(controller, "on the status branch, that jobs are taken up", publish).await;
}

/// Takes over from the controller whose status the branch shows.
pub(crate) async fn take_over(controller: &Arc<Controller>) -> Result<(), String> {
    let Some(repository) = controller.repository.clone() else { return Ok(()) };
    // In this order: what is judged is what the mirror knows from here on.
    let read = move || {
        let stands = repository.status_files()?;
        Ok((stands, repository.status()?))
    };
    let read: Result<_, shoal_git::GitError> =
        controller.blocking.run(read).await.map_err(|error| error.to_string())?;
    let (stands, branch) = read.map_err(|error| chain(&error))?;
    // What this controller wrote there is not there any more. Nobody publishes as long as it only observes.
    controller.published.lock().await.files = stands.map(|stands| stands.files).unwrap_or_default();
    renew(controller, branch.as_ref()).await?;
    controller.world_mut().control.observe_only = false;
    controller.wake.notify_one();
    controller.publish.notify_one();
    Ok(())
}

/// A new ledger id; every record is marked as restored, with what the branch knows and we do not;
/// every job that seemed active is over: its tokens are dead.
async fn renew(controller: &Arc<Controller>, branch: Option<&StatusBranch>) -> Result<(), String> {
    // What is under way at any server must not write over what is written here.
    let _held = lock_all(controller, branch).await;
    let (mut servers, jobs, marked) = {
        let world = controller.world();
        (BTreeMap::clone(&world.servers), BTreeMap::clone(&world.jobs), world.control.restored)
    };
    let shown = branch.map(|branch| branch.summary.ledger.clone());
    let shown_servers = branch.map(|branch| branch.servers.clone()).unwrap_or_default();
    let under_way =
        UnderWay::of(jobs.values().map(|job| &**job), &shown_servers, controller.settings.budgets.result_ms);
    servers.extend(restored::newer(&servers, shown_servers, marked));
    let Marked { mut batch, servers, jobs, .. } = restored::mark(servers, jobs, &under_way, controller.now());
    let _switching = controller.switching.lock().await;
    let before = controller.world().control.clone();
    let control = ControlRow { failures: 0, observe_only: false, restored: false, ..before };
    rows::put(&mut batch, Table::Control, "control", &control);
    let store = Arc::clone(&controller.store);
    let random = random(&*controller.random).map_err(|error| error.to_string())?;
    let ledger = controller
        .blocking
        .run(move || ledger::renew(&*store, random, shown, batch))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| chain(&error))?;
    let mut world = controller.world_mut();
    world.counter_found = ledger.counter;
    world.ledger = ledger;
    world.servers = servers.into_values().collect();
    world.jobs = jobs.into_values().collect();
    world.active.clear();
    world.control = control;
    Ok(())
}

/// The locks of all servers that are known here, in Git or on the branch: in the order of their names, as whoever
/// takes two of them does.
async fn lock_all(controller: &Controller, branch: Option<&StatusBranch>) -> Vec<OwnedMutexGuard<()>> {
    let names: BTreeSet<String> = {
        let world = controller.world();
        let shown = branch.into_iter().flat_map(|branch| branch.servers.iter());
        let jobs = world.jobs.values().map(|job| job.server.clone());
        let known = world.servers.keys().chain(world.inventory.servers.keys()).cloned();
        known.chain(jobs).chain(shown.map(|(_, status)| status.name.clone())).collect()
    };
    let mut held = Vec::with_capacity(names.len());
    for name in names {
        held.push(controller.lock(&name).await);
    }
    held
}

/// A database out of a backup has its new ledger already. What happened after the backup it learns from the branch of
/// the database that it stands in for: a server that was installed since is no server that nobody has met.
async fn learn_since(controller: &Arc<Controller>, branch: Option<&StatusBranch>) -> Result<(), String> {
    let _switching = controller.switching.lock().await;
    let (own, control) = {
        let world = controller.world();
        (world.servers.clone(), ControlRow { restored: false, ..world.control.clone() })
    };
    let shown = branch.map(|branch| branch.servers.clone()).unwrap_or_default();
    let under_way = UnderWay::of([], &shown, controller.settings.budgets.result_ms);
    let mut learnt = restored::newer(&own, shown, true);
    // Known well enough, but for a job that came after the backup.
    let busy = own.iter().filter(|(name, _)| under_way.has(name.as_str()) && !learnt.contains_key(*name));
    let busy: Vec<_> = busy.map(|(name, row)| (name.clone(), Arc::clone(row))).collect();
    learnt.extend(busy);
    let now = controller.now();
    let newer: Vec<ServerRow> = learnt.values().map(|row| restored::restored(row, &under_way, now)).collect();
    tracing::warn!(
        servers = newer.len(),
        "this database was restored from a backup: the status branch told what it did not know"
    );
    let mut batch = Batch::new();
    for row in &newer {
        rows::put_server(&mut batch, row);
    }
    rows::put(&mut batch, Table::Control, "control", &control);
    ledger::bump(&mut batch);
    controller.commit("what came after the backup", batch).await.map_err(|error| chain(&error))?;
    let mut world = controller.world_mut();
    world.ledger.counter += 1;
    world.control.restored = false;
    for row in newer {
        world.servers.put(Arc::new(row));
    }
    Ok(())
}
