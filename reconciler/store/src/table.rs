// SPDX-License-Identifier: AGPL-3.0-or-later
//! The tables, and what stands in them.
//!
//! To add a table, add a line. A name is part of the file format: it is never given a new meaning.
//! Keys are the encodings of [`crate::typed::Key`], values versioned JSON records, unless a table
//! says otherwise.

use std::fmt;

macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A table of the store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Table {
            /// Every table. [`Table::Meta`] is the last: an import that was broken off leaves
            /// records without a ledger, which no controller starts on.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in the file, in exports and in messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

tables! {
    /// Server name → what the controller holds to be true of the machine.
    Records = "records",
    /// Server name → what was last seen through its BMC, with the time.
    Observations = "observations",
    /// Server name → fingerprint of a BMC that is trusted on first use.
    BmcPins = "bmc_pins",
    /// Job id → the job.
    Jobs = "jobs",
    /// Server name → id of its one active job.
    ActiveJobs = "active_jobs",
    /// (job id, number) → an event of the job.
    JobEvents = "job_events",
    /// (job id, number) → an effect: what was about to be done, and what came of it.
    Journal = "journal",
    /// SHA-256 of a job's token → job and attempt that it speaks for.
    Tokens = "tokens",
    /// (job id, attempt) → the permit that was granted or refused.
    Permits = "permits",
    /// SHA-256 of a capability → the medium that it opens, and its first read.
    Media = "media",
    /// (job id, delivery id) → a webhook that was taken.
    Deliveries = "deliveries",
    /// Idempotency key of the API → the job that it made.
    IdempotencyKeys = "idempotency_keys",
    /// Digest of a plan entry → the job that consumed its approval.
    ConsumedApprovals = "consumed_approvals",
    /// Plan id → what came of it, per server.
    AppliedPlans = "applied_plans",
    /// Path or name → the last good version of what Git says, and the accepted commit.
    Inventory = "inventory",
    /// Path on the status branch → digest of what was last published there.
    Published = "published",
    /// Number → a notification that is still to be delivered.
    Outbox = "outbox",
    /// Name → a switch that an operator set: pause, accepted revision, takeover.
    Control = "control",
    /// `ledger` → id and predecessor. `counter`, `epoch` → eight bytes, big-endian.
    Meta = "meta",
}

impl Table {
    /// The table of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|table| table.name() == name)
    }

    /// Its place in [`Table::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_lead_back_and_meta_is_the_last() {
        let names: BTreeSet<&str> = Table::ALL.iter().map(|table| table.name()).collect();
        assert_eq!(names.len(), Table::ALL.len());
        for (index, table) in Table::ALL.iter().enumerate() {
            assert_eq!(Table::by_name(table.name()), Some(*table));
            assert_eq!(table.index(), index);
        }
        assert_eq!(Table::ALL.last(), Some(&Table::Meta));
        assert_eq!(Table::by_name("no such table"), None);
    }
}
