// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan's id: a digest over the seals of its entries and over everything else in it.
//!
//! An entry's seal is the SHA-256 of its canonical JSON. The id is the SHA-256 of the plan's canonical JSON without
//! `id` and `createdAt`, in which `entries` is the SHA-256 of all seals, one after another in the plan's order.
//!
//! Guarantees: whatever differs in a plan, down to the order of its entries, its id differs. An entry that stays as it
//! is need not be looked at again.
//! An approval names [`Entry::digest`], which is another thing: only what is agreed to is in it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Entry, Guard, Plan, PlanInputs, PlanSource, PlanSummary, Problem};
use crate::Sha256;
use crate::digest::{CanonicalError, canonical_json};

/// The SHA-256 of an entry's canonical JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySeal([u8; 32]);

impl EntrySeal {
    /// The seal of an entry.
    pub fn of(entry: &Entry) -> Result<Self, CanonicalError> {
        Self::of_value(entry)
    }

    fn of_value<T: Serialize>(entry: &T) -> Result<Self, CanonicalError> {
        Ok(Self(Sha256::bytes_of(&canonical_json(entry)?)))
    }
}

/// Everything in a plan that counts, with its entries as one digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    format_version: &'a str,
    source: &'a PlanSource,
    inputs: &'a PlanInputs,
    entries: Sha256,
    policy: &'a [Value],
    guards: &'a [Guard],
    problems: &'a [Problem],
    summary: &'a PlanSummary,
    complete: bool,
    errored: bool,
}

impl Plan {
    /// The id of this content, whatever the plan says.
    pub fn compute_id(&self) -> Result<Sha256, CanonicalError> {
        let seals = self.entries.iter().map(|entry| EntrySeal::of(entry)).collect::<Result<Vec<_>, _>>()?;
        self.id_by(&seals)
    }

    /// The same where the seals of all entries are known, in their order.
    pub fn id_by(&self, seals: &[EntrySeal]) -> Result<Sha256, CanonicalError> {
        let Self {
            format_version,
            id: _,
            created_at: _,
            source,
            inputs,
            entries: _,
            policy,
            guards,
            problems,
            summary,
            complete,
            errored,
        } = self;
        Sha256::of_value(&Head {
            format_version,
            source,
            inputs,
            entries: sealed(seals),
            policy,
            guards,
            problems,
            summary,
            complete: *complete,
            errored: *errored,
        })
    }
}

/// The id of a plan as it stands in a file: over all that is there, so that what this version does not know counts too.
pub fn id_of_document(mut document: Map<String, Value>) -> Result<Sha256, CanonicalError> {
    document.remove("id");
    document.remove("createdAt");
    if let Some(Value::Array(entries)) = document.get("entries") {
        let seals = entries.iter().map(EntrySeal::of_value).collect::<Result<Vec<_>, _>>()?;
        document.insert("entries".to_owned(), sealed(&seals).to_string().into());
    }
    Sha256::of_value(&document)
}

/// Seals are all of one length, so that no two lists give the same bytes.
fn sealed(seals: &[EntrySeal]) -> Sha256 {
    let bytes: Vec<u8> = seals.iter().flat_map(|seal| seal.0).collect();
    Sha256::of(&bytes)
}
