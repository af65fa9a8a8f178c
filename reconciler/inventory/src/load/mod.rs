// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a tree of files to a typed inventory.
//!
//! # Expected flow
//! List the source, read and parse what is new (on several threads where it pays), put the
//! inventory together, cross-check it, turn everything that is wrong into diagnostics.
//!
//! # Guarantees
//! * A file with the same path and content id is never parsed twice by the same [`Loader`].
//! * One broken file hides no other: its documents are in `broken`, or, where not even their kind
//!   and name can be read, `unreadable` is set.
//! * Same tree, same result, in the same order; a directory and a Git tree with the same content
//!   have the same digest.
//!
//! # Caveats
//! A plain directory may change while it is read; the next load sees what was missed.

mod assemble;
mod batch;
mod cache;
mod file;
mod place;
mod resolve;

pub(crate) use assemble::Assembled;
pub(crate) use place::Place;

use std::num::NonZeroUsize;
use std::sync::Arc;

use shoal_core::inventory::Inventory;
use shoal_schema::plan::Problem;

use crate::check::{self, Checks};
use crate::codes;
use crate::source::{FileEntry, FileSource, MAX_ENTRIES, MAX_FILE_BYTES, Refused, SourceError};
use crate::{Diagnostic, Severity};
use cache::Cache;
use file::Parsed;

/// Loads inventories, and remembers what it parsed.
pub struct Loader {
    threads: NonZeroUsize,
    cache: Cache,
}

/// What came of a load.
pub struct Loaded {
    /// The inventory; its `problems` are the errors among the diagnostics.
    pub inventory: Inventory,
    /// Everything that is wrong or worth knowing, sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files belong to the inventory.
    pub files: usize,
    /// How many of them had to be parsed, because path or content was new.
    pub parsed: usize,
}

impl Loaded {
    /// Whether there is any error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// A file of the listing and what it is for.
struct Listed {
    entry: FileEntry,
    place: Place,
    path: Arc<str>,
}

/// A file that was read, in the order of the listing.
struct Read {
    listed: Listed,
    /// Its content, parsed; nothing where it could not be read.
    parsed: Option<Arc<Parsed>>,
}

impl Loader {
    /// Parses on so many threads where many files are new.
    pub fn new(threads: NonZeroUsize) -> Self {
        Self { threads, cache: Cache::default() }
    }

    /// Loads an inventory. An error means that the tree could not be listed at all; a file that
    /// cannot be read is a diagnostic.
    pub fn load(&mut self, source: &dyn FileSource, checks: &Checks) -> Result<Loaded, SourceError> {
        let mut diagnostics = Vec::new();
        let listed = list(source)?;
        let (read, parsed) = self.read(source, listed, &mut diagnostics);
        let files = read.iter().filter(|file| file.listed.place != Place::Elsewhere).count();
        let mut assembled = assemble::assemble(&read);
        diagnostics.append(&mut assembled.diagnostics);
        let findings = check::run(&mut assembled, checks);
        diagnostics.extend(resolve::resolve(findings, source, &read, &mut self.cache));
        self.cache.drop_unused();
        diagnostics.sort_by(Diagnostic::order);
        diagnostics.dedup();
        let mut inventory = assembled.inventory;
        inventory.problems = problems(&diagnostics);
        Ok(Loaded { inventory, diagnostics, files, parsed })
    }

    /// Parses what is new. Files that must not or cannot be read become diagnostics.
    fn read(
        &mut self,
        source: &dyn FileSource,
        listed: Vec<Listed>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (Vec<Read>, usize) {
        let mut files: Vec<Read> = Vec::with_capacity(listed.len());
        let mut jobs = batch::Jobs::new(self.threads);
        for listed in listed {
            let index = files.len();
            let mut file = Read { listed, parsed: None };
            let Listed { entry, place, path } = &file.listed;
            if let Some(refused) = entry.refused {
                diagnostics.push(refusal(path, refused));
            } else if let Some(known) = entry.id.as_deref().and_then(|id| self.cache.get(path, id)) {
                file.parsed = Some(known);
            } else {
                match source.read(entry) {
                    Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
                        diagnostics.push(refusal(path, Refused::TooLarge));
                    }
                    Ok(bytes) => {
                        let job = batch::Job::new(index, Arc::clone(path), *place, entry.id.clone(), bytes);
                        // Without an id from the source the content has to say whether it is known.
                        match job.without_source_id().then(|| self.cache.get(path, job.id())).flatten() {
                            Some(known) => file.parsed = Some(known),
                            None => jobs.push(job),
                        }
                    }
                    Err(error) => diagnostics.push(unreadable(path, &error)),
                }
            }
            files.push(file);
        }
        let done = jobs.finish();
        let count = done.len();
        for batch::Done { index, id, parsed } in done {
            let parsed = Arc::new(parsed);
            let file = &mut files[index];
            self.cache.put(&file.listed.path, id, Arc::clone(&parsed));
            file.parsed = Some(parsed);
        }
        (files, count)
    }
}

/// The files that count, sorted by path.
fn list(source: &dyn FileSource) -> Result<Vec<Listed>, SourceError> {
    let entries = source.list()?;
    if entries.len() > MAX_ENTRIES {
        return Err(SourceError::TooManyEntries { subject: "the tree".to_owned(), limit: MAX_ENTRIES });
    }
    let mut listed: Vec<Listed> = entries
        .into_iter()
        .filter_map(|entry| {
            let place = Place::of(&entry)?;
            Some(Listed { path: Arc::from(entry.path.as_str()), entry, place })
        })
        .collect();
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}

fn refusal(path: &Arc<str>, refused: Refused) -> Diagnostic {
    let (code, message, hint) = match refused {
        Refused::Symlink => {
            (codes::FILE_REFUSED, "symbolic links are not followed", "put the file itself here")
        }
        Refused::Submodule => {
            (codes::FILE_REFUSED, "submodules are not read", "put the files themselves here")
        }
        Refused::TooLarge => {
            (codes::TOO_LARGE, "the file is over 1 MiB", "one document a file keeps files small")
        }
        Refused::Special => (codes::FILE_REFUSED, "not a regular file that can be read", "remove it"),
        Refused::PathNotUtf8 => {
            (codes::FILE_REFUSED, "the path is not UTF-8, or not safe to print", "rename the file")
        }
    };
    of_file(path, code, message.to_owned(), hint)
}

fn unreadable(path: &Arc<str>, error: &SourceError) -> Diagnostic {
    use std::error::Error as _;
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    of_file(path, codes::UNREADABLE, message, "is it there, and may it be read?")
}

fn of_file(path: &Arc<str>, code: &'static str, message: String, hint: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code,
        message: crate::diagnostic::clean(&message),
        file: Arc::clone(path),
        span: None,
        source_line: None,
        hint: Some(hint.to_owned()),
        related: Vec::new(),
        subject: None,
    }
}

/// The errors, as plans carry them.
fn problems(diagnostics: &[Diagnostic]) -> Vec<Problem> {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| Problem {
            place: diagnostic.place(),
            code: diagnostic.code.to_owned(),
            message: diagnostic.message.clone(),
            server: diagnostic
                .subject
                .as_ref()
                .filter(|subject| subject.kind == "Server")
                .map(|subject| subject.name.clone()),
        })
        .collect()
}
