// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads an inventory tree strictly, into typed documents or diagnostics.
//!
//! # Expected flow
//! A [`FileSource`] lists and reads files: [`DirectorySource`], or a Git tree in another crate.
//! [`Loader::load`] parses what is new, checks everything against everything, and answers with an
//! [`shoal_core::inventory::Inventory`] and [`Diagnostic`]s. [`render()`] writes those for people, editors and forges.
//! [`DirectoryWatcher`] says when it is time to load a directory again.
//!
//! # Guarantees
//! * Everything that is wrong is said at once, in a stable order, with file, line and column.
//! * One broken file hides no other and stops only what depends on it.
//! * Any bytes lead to diagnostics, never to a panic; depth, aliases, sizes and counts are bounded.
//! * No value of a Secret and no text of a template is in a diagnostic.
//!
//! # Assumptions
//! The caller hands in the time, the number of threads and the name of the watched branch.
//!
//! # What it does not do
//! Decrypt, verify signatures, or look at history: see the crates for secrets and Git.

mod check;
pub mod codes;
mod decode;
mod diagnostic;
mod load;
mod render;
mod source;
mod watch;
mod yaml;

pub use check::Checks;
pub use diagnostic::{Diagnostic, Related, Severity, Span, Subject};
pub use load::{Loaded, Loader};
pub use render::{Format, UnknownFormat, render};
pub use source::{
    ContentId, DirectorySource, FileEntry, FileSource, MAX_ENTRIES, MAX_FILE_BYTES, Refused, SourceError,
};
pub use watch::DirectoryWatcher;
