// SPDX-License-Identifier: AGPL-3.0-or-later
//! A new tree from an old one by replacing single files.
//!
//! Guarantees: directories that hold no change keep their object and are not read; a file whose
//! contents are already there is no change; a directory that becomes empty disappears.
//! New objects go to a store of the caller's choice, so that they can be packed by themselves.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository, TreeBuilder};

use crate::read::is_safe_name;

/// Mode of a new file.
const FILE: i32 = 0o100_644;
/// Mode of a directory.
const DIRECTORY: i32 = 0o040_000;
/// Longest path that is written: what common file systems take.
const MAX_PATH: usize = 4096;

/// Files by path; `None` removes what is there.
pub type Files = BTreeMap<String, Option<Vec<u8>>>;

/// A path that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} cannot be a path in a repository: {why}")]
pub struct InvalidPath {
    /// The path.
    pub path: String,
    /// Why not.
    pub why: &'static str,
}

/// What to do with a name in a directory.
enum Node {
    Directory(BTreeMap<String, Node>),
    Write(Vec<u8>),
    Remove,
}

/// Changes to a tree, ready to be applied to any tree.
pub(crate) struct Edit(BTreeMap<String, Node>);

/// A tree with the changes in it.
pub(crate) struct Edited {
    /// The new root.
    pub(crate) root: Oid,
    /// Files written or removed.
    pub(crate) changed: usize,
    /// The new objects, each after those that it refers to.
    pub(crate) written: Vec<Oid>,
}

impl Edit {
    /// Checks and sorts the files.
    pub(crate) fn new(files: &Files) -> Result<Self, InvalidPath> {
        let mut root = BTreeMap::new();
        for (path, content) in files {
            check(path)?;
            let node = content.as_ref().map_or(Node::Remove, |bytes| Node::Write(bytes.clone()));
            place(&mut root, path, node)
                .ok_or_else(|| InvalidPath { path: path.clone(), why: "another path goes through it" })?;
        }
        Ok(Self(root))
    }

    /// Applies the changes to the tree `base` of `from`; new objects are written into `to`.
    pub(crate) fn apply(
        &self,
        from: &Repository,
        to: &Repository,
        base: Option<Oid>,
    ) -> Result<Edited, git2::Error> {
        let mut run = Run { from, to, changed: 0, written: Vec::new() };
        let root = match run.directory(base, &self.0)? {
            Some(root) => root,
            None => {
                // Nothing is left: the empty tree, as git has it.
                let empty = to.treebuilder(None)?.write()?;
                run.written.push(empty);
                empty
            }
        };
        Ok(Edited { root, changed: run.changed, written: run.written })
    }
}

/// Whether a path can stand in a tree and be checked out anywhere.
pub(crate) fn check(path: &str) -> Result<(), InvalidPath> {
    let why = if path.len() > MAX_PATH {
        "it is too long"
    } else if !path.split('/').all(is_safe_name) {
        "a part of it is empty, . or .., .git, or has control characters"
    } else {
        return Ok(());
    };
    Err(InvalidPath { path: path.chars().take(200).collect(), why })
}

fn place(directory: &mut BTreeMap<String, Node>, path: &str, node: Node) -> Option<()> {
    match path.split_once('/') {
        None => match directory.insert(path.to_owned(), node) {
            None => Some(()),
            Some(_) => None,
        },
        Some((first, rest)) => {
            let inner = directory.entry(first.to_owned()).or_insert_with(|| Node::Directory(BTreeMap::new()));
            match inner {
                Node::Directory(inner) => place(inner, rest, node),
                Node::Write(_) | Node::Remove => None,
            }
        }
    }
}

struct Run<'a> {
    from: &'a Repository,
    to: &'a Repository,
    changed: usize,
    written: Vec<Oid>,
}

impl Run<'_> {
    /// The new object of a directory; `None`: it is empty.
    fn directory(
        &mut self,
        base: Option<Oid>,
        nodes: &BTreeMap<String, Node>,
    ) -> Result<Option<Oid>, git2::Error> {
        let old = base.map(|id| self.from.find_tree(id)).transpose()?;
        let mut builder = self.to.treebuilder(old.as_ref())?;
        let before = self.changed;
        for (name, node) in nodes {
            let present = old
                .as_ref()
                .and_then(|tree| tree.get_name_bytes(name.as_bytes()))
                .map(|entry| (entry.id(), entry.filemode()));
            self.node(&mut builder, name, node, present)?;
        }
        if self.changed == before {
            return Ok(base);
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let id = builder.write()?;
        self.written.push(id);
        Ok(Some(id))
    }

    fn node(
        &mut self,
        builder: &mut TreeBuilder<'_>,
        name: &str,
        node: &Node,
        present: Option<(Oid, i32)>,
    ) -> Result<(), git2::Error> {
        match node {
            Node::Remove => {
                if present.is_some() {
                    builder.remove(name)?;
                    self.changed += 1;
                }
            }
            Node::Write(bytes) => {
                if present == Some((Oid::hash_object(ObjectType::Blob, bytes)?, FILE)) {
                    return Ok(());
                }
                let id = self.to.odb()?.write(ObjectType::Blob, bytes)?;
                self.written.push(id);
                builder.insert(name, id, FILE)?;
                self.changed += 1;
            }
            Node::Directory(inner) => {
                let below = present.filter(|(_, mode)| *mode == DIRECTORY).map(|(id, _)| id);
                let before = self.changed;
                let new = self.directory(below, inner)?;
                if self.changed == before {
                    return Ok(());
                }
                match new {
                    Some(id) => {
                        builder.insert(name, id, DIRECTORY)?;
                    }
                    None if present.is_some() => builder.remove(name)?,
                    None => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, Option<&str>)]) -> Files {
        entries
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.map(|text| text.as_bytes().to_vec())))
            .collect()
    }

    #[test]
    fn paths_that_leave_the_tree_or_touch_its_insides_are_refused() {
        for path in ["", "/a", "a/", "a//b", "../a", "a/../b", ".git/config", "a/.GIT/x", "a\0b", "a\nb"] {
            assert!(Edit::new(&files(&[(path, Some("x"))])).is_err(), "{path:?}");
        }
        assert!(Edit::new(&files(&[(&"a/".repeat(3000), Some("x"))])).is_err());
    }

    #[test]
    fn a_path_cannot_be_file_and_directory_at_once() {
        let error = Edit::new(&files(&[("a", Some("x")), ("a/b", Some("y"))])).err().expect("a conflict");
        assert_eq!(error.path, "a/b");
    }
}
