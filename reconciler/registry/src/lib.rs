// SPDX-License-Identifier: AGPL-3.0-or-later
//! The OCI Distribution service over HTTP (distribution-spec 1.1 and what was added since): routes, access,
//! quotas, metrics, maintenance.
//!
//! Expected flow: open a [`Storage`], make a [`Registry`] of it, serve [`Registry::router()`] on a listener
//! of `shoal-http`, and keep [`Registry::maintain()`] running beside it.
//!
//! Guarantees:
//! * What a client was told is stored (201) is durable, and served with its exact bytes or not at all.
//! * Memory does not depend on the size of blobs; manifests on their way in share a fixed amount.
//! * Who may not see a repository cannot tell whether it exists.
//! * A change that began is carried to its end, also where the client hangs up.
//!
//! Assumptions: one process has the storage open; TLS, where there is any, is the listener's matter.

pub mod access;
pub mod admin;
pub mod api;
pub mod audit;
mod blob_body;
mod body;
mod error;
pub mod maintain;
pub mod metrics;
mod pace;
mod path;
pub mod policy;
mod respond;
mod room;
mod service;

pub use access::{Access, Caller, JobAccess, JobTokens, LineFault, Refusal, RegistryAuth, Users, UsersError};
pub use admin::Administrator;
pub use maintain::RootsSource;
pub use metrics::RegistryMetrics;
pub use policy::{Policy, PolicyError};

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use shoal_registry_storage::{Clock, Storage};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::maintain::Maintenance;
use crate::room::Room;

/// Memory for manifests on their way in, in KiB; a single one may have all of it.
const MANIFEST_MEMORY: u32 = 64 << 10;

/// What a registry is made of, besides its storage.
pub struct RegistryConfig {
    /// What the operator decided.
    pub policy: Policy,
    /// Whom the registry lets in.
    pub auth: RegistryAuth,
    /// Knows the tokens of jobs, where there are jobs.
    pub tokens: Option<Arc<dyn JobTokens>>,
    /// Where the time comes from: the storage's clock.
    pub clock: Arc<dyn Clock>,
    /// Knows what must never be collected.
    pub roots: Arc<dyn RootsSource>,
    /// Where it counts.
    pub metrics: RegistryMetrics,
    /// How patient it is.
    pub patience: Patience,
}

/// How long the registry waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A client may send nothing for so long in the middle of a body. In each such period at least 64 KiB come,
    /// or the rest of the body.
    pub idle: Duration,
    /// A request waits so long for its turn where many push at once.
    pub turn: Duration,
}

/// A registry. Cheap to clone: all clones are the same one.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) storage: Storage,
    pub(crate) access: Access,
    pub(crate) metrics: RegistryMetrics,
    pub(crate) room: Arc<Room>,
    pub(crate) patience: Patience,
    pub(crate) maintenance: Maintenance,
    /// Requests that change something, until their end.
    pub(crate) tasks: TaskTracker,
    /// Turns to receive an upload. Exchanged where the policy has another number.
    turns: RwLock<(u32, Arc<Semaphore>)>,
    /// KiB of memory for manifests on their way in.
    pub(crate) manifests: Arc<Semaphore>,
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), turn: Duration::from_secs(30) }
    }
}

// === impl Registry ===

impl Registry {
    /// A registry on a storage.
    pub fn new(storage: Storage, config: RegistryConfig) -> Self {
        let RegistryConfig { policy, auth, tokens, clock, roots, metrics, patience } = config;
        let uploads = policy.uploads;
        let inner = Inner {
            access: Access::new(auth, policy, tokens, metrics.clone()),
            maintenance: Maintenance::new(clock, roots),
            storage,
            metrics,
            room: Arc::default(),
            patience,
            tasks: TaskTracker::new(),
            turns: RwLock::new((uploads, Arc::new(Semaphore::new(uploads as usize)))),
            manifests: Arc::new(Semaphore::new(MANIFEST_MEMORY as usize)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Exchanges accounts and policy. Uploads that are under way go on under the old ones.
    pub fn replace(&self, auth: RegistryAuth, policy: Policy) {
        let uploads = policy.uploads;
        self.inner.access.replace(auth, policy);
        let mut turns = self.inner.turns.write().unwrap_or_else(PoisonError::into_inner);
        if turns.0 != uploads {
            *turns = (uploads, Arc::new(Semaphore::new(uploads as usize)));
        }
    }

    /// The storage below.
    pub fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    /// `/v2/…`, the distribution API.
    pub fn router(&self) -> axum::Router {
        service::router(self.clone())
    }

    /// Waits for changes that are under way. To be called once the listener takes no more requests.
    pub async fn settled(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    /// Turns to receive an upload.
    pub(crate) fn turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turns.read().unwrap_or_else(PoisonError::into_inner).1)
    }
}
