// SPDX-License-Identifier: AGPL-3.0-or-later
//! The verdict: named facts about the evidence, each of which holds or does not.
//!
//! Guarantees: pure. Every fact of [`FACTS`] is judged, whatever the others say; a test sabotages each
//! of them.

mod api;
mod disks;
mod git;
mod machines;
mod story;

#[cfg(test)]
pub(crate) mod sabotage;
#[cfg(test)]
mod sample;

use serde::Serialize;

use super::evidence::Evidence;

/// One thing that must be so.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    /// What must be so.
    pub(crate) name: &'static str,
    /// Where it was read.
    pub(crate) source: &'static str,
    /// What was found, for people.
    pub(crate) evidence: String,
    /// Whether it is so.
    pub(crate) holds: bool,
}

/// What a check says: what was found where all is well, else what is wrong.
type Found = Result<String, String>;

/// A fact's name, where it is read, and how it is judged.
struct Check {
    name: &'static str,
    source: &'static str,
    judge: fn(&Evidence) -> Found,
}

/// Every fact, in the order in which they are shown.
const FACTS: &[&[Check]] = &[story::FACTS, git::FACTS, api::FACTS, machines::FACTS, disks::FACTS];

/// Judges every fact.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Fact> {
    let checks = FACTS.iter().flat_map(|facts| facts.iter());
    let fact = |check: &Check| {
        let found = (check.judge)(evidence);
        let holds = found.is_ok();
        let text = found.unwrap_or_else(|wrong| wrong);
        Fact { name: check.name, source: check.source, evidence: text, holds }
    };
    checks.map(fact).collect()
}

/// All wrong things in one text, or what was found.
fn all(wrong: Vec<String>, found: impl FnOnce() -> String) -> Found {
    if wrong.is_empty() { Ok(found()) } else { Err(wrong.join("; ")) }
}
