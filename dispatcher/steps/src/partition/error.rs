// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a disk could not be laid out.

use std::io;

use shoal_dispatcher::disk::LayoutError;

use super::decide::Reason;
use crate::disk::DiskCheckError;
use crate::failure::Code;
use crate::programs::ProgramError;
use crate::provision::ProvisionError;

/// Why a disk could not be laid out.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// The provision directory cannot be used.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Not the right disk, or mounted.
    #[error(transparent)]
    Check(#[from] DiskCheckError),
    /// The layout has no place on the disk.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The disk cannot be read or written.
    #[error("{what} {path}")]
    Disk {
        /// What was done.
        what: &'static str,
        /// The disk.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody holds the disk.
    #[error("use {path}: it is held by {by}")]
    Held {
        /// The disk.
        path: String,
        /// By whom.
        by: String,
    },
    /// A volume group or an array does not stop.
    #[error("stop what is built on the disk")]
    Stop(#[source] ProgramError),
    /// The table cannot be written.
    #[error("write the partition table")]
    Table(#[source] ProgramError),
    /// The file systems cannot be looked at.
    #[error("look at the file systems")]
    Look(#[source] ProgramError),
    /// A partition's node does not appear.
    #[error("find partition {number}")]
    Node {
        /// Its number.
        number: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file system cannot be made.
    #[error("make the file system of partition {number}")]
    Format {
        /// Its number.
        number: u32,
        /// What the program said.
        #[source]
        source: ProgramError,
    },
    /// A file system was made and is not there.
    #[error("check the file system of partition {number}: it was made and cannot be found")]
    NotThere {
        /// Its number.
        number: u32,
    },
    /// The table was written and is not as it was written.
    #[error("check the partition table after writing it: {0}")]
    NotAsWritten(Reason),
}

impl PartitionError {
    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Provision(error) => error.code(),
            Self::Check(error) => error.code(),
            Self::Layout(LayoutError::TooSmall { .. }) => Code::DiskTooSmall,
            Self::Layout(_) => Code::BadLayout,
            Self::Disk { .. } | Self::NotThere { .. } => Code::DiskFailed,
            Self::Held { .. } | Self::Stop(_) => Code::DiskInUse,
            Self::Table(_) | Self::Look(_) | Self::Node { .. } | Self::NotAsWritten(_) => {
                Code::PartitionFailed
            }
            Self::Format { .. } => Code::FormatFailed,
        }
    }
}
