// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may write the status branch: one controller on one database. Another one is found out here, before a job
//! of it touches anything.

use shoal_core::ledger::Ledger;
use shoal_core::mistake::Mistake;
use shoal_schema::status::StatusSummary;

/// The branch is another database's, or another copy of this one writes to it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Foreign(String);

/// Who writes to the branch.
pub(crate) struct Own {
    /// The database.
    pub(crate) ledger: Ledger,
    /// Its counter when this process came to it.
    pub(crate) found: u64,
    /// This process.
    pub(crate) incarnation: String,
}

impl Own {
    /// Another writer moved the branch: only an older state of this very database may be written over. What this
    /// process found when it started is older; what came since, only this process can have written.
    pub(crate) fn judge_tip(&self, summary: Option<&StatusSummary>) -> Result<(), shoal_git::Refuse> {
        let Self { ledger, found, incarnation } = self;
        let Some(summary) = summary.filter(|_| !Mistake::FenceIsIgnored.is_made()) else { return Ok(()) };
        let ours = summary.ledger == ledger.id || ledger.replaces.as_ref() == Some(&summary.ledger);
        if !ours {
            let message =
                format!("the branch belongs to ledger {}, this database is {}", summary.ledger, ledger.id);
            return Err(Box::new(Foreign(message)));
        }
        let newer = summary.counter > ledger.counter;
        let anothers = summary.counter > *found && summary.incarnation != *incarnation;
        if summary.ledger == ledger.id && (newer || anothers) {
            let message = format!(
                "another copy of this database wrote counter {} where this one is at {}",
                summary.counter, ledger.counter
            );
            return Err(Box::new(Foreign(message)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use shoal_schema::LedgerId;

    use super::*;

    fn own(found: u64, counter: u64) -> Own {
        let ledger = Ledger { id: LedgerId::from_bytes([1; 16]), counter, epoch: 3, replaces: None };
        Own { ledger, found, incarnation: "mine".to_owned() }
    }

    fn summary(ledger: u8, counter: u64, incarnation: &str) -> StatusSummary {
        let text = serde_json::json!({
            "apiVersion": "shoal.dev/v1", "ledger": LedgerId::from_bytes([ledger; 16]), "counter": counter,
            "writer": "shoal test", "incarnation": incarnation, "counts": {},
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_copy_that_went_as_far_as_this_database_is_found_out() {
        // Both were copied at 10, and each started a job of its own.
        let refused = own(10, 11).judge_tip(Some(&summary(1, 11, "the copy's"))).unwrap_err();
        assert!(refused.to_string().contains("wrote counter 11 where this one is at 11"), "{refused}");
        own(10, 12).judge_tip(Some(&summary(1, 11, "the copy's"))).unwrap_err();
        own(10, 10).judge_tip(Some(&summary(1, 11, "the copy's"))).unwrap_err();
    }

    #[test]
    fn what_this_process_wrote_and_what_it_found_is_written_over() {
        // A push whose answer was lost.
        own(10, 11).judge_tip(Some(&summary(1, 11, "mine"))).unwrap();
        // Somebody put the branch back, or the process before pushed late.
        own(10, 11).judge_tip(Some(&summary(1, 10, "of the process before"))).unwrap();
        own(10, 11).judge_tip(Some(&summary(1, 4, ""))).unwrap();
        own(10, 11).judge_tip(None).unwrap();
    }

    #[test]
    fn another_database_is_written_over_only_where_this_one_stands_in_for_it() {
        own(10, 11).judge_tip(Some(&summary(2, 1, "mine"))).unwrap_err();
        let mut own = own(0, 1);
        own.ledger.replaces = Some(LedgerId::from_bytes([2; 16]));
        own.judge_tip(Some(&summary(2, 40, "of the process before"))).unwrap();
    }
}
