// SPDX-License-Identifier: AGPL-3.0-or-later
//! The shape of the redb file.
//!
//! One redb table per [`Table`], of bytes to bytes, under its name; and `shoal`, which says that
//! the file is ours: `format` (a number), `made_by`, and `commits`, the number of transactions,
//! by which a commit that failed is told from one whose answer was lost.

use redb::{Database, ReadableDatabase as _, TableDefinition, WriteTransaction};

use crate::Table;

const SHOAL: TableDefinition<&str, &[u8]> = TableDefinition::new("shoal");
const FORMAT_KEY: &str = "format";
const MADE_BY_KEY: &str = "made_by";
const COMMITS_KEY: &str = "commits";

/// The redb table of a table.
pub(super) fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// What a file says of itself.
pub(super) enum Identity {
    /// Nothing was ever written.
    Blank,
    /// A redb database of somebody else.
    Foreign,
    /// One of ours.
    Shoal {
        /// Version of the format.
        format: u64,
        /// The program that made it, or gave it this format.
        made_by: String,
    },
}

/// A transaction that is durable in two phases when it is committed.
pub(super) fn begin_write(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    // With one phase a damaged newest commit looks like one that was never finished, and redb
    // steps back to the one before: an acknowledged commit would be lost without a word.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Makes a blank database one of ours, of this format.
pub(super) fn initialise(database: &Database, format: u64, made_by: &str) -> Result<(), redb::Error> {
    let transaction = begin_write(database)?;
    set_format(&transaction, format, made_by)?;
    transaction.open_table(SHOAL)?.insert(COMMITS_KEY, 0u64.to_be_bytes().as_slice())?;
    transaction.commit()?;
    Ok(())
}

/// Says which format the database has from this transaction on, and who gave it to it.
pub(super) fn set_format(
    transaction: &WriteTransaction,
    format: u64,
    made_by: &str,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(SHOAL)?;
    table.insert(FORMAT_KEY, format.to_be_bytes().as_slice())?;
    table.insert(MADE_BY_KEY, made_by.as_bytes())?;
    Ok(())
}

/// Reads what a file says of itself. Writes nothing.
pub(super) fn identify(database: &Database) -> Result<Identity, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(SHOAL) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            let blank = transaction.list_tables()?.next().is_none()
                && transaction.list_multimap_tables()?.next().is_none();
            return Ok(if blank { Identity::Blank } else { Identity::Foreign });
        }
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(Identity::Foreign),
    };
    let Some(format) = number(&table, FORMAT_KEY)? else { return Ok(Identity::Foreign) };
    let made_by = table.get_owned(MADE_BY_KEY)?;
    let made_by = made_by.map_or_else(String::new, |text| String::from_utf8_lossy(text.value()).into_owned());
    Ok(Identity::Shoal { format, made_by })
}

/// How many transactions the database holds.
pub(super) fn commits(database: &Database) -> Result<u64, redb::Error> {
    let table = database.begin_read()?.open_table(SHOAL)?;
    Ok(number(&table, COMMITS_KEY)?.unwrap_or(0))
}

/// Counts this transaction; returns its number.
pub(super) fn count_commit(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let mut table = transaction.open_table(SHOAL)?;
    let next = number(&table, COMMITS_KEY)?.unwrap_or(0) + 1;
    table.insert(COMMITS_KEY, next.to_be_bytes().as_slice())?;
    Ok(next)
}

fn number(
    table: &impl redb::ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<u64>, redb::Error> {
    let found = table.get(key)?;
    Ok(found.and_then(|bytes| bytes.value().try_into().ok().map(u64::from_be_bytes)))
}
