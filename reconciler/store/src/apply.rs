// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a batch means, said once for all engines that run in this process.
//!
//! Guarantees: a batch that fails has touched nothing, not even within the engine's transaction,
//! so that other batches may share that transaction.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::batch::{counter_bytes, counter_value};
use crate::{Batch, CommitError, Expect, Table, Write};

type NewValue<'a> = Option<Cow<'a, [u8]>>;

/// A state that is being changed.
pub(crate) trait Working {
    /// The engine's own error.
    type Error;

    /// The value of a key.
    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Sets a value, or removes it.
    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), Self::Error>;
}

/// Tests and applies a batch. The outer error is the engine's and spoils the whole transaction;
/// the inner one is this batch's own.
pub(crate) fn apply<W: Working>(batch: &Batch, working: &mut W) -> Result<Result<(), CommitError>, W::Error> {
    for check in &batch.checks {
        let found = working.get(check.table, &check.key)?;
        let holds = match &check.expect {
            Expect::Absent => found.is_none(),
            Expect::Exists => found.is_some(),
            Expect::Value(wanted) => found.as_ref() == Some(wanted),
        };
        if !holds {
            return Ok(Err(CommitError::CheckFailed { table: check.table, key: check.key.clone() }));
        }
    }

    let mut results: BTreeMap<(Table, &[u8]), NewValue<'_>> = BTreeMap::new();
    for write in &batch.writes {
        let (place, value) = match write {
            Write::Put { table, key, value } => {
                ((*table, key.as_slice()), Some(Cow::Borrowed(value.as_slice())))
            }
            Write::Delete { table, key } => ((*table, key.as_slice()), None),
            Write::Add { table, key, amount } => {
                let place = (*table, key.as_slice());
                let before = match results.get(&place) {
                    Some(value) => value.as_ref().map(|value| value.to_vec()),
                    None => working.get(*table, key)?,
                };
                let before = before.map_or(Some(0), |bytes| counter_value(&bytes));
                let Some(after) = before.and_then(|before| before.checked_add(*amount)) else {
                    return Ok(Err(CommitError::NotACounter { table: *table, key: key.clone() }));
                };
                (place, Some(Cow::Owned(counter_bytes(after))))
            }
        };
        results.insert(place, value);
    }

    for ((table, key), value) in results {
        working.set(table, key, value.as_deref())?;
    }
    Ok(Ok(()))
}
