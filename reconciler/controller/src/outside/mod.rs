// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the controller needs of the world outside: database, repository, BMCs, randomness, threads.
//!
//! Guarantees: beside the clocks, nothing of the world gets into the controller by another way, so that
//! a simulation can stand in its place and a run can be repeated from its seed. HTTP comes in by the
//! routers.

mod bmc;
mod repository;
mod tasks;

use std::panic::resume_unwind;
use std::sync::Arc;

use shoal_store::{Opening, RedbStore, Store};
use tokio_util::sync::CancellationToken;

pub use bmc::{BmcDoor, RedfishDoor};
pub use repository::{Judge, MirrorRepository, Repository, StatusBranch, StatusFiles, StatusNow};
pub use tasks::Tasks;

use crate::settings::{Settings, Source};
use crate::startup::StartupError;

/// What the controller needs of the world outside.
pub struct Outside {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The repository; nothing where a plain directory is read.
    pub repository: Option<Arc<dyn Repository>>,
    /// The way to BMCs.
    pub bmcs: Arc<dyn BmcDoor>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where work is done that blocks.
    pub blocking: Blocking,
    /// Once cancelled, everything that runs stops where it stands, as in a crash.
    pub power: CancellationToken,
    /// Sends notifications; nothing where none are sent.
    pub http: Option<reqwest::Client>,
}

impl Outside {
    /// The world as it is. Opens the database and the mirror. Blocks.
    pub(crate) fn real(settings: &Settings) -> Result<Self, StartupError> {
        let made_by = format!("shoal {}", settings.version);
        let opening = Opening::new(&made_by, settings.clock.now());
        let store: Arc<dyn Store> = Arc::new(RedbStore::open(&settings.db_path, &opening)?);
        let repository: Option<Arc<dyn Repository>> = match &settings.source {
            Source::Directory(_) => None,
            Source::Git { url, branch, credential } => {
                let mirror = settings.storage_root.join("mirror.git");
                Some(Arc::new(MirrorRepository::open(&mirror, url, branch.clone(), credential)?))
            }
        };
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(crate::notify::system_tls()?)
            .build()
            .map_err(StartupError::Client)?;
        Ok(Self {
            store,
            repository,
            bmcs: Arc::new(RedfishDoor::default()),
            random: Arc::new(SystemRandom),
            blocking: Blocking::Pool,
            power: CancellationToken::new(),
            http: Some(http),
        })
    }
}

/// Randomness.
pub trait Random: Send + Sync {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// There was no randomness to be had.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// The operating system's randomness.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// The nice value of those who go behind: a third of another's share.
const BEHIND: i32 = 5;

/// Where work is done that blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// On threads of its own.
    Pool,
    /// At once, where the caller is: in a simulation, where nothing takes any time.
    Inline,
}

impl Blocking {
    /// Does it. The error is that of a task that panicked.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        match self {
            Self::Pool => tokio::task::spawn_blocking(work).await,
            Self::Inline => Ok(work()),
        }
    }

    /// Does it, and lets everybody else go first where there are more who want a processor than processors: much work
    /// at once, beside which machines get their answers (docs/adr/0028).
    pub async fn run_behind<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        match self {
            Self::Pool => {
                let behind = move || {
                    // Of this thread alone (setpriority(2), "C library/kernel differences").
                    let _ = rustix::process::setpriority_process(None, BEHIND);
                    work()
                };
                // A thread of its own, which ends with the work: who has stepped back may not step forward again.
                let wait = || std::thread::spawn(behind).join().unwrap_or_else(|panic| resume_unwind(panic));
                tokio::task::spawn_blocking(wait).await
            }
            Self::Inline => Ok(work()),
        }
    }
}
