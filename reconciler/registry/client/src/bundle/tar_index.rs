// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is where in a bundle: one pass over the headers of the archive, none over the content.
//!
//! # Guarantees
//!
//! Nothing is ever unpacked: entries are found by digest, so a name leads nowhere. Entries that would
//! lead elsewhere if someone unpacked them make the whole bundle refused, because they are never there
//! by accident.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use shoal_oci::Digest;
use tar::EntryType;

use crate::bundle::error::BundleError;
use crate::source::{BlobSource, blocking};

/// The most entries: more are no bundle of images.
const ENTRIES: usize = 1_000_000;
/// The largest `oci-layout` or `index.json`, in bytes.
const SMALL: u64 = 16 << 20;

/// A bundle that is open.
pub(super) struct TarIndex {
    file: Arc<File>,
    path: Arc<PathBuf>,
    found: Found,
}

#[derive(Default)]
struct Found {
    layout: Option<Span>,
    index: Option<Span>,
    blobs: BTreeMap<Digest, Span>,
}

/// First byte and number of bytes.
type Span = (u64, u64);

// === impl TarIndex ===

impl TarIndex {
    pub(super) async fn open(path: &Path) -> Result<Self, BundleError> {
        let own = path.to_owned();
        let opened = blocking(move || Ok(open(&own)));
        opened.await.map_err(|source| BundleError::Read { path: path.to_owned(), source })?
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.as_ref().clone()
    }

    pub(super) fn blob(&self, digest: &Digest) -> Option<BlobSource> {
        self.found.blobs.get(digest).map(|span| self.source(*span))
    }

    /// The bytes of `oci-layout` and `index.json`.
    pub(super) async fn top(&self) -> Result<(Bytes, Bytes), BundleError> {
        let not_a_bundle = |why| BundleError::NotABundle { path: self.path(), why };
        let read = async |span: Option<Span>, why| {
            let span = span.ok_or_else(|| not_a_bundle(why))?;
            if span.1 > SMALL {
                return Err(not_a_bundle("its oci-layout or index.json is larger than any should be"));
            }
            self.source(span).read(0, span.1).await.map_err(BundleError::from)
        };
        let layout = read(self.found.layout, "it has no file oci-layout").await?;
        let index = read(self.found.index, "it has no file index.json").await?;
        Ok((layout, index))
    }

    fn source(&self, (start, len): Span) -> BlobSource {
        BlobSource::part(&self.file, &self.path, start, len)
    }
}

fn open(path: &Path) -> Result<TarIndex, BundleError> {
    let file = File::open(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
    let found = index(path, &file)?;
    Ok(TarIndex { file: Arc::new(file), path: Arc::new(path.to_owned()), found })
}

fn index(path: &Path, file: &File) -> Result<Found, BundleError> {
    let unreadable = |source| BundleError::Read { path: path.to_owned(), source };
    let not_a_bundle = |why| BundleError::NotABundle { path: path.to_owned(), why };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(not_a_bundle("it is no regular file"));
    }
    // The format's own errors say what a damaged archive has.
    let damaged = |source: io::Error| match source.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            not_a_bundle("it is no tar archive, or a damaged or compressed one")
        }
        _ => unreadable(source),
    };
    let mut found = Found::default();
    let mut archive = tar::Archive::new(file);
    for (count, entry) in archive.entries_with_seek().map_err(damaged)?.enumerate() {
        let entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |why| BundleError::Entry { path: path.to_owned(), entry: name.clone(), why };
        if count >= ENTRIES {
            return Err(not_a_bundle("it has more entries than a bundle can have"));
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let clean = clean(&name).ok_or_else(|| refused("such a name leads out of the bundle"))?;
        match kind {
            EntryType::Directory => continue,
            EntryType::Regular => {}
            _ => return Err(refused("only files and directories belong in a bundle")),
        }
        let span = (entry.raw_file_position(), entry.size());
        if span.0.checked_add(span.1).is_none_or(|end| end > metadata.len()) {
            return Err(not_a_bundle("its end is missing"));
        }
        let twice = match clean {
            "oci-layout" => found.layout.replace(span).is_some(),
            "index.json" => found.index.replace(span).is_some(),
            other => match other.strip_prefix("blobs/") {
                Some(blob) => {
                    let digest = blob.split_once('/').map(|(algorithm, hex)| format!("{algorithm}:{hex}"));
                    let digest = digest.and_then(|text| Digest::parse(&text).ok());
                    let digest = digest.ok_or_else(|| refused("this is no digest"))?;
                    found.blobs.insert(digest, span).is_some()
                }
                // Other tools add files of their own.
                None => false,
            },
        };
        if twice {
            return Err(refused("it is there twice"));
        }
    }
    Ok(found)
}

/// A relative name without tricks and without `./`; `None`: there are tricks in it.
fn clean(name: &str) -> Option<&str> {
    let inner = name.strip_prefix("./").unwrap_or(name).trim_end_matches('/');
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    let only_root = inner.is_empty() || inner == ".";
    ((only_root && !name.starts_with('/')) || inner.split('/').all(plain)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_known() {
        for good in ["a", "./a", "a/b", "./", ".", "blobs/sha256/", "./blobs/"] {
            assert!(clean(good).is_some(), "{good}");
        }
        for bad in ["/a", "../a", "a/../b", "a//b", "./../a", "a/..", "/", "//", "a\\b", "a/./b"] {
            assert_eq!(clean(bad), None, "{bad}");
        }
    }
}
