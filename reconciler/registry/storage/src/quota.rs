// SPDX-License-Identifier: AGPL-3.0-or-later
//! How much the repositories of a pattern hold, without counting it for every upload.
//!
//! Counting walks all of those repositories. What was counted last stays known, and whatever comes after that
//! is added; what goes is not taken off, and what two repositories have is added twice. So the estimate is
//! never below what there is, and whoever is about to refuse something for it counts first.
//!
//! Guarantee: an estimate that went wrong, whatever the reason, is forgotten with the next collection, and
//! after some minutes in any case.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use shoal_oci::{Digest, RepositoryName};

use crate::layout::Place;
use crate::{Pattern, Storage, StorageError};

/// An estimate is used for so long.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Estimates of more patterns than any policy has are not kept.
const PATTERNS: usize = 1024;

/// What was counted, by pattern.
#[derive(Debug, Default)]
pub(crate) struct Estimates {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often everything was forgotten. What was being counted then is not kept.
    forgotten: u64,
    patterns: HashMap<Pattern, Estimate>,
}

/// What is known of one pattern.
#[derive(Debug, Default)]
struct Estimate {
    /// When it was counted, what there was, and what had been added by then.
    counted: Option<(Timestamp, u64, u64)>,
    /// Everything that came since the storage was opened.
    added: u64,
}

impl Storage {
    /// Bytes of all content that the repositories of a pattern have, each content once: what a quota
    /// limits. Counted: it takes time where there is much.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn prefix_bytes(&self, pattern: &Pattern) -> Result<u64, StorageError> {
        let before = self.inner.estimates.begin(pattern);
        let bytes = self.count(pattern)?;
        if let Some(before) = before {
            self.inner.estimates.end(pattern, before, self.now(), bytes);
        }
        Ok(bytes)
    }

    /// The same without counting each time: at least as much as there is, and more where content went or
    /// came twice during the last minutes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn prefix_bytes_at_most(&self, pattern: &Pattern) -> Result<u64, StorageError> {
        match self.inner.estimates.get(pattern, self.now()) {
            Some(bytes) => Ok(bytes),
            None => self.prefix_bytes(pattern),
        }
    }

    /// Adds to the estimates what a repository just got. To be called once it can be seen there, whatever
    /// happens then: whoever counted before that has missed it.
    pub(crate) fn came(&self, repository: &RepositoryName, bytes: u64) {
        for (_, estimate) in
            self.inner.estimates.state().patterns.iter_mut().filter(|of| of.0.matches(repository))
        {
            estimate.added = estimate.added.saturating_add(bytes);
        }
    }

    /// Forgets the estimates: much has changed.
    pub(crate) fn count_again(&self) {
        let mut state = self.inner.estimates.state();
        state.forgotten += 1;
        for estimate in state.patterns.values_mut() {
            estimate.counted = None;
        }
    }

    fn count(&self, pattern: &Pattern) -> Result<u64, StorageError> {
        let mut sizes: BTreeMap<Digest, u64> = BTreeMap::new();
        for repository in self.repositories()?.iter().filter(|repository| pattern.matches(repository)) {
            let blobs = self.digests(|algorithm| Place::links(repository, algorithm))?;
            let manifests = self.digests(|algorithm| Place::manifests(repository, algorithm))?;
            for digest in blobs.into_iter().chain(manifests) {
                if let Entry::Vacant(size) = sizes.entry(digest) {
                    let known = self.size_of(size.key())?;
                    size.insert(known);
                }
            }
        }
        Ok(sizes.values().sum())
    }
}

// === impl Estimates ===

impl Estimates {
    /// Before something is counted: what to hand to [`Estimates::end()`].
    fn begin(&self, pattern: &Pattern) -> Option<(u64, u64)> {
        let mut state = self.state();
        let forgotten = state.forgotten;
        if !state.patterns.contains_key(pattern) && state.patterns.len() >= PATTERNS {
            return None;
        }
        Some((forgotten, state.patterns.entry(pattern.clone()).or_default().added))
    }

    /// Keeps what was counted. What came meanwhile counts beside it: nobody knows whether it was seen.
    fn end(&self, pattern: &Pattern, (forgotten, added): (u64, u64), when: Timestamp, bytes: u64) {
        let mut state = self.state();
        if state.forgotten == forgotten
            && let Some(estimate) = state.patterns.get_mut(pattern)
        {
            estimate.counted = Some((when, bytes, added));
        }
    }

    fn get(&self, pattern: &Pattern, now: Timestamp) -> Option<u64> {
        let state = self.state();
        let estimate = state.patterns.get(pattern)?;
        let (when, bytes, added) = estimate.counted?;
        // A time in the future: the clock was turned back.
        let is_fresh = now.duration_since(when).abs() < FRESH;
        is_fresh.then(|| bytes.saturating_add(estimate.added.saturating_sub(added)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_it_is_counted_counts_and_what_is_forgotten_meanwhile_is_not_kept() {
        let (estimates, all) = (Estimates::default(), Pattern::all());
        let now = Timestamp::UNIX_EPOCH;
        let add = |bytes| estimates.state().patterns.get_mut(&all).unwrap().added += bytes;
        assert_eq!(estimates.get(&all, now), None);
        let before = estimates.begin(&all).unwrap();
        add(5);
        estimates.end(&all, before, now, 100);
        add(7);
        assert_eq!(estimates.get(&all, now), Some(112));
        assert_eq!(estimates.get(&all, now + FRESH), None);
        assert_eq!(estimates.get(&all, now - FRESH), None);
        let before = estimates.begin(&all).unwrap();
        estimates.state().forgotten += 1;
        estimates.end(&all, before, now + FRESH, 100);
        assert_eq!(estimates.get(&all, now + FRESH), None);
    }

    #[test]
    fn more_patterns_than_there_can_be_are_not_remembered() {
        let estimates = Estimates::default();
        let pattern = |number: usize| Pattern::parse(&format!("p{number}/*")).unwrap();
        assert!((0..PATTERNS).all(|number| estimates.begin(&pattern(number)).is_some()));
        assert_eq!(estimates.begin(&pattern(PATTERNS)), None);
        assert_eq!(estimates.begin(&pattern(0)), Some((0, 0)));
    }
}
