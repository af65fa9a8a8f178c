// SPDX-License-Identifier: AGPL-3.0-or-later
//! A tree in memory, and the small repository that the cases stand in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use shoal_inventory::{
    Checks, ContentId, Diagnostic, FileEntry, FileSource, Format, Loaded, Loader, Refused, SourceError,
    render,
};

/// A tree in memory.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) refused: BTreeMap<String, Refused>,
    /// Files that are listed and cannot be read.
    pub(crate) failing: Vec<String>,
    /// Whether contents have an id, as blobs do.
    pub(crate) with_ids: bool,
    /// What was read, in order.
    pub(crate) reads: RefCell<Vec<String>>,
}

impl Tree {
    /// The small repository with which nothing is wrong.
    pub(crate) fn base() -> Self {
        Self::directory(&tests_directory().join("base"))
    }

    /// The files of a directory.
    pub(crate) fn directory(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.add_directory(root, root);
        tree
    }

    fn add_directory(&mut self, root: &Path, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add_directory(root, &path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                self.files.insert(name, fs::read(&path).unwrap());
            }
        }
    }

    pub(crate) fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), content.into());
        self
    }

    pub(crate) fn load(&self) -> Loaded {
        loader().load(self, &checks()).unwrap()
    }
}

impl FileSource for Tree {
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        let id =
            |content: &[u8]| format!("{:x}-{}", content.len(), shoal_schema::Sha256::of(content).short());
        let files = self.files.iter().map(|(path, content)| FileEntry {
            path: path.as_str().into(),
            id: self.with_ids.then(|| ContentId::new(id(content).as_bytes())),
            size: content.len() as u64,
            refused: None,
        });
        let refused = self.refused.iter().map(|(path, refused)| FileEntry {
            path: path.as_str().into(),
            id: None,
            size: 0,
            refused: Some(*refused),
        });
        // Not in order: the order of a listing says nothing.
        Ok(files.chain(refused).collect::<Vec<_>>().into_iter().rev().collect())
    }

    fn read(&self, entry: &FileEntry) -> Result<Vec<u8>, SourceError> {
        self.reads.borrow_mut().push(entry.path.to_string());
        if self.failing.iter().any(|path| **path == *entry.path) {
            let source = Box::new(std::io::Error::other("input/output error"));
            return Err(SourceError::Failed { action: "read", subject: entry.path.to_string(), source });
        }
        Ok(self.files[&*entry.path].clone())
    }
}

pub(crate) fn loader() -> Loader {
    Loader::new(NonZeroUsize::new(2).unwrap())
}

/// A fixed time and branch.
pub(crate) fn checks() -> Checks {
    Checks { watched_branch: Some("main".to_owned()), now: Some("2026-06-01T00:00:00Z".parse().unwrap()) }
}

pub(crate) fn tests_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The cases in a directory: file name without its ending, and content.
pub(crate) fn cases(directory: &str) -> Vec<(String, Vec<u8>)> {
    let mut cases: Vec<(String, Vec<u8>)> = fs::read_dir(tests_directory().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// Text, with what it says about the inventory behind it.
pub(crate) fn report(loaded: &Loaded) -> String {
    let mut text = render(Format::Text, &loaded.diagnostics, false);
    if loaded.inventory.unreadable {
        text.push_str("(unreadable)\n");
    }
    for (kind, name) in &loaded.inventory.broken {
        text.push_str(&format!("(broken: {kind} {name:?})\n"));
    }
    text
}

pub(crate) fn codes(diagnostics: &[Diagnostic]) -> Vec<&'static str> {
    diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// A server of this name with which nothing is wrong.
pub(crate) fn server(name: &str, number: usize) -> String {
    format!(
        "apiVersion: shoal.dev/v1\nkind: Server\nmetadata:\n  name: {name}\n  labels: {{rack: a}}\nspec:\n  \
         serial: SN-{number:06}\n  bmc: {{address: \"https://10.{}.{}.{}\"}}\n  recipe: debian\n  \
         os: {{image: debian, version: \"13.1\"}}\n  disk: {{serial: D-{number:06}}}\n  vars: {{hostname: {name}}}\n",
        1 + number / 65536,
        number / 256 % 256,
        number % 256,
    )
}
