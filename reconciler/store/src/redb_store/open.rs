// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening or making the database file, and what to say when that does not work.
//!
//! Guarantees: a file is made under another name and renamed when it is complete, so that a crash
//! leaves a whole database or none. All of an existing file is verified before it is used. A file
//! that is not understood is not changed by us.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use super::backend::OpenBackend;
use super::engine::{Engine, OpenFailure, Opened, guarded, open_database};
use super::format::{Identity, identify, initialise};
use super::lock::LockFile;
use super::open_error::OpenError;
use super::upgrade::{self, Opening};
use crate::EngineError;

/// What every file of redb begins with.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// What becomes of a database that is not as this program writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A blank one is made ours, with this format.
    Blank(u64),
    /// An older one is brought up to date.
    Older,
    /// Nothing is changed; older ones are taken as they are.
    Kept,
}

/// A database and the format in which it is.
pub(super) struct Formatted {
    pub(super) engine: Engine,
    pub(super) format: u64,
}

/// Locks and opens the database at `path`, or makes it. An older one is backed up and brought up to date.
pub(super) fn open_file(path: &Path, opening: &Opening<'_>) -> Result<(Engine, LockFile), OpenError> {
    let directory = checked_directory(path)?;
    let lock = LockFile::acquire(path)?;
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_file(path, directory, opening)?,
        Err(source) => return Err(io_error("look at", path)(source)),
        Ok(_) => {}
    }
    check_file(path)?;
    let opened = open_verified(file_backend(path.to_owned()), path, opening, Found::Older)?;
    Ok((opened.engine, lock))
}

/// Locks and opens the database at `path` as it is: nothing is made, and nothing brought up to date.
pub(super) fn open_kept(path: &Path, opening: &Opening<'_>) -> Result<(Formatted, LockFile), OpenError> {
    checked_directory(path)?;
    // Before the lock, which would leave its file beside whatever this is.
    let mut magic = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match read {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(io_error("open the database", path)(error));
        }
        Ok(()) if magic == MAGIC => {}
        Ok(()) | Err(_) => {
            let source = EngineError::new("it does not begin like a database");
            return Err(OpenError::Damaged { path: path.to_owned(), source });
        }
    }
    let lock = LockFile::acquire(path)?;
    check_file(path)?;
    Ok((open_verified(file_backend(path.to_owned()), path, opening, Found::Kept)?, lock))
}

/// Opens a database on any disk; makes one where the disk is blank.
pub(super) fn open_engine(
    open_backend: OpenBackend,
    name: &Path,
    opening: &Opening<'_>,
) -> Result<Engine, OpenError> {
    Ok(open_verified(open_backend, name, opening, Found::Blank(opening.format()))?.engine)
}

/// The directory of a database, which is there. The path is checked before its lock is taken, which would leave a
/// file beside whatever this is.
pub(super) fn checked_directory(path: &Path) -> Result<&Path, OpenError> {
    let directory = directory_of(path);
    if !directory.is_dir() {
        return Err(OpenError::NoDirectory { path: directory.to_owned() });
    }
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    Ok(directory)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A database file has content and belongs to its owner alone.
fn check_file(path: &Path) -> Result<(), OpenError> {
    let metadata = path.metadata().map_err(io_error("look at", path))?;
    if metadata.len() == 0 {
        // redb would make a new database of it without a word.
        let source = EngineError::new("the file is empty");
        return Err(OpenError::Damaged { path: path.to_owned(), source });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the database was accessible to others, its mode is set to 0600");
        std::fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(io_error("set the mode of", path))?;
    }
    Ok(())
}

/// Opens a database and verifies all of it.
pub(super) fn open_verified(
    open_backend: OpenBackend,
    path: &Path,
    opening: &Opening<'_>,
    found: Found,
) -> Result<Formatted, OpenError> {
    let known = opening.format();
    let opened = guarded(|| {
        let Opened { mut database, recovered } = open_database(&open_backend)?;
        // A database that was closed is opened on trust by redb; a flipped bit would be found when
        // it is read, or never.
        if !recovered && !database.check_integrity().map_err(OpenFailure::Redb)? {
            tracing::warn!(path = %path.display(), "the free-space records of the database were wrong and are made anew");
        }
        let identity = identify(&database).map_err(OpenFailure::Read)?;
        match (identity, found) {
            (Identity::Blank, Found::Blank(format)) => {
                initialise(&database, format, opening.made_by).map_err(OpenFailure::Read)?;
                Ok(Ok((database, format)))
            }
            (Identity::Shoal { format, .. }, Found::Older | Found::Blank(_)) if format < known => {
                // Only a file has a place beside it for a backup.
                let kept = match found {
                    Found::Older => upgrade::keep(&database, path, format, opening).map(drop),
                    Found::Blank(_) | Found::Kept => Ok(()),
                };
                let upgraded = kept.and_then(|()| upgrade::upgrade(&database, path, format, opening));
                Ok(upgraded.map(|()| (database, known)))
            }
            (Identity::Shoal { format, .. }, _) if format <= known => Ok(Ok((database, format))),
            (Identity::Shoal { format: found, made_by }, _) => {
                Ok(Err(OpenError::Newer { path: path.to_owned(), found, made_by, known }))
            }
            (Identity::Blank | Identity::Foreign, _) => Ok(Err(OpenError::NotOurs { path: path.to_owned() })),
        }
    });
    match opened {
        Ok(Ok((database, format))) => Ok(Formatted { engine: Engine::new(open_backend, database), format }),
        Ok(Err(error)) => Err(error),
        Err(failure) => Err(open_failure(path.to_owned(), failure)),
    }
}

fn make_file(path: &Path, directory: &Path, opening: &Opening<'_>) -> Result<(), OpenError> {
    let new = new_file(path, ".new")?;
    // Closed at the end of the statement: the rename finds a complete file.
    drop(open_engine(file_backend(new.clone()), &new, opening)?);
    sync(&new)?;
    std::fs::rename(&new, path).map_err(io_error("name the database", path))?;
    sync(directory)
}

/// An empty file of our own beside the database, in the place of what a crash may have left there.
pub(super) fn new_file(path: &Path, suffix: &str) -> Result<PathBuf, OpenError> {
    let mut name = OsString::from(path);
    name.push(suffix);
    let new = PathBuf::from(name);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove what a crash left at", &new)(error));
        }
        Err(_) | Ok(()) => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(io_error("create the database", &new))?;
    own_as_directory(&new).map_err(io_error("give away", &new))?;
    Ok(new)
}

/// A file that root makes belongs to whoever has the directory: the controller is seldom root, and has to open it.
pub(super) fn own_as_directory(file: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let directory = directory_of(file).metadata()?;
    std::os::unix::fs::chown(file, Some(directory.uid()), Some(directory.gid()))
}

/// What was written to a file, or to a directory, is on the disk.
pub(super) fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

pub(super) fn file_backend(path: PathBuf) -> OpenBackend {
    Box::new(move || {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        // After a failed sync Linux may hold pages in memory that are marked clean and are not on
        // the disk. What is verified next must be what the disk holds.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(crate::watch::watched(Box::new(backend)))
    })
}

fn open_failure(path: PathBuf, failure: OpenFailure) -> OpenError {
    use redb::{DatabaseError, StorageError};
    let damage = |source: &io::Error| {
        matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
    };
    match failure {
        OpenFailure::Redb(DatabaseError::DatabaseAlreadyOpen) => {
            OpenError::Locked { path, holder: "one that does not use the lock file".to_owned() }
        }
        OpenFailure::Disk(source)
        | OpenFailure::Redb(DatabaseError::Storage(StorageError::Io(source)))
        | OpenFailure::Read(redb::Error::Io(source))
            if !damage(&source) =>
        {
            OpenError::Io { what: "open the database", path, source }
        }
        other => OpenError::Damaged { path, source: other.into_engine_error() },
    }
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}
