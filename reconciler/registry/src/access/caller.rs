// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who is at the other end of a request.

use std::fmt;

use shoal_oci::RepositoryName;

use crate::policy::{ANONYMOUS, EVERYONE};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anybody, where there are no accounts (mode none).
    Open,
    /// Somebody without an account, where there are accounts.
    Anonymous,
    /// An account, by its name.
    Account(String),
    /// A job with its token.
    Job(JobAccess),
}

/// What a job's token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAccess {
    /// The one repository that the job may pull from.
    pub repository: RepositoryName,
    /// The job, for audit events.
    pub job: String,
}

/// Knows the tokens of jobs: the controller, which mints them.
///
/// A token comes as `Authorization: Bearer`, or as the password of the user `job`. Whoever implements
/// this compares in constant time, and no longer knows a token whose job is over.
pub trait JobTokens: Send + Sync {
    /// What this token opens; nothing where it is no token of a job that is under way.
    fn access(&self, token: &str) -> Option<JobAccess>;
}

// === impl Caller ===

impl Caller {
    /// Whether a rule that names `user` is about this caller. What anybody may, everybody may.
    pub(crate) fn is(&self, user: &str) -> bool {
        match self {
            Self::Open => matches!(user, EVERYONE | ANONYMOUS),
            Self::Anonymous => user == ANONYMOUS,
            Self::Account(name) => matches!(user, EVERYONE | ANONYMOUS) || user == name,
            Self::Job(_) => false,
        }
    }
}

/// For logs and audit events: an account by its name, a job as `job:ID`, `-` for anybody in a registry
/// without accounts.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("-"),
            Self::Anonymous => f.write_str(ANONYMOUS),
            Self::Account(name) => f.write_str(name),
            Self::Job(job) => write!(f, "job:{}", job.job),
        }
    }
}
