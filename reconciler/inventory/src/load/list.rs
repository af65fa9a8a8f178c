// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of a tree, beside those of the tree that was loaded last: what did not change is not looked at again.

use std::sync::Arc;

use super::batch::{Done, Job, Jobs};
use super::cache::{Cache, Known};
use super::file::Parsed;
use super::{Place, refusal, unreadable};
use crate::Diagnostic;
use crate::source::{ContentId, FileEntry, FileSource, MAX_ENTRIES, MAX_FILE_BYTES, Refused, SourceError};

/// A file of the listing, what it is for, and what is in it.
pub(crate) struct File {
    pub(crate) entry: FileEntry,
    pub(crate) place: Place,
    /// Its content; nothing where it could not be read.
    pub(crate) known: Option<Known>,
    /// Something is to be said about its content.
    pub(crate) noisy: bool,
    /// A digest of its path and content, which the inventory's digest is made of.
    pub(crate) seal: [u8; 32],
}

impl File {
    fn new(entry: FileEntry, place: Place) -> Self {
        let seal = seal(&entry.path, entry.refused.map_or("unreadable", Refused::word));
        Self { entry, place, known: None, noisy: false, seal }
    }

    fn know(&mut self, known: Known) {
        self.seal = seal(&self.entry.path, &known.parsed.sha256.to_string());
        self.noisy = !known.parsed.diagnostics.is_empty();
        self.known = Some(known);
    }

    pub(crate) fn parsed(&self) -> Option<&Arc<Parsed>> {
        self.known.as_ref().map(|known| &known.parsed)
    }
}

/// What changed since the tree that was loaded last.
#[derive(Default)]
pub(crate) struct Delta {
    /// Files that were not there, or not with this content.
    pub(crate) new: Vec<usize>,
    /// Contents that are not there any more.
    pub(crate) gone: Vec<Arc<Parsed>>,
    /// A file could not be read, now or then.
    pub(crate) unread: bool,
    /// How many contents had to be parsed.
    pub(crate) parsed: usize,
}

/// The files that count, sorted by path, as they come from the source.
pub(crate) fn list(source: &dyn FileSource) -> Result<Vec<FileEntry>, SourceError> {
    let mut entries = source.list()?;
    if entries.len() > MAX_ENTRIES {
        return Err(SourceError::TooManyEntries { subject: "the tree".to_owned(), limit: MAX_ENTRIES });
    }
    if !entries.is_sorted_by(|a, b| a.path <= b.path) {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(entries)
}

/// Goes through a listing and the files of the last one side by side. Parses what is new; files that must not or cannot
/// be read become diagnostics.
pub(crate) fn read(
    source: &dyn FileSource,
    entries: Vec<FileEntry>,
    before: Vec<File>,
    cache: &mut Cache,
    mut jobs: Jobs,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<File>, Delta) {
    let mut delta = Delta::default();
    let mut files: Vec<File> = Vec::with_capacity(entries.len());
    let mut before = before.into_iter().peekable();
    for entry in entries {
        // A source that was there before hands out the very same path.
        let is_same = |file: &File| Arc::ptr_eq(&file.entry.path, &entry.path);
        let mut last = before.next_if(is_same);
        if last.is_none() {
            while let Some(gone) = before.next_if(|file| file.entry.path < entry.path) {
                retire(gone, cache, &mut delta);
            }
            last = before.next_if(|file| file.entry.path == entry.path);
        }
        if let Some(last) = last {
            if let Some(known) = &last.known
                && entry.refused.is_none()
                && entry.id == Some(known.id)
            {
                files.push(File { entry, ..last });
                continue;
            }
            retire(last, cache, &mut delta);
        }
        let Some(place) = Place::of(&entry) else { continue };
        let index = files.len();
        let mut file = File::new(entry, place);
        match content(source, &file.entry, cache) {
            Ok(Content::Known(known)) => file.know(known),
            Ok(Content::New(sha256, bytes)) => {
                jobs.push(Job::new(index, Arc::clone(&file.entry.path), place, sha256, bytes));
            }
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                delta.unread = true;
                files.push(file);
                continue;
            }
        }
        delta.new.push(index);
        files.push(file);
    }
    before.for_each(|gone| retire(gone, cache, &mut delta));
    let done = jobs.finish();
    delta.parsed = done.len();
    for Done { index, parsed } in done {
        let file = &mut files[index];
        let id = file.entry.id.unwrap_or_else(|| by_digest(&parsed.sha256));
        file.know(Known { id, parsed: Arc::new(parsed), spots: super::resolve::Spots::default() });
    }
    (files, delta)
}

fn retire(gone: File, cache: &mut Cache, delta: &mut Delta) {
    match gone.known {
        Some(known) => {
            delta.gone.push(Arc::clone(&known.parsed));
            cache.put(&gone.entry.path, known);
        }
        None => delta.unread = true,
    }
}

enum Content {
    Known(Known),
    New(Option<shoal_schema::Sha256>, Vec<u8>),
}

fn content(
    source: &dyn FileSource,
    entry: &FileEntry,
    cache: &mut Cache,
) -> Result<Content, Box<Diagnostic>> {
    if let Some(refused) = entry.refused {
        return Err(Box::new(refusal(&entry.path, refused)));
    }
    if let Some(known) = entry.id.and_then(|id| cache.take(&entry.path, id)) {
        return Ok(Content::Known(known));
    }
    let bytes = source.read(entry).map_err(|error| Box::new(unreadable(&entry.path, &error)))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Box::new(refusal(&entry.path, Refused::TooLarge)));
    }
    if entry.id.is_some() {
        return Ok(Content::New(None, bytes));
    }
    // Without an id from the source the content has to say whether it is known.
    let sha256 = shoal_schema::Sha256::of(&bytes);
    Ok(match cache.take(&entry.path, by_digest(&sha256)) {
        Some(known) => Content::Known(known),
        None => Content::New(Some(sha256), bytes),
    })
}

/// The word for what stands there is no digest, so that the two are never the same.
fn seal(path: &str, content: &str) -> [u8; 32] {
    let mut text = String::with_capacity(path.len() + content.len() + 1);
    text.push_str(path);
    text.push('\0');
    text.push_str(content);
    shoal_schema::Sha256::bytes_of(text.as_bytes())
}

fn by_digest(sha256: &shoal_schema::Sha256) -> ContentId {
    ContentId::new(sha256.as_bytes())
}
