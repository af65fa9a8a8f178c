// SPDX-License-Identifier: AGPL-3.0-or-later
//! One process a database: a lock file beside it that names its holder.
//!
//! Guarantees: the lock is the kernel's and ends with the process, however it ends. Who gets it
//! knows that the last holder is dead. It outlives every closing and opening of the database
//! within the process, and a replacement of the database file.
//! Assumptions: the file system's locks reach every host that mounts it; a local disk's do.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::open::own_as_directory;

/// The lock on a database, held until it is dropped.
pub(super) struct LockFile {
    _file: File,
}

impl LockFile {
    /// Takes the lock of the database at `database`, or says who has it.
    pub(super) fn acquire(database: &Path) -> Result<Self, OpenError> {
        let path = lock_path(database);
        let io = |what| {
            let path = path.clone();
            move |source| OpenError::Io { what, path, source }
        };
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("open the lock file"))?;
        if is_new {
            own_as_directory(&path).map_err(io("give away the lock file"))?;
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: database.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock the lock file")(source)),
        }
        // The number is for people; what counts is the lock.
        file.set_len(0).map_err(io("write the lock file"))?;
        file.rewind().map_err(io("write the lock file"))?;
        writeln!(file, "{}", std::process::id()).map_err(io("write the lock file"))?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".lock");
    name.into()
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let known = file.take(32).read_to_string(&mut text).is_ok();
    match text.trim().parse::<u32>() {
        Ok(pid) if known => format!("pid {pid}"),
        _ => "pid unknown".to_owned(),
    }
}
