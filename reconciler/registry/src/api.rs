// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies of the administration's API below `/api/v1/registry/`. Errors have the form of the
//! controller's other ones ([`shoal_schema::api::ErrorBody`]).
//!
//! | request | answer |
//! |---|---|
//! | `GET images?repository=PATTERN` | [`Images`] |
//! | `GET usage` | [`Usage`] |
//! | `GET tasks` | [`Tasks`] |
//! | `POST gc?dryRun=true` | 202, [`Task`]; 409 while another collection runs, dry or not |
//! | `POST scrub` | 202, [`Task`]; 409 while another scrub runs |
//! | `POST restore?digest=DIGEST` | [`Restored`]; 404 where it is not in quarantine |

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_oci::{Digest, RepositoryName, Tag};
use shoal_registry_storage as storage;

/// So many things that went are listed.
const LISTED: usize = 10_000;

/// `GET images`: every tag, and every manifest without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Images {
    /// By repository, then tag.
    pub images: Vec<Image>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// Where.
    pub repository: RepositoryName,
    /// Its tag; nothing where it can be reached by its digest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// The manifest's digest: what an inventory names.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// What the artifact is, where its manifest says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Bytes of the manifest and of everything that it names.
    pub size: u64,
    /// When it was pushed, or the tag moved.
    pub pushed: Timestamp,
}

/// `GET usage`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Blobs and manifests, each content once.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads that are under way or wait to be resumed.
    pub uploads: u64,
    /// Bytes in quarantine.
    pub quarantined_bytes: u64,
    /// Bytes free on the disk.
    pub free: u64,
    /// Bytes of the disk.
    pub total: u64,
    /// Bytes that stay free: below that, pushes are refused with 507.
    pub min_free: u64,
    /// The policy's quotas.
    pub quotas: Vec<QuotaUsage>,
}

/// One quota and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaUsage {
    /// Which repositories, as the policy has it.
    pub repositories: String,
    /// Bytes that they may hold.
    pub max: u64,
    /// Bytes that they hold.
    pub used: u64,
}

/// `GET tasks`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tasks {
    /// Those that run, the oldest first: at most one collection, dry or not, and one scrub.
    pub running: Vec<Task>,
    /// Those that ended, the newest first; the last few, since the registry was started.
    pub ended: Vec<Task>,
}

/// A garbage collection or a scrub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Counts from 1 since the registry was started.
    pub id: u64,
    /// What it does.
    pub kind: TaskKind,
    /// Who asked for it; `schedule` where the policy did.
    pub by: String,
    /// How far it is.
    pub state: TaskState,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What was done so far.
    pub progress: Progress,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a garbage collection found, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<Collected>,
    /// What a scrub found, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrubbed: Option<Scrubbed>,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Takes out what nothing needs.
    Gc,
    /// Says what a garbage collection would take out, and takes nothing.
    GcDryRun,
    /// Checks all content against its digests.
    Scrub,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// At work.
    Running,
    /// At its end.
    Done,
    /// Told to stop before its end: the registry stopped.
    Stopped,
    /// It could not be done: `error` says why.
    Failed,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing yet.
    #[default]
    Begin,
    /// Reading what there is.
    Scan,
    /// Finding what is needed.
    Mark,
    /// Taking out the rest.
    Sweep,
    /// Checking content.
    Check,
}

/// How much a task has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// What it is doing: `scan`, `mark`, `sweep` of a collection, `check` of a scrub.
    pub stage: Stage,
    /// How much of that is done: repositories, manifests, things taken out, contents checked.
    pub done: u64,
    /// Of so many, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// Bytes that were checked.
    pub bytes: u64,
}

/// What a garbage collection took out, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Collected {
    /// Each thing with its reason, in the order in which it went; at most the first 10,000.
    pub removed: Vec<Removed>,
    /// How many there are in all.
    pub count: u64,
    /// Bytes of content that went into quarantine: free once its time is over.
    pub bytes: u64,
    /// Bytes that are free now.
    pub freed_bytes: u64,
    /// Records that could not be read; what they might stand for was kept.
    pub damaged: Vec<Damaged>,
    /// Repositories of which everything was kept for that reason.
    #[serde(default)]
    pub skipped: Vec<RepositoryName>,
    /// The clock was days ahead of the last run, so that nothing counted as old; the next run is as usual.
    #[serde(default)]
    pub postponed: bool,
    /// What stays.
    pub kept: Kept,
}

/// One thing that a garbage collection took out, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removed {
    /// `tag`, `manifest`, `referrer`, `link`, `content`, `quarantined`.
    pub kind: String,
    /// What: `REPOSITORY:TAG`, `REPOSITORY@DIGEST`, a digest.
    pub name: String,
    /// Bytes on the disk, where it is content.
    pub bytes: u64,
    /// Why nothing needs it.
    pub why: String,
}

/// A record of the storage that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damaged {
    /// The file, below the registry's directory.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

/// What stays after a garbage collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Tags.
    pub tags: u64,
    /// Manifests, counted in each repository.
    pub manifests: u64,
    /// Contents, blobs and manifests.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scrubbed {
    /// Contents read.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents that were damaged: in quarantine now, to be pushed again.
    pub corrupt: Vec<Digest>,
    /// Contents that could not be checked, or not be put away; they are found again by the next scrub.
    #[serde(default)]
    pub unchecked: Vec<Unchecked>,
    /// Who needs those.
    pub affected: Vec<Affected>,
}

/// Content of which nobody knows whether it is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unchecked {
    /// The content.
    pub digest: Digest,
    /// Why it could not be checked.
    pub why: String,
}

/// A repository that has damaged content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Affected {
    /// The content.
    pub digest: Digest,
    /// The repository.
    pub repository: RepositoryName,
    /// Tags of the repository that reach it: images to be pushed again.
    pub tags: Vec<Tag>,
}

/// `POST restore`: the content is back, with what it names, in the repositories that it was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restored {
    /// The content that was asked for.
    pub digest: Digest,
}

// === from the storage's types ===

impl From<storage::ImageRow> for Image {
    fn from(row: storage::ImageRow) -> Self {
        Self {
            repository: row.repository,
            tag: row.tag,
            digest: row.digest,
            media_type: row.media_type,
            artifact_type: row.artifact_type,
            size: row.size,
            pushed: row.pushed,
        }
    }
}

impl From<storage::Collected> for Collected {
    fn from(collected: storage::Collected) -> Self {
        let removed = collected.rows.iter().take(LISTED).map(|row| Removed {
            kind: row.item.kind().to_owned(),
            name: row.item.to_string(),
            bytes: row.bytes,
            why: row.reason.to_string(),
        });
        let damaged = collected.damaged.iter();
        let kept = collected.kept;
        Self {
            removed: removed.collect(),
            count: collected.rows.len() as u64,
            bytes: collected.quarantined_bytes,
            freed_bytes: collected.freed_bytes,
            damaged: damaged
                .map(|record| Damaged { path: record.path.display().to_string(), why: record.why.clone() })
                .collect(),
            skipped: collected.skipped.into_iter().collect(),
            postponed: collected.postponed,
            kept: Kept { tags: kept.tags, manifests: kept.manifests, blobs: kept.blobs, bytes: kept.bytes },
        }
    }
}

impl From<storage::CollectProgress> for Progress {
    fn from(progress: storage::CollectProgress) -> Self {
        let stage = match progress.stage {
            storage::collect::CollectStage::Scan => Stage::Scan,
            storage::collect::CollectStage::Mark => Stage::Mark,
            storage::collect::CollectStage::Sweep => Stage::Sweep,
        };
        Self { stage, done: progress.done, of: (progress.of > 0).then_some(progress.of), bytes: 0 }
    }
}

impl From<storage::ScrubProgress> for Progress {
    fn from(progress: storage::ScrubProgress) -> Self {
        Self { stage: Stage::Check, done: progress.checked, of: Some(progress.of), bytes: progress.bytes }
    }
}

impl From<storage::Scrubbed> for Scrubbed {
    fn from(scrubbed: storage::Scrubbed) -> Self {
        let affected = scrubbed.affected.into_iter();
        Self {
            checked: scrubbed.checked,
            bytes: scrubbed.bytes,
            corrupt: scrubbed.corrupt,
            unchecked: scrubbed.failed.into_iter().map(|(digest, why)| Unchecked { digest, why }).collect(),
            affected: affected
                .map(|row| Affected { digest: row.digest, repository: row.repository, tags: row.tags })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_oci::Algorithm;

    use super::*;

    #[test]
    fn what_could_not_be_checked_or_collected_is_in_the_answer() {
        let digest = Digest::of(Algorithm::Sha256, b"a");
        let why = "input/output error".to_owned();
        let scrubbed =
            storage::Scrubbed { failed: vec![(digest.clone(), why.clone())], ..Default::default() };
        assert_eq!(Scrubbed::from(scrubbed).unchecked, [Unchecked { digest, why }]);
        let repository = RepositoryName::parse("os/a").unwrap();
        let collected = storage::Collected {
            skipped: [repository.clone()].into(),
            postponed: true,
            ..Default::default()
        };
        let answer = Collected::from(collected);
        assert!(answer.skipped == [repository] && answer.postponed);
    }
}
