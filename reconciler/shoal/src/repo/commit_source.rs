// SPDX-License-Identifier: AGPL-3.0-or-later
//! The inventory's files at a commit: blobs out of a repository, never a checkout.

use shoal_git::{BlobId, CommitId, GitError, Limits, PathFilter, Reader, TreeSnapshot, Why};
use shoal_inventory::{FileEntry, FileSource, MAX_FILE_BYTES, Refused, SourceError};

/// What of a repository is looked at.
const INVENTORY_PATHS: [&str; 6] =
    ["shoal.yaml", "servers/", "recipes/", "images/", "secrets/", "approvals/"];

/// The files of one commit.
pub(super) struct CommitSource {
    reader: Reader,
    snapshot: TreeSnapshot,
}

impl CommitSource {
    /// The inventory's files at a commit of any repository.
    pub(super) fn at(reader: Reader, commit: CommitId) -> Result<Self, GitError> {
        let filter = PathFilter::only(INVENTORY_PATHS);
        let snapshot = reader.snapshot(commit, &filter, Limits::default())?;
        Ok(Self { reader, snapshot })
    }
}

/// Whether a path of a work tree is one that [`CommitSource`] would list.
pub(super) fn is_inventory_path(path: &str) -> bool {
    INVENTORY_PATHS.iter().any(|root| path == *root || (root.ends_with('/') && path.starts_with(root)))
}

impl FileSource for CommitSource {
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        let files = self.snapshot.blobs.iter().map(|blob| FileEntry {
            path: blob.path.to_string(),
            id: Some(blob.id.to_string()),
            size: blob.size,
            refused: None,
        });
        let refused = self.snapshot.refused.iter().map(|entry| FileEntry {
            path: entry.path.clone(),
            id: None,
            size: 0,
            refused: Some(match entry.why {
                Why::Symlink => Refused::Symlink,
                Why::Submodule => Refused::Submodule,
                Why::TooLarge { .. } => Refused::TooLarge,
                Why::NotUtf8 | Why::UnsafeName => Refused::PathNotUtf8,
                Why::TooDeep { .. } | Why::Duplicate | Why::UnknownKind { .. } => Refused::Special,
            }),
        });
        Ok(files.chain(refused).collect())
    }

    fn read(&self, entry: &FileEntry) -> Result<Vec<u8>, SourceError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SourceError::Failed {
            action: "read",
            subject: entry.path.clone(),
            source,
        };
        let id: BlobId = match &entry.id {
            Some(id) => id.parse().map_err(|error: shoal_git::InvalidId| failed(error.into()))?,
            None => return Err(failed("it has no object id".into())),
        };
        self.reader.blob(id, MAX_FILE_BYTES).map_err(|error| failed(error.into()))
    }
}
