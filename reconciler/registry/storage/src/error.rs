// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can go wrong in the storage: the operation, its subject, and what to do.

use std::io;
use std::path::PathBuf;

use shoal_oci::{Digest, Tag};

use crate::UploadId;

/// A failed operation on the storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk, a quota of the file system, or its inodes are used up. What is stored is as it was; an upload
    /// can be resumed once there is room.
    #[error("no space is left to {operation} {}: free some, or run `shoal image gc`", path.display())]
    NoSpace {
        /// What was being done, as a verb.
        operation: &'static str,
        /// The file, below the root of the storage.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused or failed.
    #[error("cannot {operation} {} in the registry's storage", path.display())]
    Io {
        /// What was being done, as a verb.
        operation: &'static str,
        /// The file, below the root of the storage.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There are no random numbers for the name of an upload.
    #[error("cannot get random numbers from the system")]
    Random {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A symbolic link lies where the storage has files and directories of its own. It is never followed.
    #[error("{} in the registry's storage is a symbolic link, which is not followed: put the real file or directory there", path.display())]
    Symlink {
        /// The file, below the root of the storage.
        path: PathBuf,
    },
    /// Another process has the storage open.
    #[error("the registry's storage {} is in use by another process{}: ask the running registry instead (`shoal image … --url URL`, or without --storage on the controller's machine), or stop that process first", root.display(), holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The root of the storage.
        root: PathBuf,
        /// The process that says it holds the lock, as far as it could be read.
        holder: Option<u32>,
    },
    /// The directory holds something, but not an OCI image layout.
    #[error("the directory {} is not empty and is not an OCI image layout ({found} is in it): give an empty directory, or one with an oci-layout file", root.display())]
    NotALayout {
        /// The root of the storage.
        root: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The layout was written by a newer version, or its marker files cannot be understood.
    #[error("the registry's storage {} has a layout that this version cannot use ({found}): use the version of shoal that wrote it, or a newer one", root.display())]
    Version {
        /// The root of the storage.
        root: PathBuf,
        /// What the marker says.
        found: String,
    },
    /// The storage belongs to another user, who could not read what this one would write there.
    #[error("the registry's storage {} belongs to another user: run it as its owner: sudo -u {owner} shoal …", root.display())]
    Owner {
        /// The root of the storage.
        root: PathBuf,
        /// The owner's name, or `'#UID'` where it has none.
        owner: String,
    },
    /// The content on disk is not what its digest says. It is in quarantine and absent until it is pushed again.
    #[error("the stored content of {digest} is damaged and was put into quarantine: push it again")]
    Corrupt {
        /// The digest.
        digest: Digest,
    },
    /// The bytes of an upload are not those of the digest. The upload is gone.
    #[error("the uploaded content has the digest {got}, not {expected}: upload it again")]
    DigestMismatch {
        /// The digest the client named.
        expected: Digest,
        /// The digest of what it sent.
        got: Digest,
    },
    /// No such upload in this repository; it may have expired.
    #[error("there is no upload {0} in this repository: start a new one")]
    UploadUnknown(UploadId),
    /// Another request is writing to this upload.
    #[error("another request is writing to the upload {0}: wait for its end, then ask for its status")]
    UploadBusy(UploadId),
    /// A manifest names content that the repository does not have.
    #[error("the manifest names content that the repository does not have ({}): push that first", list(.0))]
    MissingContent(Vec<Digest>),
    /// The tag exists with other content, and its repository keeps tags as they are.
    #[error(
        "the tag {0} is immutable in this repository: push under another tag; the registry policy says which tags may move"
    )]
    TagImmutable(Tag),
    /// A file of the storage does not hold what it must.
    #[error("{} in the registry's storage cannot be understood: remove it and push again", path.display())]
    Malformed {
        /// The file, below the root of the storage.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl StorageError {
    /// An error of the system while doing `operation` to `path`; a full disk gets its own variant.
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        if is_link(&source) {
            return Self::Symlink { path };
        }
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { operation, path, source }
            }
            _ => Self::Io { operation, path, source },
        }
    }

    /// The disk cannot give back what it stored: broken blocks, or a file system that finds its own checksums or
    /// structures wrong. Reading again does not help.
    pub(crate) fn is_damage(&self) -> bool {
        use rustix::io::Errno;
        let Self::Io { source, .. } = self else { return false };
        [Errno::IO, Errno::UCLEAN, Errno::BADMSG, Errno::NODATA]
            .iter()
            .any(|errno| source.raw_os_error() == Some(errno.raw_os_error()))
    }

    /// A file has more bytes than whatever it was read as can have.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge)
    }

    /// The disk is full: make room, then try again.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}

/// A symbolic link was in the way and not followed.
pub(crate) fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// The first digests of a list, for an error.
fn list(digests: &[Digest]) -> String {
    const SHOWN: usize = 3;
    let mut text = digests.iter().take(SHOWN).map(Digest::to_string).collect::<Vec<_>>().join(", ");
    if digests.len() > SHOWN {
        text.push_str(&format!(" and {} more", digests.len() - SHOWN));
    }
    text
}
