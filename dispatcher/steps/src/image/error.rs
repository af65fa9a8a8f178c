// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why an image was not installed.

use std::io;

use shoal_registry_client::ClientError;

use crate::disk::DiskCheckError;
use crate::failure::{Code, is_full};
use crate::mounts::MountError;
use crate::partition::PartitionError;
use crate::provision::{Packing, ProvisionError};
use crate::unpack::UnpackError;

/// Why an image was not installed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The provision directory cannot be used.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Not the right disk, or mounted.
    #[error(transparent)]
    Check(#[from] DiskCheckError),
    /// The disk is not laid out, or cannot be.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// No image is named.
    #[error("find the image: recipe.env names none")]
    NoReference,
    /// The image's name is none.
    #[error("find the image {reference}: {problem}")]
    Reference {
        /// Its name.
        reference: String,
        /// What is wrong.
        problem: String,
    },
    /// An index without an image for this machine.
    #[error("choose the image: the index has none for linux/{architecture}")]
    NoPlatform {
        /// The machine's architecture.
        architecture: &'static str,
    },
    /// Not one layer.
    #[error("use the image: it has {count} layers, and must have one")]
    Layers {
        /// How many it has.
        count: usize,
    },
    /// A layer of another kind.
    #[error("use the image: a layer of type {media_type} is no {}", of(*packing))]
    MediaType {
        /// The layer's type.
        media_type: String,
        /// What the recipe says.
        packing: Packing,
    },
    /// The registry.
    #[error(transparent)]
    Pull(#[from] ClientError),
    /// A part of the pipeline went away; another error says why.
    #[error("pass the image on")]
    Pipe(#[source] io::Error),
    /// The image is packed in a way that cannot be unpacked.
    #[error("unpack the image's compression")]
    Decompress(#[source] io::Error),
    /// The archive, or what it is unpacked to.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// There is no root in the layout.
    #[error("find the root: the layout has no Linux partition with ext4, xfs or btrfs")]
    NoRoot,
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
    /// The disk cannot be written.
    #[error("write the image to the disk")]
    Disk(#[source] io::Error),
    /// The image is larger than the disk.
    #[error("write the image: it is larger than the disk ({size} bytes)")]
    TooLarge {
        /// The disk's size.
        size: u64,
    },
    /// The image is too small to be a disk.
    #[error("write the image: {size} bytes are no disk")]
    TooSmall {
        /// Its size.
        size: u64,
    },
    /// A thread or a runtime could not be had.
    #[error("start the pipeline")]
    Start(#[source] io::Error),
    /// A part of the pipeline broke.
    #[error("run the pipeline: the {part} broke")]
    Broke {
        /// Which.
        part: &'static str,
    },
}

fn of(packing: Packing) -> &'static str {
    match packing {
        Packing::RootfsTar => "root file system (rootfs-tar)",
        Packing::RawDisk => "disk (raw-disk)",
    }
}

impl ImageError {
    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Provision(error) => error.code(),
            Self::Check(error) => error.code(),
            Self::Partition(error) => error.code(),
            Self::Pull(error) => of_pull(error),
            Self::Unpack(error) => error.code(),
            Self::NoReference => Code::BadProvision,
            Self::Reference { .. }
            | Self::NoPlatform { .. }
            | Self::Layers { .. }
            | Self::MediaType { .. } => Code::BadImage,
            Self::TooSmall { .. } => Code::BadImage,
            Self::Decompress(_) => Code::BadArchive,
            Self::NoRoot => Code::BadLayout,
            Self::Mount(_) => Code::MountFailed,
            Self::Root { source, .. } if is_full(source) => Code::DiskFull,
            Self::Root { .. } | Self::Disk(_) => Code::DiskFailed,
            Self::TooLarge { .. } => Code::DiskTooSmall,
            Self::Pipe(_) | Self::Start(_) | Self::Broke { .. } => Code::Internal,
        }
    }
}

fn of_pull(error: &ClientError) -> Code {
    match (error, error.status()) {
        (ClientError::WrongDigest { .. } | ClientError::WrongSize { .. }, _) => Code::WrongDigest,
        (_, Some(401 | 403)) => Code::RegistryRefused,
        (_, Some(404)) => Code::ImageMissing,
        (ClientError::Manifest { .. } | ClientError::TooLarge { .. }, _) => Code::BadImage,
        _ => Code::RegistryUnreachable,
    }
}
