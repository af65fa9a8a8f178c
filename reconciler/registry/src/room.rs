// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether there is room for what a client sends: quotas of repositories, and space that stays free.
//!
//! Asked before content is accepted, while it comes, and once more before it is kept. Content on its way
//! counts against its quotas as if it were there already; what finishes at the same time counts twice for a
//! moment. So a quota is never exceeded, and near its end an upload may be refused that would just have
//! fitted. What the repositories hold is estimated, and counted before anybody is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use serde_json::json;
use shoal_oci::{ErrorCode, RepositoryName};
use shoal_registry_storage::{Pattern, Storage};

use crate::policy::{MinFree, Policy};
use crate::respond::Rejection;

/// What is on its way, by quota.
#[derive(Debug, Default)]
pub(crate) struct Room {
    coming: Mutex<BTreeMap<String, u64>>,
}

/// The room that one upload takes. Given back when it is dropped.
pub(crate) struct Claim {
    room: Arc<Room>,
    storage: Storage,
    min_free: MinFree,
    quotas: Vec<Limit>,
    bytes: u64,
}

/// A quota that counts for an upload.
struct Limit {
    pattern: Pattern,
    name: String,
    max: u64,
    used: u64,
}

// === impl Room ===

impl Room {
    /// Claims room in a repository for `bytes` that are there already and `expected` more that were
    /// announced. Blocks.
    pub(crate) fn claim(
        self: &Arc<Self>,
        storage: &Storage,
        policy: &Policy,
        repository: &RepositoryName,
        bytes: u64,
        expected: u64,
    ) -> Result<Claim, Rejection> {
        let mut quotas = Vec::new();
        for quota in policy.quotas_of(repository) {
            let pattern = quota.repositories.clone();
            let used = storage.prefix_bytes_at_most(&pattern)?;
            quotas.push(Limit { name: pattern.as_str().to_owned(), pattern, max: quota.max.bytes(), used });
        }
        let (room, storage) = (Arc::clone(self), storage.clone());
        let mut claim = Claim { room, storage, min_free: policy.min_free, quotas, bytes: 0 };
        claim.free(expected)?;
        claim.take(bytes, expected)?;
        Ok(claim)
    }
}

// === impl Claim ===

impl Claim {
    /// Takes room for what just came. Blocks.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), Rejection> {
        self.free(0)?;
        self.take(bytes, 0)
    }

    /// Looks once more, before the content is kept. Blocks.
    pub(crate) fn settle(&mut self) -> Result<(), Rejection> {
        for limit in &mut self.quotas {
            limit.used = self.storage.prefix_bytes_at_most(&limit.pattern)?;
        }
        self.take(0, 0)
    }

    /// Whether so many bytes fit beside what stays free.
    fn free(&self, bytes: u64) -> Result<(), Rejection> {
        let (free, total) = self.storage.free_space()?;
        let min_free = self.min_free.bytes(total);
        if free < min_free.saturating_add(bytes) {
            return Err(Rejection::full(format!(
                "the registry's disk is nearly full: {} are free and {} stay free (minFree): delete images and \
                 run `shoal image gc`, or give it a larger disk",
                shown(free),
                shown(min_free),
            ))
            .with_detail(json!({"free": free, "minFree": min_free, "wanted": bytes})));
        }
        Ok(())
    }

    fn take(&mut self, bytes: u64, expected: u64) -> Result<(), Rejection> {
        if self.fit(bytes, expected).is_ok() {
            return Ok(());
        }
        for limit in &mut self.quotas {
            limit.used = self.storage.prefix_bytes(&limit.pattern)?;
        }
        self.fit(bytes, expected)
    }

    fn fit(&mut self, bytes: u64, expected: u64) -> Result<(), Rejection> {
        let mut coming = self.room.coming.lock().unwrap_or_else(PoisonError::into_inner);
        for limit in &self.quotas {
            let others = coming.get(&limit.name).copied().unwrap_or_default();
            let wanted = limit.used.saturating_add(others).saturating_add(bytes).saturating_add(expected);
            if wanted > limit.max {
                let message = format!(
                    "the quota of {} is used up: {} of {} are taken: delete images there and run \
                     `shoal image gc`, or raise the quota in the registry's policy",
                    limit.name,
                    shown(limit.used),
                    shown(limit.max),
                );
                let detail = json!({"repositories": limit.name, "max": limit.max, "used": limit.used});
                let rejection = Rejection::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message);
                return Err(rejection.with_detail(detail));
            }
        }
        for limit in &self.quotas {
            *coming.entry(limit.name.clone()).or_default() += bytes;
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut coming = self.room.coming.lock().unwrap_or_else(PoisonError::into_inner);
        for limit in &self.quotas {
            if let Some(bytes) = coming.get_mut(&limit.name) {
                *bytes = bytes.saturating_sub(self.bytes);
                if *bytes == 0 {
                    coming.remove(&limit.name);
                }
            }
        }
    }
}

/// A number of bytes for people: `1.5 GiB`.
fn shown(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shoal_oci::{Algorithm, Digest};
    use shoal_registry_storage::{Clock, Options};

    use super::*;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    #[test]
    fn what_is_on_its_way_counts_until_it_is_given_up() {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::open(root.path(), Options::new(Arc::new(Fixed))).unwrap();
        let policy = json!({"minFree": "0%", "quotas": [{"repositories": "small/*", "max": "1M"}]});
        let policy = Policy::from_value(policy).unwrap();
        let room = Arc::new(Room::default());
        let name = |text: &str| RepositoryName::parse(text).unwrap();
        let claim = |repository: &str, bytes| room.claim(&storage, &policy, &name(repository), bytes, 0);
        let mut first = claim("small/a", 600 << 10).unwrap();
        assert!(claim("small/b", 600 << 10).is_err());
        assert!(claim("large", 600 << 10).is_ok());
        let mut second = claim("small/b", 300 << 10).unwrap();
        assert!(second.grow(200 << 10).is_err());
        assert!(first.grow(124 << 10).is_ok(), "exactly the quota");
        assert!(second.grow(1).is_err());
        assert!(second.settle().is_ok(), "what was claimed fits");
        drop(first);
        assert!(second.grow(200 << 10).is_ok());
        drop(second);
        assert!(room.coming.lock().unwrap().is_empty());
    }

    #[test]
    fn nobody_is_refused_for_an_estimate_that_is_too_high() {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::open(root.path(), Options::new(Arc::new(Fixed))).unwrap();
        let policy = json!({"minFree": "0%", "quotas": [{"repositories": "*", "max": "1M"}]});
        let policy = Policy::from_value(policy).unwrap();
        let room = Arc::new(Room::default());
        let claim = |repository: &RepositoryName, bytes| room.claim(&storage, &policy, repository, bytes, 0);
        let content = vec![7; 600 << 10];
        let digest = Digest::of(Algorithm::Sha256, &content);
        let push = |repository: &RepositoryName| {
            let id = storage.begin(repository, Algorithm::Sha256).unwrap();
            let mut writer = storage.writer(repository, id).unwrap();
            writer.write(&content).unwrap();
            writer.finish(&digest).unwrap();
        };
        let [one, two] = ["a", "b"].map(|name| RepositoryName::parse(name).unwrap());
        drop(claim(&one, 0).unwrap());
        push(&one);
        push(&two);
        assert!(storage.prefix_bytes_at_most(&Pattern::all()).unwrap() > 1 << 20);
        assert!(claim(&one, 424 << 10).is_ok(), "it is there once");
        storage.delete_blob(&one, &digest).unwrap();
        storage.delete_blob(&two, &digest).unwrap();
        let mut rest = claim(&two, 1 << 20).unwrap();
        assert!(rest.grow(1).is_err());
        assert!(rest.settle().is_ok());
        push(&one);
        assert!(rest.settle().is_err(), "what came meanwhile");
    }

    #[test]
    fn sizes_are_shown_in_the_unit_that_people_think_in() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(shown(bytes), text);
        }
    }
}
