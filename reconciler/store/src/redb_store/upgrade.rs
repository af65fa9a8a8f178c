// SPDX-License-Identifier: AGPL-3.0-or-later
//! From one format of the database to the next, and never back.
//!
//! To change what rows mean, add a [`Step`] to [`STEPS`]: it is what makes the format's number. A table that a step
//! reads stays in [`Table::ALL`].
//!
//! Guarantees: before the first step a whole backup stands beside the database, read back; all steps and the
//! new number are one transaction, so that whatever crashes leaves the old database or the new one. A newer
//! format is refused and left as it is.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::engine::Health;
use super::format;
use super::open::own_as_directory;
use super::open_error::OpenError;
use super::read::Snapshot;
use super::writer::Transaction;
use crate::apply::Working as _;
use crate::export::{About, ExportError, Importer, export};
use crate::{EngineError, Entry, Order, Scan, Table};

/// Every step there is: the first one leads from format 1 to 2, and so on.
pub const STEPS: &[Step] = &[];

/// The format of databases that this program writes.
pub const FORMAT: u64 = newest(STEPS);

/// One step from a format to the next.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it does, for the log: "split the records".
    pub what: &'static str,
    /// Does it.
    pub run: fn(&mut Rows<'_>) -> Result<(), StepError>,
}

/// A step that did not work. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A row is not what the step expects.
    #[error("the entry \"{}\" of the table {table}: {why}", .key.escape_ascii())]
    Row {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
        /// What is wrong with it.
        why: String,
    },
}

/// How a database is opened, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The program's name and version, for people.
    pub made_by: &'a str,
    /// Now: part of the name of what is kept.
    pub now: Timestamp,
    /// The steps that are known.
    pub steps: &'a [Step],
}

impl<'a> Opening<'a> {
    /// With this program's own steps.
    pub fn new(made_by: &'a str, now: Timestamp) -> Self {
        Self { made_by, now, steps: STEPS }
    }

    /// The newest format that is known.
    pub(super) fn format(&self) -> u64 {
        newest(self.steps)
    }

    /// Now, as part of a file's name.
    pub(super) fn stamp(&self) -> String {
        self.now.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

const fn newest(steps: &[Step]) -> u64 {
    1 + steps.len() as u64
}

/// The rows of a database while a step changes them.
pub struct Rows<'txn> {
    transaction: Transaction<'txn>,
}

impl Rows<'_> {
    /// The value of a key.
    pub fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.transaction.get(table, key).map_err(EngineError::new)
    }

    /// Entries in the order of their keys, as the step has made them so far.
    pub fn scan(&mut self, table: Table, scan: &Scan<'_>) -> Result<Vec<Entry>, EngineError> {
        let mut read = || -> Result<Vec<Entry>, redb::Error> {
            let Some((lower, upper)) = scan.bounds() else { return Ok(Vec::new()) };
            let bounds = (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
            let rows = self.transaction.table(table)?.range::<&[u8]>(bounds)?;
            let copy = |entry: Result<(Guard<'_>, Guard<'_>), redb::StorageError>| {
                let (key, value) = entry?;
                Ok((key.value().to_vec(), value.value().to_vec()))
            };
            match scan.order {
                Order::Ascending => rows.take(scan.limit).map(copy).collect(),
                Order::Descending => rows.rev().take(scan.limit).map(copy).collect(),
            }
        };
        read().map_err(EngineError::new)
    }

    /// Sets a value.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.transaction.set(table, key, Some(value)).map_err(EngineError::new)
    }

    /// Removes a value.
    pub fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), EngineError> {
        self.transaction.set(table, key, None).map_err(EngineError::new)
    }
}

type Guard<'a> = redb::AccessGuard<'a, &'static [u8]>;

/// Takes a database from `found` to the newest format, in one transaction.
pub(super) fn upgrade(
    database: &Database,
    path: &Path,
    found: u64,
    opening: &Opening<'_>,
) -> Result<(), OpenError> {
    let failed = |what| {
        let path = path.to_owned();
        move |error: redb::Error| OpenError::Upgrade {
            path,
            what,
            source: StepError::Engine(EngineError::new(error)),
        }
    };
    let transaction = format::begin_write(database).map_err(failed("begin"))?;
    {
        let mut rows = Rows { transaction: Transaction::new(&transaction) };
        let done = usize::try_from(found).unwrap_or(usize::MAX).saturating_sub(1);
        for step in opening.steps.iter().skip(done) {
            tracing::info!(path = %path.display(), step = step.what, "changing the format of the database");
            (step.run)(&mut rows).map_err(|source| OpenError::Upgrade {
                path: path.to_owned(),
                what: step.what,
                source,
            })?;
        }
    }
    format::set_format(&transaction, opening.format(), opening.made_by)
        .and_then(|()| format::count_commit(&transaction))
        .map_err(failed("name the format"))?;
    transaction.commit().map_err(|error| failed("commit")(error.into()))
}

/// Keeps the database as it is in a file beside it; returns the file.
pub(super) fn keep(
    database: &Database,
    path: &Path,
    found: u64,
    opening: &Opening<'_>,
) -> Result<PathBuf, OpenError> {
    let backup = free_name(path, found, opening);
    let failed = |source| OpenError::Backup { path: path.to_owned(), backup: backup.clone(), source };
    let mut part = OsString::from(&backup);
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write_backup(database, &part, found, opening).and_then(|()| {
        std::fs::rename(&part, &backup).map_err(|error| ExportError::Io("name", error))?;
        let directory = backup.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))
            .and_then(|directory| directory.sync_all())
            .map_err(|error| ExportError::Io("sync the directory of", error))
    });
    if let Err(error) = written {
        // What is left would only take up room.
        let _ = std::fs::remove_file(&part);
        return Err(failed(error));
    }
    tracing::warn!(
        path = %path.display(), backup = %backup.display(), from = found, to = opening.format(),
        "the database is of an older version; it was backed up and is being changed"
    );
    Ok(backup)
}

fn write_backup(
    database: &Database,
    part: &Path,
    found: u64,
    opening: &Opening<'_>,
) -> Result<(), ExportError> {
    let wrong = |what| move |error| ExportError::Io(what, error);
    let transaction = database
        .begin_read()
        .map_err(|error| crate::ReadError::Snapshot { source: EngineError::new(error) })?;
    let snapshot = Snapshot { transaction, health: Health::default() };
    let about = About::of(&snapshot, found, opening.now, opening.made_by, None)?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
    let mut out = BufWriter::new(file.map_err(wrong("create"))?);
    export(Box::new(snapshot), about, &mut out)?;
    out.flush().map_err(wrong("write"))?;
    out.get_ref().sync_all().map_err(wrong("sync"))?;
    own_as_directory(part).map_err(wrong("give away"))?;
    let file = File::open(part).map_err(wrong("read back"))?;
    Importer::open(BufReader::new(file))?.verify().map(drop)
}

/// A name that nothing has yet.
fn free_name(path: &Path, found: u64, opening: &Opening<'_>) -> PathBuf {
    let mut stem = OsString::from(path);
    stem.push(format!(".format-{found}-{}", opening.stamp()));
    let mut number = 1;
    loop {
        let mut name = stem.clone();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.push(".backup");
        if !Path::new(&name).exists() {
            return name.into();
        }
        number += 1;
    }
}
