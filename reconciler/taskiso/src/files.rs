// SPDX-License-Identifier: AGPL-3.0-or-later
//! The set of files that goes onto a medium, checked when it is filled.
//!
//! # Guarantees
//!
//! * Every path in the set is legal in all three name spaces of the volume (Rock Ridge, Joliet,
//!   plain ISO 9660), so that writing cannot fail because of a name.
//! * The order of insertion leaves no trace.
//! * `Debug` shows paths and sizes, never content.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

/// Longest name of a file or directory, in bytes.
///
/// Joliet ends at 64 characters, and a file's version suffix `;1` takes two of them.
pub const MAX_NAME: usize = 62;

/// Longest path, in bytes.
///
/// ECMA-119 6.8.2.1 ends at 255 for the identifiers of a path together; an identifier may be up to
/// four bytes longer than the name it stands for.
pub const MAX_PATH: usize = 200;

/// Most names in a path: seven directories and a file (ECMA-119 6.8.2.1 counts the root as the
/// first of eight levels of directories).
pub const MAX_DEPTH: usize = 8;

/// Most files and directories in a set.
pub const MAX_ENTRIES: usize = 4096;

/// Why a file was not taken into the set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskFilesError {
    /// An empty path, or an empty name between, before or behind slashes.
    #[error("add {path:?}: empty name")]
    EmptyName {
        /// The path as given.
        path: String,
    },
    /// A name `.` or `..`.
    #[error("add {path:?}: {name:?} names a directory that exists everywhere")]
    DotName {
        /// The path as given.
        path: String,
        /// The name refused.
        name: String,
    },
    /// A character outside `a-z 0-9 . _ -`.
    #[error("add {path:?}: {character:?} is not one of a-z 0-9 . _ -")]
    BadCharacter {
        /// The path as given.
        path: String,
        /// The first character refused.
        character: char,
    },
    /// A name that begins with `.`, `-` or `_`, or ends with `.`.
    #[error("add {path:?}: name {name:?} must begin with a letter or digit and not end with a dot")]
    BadEdge {
        /// The path as given.
        path: String,
        /// The name refused.
        name: String,
    },
    /// A name longer than [`MAX_NAME`].
    #[error("add {path:?}: a name has {len} bytes, at most {MAX_NAME} are possible")]
    NameTooLong {
        /// The path as given.
        path: String,
        /// Bytes in the name.
        len: usize,
    },
    /// A path longer than [`MAX_PATH`].
    #[error("add {path:?}: the path has {len} bytes, at most {MAX_PATH} are possible")]
    PathTooLong {
        /// The path as given, cut to [`MAX_PATH`] characters.
        path: String,
        /// Bytes in the path.
        len: usize,
    },
    /// More names in a path than [`MAX_DEPTH`].
    #[error("add {path:?}: the path has {depth} names, at most {MAX_DEPTH} are possible")]
    TooDeep {
        /// The path as given.
        path: String,
        /// Names in the path.
        depth: usize,
    },
    /// The path is in the set already.
    #[error("add {path:?}: there is a file of this name already")]
    Duplicate {
        /// The path as given.
        path: String,
    },
    /// A file where the set has a directory.
    #[error("add {path:?}: there is a directory of this name already")]
    IsDirectory {
        /// The path as given.
        path: String,
    },
    /// A directory where the set has a file.
    #[error("add {path:?}: {file:?} is a file, not a directory")]
    ParentIsFile {
        /// The path as given.
        path: String,
        /// The file that stands where a directory is needed.
        file: String,
    },
    /// More files and directories than [`MAX_ENTRIES`].
    #[error("add {path:?}: more than {MAX_ENTRIES} files and directories")]
    TooMany {
        /// The path as given.
        path: String,
    },
}

/// Files for a medium by their path; directories follow from the paths.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TaskFiles {
    files: BTreeMap<String, Bytes>,
    directories: BTreeSet<String>,
}

impl TaskFiles {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. `path` is relative to the root, with `/` between names.
    ///
    /// # Errors
    ///
    /// A path that some reader could not show, or that is taken. The set is unchanged then.
    pub fn insert(&mut self, path: &str, content: impl Into<Bytes>) -> Result<(), TaskFilesError> {
        check(path)?;
        if self.files.contains_key(path) {
            return Err(TaskFilesError::Duplicate { path: path.into() });
        }
        if self.directories.contains(path) {
            return Err(TaskFilesError::IsDirectory { path: path.into() });
        }
        let mut new = Vec::new();
        for parent in parents(path) {
            if self.files.contains_key(parent) {
                return Err(TaskFilesError::ParentIsFile { path: path.into(), file: parent.into() });
            }
            if !self.directories.contains(parent) {
                new.push(parent);
            }
        }
        if self.files.len() + self.directories.len() + new.len() + 1 > MAX_ENTRIES {
            return Err(TaskFilesError::TooMany { path: path.into() });
        }
        self.directories.extend(new.into_iter().map(String::from));
        self.files.insert(path.to_owned(), content.into());
        Ok(())
    }

    /// The files in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.files.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// The directories below the root, each behind its parent.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.directories.iter().map(String::as_str)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl fmt::Debug for TaskFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(path, content)| (path, content.len()))).finish()
    }
}

/// The directories above a path, outermost first: `a`, `a/b` of `a/b/c`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn check(path: &str) -> Result<(), TaskFilesError> {
    if path.len() > MAX_PATH {
        return Err(TaskFilesError::PathTooLong {
            path: path.chars().take(MAX_PATH).collect(),
            len: path.len(),
        });
    }
    for name in path.split('/') {
        check_name(path, name)?;
    }
    let depth = path.split('/').count();
    if depth > MAX_DEPTH {
        return Err(TaskFilesError::TooDeep { path: path.into(), depth });
    }
    Ok(())
}

fn check_name(path: &str, name: &str) -> Result<(), TaskFilesError> {
    if name.is_empty() {
        return Err(TaskFilesError::EmptyName { path: path.into() });
    }
    if matches!(name, "." | "..") {
        return Err(TaskFilesError::DotName { path: path.into(), name: name.into() });
    }
    // Lower case only: firmware and the plain name space do not tell cases apart.
    let bad = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    if let Some(character) = name.chars().find(bad) {
        return Err(TaskFilesError::BadCharacter { path: path.into(), character });
    }
    // A leading hyphen reads as an option, a leading dot hides the file, and readers of Joliet
    // and plain names drop a trailing dot.
    if name.starts_with(['.', '-', '_']) || name.ends_with('.') {
        return Err(TaskFilesError::BadEdge { path: path.into(), name: name.into() });
    }
    if name.len() > MAX_NAME {
        return Err(TaskFilesError::NameTooLong { path: path.into(), len: name.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(path: &str) -> Result<(), TaskFilesError> {
        TaskFiles::new().insert(path, "x")
    }

    #[test]
    fn the_names_of_the_contract_are_taken() {
        for path in [
            "recipe.json",
            "recipe.schema.json",
            "user-data",
            "unattend.xml",
            "ks.cfg",
            "task.json",
            "network/eth0.yaml",
        ] {
            assert_eq!(insert(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn empty_names_are_refused() {
        for path in ["", "/", "/a", "a/", "a//b"] {
            assert_eq!(insert(path), Err(TaskFilesError::EmptyName { path: path.into() }), "{path:?}");
        }
    }

    #[test]
    fn names_that_climb_are_refused() {
        for path in ["..", ".", "a/../b", "../a", "a/."] {
            assert!(matches!(insert(path), Err(TaskFilesError::DotName { .. })), "{path:?}");
        }
    }

    #[test]
    fn characters_outside_the_portable_set_are_refused() {
        for (path, character) in [
            ("a b", ' '),
            ("Recipe.json", 'R'),
            ("a\\b", '\\'),
            ("a\0b", '\0'),
            ("a;1", ';'),
            ("caf\u{e9}", '\u{e9}'),
            ("a\nb", '\n'),
            ("a:b", ':'),
        ] {
            assert_eq!(
                insert(path),
                Err(TaskFilesError::BadCharacter { path: path.into(), character }),
                "{path:?}"
            );
        }
    }

    #[test]
    fn names_with_edges_that_some_reader_changes_are_refused() {
        for path in [".hidden", "-rf", "_x", "a.", "d./f"] {
            assert!(matches!(insert(path), Err(TaskFilesError::BadEdge { .. })), "{path:?}");
        }
    }

    #[test]
    fn lengths_and_depths_end_where_the_standards_do() {
        let name = "n".repeat(MAX_NAME);
        assert_eq!(insert(&name), Ok(()));
        assert!(matches!(insert(&format!("{name}n")), Err(TaskFilesError::NameTooLong { len: 63, .. })));
        assert_eq!(insert("a/b/c/d/e/f/g/h"), Ok(()));
        assert!(matches!(insert("a/b/c/d/e/f/g/h/i"), Err(TaskFilesError::TooDeep { depth: 9, .. })));
        let long = format!("{name}/{name}/{name}/{}", "n".repeat(MAX_PATH - 3 * 63));
        assert_eq!(insert(&long), Ok(()));
        assert!(matches!(insert(&format!("{long}n")), Err(TaskFilesError::PathTooLong { len: 201, .. })));
    }

    #[test]
    fn an_overlong_path_is_not_repeated_whole() {
        let Err(TaskFilesError::PathTooLong { path, len }) = insert(&"\u{e9}".repeat(5000)) else {
            panic!("an overlong path was taken");
        };
        assert_eq!((path.chars().count(), len), (MAX_PATH, 10_000));
    }

    #[test]
    fn a_path_is_one_thing_only() {
        let mut files = TaskFiles::new();
        files.insert("a/b", "1").expect("free");
        files.insert("c", "1").expect("free");
        let before = files.clone();
        assert_eq!(files.insert("a/b", "2"), Err(TaskFilesError::Duplicate { path: "a/b".into() }));
        assert_eq!(files.insert("a", "2"), Err(TaskFilesError::IsDirectory { path: "a".into() }));
        assert_eq!(
            files.insert("c/d/e", "2"),
            Err(TaskFilesError::ParentIsFile { path: "c/d/e".into(), file: "c".into() })
        );
        assert_eq!(files, before);
    }

    #[test]
    fn directories_count_as_entries() {
        let mut files = TaskFiles::new();
        for n in 0..MAX_ENTRIES / 2 {
            files.insert(&format!("d{n}/f"), "").expect("room");
        }
        assert_eq!(files.insert("more", ""), Err(TaskFilesError::TooMany { path: "more".into() }));
    }

    #[test]
    fn debug_shows_sizes_and_no_content() {
        let mut files = TaskFiles::new();
        files.insert("ks.cfg", "rootpw hunter2").expect("free");
        assert_eq!(format!("{files:?}"), "{\"ks.cfg\": 14}");
    }
}
