// SPDX-License-Identifier: AGPL-3.0-or-later
//! What to say when a database cannot be opened.

use std::io;
use std::path::PathBuf;

use super::upgrade::StepError;
use crate::EngineError;
use crate::export::ExportError;

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
    /// A backup has to be taken before the format is changed, and cannot be.
    #[error(
        "the database {path} is of an older version, and the backup {backup} that has to come before the change cannot be taken; nothing was changed"
    )]
    Backup {
        /// The database.
        path: PathBuf,
        /// What was to be written.
        backup: PathBuf,
        /// Why not.
        #[source]
        source: ExportError,
    },
    /// The format cannot be changed.
    #[error(
        "the database {path} is of an older version and cannot be changed: {what} failed; it is as it was"
    )]
    Upgrade {
        /// The database.
        path: PathBuf,
        /// The step.
        what: &'static str,
        /// Why not.
        #[source]
        source: StepError,
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
