// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening or making the database file, and what to say when that does not work.
//!
//! Guarantees: a file is made under another name and renamed when it is complete, so that a crash
//! leaves a whole database or none. All of an existing file is verified before it is used. A file
//! that is not understood is not changed by us.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use super::backend::OpenBackend;
use super::engine::{Engine, OpenFailure, Opened, guarded, open_database};
use super::format::{FORMAT, Identity, identify, initialise};
use super::lock::LockFile;
use crate::EngineError;

/// A database that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "another controller ({holder}) has the database {path} open: the command line talks to it through its socket, a second one has to wait until it ends"
    )]
    Locked {
        /// The database.
        path: PathBuf,
        /// Who has it, as far as is known.
        holder: String,
    },
    /// The directory is missing.
    #[error(
        "the directory {path} for the database does not exist: create it, owned by the controller's user"
    )]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The path is a directory, a device or the like.
    #[error("{path} is not a regular file, so it cannot be the database")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A later version of Shoal made it.
    #[error(
        "the database {path} has format {found}, made by {made_by:?}, and this program knows formats up to {known}: run the newer program, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The program that made it.
        made_by: String,
        /// The newest format that is known.
        known: u64,
    },
    /// A redb database of another program.
    #[error("{path} is a database of another program: name another path")]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// The file is damaged, cut off, or something else.
    #[error(
        "the database {path} is damaged or not a database: restore a backup with `shoal restore`, or move \
         the file away and start with an empty one (records then come back from the status branch, marked \
         as restored, and nothing is installed without a new approval)"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What its reader said.
        #[source]
        source: EngineError,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What to do with a database in which nothing was ever written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blank {
    Initialise,
    Refuse,
}

/// Locks and opens the database at `path`, or makes it.
pub(super) fn open_file(path: &Path, made_by: &str) -> Result<(Engine, LockFile), OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(OpenError::NoDirectory { path: directory.to_owned() });
    }
    // Before the lock, which would leave its file beside whatever this is.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    let lock = LockFile::acquire(path)?;
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_file(path, directory, made_by)?,
        Err(source) => return Err(io_error("look at", path)(source)),
        Ok(_) => {}
    }
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
    let engine = open_verified(file_backend(path.to_owned()), path, made_by, Blank::Refuse)?;
    Ok((engine, lock))
}

/// Opens a database on any disk; makes one where the disk is blank.
pub(super) fn open_engine(
    open_backend: OpenBackend,
    name: &Path,
    made_by: &str,
) -> Result<Engine, OpenError> {
    open_verified(open_backend, name, made_by, Blank::Initialise)
}

fn open_verified(
    open_backend: OpenBackend,
    path: &Path,
    made_by: &str,
    blank: Blank,
) -> Result<Engine, OpenError> {
    let opened = guarded(|| {
        let Opened { mut database, recovered } = open_database(&open_backend)?;
        // A database that was closed is opened on trust by redb; a flipped bit would be found when
        // it is read, or never.
        if !recovered && !database.check_integrity().map_err(OpenFailure::Redb)? {
            tracing::warn!(path = %path.display(), "the free-space records of the database were wrong and are made anew");
        }
        let identity = identify(&database).map_err(OpenFailure::Read)?;
        match &identity {
            Identity::Blank if blank == Blank::Initialise => {
                initialise(&database, made_by).map_err(OpenFailure::Read)?;
                Ok(Ok(database))
            }
            Identity::Shoal { format, .. } if *format <= FORMAT => Ok(Ok(database)),
            Identity::Shoal { .. } | Identity::Blank | Identity::Foreign => Ok(Err(identity)),
        }
    });
    let path = path.to_owned();
    match opened {
        Ok(Ok(database)) => Ok(Engine::new(open_backend, database)),
        Ok(Err(Identity::Shoal { format, made_by })) => {
            Err(OpenError::Newer { path, found: format, made_by, known: FORMAT })
        }
        Ok(Err(Identity::Blank | Identity::Foreign)) => Err(OpenError::NotOurs { path }),
        Err(failure) => Err(open_failure(path, failure)),
    }
}

fn make_file(path: &Path, directory: &Path, made_by: &str) -> Result<(), OpenError> {
    let mut name = OsString::from(path);
    name.push(".new");
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
    // Closed at the end of the statement: the rename finds a complete file.
    drop(open_verified(file_backend(new.clone()), &new, made_by, Blank::Initialise)?);
    File::open(&new).and_then(|file| file.sync_all()).map_err(io_error("sync the database", &new))?;
    std::fs::rename(&new, path).map_err(io_error("name the database", path))?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(io_error("sync the directory", directory))
}

fn file_backend(path: PathBuf) -> OpenBackend {
    Box::new(move || {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        // After a failed sync Linux may hold pages in memory that are marked clean and are not on
        // the disk. What is verified next must be what the disk holds.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Box::new(backend))
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

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}
