// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of a medium as a tree, before any name space is applied.

use std::collections::HashMap;

use crate::files::TaskFiles;

/// A directory: indexes into [`Tree`].
pub(super) struct Directory<'a> {
    pub(super) name: &'a str,
    pub(super) directories: Vec<usize>,
    pub(super) files: Vec<usize>,
}

/// A file with its content.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) content: &'a [u8],
}

/// Directories (the root first) and files (in the order of their paths).
pub(super) struct Tree<'a> {
    pub(super) directories: Vec<Directory<'a>>,
    pub(super) files: Vec<File<'a>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(set: &'a TaskFiles) -> Self {
        let mut directories = vec![Directory::new("")];
        let mut index = HashMap::from([("", 0)]);
        // A parent stands before its children in the set's order, being a prefix of them.
        for path in set.directories() {
            let (parent, name) = split(path);
            let at = directories.len();
            directories.push(Directory::new(name));
            directories[index[parent]].directories.push(at);
            index.insert(path, at);
        }
        let mut files = Vec::with_capacity(set.len());
        for (path, content) in set.iter() {
            let (parent, name) = split(path);
            directories[index[parent]].files.push(files.len());
            files.push(File { name, content });
        }
        Self { directories, files }
    }
}

impl<'a> Directory<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, directories: Vec::new(), files: Vec::new() }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
