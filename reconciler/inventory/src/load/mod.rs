// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a tree of files to a typed inventory.
//!
//! # Expected flow
//! List the source, read and parse what is new (on several threads where it pays), put the
//! inventory together, cross-check it, turn everything that is wrong into diagnostics.
//!
//! # Guarantees
//! * A file with the same path and content id is never parsed twice by the same [`Loader`].
//! * What a load costs beyond a walk over names grows with what changed since the last one, as long as nothing is
//!   broken; whatever was loaded before, the result is that of a loader that loaded nothing before.
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
mod list;
mod place;
mod resolve;

pub(crate) use assemble::Assembled;
pub(crate) use place::Place;

use std::num::NonZeroUsize;
use std::sync::Arc;

use shoal_core::inventory::Inventory;
use shoal_schema::plan::Problem;

use crate::check::{self, Checks, Memo};
use crate::codes;
use crate::source::{FileSource, Refused, SourceError};
use crate::{Diagnostic, Severity};
use cache::Cache;
use list::File;

/// Loads inventories, and remembers what it parsed.
pub struct Loader {
    threads: NonZeroUsize,
    cache: Cache,
    last: Last,
    memo: Memo,
}

/// What was loaded last.
#[derive(Default)]
struct Last {
    files: Vec<File>,
    /// What they came to before any check, where every document of them is in it.
    whole: Option<Inventory>,
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

impl Loader {
    /// Parses on so many threads where many files are new.
    pub fn new(threads: NonZeroUsize) -> Self {
        Self { threads, cache: Cache::default(), last: Last::default(), memo: Memo::default() }
    }

    /// Loads an inventory. An error means that the tree could not be listed at all; a file that
    /// cannot be read is a diagnostic.
    pub fn load(&mut self, source: &dyn FileSource, checks: &Checks) -> Result<Loaded, SourceError> {
        let mut diagnostics = Vec::new();
        let entries = list::list(source)?;
        let last = std::mem::take(&mut self.last);
        let jobs = batch::Jobs::new(self.threads);
        let (mut files, delta) =
            list::read(source, entries, last.files, &mut self.cache, jobs, &mut diagnostics);
        self.cache.drop_unused();
        let mut assembled = match last.whole.and_then(|whole| assemble::patch(whole, &files, &delta)) {
            Some(assembled) => assembled,
            None => assemble::assemble(&files),
        };
        diagnostics.append(&mut assembled.diagnostics);
        let whole = assembled.is_whole().then(|| assembled.inventory.clone());
        let findings = check::run(&mut assembled, checks, self.threads, &mut self.memo);
        // What a check took out must be looked at again each time.
        let whole = whole.filter(|_| assembled.inventory.broken.is_empty());
        diagnostics.extend(resolve::resolve(findings, source, &mut files));
        diagnostics.sort_by(Diagnostic::order);
        diagnostics.dedup();
        let mut inventory = assembled.inventory;
        inventory.problems = problems(&diagnostics);
        let count = files.iter().filter(|file| file.place != Place::Elsewhere).count();
        self.last = Last { files, whole };
        Ok(Loaded { inventory, diagnostics, files: count, parsed: delta.parsed })
    }
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
