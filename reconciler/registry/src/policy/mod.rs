// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the operator decided: who may do what, what is kept, how much of it, and how often it is
//! looked after. One file, YAML or JSON; the binary turns it into a [`serde_json::Value`], this
//! module into a [`Policy`] that the rest never has to check again.
//!
//! Guarantees:
//! * Every fault of the file is reported, each with the path of its field and what is allowed there.
//! * The JSON Schema ([`Policy::schema()`]) and the reader take the same files: the tests compare them.
//! * [`Policy::default()`] is what holds without a file.

mod read;
mod value;

use schemars::JsonSchema;
use serde::Serialize;
use shoal_oci::RepositoryName;
use shoal_registry_storage::Pattern;
use shoal_schema::size::ByteSize;

pub use read::{Fault, PolicyError};
pub use value::{MinFree, Span};

use crate::access::Caller;

/// The name in a rule that stands for everyone whom the mode lets in.
pub(crate) const EVERYONE: &str = "*";
/// The name in a rule that stands for callers without an account.
pub(crate) const ANONYMOUS: &str = "anonymous";
/// The name under which job tokens come as passwords; no account can have it.
pub(crate) const JOB_USER: &str = "job";

/// The registry's policy.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, default)]
pub struct Policy {
    /// Who may do what. What any rule allows is allowed; what none allows is not. Without this field
    /// everyone whom the mode lets in may pull, push and delete everywhere.
    pub access: Vec<AccessRule>,
    /// Repositories whose tags never move: a push to a tag that is there and has another digest is
    /// answered with 409, and so is a request to delete it. Retention still removes the oldest ones.
    #[schemars(schema_with = "value::patterns")]
    pub immutable_tags: Vec<Pattern>,
    /// What the garbage collection leaves of tagged manifests. The first rule that fits a repository
    /// counts; what no rule fits is kept. Without this field: the newest five of `tools/*`.
    pub retention: Vec<RetentionRule>,
    /// Limits of what repositories hold together. Every quota that fits a repository counts.
    pub quotas: Vec<Quota>,
    /// Repositories that take a manifest although content it names is not there.
    #[schemars(schema_with = "value::patterns")]
    pub sparse: Vec<Pattern>,
    /// What stays free on the disk: uploads are answered with 507 before they would eat into it.
    pub min_free: MinFree,
    /// The largest manifest that is taken; larger ones are answered with 413. `64K` to `64M`.
    pub max_manifest: ByteSize,
    /// Uploads that receive at the same time; others are told to come back.
    #[schemars(range(min = 1, max = 1024))]
    pub uploads: u32,
    /// Garbage collection.
    pub gc: Gc,
    /// Checking of all content against its digests.
    pub scrub: Scrub,
}

/// One rule: these accounts may do this in these repositories.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct AccessRule {
    /// Accounts by name. `*` is everyone whom the mode lets in: every account, or without accounts
    /// (mode none) every caller. `anonymous` is a caller without an account, where there are accounts.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub users: Vec<String>,
    /// Repositories: `*`, `PREFIX/*`, or one by its name.
    #[schemars(schema_with = "value::patterns_required")]
    pub repositories: Vec<Pattern>,
    /// What they may do.
    #[schemars(length(min = 1))]
    pub allow: Vec<Right>,
}

/// What a rule can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Reading.
    Pull,
    /// Writing. Includes reading: every client looks before it pushes.
    Push,
    /// Deleting. Includes reading, for the same reason.
    Delete,
    /// Maintenance: usage, garbage collection, scrub, restoring. Is about the whole registry, and
    /// includes none of the others.
    Admin,
}

/// What the garbage collection leaves of tagged manifests.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RetentionRule {
    /// Which repositories.
    #[schemars(schema_with = "value::pattern")]
    pub repositories: Pattern,
    /// So many tags of each repository stay, the newest; without it all of them do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub keep_last: Option<u32>,
}

/// How much repositories may hold together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Quota {
    /// Which repositories.
    #[schemars(schema_with = "value::pattern")]
    pub repositories: Pattern,
    /// So much: `500G`.
    pub max: ByteSize,
}

/// Garbage collection.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, default)]
pub struct Gc {
    /// From one run's begin to the next. `1m` to `30d`.
    pub every: Span,
    /// What nothing refers to stays so long after its last use: a push whose manifest is still to
    /// come needs it. `1s` to `365d`.
    pub grace: Span,
    /// What was taken out can be restored for so long before it is deleted. `0s` to `365d`.
    pub quarantine: Span,
}

/// Checking of all content against its digests.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, default)]
pub struct Scrub {
    /// From one run's begin to the next; a run that takes longer is followed by the next. `1h` to `365d`.
    pub every: Span,
    /// At most so many bytes in a second: pulls come first.
    pub rate: ByteSize,
}

// === impl Policy ===

impl Policy {
    /// Reads a policy; `null`, an empty file, is the default.
    pub fn from_value(value: serde_json::Value) -> Result<Self, PolicyError> {
        read::policy(&value)
    }

    /// The JSON Schema of the file.
    pub fn schema() -> schemars::Schema {
        schemars::SchemaGenerator::default().into_root_schema_for::<Self>()
    }

    /// Whether the rules let `caller` do this in that repository. A job pulls from its own repository
    /// and does nothing else: no rule is about it.
    pub fn allows(&self, caller: &Caller, right: Right, repository: &RepositoryName) -> bool {
        if let Caller::Job(job) = caller {
            return right == Right::Pull && job.repository == *repository;
        }
        self.rules_of(caller).any(|rule| {
            rule.allow.iter().any(|given| given.includes(right))
                && rule.repositories.iter().any(|pattern| pattern.matches(repository))
        })
    }

    /// Whether there is anything at all that `caller` may pull.
    pub fn allows_something(&self, caller: &Caller) -> bool {
        matches!(caller, Caller::Job(_))
            || self.rules_of(caller).any(|rule| rule.allow.iter().any(|given| given.includes(Right::Pull)))
    }

    /// Whether a rule makes `caller` an administrator.
    pub fn administers(&self, caller: &Caller) -> bool {
        self.rules_of(caller).any(|rule| rule.allow.contains(&Right::Admin))
    }

    /// Whether the repository's tags never move.
    pub fn is_immutable(&self, repository: &RepositoryName) -> bool {
        self.immutable_tags.iter().any(|pattern| pattern.matches(repository))
    }

    /// Whether the repository takes manifests whose content is not there.
    pub fn is_sparse(&self, repository: &RepositoryName) -> bool {
        self.sparse.iter().any(|pattern| pattern.matches(repository))
    }

    /// The quotas that count for a repository.
    pub fn quotas_of<'a>(&'a self, repository: &'a RepositoryName) -> impl Iterator<Item = &'a Quota> {
        self.quotas.iter().filter(move |quota| quota.repositories.matches(repository))
    }

    /// Accounts that rules name.
    pub fn named_users(&self) -> impl Iterator<Item = &str> {
        let names = self.access.iter().flat_map(|rule| &rule.users).map(String::as_str);
        names.filter(|name| ![EVERYONE, ANONYMOUS].contains(name))
    }

    fn rules_of<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a AccessRule> {
        self.access.iter().filter(move |rule| rule.users.iter().any(|user| caller.is(user)))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            access: vec![AccessRule {
                users: vec![EVERYONE.to_owned()],
                repositories: vec![Pattern::all()],
                allow: vec![Right::Pull, Right::Push, Right::Delete],
            }],
            immutable_tags: Vec::new(),
            retention: vec![RetentionRule { repositories: value::tools(), keep_last: Some(5) }],
            quotas: Vec::new(),
            sparse: Vec::new(),
            min_free: MinFree::Percent(5),
            max_manifest: ByteSize::from_bytes(4 << 20),
            uploads: 8,
            gc: Gc::default(),
            scrub: Scrub::default(),
        }
    }
}

// === impl Right ===

impl Right {
    /// Every right, in the order in which errors list them.
    pub const ALL: [Self; 4] = [Self::Pull, Self::Push, Self::Delete, Self::Admin];

    /// As it is written in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    fn includes(self, wanted: Self) -> bool {
        self == wanted || (wanted == Self::Pull && matches!(self, Self::Push | Self::Delete))
    }
}

// === impl Gc, Scrub ===

impl Default for Gc {
    fn default() -> Self {
        Self { every: Span::hours(1), grace: Span::days(1), quarantine: Span::days(7) }
    }
}

impl Default for Scrub {
    fn default() -> Self {
        Self { every: Span::days(1), rate: ByteSize::from_bytes(64 << 20) }
    }
}

#[cfg(test)]
mod tests;
