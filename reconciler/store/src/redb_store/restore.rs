// SPDX-License-Identifier: AGPL-3.0-or-later
//! A database out of a backup, in the place of whatever is there.
//!
//! Expected flow: [`RedbStore::restore`] takes the lock, builds a database beside the place, lets the caller finish
//! it (the new ledger id belongs there), and renames it.
//!
//! Guarantees: whatever fails or crashes leaves the place as it was, or holds the whole finished database; what was
//! there before is kept under another name, never deleted. Nobody else has the database open meanwhile.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::RedbStore;
use super::lock::LockFile;
use super::open::{
    Found, checked_directory, file_backend, io_error, new_file, open_verified, own_as_directory, sync,
};
use super::open_error::OpenError;
use super::upgrade::Opening;
use crate::export::{Contents, ExportError, Importer};
use crate::{Reader as _, Scan, Table};

/// Behind the database's name, while it is built.
const BUILDING: &str = ".restoring";

/// What becomes of a database that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// It stays, and nothing is restored, where it holds servers or jobs or cannot be read.
    OnlyEmpty,
    /// It is kept under another name.
    Any,
}

/// A backup that could not be restored. The place is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The place cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The backup cannot be used.
    #[error("the backup cannot be restored")]
    Backup(#[from] ExportError),
    /// The backup is of a newer database.
    #[error(
        "the backup is of a database of format {found}, made by {made_by:?}, and this program knows formats up to {known}: restore it with the newer program"
    )]
    Newer {
        /// Its format.
        found: u64,
        /// Who made it.
        made_by: String,
        /// The newest format that is known.
        known: u64,
    },
    /// No controller ever ran on what was backed up.
    #[error("the backup is of a database without a ledger, on which no controller ever ran")]
    NoLedger,
    /// Something is there.
    #[error("there is a database at {path}: {what}")]
    Taken {
        /// The place.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// The caller could not finish it.
    #[error("cannot make the restored database ready")]
    Finish(#[source] Box<dyn Error + Send + Sync>),
}

/// What to restore, and where.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The place.
    pub path: &'a Path,
    /// What becomes of a database that is there already.
    pub aside: Aside,
    /// Who restores.
    pub opening: Opening<'a>,
}

/// A database that was restored.
#[derive(Clone, Debug)]
pub struct Restored<T> {
    /// What the backup held.
    pub contents: Contents,
    /// Where the database is now that was there before.
    pub aside: Option<PathBuf>,
    /// What the caller made of it.
    pub made: T,
}

impl Restore<'_> {
    /// Where the database is while it is built; to be removed where a restore is broken off.
    pub fn building(path: &Path) -> PathBuf {
        with_suffix(&real(path), BUILDING)
    }
}

impl RedbStore {
    /// Makes a database of a backup. `finish` is called with the whole of it, before anybody can open it.
    pub fn restore<T, E: Into<Box<dyn Error + Send + Sync>>>(
        restore: &Restore<'_>,
        input: impl Read,
        finish: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<Restored<T>, RestoreError> {
        let Restore { path, aside, opening } = restore;
        let importer = Importer::open(input)?;
        let (about, known) = (importer.about().clone(), opening.format());
        if about.format > known {
            return Err(RestoreError::Newer { found: about.format, made_by: about.made_by, known });
        }
        if about.ledger.is_none() {
            return Err(RestoreError::NoLedger);
        }
        make_directory(path)?;
        checked_directory(path)?;
        let _lock = LockFile::acquire(path)?;
        let path = &real(path);
        let former = path.symlink_metadata().is_ok();
        if former && *aside == Aside::OnlyEmpty {
            refuse_full(path, opening)?;
        }
        let building = new_file(path, BUILDING)?;
        let built = build(importer, &building, opening, finish).and_then(|(contents, made)| {
            let aside = if former { Some(keep_former(path, opening)?) } else { None };
            std::fs::rename(&building, path).map_err(io_error("name the database", path))?;
            Ok(Restored { contents, aside, made })
        });
        if built.is_err() {
            let _ = std::fs::remove_file(&building);
        }
        let restored = built?;
        sync(checked_directory(path)?)?;
        Ok(restored)
    }
}

/// Makes the whole database, finished and on the disk, under another name.
fn build<T, E: Into<Box<dyn Error + Send + Sync>>>(
    importer: Importer<impl Read>,
    building: &Path,
    opening: &Opening<'_>,
    finish: impl FnOnce(&RedbStore) -> Result<T, E>,
) -> Result<(Contents, T), RestoreError> {
    let blank = Found::Blank(importer.about().format);
    let empty = open_verified(file_backend(building.to_owned()), building, opening, blank)?;
    let store = RedbStore::start(empty.engine, building, None)?;
    let contents = importer.import(&store)?;
    drop(store);
    // Opened again, so that all of what was written is verified, and an older one brought up to date.
    let whole = open_verified(file_backend(building.to_owned()), building, opening, blank)?;
    let store = RedbStore::start(whole.engine, building, None)?;
    let made = finish(&store).map_err(|error| RestoreError::Finish(error.into()))?;
    drop(store);
    sync(building)?;
    Ok((contents, made))
}

/// The directory of a database may be missing on a new machine; what is above it may not.
fn make_directory(path: &Path) -> Result<(), OpenError> {
    let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    if directory.exists()
        || !directory.parent().is_some_and(|above| above.as_os_str().is_empty() || above.is_dir())
    {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .mode(0o750)
        .create(directory)
        .and_then(|()| own_as_directory(directory))
        .map_err(io_error("make the directory", directory))
}

/// A database in which something is stands in the way.
fn refuse_full(path: &Path, opening: &Opening<'_>) -> Result<(), RestoreError> {
    let taken = |what: String| Err(RestoreError::Taken { path: path.to_owned(), what });
    if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(());
    }
    let opened = match open_verified(file_backend(path.to_owned()), path, opening, Found::Kept) {
        Ok(opened) => opened,
        Err(error @ OpenError::Newer { .. }) => return taken(error.to_string()),
        Err(OpenError::Damaged { .. }) => return taken("it is damaged, or something else".to_owned()),
        Err(error) => return Err(error.into()),
    };
    let snapshot = opened
        .engine
        .begin_read()
        .map_err(|source| RestoreError::Open(OpenError::Damaged { path: path.to_owned(), source }))?;
    let count = |table| snapshot.scan(table, &Scan::ALL).map(|rows| rows.len()).map_err(ExportError::Read);
    let (servers, jobs) = (count(Table::Records)?, count(Table::Jobs)?);
    if servers + jobs == 0 {
        return Ok(());
    }
    taken(format!("it knows {servers} servers and {jobs} jobs"))
}

/// Gives the database a second name: the first one is taken over by the rename that follows, at once.
fn keep_former(path: &Path, opening: &Opening<'_>) -> Result<PathBuf, OpenError> {
    let first = with_suffix(path, &format!(".before-restore-{}", opening.stamp()));
    let mut name = first.clone();
    let mut number = 1;
    loop {
        match std::fs::hard_link(path, &name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists || name.exists() => {
                number += 1;
                name = with_suffix(&first, &format!("-{number}"));
            }
            // Not every file system knows second names.
            Err(_) => {
                std::fs::rename(path, &name).map_err(io_error("put aside", path))?;
                return Ok(name);
            }
        }
    }
}

/// Where a link leads: the file is replaced, and not the link to it.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
