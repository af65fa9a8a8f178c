// SPDX-License-Identifier: AGPL-3.0-or-later
//! What stands on the status branch.

use shoal_git::Reader;
use shoal_schema::status::{SUMMARY_PATH, ServerStatus, StatusSummary};

/// The summary at a commit of the status branch.
pub fn read_summary(
    reader: &Reader,
    commit: shoal_git::CommitId,
) -> Result<Option<StatusSummary>, shoal_git::GitError> {
    let bytes = reader.file(commit, SUMMARY_PATH, 1 << 20)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Every server's status at a commit of the status branch. What cannot be read is left out.
pub fn read_servers(
    reader: &Reader,
    commit: shoal_git::CommitId,
) -> Result<Vec<(String, ServerStatus)>, shoal_git::GitError> {
    let snapshot =
        reader.snapshot(commit, &shoal_git::PathFilter::only(["servers/"]), shoal_git::Limits::default())?;
    let mut all = Vec::new();
    for blob in &snapshot.blobs {
        let bytes = reader.entry(blob)?;
        if let Ok(status) = serde_json::from_slice::<ServerStatus>(&bytes) {
            all.push((blob.path.to_string(), status));
        }
    }
    Ok(all)
}
