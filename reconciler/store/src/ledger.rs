// SPDX-License-Identifier: AGPL-3.0-or-later
//! The ledger in the store: identity, counter and epoch of this database.
//!
//! Expected flow: [`open_or_create`] at start, `shoal_core::ledger::compare` with the status
//! branch, [`renew`] where that says so, then [`next_epoch`]. Every batch that changes a record
//! carries [`bump`], and [`require_epoch`] where it speaks for a worker that may be stale.
//!
//! Guarantees: the counter never falls and no epoch is handed out twice, whatever crashes.

use serde::{Deserialize, Serialize};
use shoal_core::ledger::Ledger;
use shoal_schema::LedgerId;

use crate::batch::{counter_bytes, counter_value};
use crate::typed::{Record, TypedError, TypedTable};
use crate::{Batch, CommitError, Expect, ReadError, Reader, Scan, Store, Table};

const COUNTER: &[u8] = b"counter";
const EPOCH: &[u8] = b"epoch";
const LEDGER: &str = "ledger";
const IDENTITY: TypedTable<String, Identity> = TypedTable::new(Table::Meta);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    id: LedgerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<LedgerId>,
}

impl Record for Identity {
    const VERSION: u32 = 1;
}

/// A ledger that cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store cannot be read.
    #[error("cannot read the ledger of the database")]
    Read(#[from] TypedError),
    /// The store cannot be written.
    #[error("cannot write the ledger of the database")]
    Commit(#[from] CommitError),
    /// A counter is missing or not a number.
    #[error(
        "the {0} of the database's ledger is missing or not a number: restore a backup with `shoal restore`"
    )]
    Broken(&'static str),
    /// There are records and no ledger.
    #[error(
        "the database holds entries in the table {0} and no ledger: an import into it was broken off, \
         import again into an empty database"
    )]
    Unfinished(Table),
}

impl From<ReadError> for LedgerError {
    fn from(error: ReadError) -> Self {
        Self::Read(TypedError::Read(error))
    }
}

/// The ledger of this database; a database without anything gets one of the given random bytes.
/// The epoch of a new one is zero until [`next_epoch`].
pub fn open_or_create(store: &dyn Store, random: [u8; 16]) -> Result<Ledger, LedgerError> {
    if let Some(ledger) = read(store)? {
        return Ok(ledger);
    }
    for table in Table::ALL {
        if !store.scan(*table, &Scan { limit: 1, ..Scan::ALL })?.is_empty() {
            return Err(LedgerError::Unfinished(*table));
        }
    }
    let identity = Identity { id: LedgerId::from_bytes(random), replaces: None };
    let mut batch = Batch::new();
    IDENTITY.insert(&mut batch, &LEDGER.to_owned(), &identity)?;
    batch.put(Table::Meta, COUNTER, counter_bytes(0));
    batch.put(Table::Meta, EPOCH, counter_bytes(0));
    store.commit(batch)?;
    Ok(Ledger { id: identity.id, counter: 0, epoch: 0, replaces: None })
}

/// The ledger as a reader sees it; `None` where there is none yet.
pub fn read(reader: &(impl Reader + ?Sized)) -> Result<Option<Ledger>, LedgerError> {
    let Some(Identity { id, replaces }) = IDENTITY.get(reader, &LEDGER.to_owned())? else { return Ok(None) };
    let counter = read_counter(reader, COUNTER)?.ok_or(LedgerError::Broken("counter"))?;
    let epoch = read_counter(reader, EPOCH)?.ok_or(LedgerError::Broken("epoch"))?;
    Ok(Some(Ledger { id, counter, epoch, replaces }))
}

/// A new incarnation of the controller: the ledger with an epoch that none had before.
pub fn next_epoch(store: &dyn Store) -> Result<Ledger, LedgerError> {
    let ledger = read(store)?.ok_or(LedgerError::Broken("identity"))?;
    let epoch = ledger.epoch.checked_add(1).ok_or(LedgerError::Broken("epoch"))?;
    let mut batch = Batch::new();
    require_epoch(&mut batch, ledger.epoch);
    batch.put(Table::Meta, EPOCH, counter_bytes(epoch));
    store.commit(batch)?;
    Ok(Ledger { epoch, ..ledger })
}

/// Gives the database a new identity of the given random bytes. It stands in for the ledger that
/// the status branch shows, `shown`, or for its own former one where there is no branch. The
/// caller's batch, in which records are marked as restored, is part of the same commit.
pub fn renew(
    store: &dyn Store,
    random: [u8; 16],
    shown: Option<LedgerId>,
    mut with: Batch,
) -> Result<Ledger, LedgerError> {
    let before = read(store)?.ok_or(LedgerError::Broken("identity"))?;
    let identity = Identity { id: LedgerId::from_bytes(random), replaces: Some(shown.unwrap_or(before.id)) };
    require_epoch(&mut with, before.epoch);
    IDENTITY.put(&mut with, &LEDGER.to_owned(), &identity)?;
    bump(&mut with);
    store.commit(with)?;
    read(store)?.ok_or(LedgerError::Broken("identity"))
}

/// Counts one change of the records.
pub fn bump(batch: &mut Batch) {
    batch.add(Table::Meta, COUNTER, 1);
}

/// The batch holds in this incarnation only: a later one makes its check fail.
pub fn require_epoch(batch: &mut Batch, epoch: u64) {
    batch.check(Table::Meta, EPOCH, Expect::Value(counter_bytes(epoch)));
}

/// Whether a commit failed because another incarnation has taken over.
pub fn is_stale_epoch(error: &CommitError) -> bool {
    matches!(error, CommitError::CheckFailed { table: Table::Meta, key } if key == EPOCH)
}

fn read_counter(reader: &(impl Reader + ?Sized), key: &[u8]) -> Result<Option<u64>, ReadError> {
    Ok(reader.get(Table::Meta, key)?.and_then(|bytes| counter_value(&bytes)))
}
