// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which database this is, and whether it is the one that the status branch tells of.
//!
//! A database gets a random ledger id when it is made, and a counter that grows with every change
//! of its records. Both are published on the status branch. [`compare`] tells an intact database
//! from an old copy, a lost one and somebody else's.
//!
//! Guarantees: pure. What is not clearly ours and up to date never comes out as such.
//! Assumptions: nobody forges the branch to our disadvantage further than stopping us: a
//! forged branch can void approvals or hold us, and can never make us install.
//! What it does not do: it does not act. On [`LedgerVerdict::takes_new_ledger`] the controller
//! takes a new ledger id (every approval in Git is void with that), marks its records as restored
//! and says so; on [`LedgerVerdict::observes_only`] it waits for `shoal takeover`.

use serde::{Deserialize, Serialize};
use shoal_schema::LedgerId;

use crate::mistake::Mistake;

/// The identity of a database, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Drawn when the database was made, or when it stopped trusting its past.
    pub id: LedgerId,
    /// Grows with every change of the records; never falls.
    pub counter: u64,
    /// The incarnation of the controller: grows with every start. Every effect carries it, and
    /// whoever receives an effect refuses lower ones.
    pub epoch: u64,
    /// The ledger that this one stands in for. The branch may show it until the first
    /// publication: a crash in between must not turn the branch into somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<LedgerId>,
}

/// What the comparison with the status branch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerVerdict {
    /// No database before, and no branch: the first start of all.
    Fresh,
    /// The branch shows exactly what the database holds.
    InStep,
    /// The branch lags behind: something was not yet published, the branch is gone, or it still
    /// shows the ledger that ours replaces. It is published again.
    Ahead,
    /// The branch knows more than the database of the same ledger: this is an old copy.
    BehindOldCopy,
    /// The database is empty and the branch is another's: ours was lost.
    LostDatabase,
    /// The database holds records and the branch is another's: two of us.
    Foreign,
}

impl LedgerVerdict {
    /// The past of this database cannot be trusted: a new ledger id, records marked as restored.
    pub fn takes_new_ledger(self) -> bool {
        match self {
            Self::BehindOldCopy | Self::LostDatabase => true,
            Self::Fresh | Self::InStep | Self::Ahead | Self::Foreign => false,
        }
    }

    /// Nothing may be changed, on machines or on the branch, until `shoal takeover`.
    pub fn observes_only(self) -> bool {
        match self {
            Self::Foreign => true,
            Self::Fresh | Self::InStep | Self::Ahead | Self::BehindOldCopy | Self::LostDatabase => false,
        }
    }
}

/// Compares a database with the `(ledger, counter)` that the status branch shows, `None` where
/// there is no branch. `own_is_empty`: the database holds no record of any server.
pub fn compare(own: &Ledger, branch: Option<(LedgerId, u64)>, own_is_empty: bool) -> LedgerVerdict {
    let Some((id, counter)) = branch else {
        return if own_is_empty { LedgerVerdict::Fresh } else { LedgerVerdict::Ahead };
    };
    if Mistake::FenceIsIgnored.is_made() {
        return LedgerVerdict::InStep;
    }
    if id == own.id {
        return match own.counter.cmp(&counter) {
            std::cmp::Ordering::Less => LedgerVerdict::BehindOldCopy,
            std::cmp::Ordering::Equal => LedgerVerdict::InStep,
            std::cmp::Ordering::Greater => LedgerVerdict::Ahead,
        };
    }
    if own.replaces.as_ref() == Some(&id) {
        return LedgerVerdict::Ahead;
    }
    if own_is_empty { LedgerVerdict::LostDatabase } else { LedgerVerdict::Foreign }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(byte: u8) -> LedgerId {
        LedgerId::from_bytes([byte; 16])
    }

    fn own(counter: u64) -> Ledger {
        Ledger { id: id(1), counter, epoch: 1, replaces: None }
    }

    #[test]
    fn without_a_branch_an_empty_database_is_fresh_and_a_full_one_publishes() {
        assert_eq!(compare(&own(0), None, true), LedgerVerdict::Fresh);
        assert_eq!(compare(&own(7), None, false), LedgerVerdict::Ahead);
    }

    #[test]
    fn the_own_ledger_is_judged_by_its_counter() {
        for empty in [true, false] {
            assert_eq!(compare(&own(7), Some((id(1), 7)), empty), LedgerVerdict::InStep);
            assert_eq!(compare(&own(8), Some((id(1), 7)), empty), LedgerVerdict::Ahead);
            assert_eq!(compare(&own(6), Some((id(1), 7)), empty), LedgerVerdict::BehindOldCopy);
        }
    }

    #[test]
    fn an_empty_database_beside_the_branch_of_another_is_a_loss() {
        let verdict = compare(&own(0), Some((id(2), 40)), true);
        assert_eq!(verdict, LedgerVerdict::LostDatabase);
        assert!(verdict.takes_new_ledger() && !verdict.observes_only());
    }

    #[test]
    fn a_database_with_records_beside_the_branch_of_another_only_observes() {
        for counter in [0, 1, u64::MAX] {
            let verdict = compare(&own(3), Some((id(2), counter)), false);
            assert_eq!(verdict, LedgerVerdict::Foreign);
            assert!(verdict.observes_only() && !verdict.takes_new_ledger());
        }
    }

    #[test]
    fn a_crash_between_the_new_ledger_and_its_publication_does_not_make_the_branch_foreign() {
        let renewed = Ledger { replaces: Some(id(2)), ..own(5) };
        for empty in [true, false] {
            assert_eq!(compare(&renewed, Some((id(2), 40)), empty), LedgerVerdict::Ahead);
        }
        assert_eq!(compare(&renewed, Some((id(3), 40)), false), LedgerVerdict::Foreign);
    }

    proptest! {
        #[test]
        fn nothing_but_the_own_or_the_replaced_ledger_is_ever_published_over(
            own_id in 0u8..4, branch_id in 0u8..4, replaced in proptest::option::of(0u8..4),
            own_counter in 0u64..5, branch_counter in 0u64..5, empty: bool,
        ) {
            let ledger = Ledger { id: id(own_id), counter: own_counter, epoch: 1, replaces: replaced.map(id) };
            let verdict = compare(&ledger, Some((id(branch_id), branch_counter)), empty);
            let ours = own_id == branch_id || replaced == Some(branch_id);
            let publishes = matches!(verdict, LedgerVerdict::InStep | LedgerVerdict::Ahead | LedgerVerdict::Fresh);
            if !ours {
                prop_assert!(!publishes, "{verdict:?}");
                prop_assert_eq!(verdict.takes_new_ledger(), empty);
            }
            if own_id == branch_id {
                prop_assert_eq!(verdict == LedgerVerdict::BehindOldCopy, own_counter < branch_counter);
            }
            prop_assert!(!(verdict.takes_new_ledger() && verdict.observes_only()));
        }
    }
}
