// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of a commit: names, blob ids and sizes, without reading the files.
//!
//! Guarantees: only regular files with safe UTF-8 names and a bounded size are listed; everything
//! else inside the filter is named with the reason, so that one bad entry does not hide the others.
//! Sorted by path. A snapshot made from an earlier one looks only at directories that changed.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use git2::{Odb, Oid, Repository};

use super::path::{GITLINK, Relation, SYMLINK, TREE, escape, is_regular, is_safe_name, kind_of};
use super::{BlobEntry, Limits, PathFilter, Reader, Refused, Why, missing};
use crate::{BlobId, CommitId, GitError, TreeId};

/// The files of a commit inside a filter.
#[derive(Debug, Clone)]
pub struct TreeSnapshot {
    /// The commit.
    pub commit: CommitId,
    /// Its whole tree, filter or not.
    pub tree: TreeId,
    /// The files, sorted by path.
    pub blobs: Vec<BlobEntry>,
    /// What was left out, sorted by path.
    pub refused: Vec<Refused>,
    filter: PathFilter,
    limits: Limits,
    /// Directories seen, for the next snapshot.
    directories: BTreeMap<String, Directory>,
}

#[derive(Debug, Clone)]
struct Directory {
    id: Oid,
    blobs: Range<usize>,
    refused: Range<usize>,
    entries: usize,
}

impl TreeSnapshot {
    /// The file at a path.
    pub fn get(&self, path: &str) -> Option<&BlobEntry> {
        self.blobs.binary_search_by(|blob| (*blob.path).cmp(path)).ok().map(|at| &self.blobs[at])
    }
}

impl Reader {
    /// The files of a commit inside a filter.
    ///
    /// Errors: the commit is not there, or has more entries than allowed.
    pub fn snapshot(
        &self,
        commit: CommitId,
        filter: &PathFilter,
        limits: Limits,
    ) -> Result<TreeSnapshot, GitError> {
        self.walk(commit, filter, limits, None)
    }

    /// The files of another commit, taking over from an earlier snapshot every directory that did
    /// not change. Filter and limits are those of the earlier one.
    pub fn snapshot_after(&self, earlier: &TreeSnapshot, commit: CommitId) -> Result<TreeSnapshot, GitError> {
        self.walk(commit, &earlier.filter, earlier.limits, Some(earlier))
    }

    fn walk(
        &self,
        commit: CommitId,
        filter: &PathFilter,
        limits: Limits,
        earlier: Option<&TreeSnapshot>,
    ) -> Result<TreeSnapshot, GitError> {
        let root = self.tree_of(commit)?;
        self.with(|repository| {
            let mut walk = Walk {
                repository,
                odb: repository.odb()?,
                filter,
                limits,
                earlier,
                entries: 0,
                overflow: false,
                out: TreeSnapshot {
                    commit,
                    tree: root,
                    blobs: Vec::new(),
                    refused: Vec::new(),
                    filter: filter.clone(),
                    limits,
                    directories: BTreeMap::new(),
                },
            };
            walk.directory("", root.to_oid(), 0)?;
            Ok(walk.finish())
        })
        .map_err(missing("part of commit", commit))?
        .ok_or_else(|| GitError::TooManyEntries { commit: commit.to_string(), limit: limits.entries })
    }
}

struct Walk<'a> {
    repository: &'a Repository,
    odb: Odb<'a>,
    filter: &'a PathFilter,
    limits: Limits,
    earlier: Option<&'a TreeSnapshot>,
    entries: usize,
    overflow: bool,
    out: TreeSnapshot,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, id: Oid, depth: usize) -> Result<(), git2::Error> {
        let before = (self.out.blobs.len(), self.out.refused.len(), self.entries);
        if !self.take_over(path, id) {
            let tree = self.repository.find_tree(id)?;
            for entry in &tree {
                self.entries += 1;
                if self.entries > self.limits.entries {
                    self.overflow = true;
                }
                if self.overflow {
                    return Ok(());
                }
                self.entry(path, entry.name_bytes(), entry.id(), entry.filemode_raw(), depth)?;
            }
        }
        self.out.directories.insert(
            path.to_owned(),
            Directory {
                id,
                blobs: before.0..self.out.blobs.len(),
                refused: before.1..self.out.refused.len(),
                entries: self.entries - before.2,
            },
        );
        Ok(())
    }

    /// Copies a directory that the earlier snapshot has with the same id.
    fn take_over(&mut self, path: &str, id: Oid) -> bool {
        let Some(earlier) = self.earlier else {
            return false;
        };
        let Some(same) = earlier.directories.get(path).filter(|old| old.id == id) else {
            return false;
        };
        self.entries += same.entries;
        self.overflow |= self.entries > self.limits.entries;
        let (blobs, refused) = (self.out.blobs.len(), self.out.refused.len());
        self.out.blobs.extend_from_slice(&earlier.blobs[same.blobs.clone()]);
        self.out.refused.extend_from_slice(&earlier.refused[same.refused.clone()]);
        // What was below must be known below again, at its new place.
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        for (name, old) in earlier
            .directories
            .range::<str, _>((Bound::Excluded(below.as_str()), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(&below))
        {
            let moved = |range: &Range<usize>, base: usize, start: usize| {
                base + (range.start - start)..base + (range.end - start)
            };
            self.out.directories.insert(
                name.clone(),
                Directory {
                    id: old.id,
                    blobs: moved(&old.blobs, blobs, same.blobs.start),
                    refused: moved(&old.refused, refused, same.refused.start),
                    entries: old.entries,
                },
            );
        }
        true
    }

    fn entry(
        &mut self,
        parent: &str,
        name: &[u8],
        id: Oid,
        mode: i32,
        depth: usize,
    ) -> Result<(), git2::Error> {
        let Ok(text) = std::str::from_utf8(name) else {
            let shown = join(parent, &escape(name));
            if self.filter.relation(&shown) == Relation::Inside {
                self.refuse(shown, Why::NotUtf8);
            }
            return Ok(());
        };
        let path = join(parent, text);
        let relation = self.filter.relation(&path);
        if relation == Relation::Outside {
            return Ok(());
        }
        if !is_safe_name(text) {
            self.refuse(join(parent, &escape(name)), Why::UnsafeName);
            return Ok(());
        }
        if kind_of(mode) == TREE {
            if depth >= self.limits.depth {
                let limit = self.limits.depth;
                self.refuse(path, Why::TooDeep { limit });
                return Ok(());
            }
            return self.directory(&path, id, depth + 1);
        }
        // Something on the way to what is wanted that is no directory: nothing is behind it, except
        // behind a link, where people would expect it.
        if relation == Relation::Above && !matches!(kind_of(mode), SYMLINK | GITLINK) {
            return Ok(());
        }
        match kind_of(mode) {
            SYMLINK => self.refuse(path, Why::Symlink),
            GITLINK => self.refuse(path, Why::Submodule),
            _ if !is_regular(mode) => {
                let mode = mode as u32;
                self.refuse(path, Why::UnknownKind { mode });
            }
            _ => {
                let (size, _) = self.odb.read_header(id)?;
                let (size, limit) = (size as u64, self.limits.blob_bytes);
                if size > limit {
                    self.refuse(path, Why::TooLarge { size, limit });
                } else {
                    self.out.blobs.push(BlobEntry {
                        path: path.into(),
                        id: BlobId::of(id),
                        size,
                        executable: mode & 0o100 != 0,
                    });
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, path: String, why: Why) {
        self.out.refused.push(Refused { path, why });
    }

    /// `None`: too many entries.
    fn finish(self) -> Option<TreeSnapshot> {
        if self.overflow {
            return None;
        }
        let mut out = self.out;
        // A well-formed tree comes out sorted, directory by directory. One that was made by hand
        // may not, nor need its names be unique; then nothing of it is worth keeping.
        if !out.blobs.is_sorted_by(|a, b| a.path < b.path) {
            out.directories.clear();
            out.blobs.sort_by(|a, b| a.path.cmp(&b.path));
            let mut doubled: Vec<Arc<str>> = out
                .blobs
                .windows(2)
                .filter(|pair| pair[0].path == pair[1].path)
                .map(|pair| Arc::clone(&pair[0].path))
                .collect();
            doubled.dedup();
            out.blobs.retain(|blob| doubled.binary_search(&blob.path).is_err());
            out.refused
                .extend(doubled.iter().map(|path| Refused { path: path.to_string(), why: Why::Duplicate }));
        }
        if !out.refused.is_sorted_by(|a, b| a.path <= b.path) {
            out.directories.clear();
            out.refused.sort_by(|a, b| a.path.cmp(&b.path));
        }
        // A path that stands there as a file and as something else.
        let refused = std::mem::take(&mut out.refused);
        let listed = out.blobs.len();
        if !refused.is_empty() {
            out.blobs.retain(|blob| {
                refused.binary_search_by(|refused| refused.path.as_str().cmp(&blob.path)).is_err()
            });
        }
        out.refused = refused;
        if out.blobs.len() != listed {
            out.directories.clear();
        }
        Some(out)
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}
