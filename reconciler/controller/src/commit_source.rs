// SPDX-License-Identifier: AGPL-3.0-or-later
//! The inventory's files at a commit: blobs out of a repository, never a checkout.

use std::sync::Arc;

use shoal_git::{CommitId, GitError, Limits, PathFilter, Reader, TreeSnapshot, Why};
use shoal_inventory::{ContentId, FileEntry, FileSource, MAX_FILE_BYTES, Refused, SourceError};

/// What of a repository is looked at.
pub const INVENTORY_PATHS: [&str; 6] =
    ["shoal.yaml", "servers/", "recipes/", "images/", "secrets/", "approvals/"];

/// The files of one commit.
pub struct CommitSource {
    reader: Reader,
    snapshot: Arc<TreeSnapshot>,
}

impl CommitSource {
    /// The inventory's files at a commit of any repository.
    pub fn at(reader: Reader, commit: CommitId) -> Result<Self, GitError> {
        let filter = PathFilter::only(INVENTORY_PATHS);
        let snapshot = reader.snapshot(commit, &filter, Limits::default())?;
        Ok(Self { reader, snapshot: Arc::new(snapshot) })
    }

    /// The same of another commit, where directories that did not change are not looked into again.
    pub(crate) fn after(reader: Reader, earlier: &TreeSnapshot, commit: CommitId) -> Result<Self, GitError> {
        let snapshot = reader.snapshot_after(earlier, commit)?;
        Ok(Self { reader, snapshot: Arc::new(snapshot) })
    }

    /// What is at the commit.
    pub(crate) fn snapshot(&self) -> &Arc<TreeSnapshot> {
        &self.snapshot
    }
}

impl FileSource for CommitSource {
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        let files = self.snapshot.blobs.iter().map(|blob| FileEntry {
            path: Arc::clone(&blob.path),
            id: Some(ContentId::new(blob.id.as_bytes())),
            size: blob.size,
            refused: None,
        });
        let refused = self.snapshot.refused.iter().map(|entry| FileEntry {
            path: entry.path.as_str().into(),
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
            subject: entry.path.to_string(),
            source,
        };
        let Some(blob) = self.snapshot.get(&entry.path) else {
            return Err(failed("it is not in the commit".into()));
        };
        self.reader.blob(blob.id, MAX_FILE_BYTES).map_err(|error| failed(error.into()))
    }
}
