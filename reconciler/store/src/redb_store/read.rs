// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading from one consistent view.

use redb::{ReadTransaction, TableError};

use super::engine::Health;
use super::format::definition;
use crate::{Entry, Order, ReadError, Reader, Scan, Table};

type ReadTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type Guard = redb::OwnedAccessGuard<&'static [u8]>;

/// A view of the database as of one commit.
pub(super) struct Snapshot {
    pub(super) transaction: ReadTransaction,
    pub(super) health: Health,
}

impl Snapshot {
    /// `None` where nothing was ever written to the table.
    fn open(&self, table: Table) -> Result<Option<ReadTable>, redb::Error> {
        match self.transaction.open_table(definition(table)) {
            Ok(rows) => Ok(Some(rows)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn failure(&self, table: Table, error: redb::Error) -> ReadError {
        ReadError::Table { table, source: self.health.note(error) }
    }
}

impl Reader for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let read = || {
            let Some(rows) = self.open(table)? else { return Ok(None) };
            Ok(rows.get_owned(key)?.map(|value| value.value().to_vec()))
        };
        read().map_err(|error| self.failure(table, error))
    }

    fn scan(&self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, ReadError> {
        let read = || {
            let (Some((lower, upper)), Some(rows)) = (scan.bounds(), self.open(table)?) else {
                return Ok(Vec::new());
            };
            let bounds = (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
            let range = rows.range_owned::<&[u8]>(bounds)?;
            let copy = |entry: Result<(Guard, Guard), redb::StorageError>| {
                let (key, value) = entry?;
                Ok((key.value().to_vec(), value.value().to_vec()))
            };
            match scan.order {
                Order::Ascending => range.take(scan.limit).map(copy).collect(),
                Order::Descending => range.rev().take(scan.limit).map(copy).collect(),
            }
        };
        read().map_err(|error| self.failure(table, error))
    }
}
