// SPDX-License-Identifier: AGPL-3.0-or-later
//! What differs between two commits, by blob ids; equal directories are not looked into.
//!
//! Renames are not guessed: a renamed file is one removed and one added. Links and submodules
//! appear like files, so that nothing that changes is missed; a [`super::TreeSnapshot`] says which
//! of them are refused.

use std::cmp::Ordering;

use git2::{Oid, Repository};

use super::path::{Relation, TREE, escape, kind_of};
use super::{Limits, PathFilter, Reader, missing};
use crate::{BlobId, CommitId, GitError};

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// From the root of the repository; escaped where it could not be printed.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
    /// What was there.
    pub old: Option<BlobId>,
    /// What is there.
    pub new: Option<BlobId>,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only in the new commit.
    Added,
    /// Only in the old commit.
    Removed,
    /// In both, with other contents or another mode.
    Modified,
}

/// An entry of a tree, owned.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    id: Oid,
    mode: i32,
}

impl Entry {
    fn is_tree(&self) -> bool {
        kind_of(self.mode) == TREE
    }
}

impl Reader {
    /// What changed between two commits inside a filter, sorted by path.
    ///
    /// Errors: a commit is not there, or more entries than `limits` allows had to be looked at.
    pub fn diff(
        &self,
        old: CommitId,
        new: CommitId,
        filter: &PathFilter,
        limits: Limits,
    ) -> Result<Vec<Change>, GitError> {
        let (before, after) = (self.tree_of(old)?.to_oid(), self.tree_of(new)?.to_oid());
        self.with(|repository| {
            let mut walk =
                Walk { repository, filter, left: limits.entries, depth: limits.depth, changes: Vec::new() };
            let complete = walk.trees("", Some(before), Some(after), 0)?;
            walk.changes.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(complete.then_some(walk.changes))
        })
        .map_err(missing("part of commit", new))?
        .ok_or_else(|| GitError::TooManyEntries { commit: new.to_string(), limit: limits.entries })
    }
}

struct Walk<'a> {
    repository: &'a Repository,
    filter: &'a PathFilter,
    left: usize,
    depth: usize,
    changes: Vec<Change>,
}

impl Walk<'_> {
    /// False: the limit was reached.
    fn trees(
        &mut self,
        path: &str,
        old: Option<Oid>,
        new: Option<Oid>,
        depth: usize,
    ) -> Result<bool, git2::Error> {
        if old == new || depth > self.depth {
            return Ok(true);
        }
        let (old, new) = (self.read(old)?, self.read(new)?);
        match self.left.checked_sub(old.len() + new.len()) {
            Some(left) => self.left = left,
            None => return Ok(false),
        }
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(true),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
            };
            let a = (order != Ordering::Greater).then(|| old.next()).flatten();
            let b = (order != Ordering::Less).then(|| new.next()).flatten();
            if !self.entries(path, a, b, depth)? {
                return Ok(false);
            }
        }
    }

    fn entries(
        &mut self,
        parent: &str,
        old: Option<&Entry>,
        new: Option<&Entry>,
        depth: usize,
    ) -> Result<bool, git2::Error> {
        if let (Some(a), Some(b)) = (old, new)
            && a.id == b.id
            && a.mode == b.mode
        {
            return Ok(true);
        }
        let Some(name) = old.or(new).map(|entry| escape(&entry.name)) else {
            return Ok(true);
        };
        let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
        let relation = self.filter.relation(&path);
        if relation == Relation::Outside {
            return Ok(true);
        }
        // A directory on either side is gone into; a file on the other is gone or new by itself.
        let tree = |entry: Option<&Entry>| entry.filter(|entry| entry.is_tree()).map(|e| e.id);
        let file = |entry: Option<&Entry>| entry.filter(|entry| !entry.is_tree()).map(|e| e.id);
        if relation == Relation::Inside {
            let kind = match (file(old), file(new)) {
                (None, None) => None,
                (None, Some(_)) => Some(ChangeKind::Added),
                (Some(_), None) => Some(ChangeKind::Removed),
                (Some(_), Some(_)) => Some(ChangeKind::Modified),
            };
            if let Some(kind) = kind {
                self.changes.push(Change {
                    path: path.clone(),
                    kind,
                    old: file(old).map(BlobId::of),
                    new: file(new).map(BlobId::of),
                });
            }
        }
        self.trees(&path, tree(old), tree(new), depth + 1)
    }

    /// The entries of a tree in the order of their names as bytes: git's own order puts a slash
    /// behind directories, so that a file and a directory of one name would not meet.
    fn read(&self, id: Option<Oid>) -> Result<Vec<Entry>, git2::Error> {
        let Some(id) = id else {
            return Ok(Vec::new());
        };
        let tree = self.repository.find_tree(id)?;
        let mut entries: Vec<Entry> = tree
            .iter()
            .map(|entry| Entry {
                name: entry.name_bytes().to_vec(),
                id: entry.id(),
                mode: entry.filemode_raw(),
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}
