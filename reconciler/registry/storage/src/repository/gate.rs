// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may change what at the same time: pushes among themselves, and pushes against the sweep.
//!
//! * Whatever makes content needed (a push, a mount, an existence check) holds the gate shared from
//!   the moment it looks until its links are durable, and notes what it found. The sweep holds the
//!   gate alone, for a bounded batch at a time, and takes what was noted as marked. So between "it is
//!   there" and "now it is linked" nothing disappears, and what was wanted while the collection ran
//!   is never removed by it, whatever the clock says.
//! * What changes one repository's manifests and tags is done one after the other, so that a tag
//!   cannot be pointed at a manifest that is being deleted, and an immutable tag is written once.
//!
//! Order: the gate first, then a repository's lock. Nobody takes the gate twice in one thread: a
//! waiting sweep lets no new holder in.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use shoal_oci::{Digest, RepositoryName};

/// How many locks the repositories share.
const STRIPES: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate {
    lock: RwLock<()>,
    collecting: AtomicBool,
    noted: Mutex<Noted>,
    /// One collection at a time.
    collector: Mutex<()>,
    repositories: [Mutex<()>; STRIPES],
}

/// What was wanted since a collection began, by repository.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(crate) manifests: BTreeSet<(RepositoryName, Digest)>,
    pub(crate) blobs: BTreeSet<(RepositoryName, Digest)>,
}

/// The gate held shared: nothing is removed until it is dropped.
pub(crate) struct Using<'a> {
    gate: &'a Gate,
    _held: RwLockReadGuard<'a, ()>,
}

/// The gate held alone: nobody makes anything needed until it is dropped.
pub(crate) struct Sweeping<'a> {
    gate: &'a Gate,
    _held: RwLockWriteGuard<'a, ()>,
}

/// A collection runs: what is wanted is noted until it is dropped.
pub(crate) struct Collecting<'a> {
    gate: &'a Gate,
    _only: MutexGuard<'a, ()>,
}

// === impl Gate ===

impl Default for Gate {
    fn default() -> Self {
        Self {
            lock: RwLock::default(),
            collecting: AtomicBool::new(false),
            noted: Mutex::default(),
            collector: Mutex::default(),
            repositories: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Gate {
    /// Enters to look and to link.
    pub(crate) fn using(&self) -> Using<'_> {
        Using { gate: self, _held: self.lock.read().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Enters to remove.
    pub(crate) fn sweeping(&self) -> Sweeping<'_> {
        Sweeping { gate: self, _held: self.lock.write().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Begins a collection; waits for one that runs. What was in the gate before is linked by the time
    /// this returns, what comes after is noted: a scan that begins now misses nothing.
    pub(crate) fn collecting(&self) -> Collecting<'_> {
        let only = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = self.sweeping();
        self.noted().clear();
        self.collecting.store(true, Ordering::SeqCst);
        drop(alone);
        Collecting { gate: self, _only: only }
    }

    /// Keeps others from changing the repository's manifests and tags.
    pub(crate) fn repository(&self, name: &RepositoryName) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let stripe = hasher.finish() as usize % STRIPES;
        self.repositories[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Using, Sweeping, Collecting, Noted ===

impl Using<'_> {
    /// The repository's blob is wanted.
    pub(crate) fn blob(&self, repository: &RepositoryName, digest: &Digest) {
        if self.gate.collecting.load(Ordering::SeqCst) {
            self.gate.noted().blobs.insert((repository.clone(), digest.clone()));
        }
    }

    /// The repository's manifest is wanted, with all that it names.
    pub(crate) fn manifest(&self, repository: &RepositoryName, digest: &Digest) {
        if self.gate.collecting.load(Ordering::SeqCst) {
            self.gate.noted().manifests.insert((repository.clone(), digest.clone()));
        }
    }
}

impl Sweeping<'_> {
    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Noted {
        std::mem::take(&mut self.gate.noted())
    }
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        self.gate.collecting.store(false, Ordering::SeqCst);
        self.gate.noted().clear();
    }
}

impl Noted {
    fn clear(&mut self) {
        self.manifests.clear();
        self.blobs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_oci::Algorithm;

    #[test]
    fn what_is_wanted_while_a_collection_runs_is_noted_and_forgotten_with_it() {
        let gate = Gate::default();
        let name = RepositoryName::parse("a").unwrap();
        let digest = Digest::of(Algorithm::Sha256, b"x");
        gate.using().blob(&name, &digest);
        let running = gate.collecting();
        assert!(gate.sweeping().take().blobs.is_empty());
        gate.using().blob(&name, &digest);
        gate.using().manifest(&name, &digest);
        let noted = gate.sweeping().take();
        assert_eq!((noted.blobs.len(), noted.manifests.len()), (1, 1));
        gate.using().blob(&name, &digest);
        drop(running);
        let _running = gate.collecting();
        assert!(gate.sweeping().take().blobs.is_empty());
    }

    #[test]
    fn a_sweep_waits_for_whoever_is_linking() {
        let gate = Gate::default();
        let order = Mutex::new(Vec::new());
        let using = gate.using();
        std::thread::scope(|scope| {
            let sweep = scope.spawn(|| {
                let _alone = gate.sweeping();
                order.lock().unwrap().push("swept");
            });
            order.lock().unwrap().push("linked");
            drop(using);
            sweep.join().unwrap();
        });
        assert_eq!(*order.lock().unwrap(), ["linked", "swept"]);
    }
}
