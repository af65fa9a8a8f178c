// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why the seed was not written.

use std::io;

use shoal_dispatcher::disk::LayoutError;

use crate::disk::DiskCheckError;
use crate::failure::{Code, is_full};
use crate::mounts::MountError;
use crate::programs::ProgramError;
use crate::provision::ProvisionError;

/// Why the seed was not written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The provision directory cannot be used.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Not the right disk, or mounted.
    #[error(transparent)]
    Check(#[from] DiskCheckError),
    /// The layout has no place on the disk.
    #[error(transparent)]
    Layout(LayoutError),
    /// The dispatcher left no meta-data.
    #[error("make the seed: there is no meta-data in the provision directory")]
    NoMetaData,
    /// A whole-disk image without a place for the seed.
    #[error("find a place for the seed: the image has no FAT volume labelled cidata")]
    NoVolume,
    /// There is no root in the layout.
    #[error("find the root: the layout has no Linux partition with ext4, xfs or btrfs")]
    NoRoot,
    /// The disk cannot be read.
    #[error("read {path}")]
    Disk {
        /// The disk.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
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
    /// A volume cannot be written.
    #[error("write to the FAT volume {volume}")]
    Volume {
        /// Which.
        volume: &'static str,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Mounting.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The new root cannot be used.
    #[error("{what} in the new root")]
    Root {
        /// What was done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl SeedError {
    pub(super) fn volume(volume: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Volume { volume, source }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Provision(error) => error.code(),
            Self::NoMetaData => Code::BadProvision,
            Self::Check(error) => error.code(),
            Self::Layout(LayoutError::TooSmall { .. }) => Code::DiskTooSmall,
            Self::Layout(_) | Self::NoRoot => Code::BadLayout,
            Self::Disk { .. } | Self::Look(_) | Self::Node { .. } => Code::DiskFailed,
            Self::Mount(_) => Code::MountFailed,
            Self::Root { source, .. } if is_full(source) => Code::DiskFull,
            Self::NoVolume | Self::Volume { .. } | Self::Root { .. } => Code::SeedFailed,
        }
    }
}
