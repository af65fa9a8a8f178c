// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why an archive was not unpacked.

use std::io;

use crate::failure::{Code, is_full};
use crate::root::shown;
use crate::tar_stream::ArchiveError;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive itself.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An entry is not taken.
    #[error("unpack {name:?}: {problem}")]
    Refused {
        /// Its name.
        name: String,
        /// Why.
        problem: &'static str,
    },
    /// An entry could not be made.
    #[error("unpack {name:?}")]
    Entry {
        /// Its name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl UnpackError {
    pub(super) fn refused(name: &[u8], problem: &'static str) -> Self {
        Self::Refused { name: shown(name), problem }
    }

    pub(super) fn entry(name: &[u8], source: io::Error) -> Self {
        Self::Entry { name: shown(name), source }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Entry { source, .. } if is_full(source) => Code::DiskFull,
            Self::Entry { source, .. }
                if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) =>
            {
                Code::DiskFailed
            }
            Self::Archive(_) | Self::Refused { .. } | Self::Entry { .. } => Code::BadArchive,
        }
    }
}
