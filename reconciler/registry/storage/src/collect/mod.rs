// SPDX-License-Identifier: AGPL-3.0-or-later
//! Garbage collection: what nobody needs is put away, and deleted later.
//!
//! Expected flow: scan and mark while everybody works (`mark`), list what is not marked (`plan`),
//! then take that out in small batches, each alone and each looked at again (`sweep`). What was
//! taken out lies in quarantine, from where [`Storage::restore()`] brings it back, and is deleted by a
//! later run.
//!
//! Guarantees
//! * Kept is: what a tag names, after retention; what the given roots name, in every repository and also
//!   in none; what was pushed or used within the grace; what refers to anything kept; and everything that
//!   any of these reach. Uploads are not touched.
//! * What is wanted while a collection runs (pushed, mounted, asked for) is not taken out by it,
//!   whatever the clock says. Time that runs backwards makes nothing older.
//! * If a manifest that must be kept cannot be read, or a tag, everything in its repository is kept with what it
//!   reaches, and the report names it; other repositories are collected all the same.
//! * A run that finds the clock days ahead of the last one treats everything as young; the next is as usual.
//! * A dry run lists what the real run would do; with nobody else at work, exactly that.
//! * A crash at any point leaves every tag whole: records of manifests go before what they name.

mod mark;
mod plan;
mod report;
mod restore;
mod retention;
mod shelf;
mod sweep;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shoal_oci::{Digest, RepositoryName};

use self::mark::World;
use crate::{Pattern, Storage, StorageError};

pub use self::report::{
    CollectProgress, CollectStage, Collected, CollectedRow, Damaged, Item, KeptContent, Reason,
};

/// What a collection keeps.
#[derive(Clone, Debug, Default)]
pub struct CollectRules {
    /// What was pushed or used within this time stays. With zero nothing is young.
    pub grace: Duration,
    /// What was taken out is deleted after this time. With zero it is deleted at once.
    pub quarantine: Duration,
    /// How many tags repositories keep. The first rule that fits a repository counts; without one all
    /// tags are kept.
    pub retention: Vec<Retention>,
    /// What must stay whatever the tags say.
    pub roots: Roots,
    /// Change nothing, only list.
    pub dry_run: bool,
}

/// How many tags repositories keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Which repositories.
    pub repositories: Pattern,
    /// So many of the tags pushed last, in each repository; `None`: all of them.
    pub keep_last: Option<u32>,
}

/// What the rest of the system needs: images of the inventory and of running jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// Manifests or blobs.
    pub digests: BTreeSet<Digest>,
}

impl Storage {
    /// Takes out what nobody needs; see the [module](crate::collect). One collection runs at a time, a
    /// second call waits.
    ///
    /// # Errors
    /// Those of the disk: what was taken out until then is in quarantine, and the next run goes on.
    pub fn collect(
        &self,
        rules: &CollectRules,
        progress: &mut dyn FnMut(CollectProgress),
    ) -> Result<Collected, StorageError> {
        let _running = self.gate().collecting();
        let started = self.now();
        let postponed = self.clock_jumped("collect", rules.dry_run);
        let patient = CollectRules {
            grace: Duration::MAX,
            quarantine: Duration::MAX,
            retention: Vec::new(),
            ..rules.clone()
        };
        let rules = if postponed { &patient } else { rules };
        let mut world = World::scan(self, rules, started, progress)?;
        world.mark_all(rules, progress)?;
        let plan = plan::plan(&world, rules)?;
        let collected = sweep::carry_out(&mut world, plan, rules, progress);
        self.count_again();
        Ok(Collected { postponed, ..collected? })
    }
}

impl CollectRules {
    /// How many tags the repository keeps.
    fn keep_last(&self, repository: &RepositoryName) -> Option<u32> {
        self.retention.iter().find(|rule| rule.repositories.matches(repository))?.keep_last
    }

    /// Whether something used at `used` is within the grace. A time in the future is.
    fn is_young(&self, now: Timestamp, used: Timestamp) -> bool {
        !self.grace.is_zero() && !is_past(now, used, self.grace)
    }
}

/// Whether at least `span` has passed since `since`. Nothing has since a time in the future.
fn is_past(now: Timestamp, since: Timestamp, span: Duration) -> bool {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.duration_since(since) >= span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_old_that_is_in_the_future_unless_nothing_is_young() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + SignedDuration::from_secs(5);
        let rules = |secs| CollectRules { grace: Duration::from_secs(secs), ..CollectRules::default() };
        assert!(rules(1).is_young(now, later));
        assert!(rules(6).is_young(later, now));
        assert!(!rules(5).is_young(later, now));
        assert!(!rules(0).is_young(now, later));
        assert!(rules(u64::MAX).is_young(later, now));
    }
}
