// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a collection did, or would do, and why.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use shoal_oci::{Digest, RepositoryName, Tag};

/// What a collection did, or in a dry run would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Everything that was taken out or deleted, in the order in which it was.
    pub rows: Vec<CollectedRow>,
    /// Records, and manifests that must be kept, that could not be read. What they might stand for was kept.
    pub damaged: Vec<Damaged>,
    /// Repositories of which everything was kept for that reason.
    pub skipped: BTreeSet<RepositoryName>,
    /// What stays.
    pub kept: KeptContent,
    /// Bytes of content that went into quarantine.
    pub quarantined_bytes: u64,
    /// Bytes of content that were deleted: from quarantine, and at once where it is kept for no time.
    pub freed_bytes: u64,
    /// The clock was days ahead of the last run, so nothing counted as old. The next run is as usual.
    pub postponed: bool,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// What stays after a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptContent {
    /// Tags.
    pub tags: u64,
    /// Manifests, counted in each repository.
    pub manifests: u64,
    /// Content, blobs and manifests.
    pub blobs: u64,
    /// Bytes of that.
    pub bytes: u64,
}

/// One thing that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollectedRow {
    /// What.
    pub item: Item,
    /// Its bytes on disk, where it is content; otherwise 0.
    pub bytes: u64,
    /// Why.
    pub reason: Reason,
}

/// Something that can be taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Content in quarantine, deleted for good.
    Quarantined {
        /// The content.
        digest: Digest,
    },
    /// A tag.
    Tag {
        /// Its repository.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// The manifest it points at.
        digest: Digest,
    },
    /// A manifest in a repository, with its entry below its subject.
    Manifest {
        /// The repository.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
    },
    /// An entry below a subject whose manifest is not there.
    Referrer {
        /// The repository.
        repository: RepositoryName,
        /// The subject.
        subject: Digest,
        /// What referred to it.
        digest: Digest,
    },
    /// That a blob belongs to a repository.
    Link {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// Content itself.
    Content {
        /// The content.
        digest: Digest,
    },
}

/// Why something is taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Newer tags fill what the repository keeps.
    Retired {
        /// How many tags it keeps.
        keep_last: u32,
    },
    /// The tag accompanies a manifest that is not kept.
    Companion,
    /// Nothing that is kept names it.
    Unreferenced {
        /// When it was pushed or used last.
        since: Timestamp,
    },
    /// The manifest that it speaks of is not there.
    Dangling,
    /// No repository has it, and no root names it.
    Unlinked {
        /// When it was stored.
        since: Timestamp,
    },
    /// It was in quarantine for long enough.
    Expired {
        /// When it came there.
        since: Timestamp,
    },
}

/// A record or a manifest that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The file, below the root of the storage.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// How far a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectProgress {
    /// What it is doing.
    pub stage: CollectStage,
    /// How much of that is done.
    pub done: u64,
    /// How much there is; 0 where that is not known.
    pub of: u64,
}

/// What a collection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectStage {
    /// Reading what there is, counted in repositories.
    Scan,
    /// Finding what is needed, counted in manifests.
    Mark,
    /// Taking out the rest, counted in rows.
    Sweep,
}

impl Item {
    /// The tag's target, the manifest, blob or content.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Quarantined { digest }
            | Self::Tag { digest, .. }
            | Self::Manifest { digest, .. }
            | Self::Referrer { digest, .. }
            | Self::Link { digest, .. }
            | Self::Content { digest } => digest,
        }
    }

    /// The repository; content has none.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Tag { repository, .. }
            | Self::Manifest { repository, .. }
            | Self::Referrer { repository, .. }
            | Self::Link { repository, .. } => Some(repository),
            Self::Quarantined { .. } | Self::Content { .. } => None,
        }
    }

    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Quarantined { .. } => "quarantined",
            Self::Tag { .. } => "tag",
            Self::Manifest { .. } => "manifest",
            Self::Referrer { .. } => "referrer",
            Self::Link { .. } => "link",
            Self::Content { .. } => "content",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { digest } => write!(f, "{digest} in quarantine"),
            Self::Tag { repository, tag, .. } => write!(f, "{repository}:{tag}"),
            Self::Manifest { repository, digest } | Self::Link { repository, digest } => {
                write!(f, "{repository}@{digest}")
            }
            Self::Referrer { repository, subject, digest } => {
                write!(f, "{repository}@{digest} below {subject}")
            }
            Self::Content { digest } => write!(f, "{digest}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retired { keep_last } => {
                write!(f, "the repository keeps the {keep_last} tags pushed last")
            }
            Self::Companion => f.write_str("the manifest that the tag accompanies is not kept"),
            Self::Unreferenced { since } => {
                write!(f, "no tag, index, subject or root names it, and it was not used since {since:.0}")
            }
            Self::Dangling => f.write_str("the manifest is not there"),
            Self::Unlinked { since } => {
                write!(f, "no repository has it and no root names it; stored at {since:.0}")
            }
            Self::Expired { since } => write!(f, "in quarantine since {since:.0}"),
        }
    }
}
