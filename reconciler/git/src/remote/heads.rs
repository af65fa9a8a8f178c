// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding a branch among those that a remote lists.

use std::panic::{AssertUnwindSafe, catch_unwind};

use git2::RemoteHead;

use super::{RemoteTip, head_ref};
use crate::error::MAX_BRANCHES_NAMED;
use crate::{CommitId, GitError, RemoteUrl};

/// The branch that was asked for, or the one that HEAD names; and where another one stands.
pub(super) fn choose(
    url: &RemoteUrl,
    heads: &[RemoteHead<'_>],
    branch: Option<&str>,
    beside: &str,
) -> Result<RemoteTip, GitError> {
    let branch = branch.map_or_else(|| default_branch(heads), str::to_owned);
    let (name, beside) = (head_ref(&branch)?, head_ref(beside)?);
    let tip_of = |name: &str| {
        heads.iter().find(|head| name_of(head) == Some(name)).map(|head| CommitId::of(head.oid()))
    };
    if let Some(commit) = tip_of(&name) {
        return Ok(RemoteTip { branch, commit, beside: tip_of(&beside) });
    }
    let mut existing: Vec<String> = heads
        .iter()
        .filter_map(|head| name_of(head)?.strip_prefix("refs/heads/"))
        .map(str::to_owned)
        .collect();
    existing.sort();
    existing.truncate(MAX_BRANCHES_NAMED);
    let repository = url.to_string();
    Err(if existing.is_empty() {
        GitError::EmptyRepository { repository }
    } else {
        GitError::BranchMissing { repository, branch, existing }
    })
}

/// The name of a reference, if it is UTF-8. The library panics over others, and anybody who may push
/// any branch could then stop every fetch.
fn name_of<'a>(head: &'a RemoteHead<'_>) -> Option<&'a str> {
    catch_unwind(AssertUnwindSafe(|| head.name())).ok()
}

fn default_branch(heads: &[RemoteHead<'_>]) -> String {
    let head = heads.iter().find(|head| name_of(head) == Some("HEAD"));
    let target = |head: &RemoteHead<'_>| {
        let target = catch_unwind(AssertUnwindSafe(|| head.symref_target())).ok()??;
        Some(target.strip_prefix("refs/heads/")?.to_owned())
    };
    if let Some(branch) = head.and_then(target) {
        return branch;
    }
    // An old server does not say what HEAD names: take the branch that stands there, main first.
    let at_head = |branch: &str| {
        let name = format!("refs/heads/{branch}");
        head.is_some_and(|head| {
            heads.iter().any(|other| name_of(other) == Some(&name) && other.oid() == head.oid())
        })
    };
    for branch in ["main", "master"] {
        if at_head(branch) {
            return branch.to_owned();
        }
    }
    "main".to_owned()
}
