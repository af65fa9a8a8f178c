// SPDX-License-Identifier: AGPL-3.0-or-later
//! A tree in memory, out of an input.

use std::collections::BTreeMap;

use shoal_inventory::{Diagnostic, FileEntry, FileSource, Refused, SourceError};

/// The small repository under every input.
const BASE: [(&str, &str); 6] = [
    ("shoal.yaml", include_str!("../../../../reconciler/inventory/tests/base/shoal.yaml")),
    ("recipes/debian.yaml", include_str!("../../../../reconciler/inventory/tests/base/recipes/debian.yaml")),
    ("images/debian.yaml", include_str!("../../../../reconciler/inventory/tests/base/images/debian.yaml")),
    (
        "secrets/os-admin.yaml",
        include_str!("../../../../reconciler/inventory/tests/base/secrets/os-admin.yaml"),
    ),
    (
        "secrets/bmc-all.yaml",
        include_str!("../../../../reconciler/inventory/tests/base/secrets/bmc-all.yaml"),
    ),
    (
        "servers/base-01.yaml",
        include_str!("../../../../reconciler/inventory/tests/base/servers/base-01.yaml"),
    ),
];

/// Where a document of its kind belongs. What has no kind stands among the servers.
const PLACES: [(&str, &str); 5] = [
    ("Recipe", "recipes/case.yaml"),
    ("Image", "images/case.yaml"),
    ("Secret", "secrets/case.yaml"),
    ("Approval", "approvals/case.yaml"),
    ("Fleet", "shoal.yaml"),
];

const REFUSED: [(&str, Refused); 5] = [
    ("symlink ", Refused::Symlink),
    ("submodule ", Refused::Submodule),
    ("large ", Refused::TooLarge),
    ("device ", Refused::Special),
    ("nameless ", Refused::PathNotUtf8),
];

/// A tree in memory.
pub(super) struct Tree(BTreeMap<String, Result<Vec<u8>, Refused>>);

impl Tree {
    pub(super) fn of(input: &[u8]) -> Self {
        let mut files: BTreeMap<String, Result<Vec<u8>, Refused>> =
            BASE.iter().map(|(path, text)| ((*path).to_owned(), Ok(text.as_bytes().to_vec()))).collect();
        if header(input.split(|byte| *byte == b'\n').next().unwrap_or_default()).is_none() {
            files.insert(place(input).to_owned(), Ok(input.to_vec()));
            return Self(files);
        }
        let mut current: Option<String> = None;
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            if let Some((path, refused)) = header(line.strip_suffix(b"\n").unwrap_or(line)) {
                files.insert(path.clone(), refused.map_or_else(|| Ok(Vec::new()), Err));
                current = Some(path);
            } else if let Some(Ok(content)) = current.as_ref().and_then(|path| files.get_mut(path)) {
                content.extend_from_slice(line);
            }
        }
        Self(files)
    }

    /// The content of a file, where it may be read.
    pub(super) fn content(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path)?.as_deref().ok()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// What must not be read is named, where an inventory would look for it.
    pub(super) fn refused_is_told(&self, diagnostics: &[Diagnostic]) {
        let refused = self.0.iter().filter(|(_, content)| content.is_err()).map(|(path, _)| path);
        let is_looked_for = |path: &str| {
            path.strip_suffix(".yaml")
                .and_then(|path| path.strip_prefix("servers/"))
                .is_some_and(|name| !name.is_empty())
        };
        for path in refused.filter(|path| is_looked_for(path)) {
            let told = diagnostics.iter().find(|diagnostic| &*diagnostic.file == path);
            assert!(told.is_some_and(|told| told.hint.is_some()), "nothing is said of {path:?}");
        }
    }
}

fn header(line: &[u8]) -> Option<(String, Option<Refused>)> {
    let path = std::str::from_utf8(line).ok()?.strip_prefix("-- ")?.strip_suffix(" --")?;
    if path.is_empty() || path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let refused = REFUSED.iter().find_map(|(word, refused)| Some((path.strip_prefix(word)?, *refused)));
    Some(refused.map_or_else(|| (path.to_owned(), None), |(path, refused)| (path.to_owned(), Some(refused))))
}

fn place(document: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(document);
    let of_kind = |kind: &str| text.lines().any(|line| line.strip_prefix("kind: ") == Some(kind));
    PLACES.iter().find(|(kind, _)| of_kind(kind)).map_or("servers/case.yaml", |(_, path)| path)
}

impl FileSource for Tree {
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        let entry = |(path, content): (&String, &Result<Vec<u8>, Refused>)| FileEntry {
            path: path.as_str().into(),
            id: None,
            size: content.as_ref().map_or(0, Vec::len) as u64,
            refused: content.as_ref().err().copied(),
        };
        Ok(self.0.iter().map(entry).collect())
    }

    fn read(&self, entry: &FileEntry) -> Result<Vec<u8>, SourceError> {
        let content = self.content(&entry.path);
        Ok(content.unwrap_or_else(|| panic!("{:?} must not be read", entry.path)).to_vec())
    }
}
