// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a system was not made bootable.

use std::io;

use shoal_dispatcher::disk::LayoutError;

use crate::disk::DiskCheckError;
use crate::failure::{Code, is_full};
use crate::mounts::MountError;
use crate::programs::ProgramError;
use crate::provision::ProvisionError;

/// Why a system was not made bootable.
#[derive(Debug, thiserror::Error)]
pub enum BootloaderError {
    /// The provision directory cannot be used.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Not the right disk, or mounted.
    #[error(transparent)]
    Check(#[from] DiskCheckError),
    /// The layout has no place on the disk.
    #[error(transparent)]
    Layout(LayoutError),
    /// There is no root in the layout.
    #[error("find the root: the layout has no Linux partition with ext4, xfs or btrfs")]
    NoRoot,
    /// There is no ESP in the layout, or no FAT on it.
    #[error("find the EFI system partition: there is none with a FAT file system")]
    MissingEsp,
    /// A file system is not there.
    #[error("find the file system of partition {number}: it is not there, or not as the layout says")]
    NoFileSystem {
        /// Its number.
        number: u32,
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
    /// No image was installed.
    #[error("find the system: no image was installed completely")]
    NoImage,
    /// The image has no kernel.
    #[error("find the kernel: /boot of the image has no vmlinuz")]
    NoKernel,
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
    /// GRUB cannot be installed.
    #[error("install GRUB")]
    Install(#[source] ProgramError),
    /// GRUB cannot be configured.
    #[error("configure GRUB")]
    Configure(#[source] ProgramError),
}

impl BootloaderError {
    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Provision(error) => error.code(),
            Self::Check(error) => error.code(),
            Self::Layout(LayoutError::TooSmall { .. }) => Code::DiskTooSmall,
            Self::Layout(_) | Self::NoRoot => Code::BadLayout,
            Self::MissingEsp => Code::MissingEsp,
            Self::Look(_) | Self::Node { .. } => Code::DiskFailed,
            Self::Mount(_) => Code::MountFailed,
            Self::Root { source, .. } if is_full(source) => Code::DiskFull,
            Self::NoFileSystem { .. }
            | Self::NoImage
            | Self::NoKernel
            | Self::Root { .. }
            | Self::Install(_)
            | Self::Configure(_) => Code::BootloaderFailed,
        }
    }
}
