// SPDX-License-Identifier: AGPL-3.0-or-later
//! Paths inside a tree: which are wanted, which are fit to be used, how the others are shown.

/// Bits of a mode that name the kind of an entry.
const KIND: i32 = 0o170_000;
/// A directory.
pub(super) const TREE: i32 = 0o040_000;
/// A symbolic link.
pub(super) const SYMLINK: i32 = 0o120_000;
/// A submodule: a commit of another repository.
pub(super) const GITLINK: i32 = 0o160_000;
/// A regular file, executable or not.
const REGULAR: i32 = 0o100_000;

/// The kind bits of a mode.
pub(super) const fn kind_of(mode: i32) -> i32 {
    mode & KIND
}

/// Whether a mode is that of a regular file. The permission bits of old repositories vary.
pub(super) const fn is_regular(mode: i32) -> bool {
    kind_of(mode) == REGULAR
}

/// Which part of a tree is looked at. Everything else is as if it were not there, and costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathFilter {
    /// Without slashes at the end; empty means all.
    roots: Vec<String>,
}

/// How a directory or file relates to the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Wanted, with all below.
    Inside,
    /// A directory on the way to something wanted.
    Above,
    /// Not wanted.
    Outside,
}

impl PathFilter {
    /// The whole tree.
    pub fn all() -> Self {
        Self::default()
    }

    /// These files, and these directories with all below: `["shoal.yaml", "servers/"]`.
    pub fn only<I, S>(roots: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        Self { roots: roots.into_iter().map(|root| root.as_ref().trim_matches('/').to_owned()).collect() }
    }

    pub(super) fn relation(&self, path: &str) -> Relation {
        if self.roots.is_empty() {
            return Relation::Inside;
        }
        let mut relation = Relation::Outside;
        for root in &self.roots {
            if is_below(path, root) {
                return Relation::Inside;
            }
            if is_below(root, path) {
                relation = Relation::Above;
            }
        }
        relation
    }
}

/// Whether `path` is `root` or below it.
fn is_below(path: &str, root: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether one component of a path can be printed, written to a status branch or a work tree.
pub(crate) fn is_safe_name(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.eq_ignore_ascii_case(".git")
        && !name.chars().any(|c| c.is_control() || c == '/' || c == '\\' || is_direction_mark(c))
}

/// Characters that change the direction of the text around them: a name with one of them looks like
/// another name.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name of any bytes, as printable ASCII and letters: what is not is written `\xNN` or `\u{N}`.
pub(super) fn escape(name: &[u8]) -> String {
    let mut out = String::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' || is_direction_mark(c) {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_files_and_directories_and_the_way_to_them() {
        let filter = PathFilter::only(["shoal.yaml", "servers/", "sites/a/policies"]);
        for (path, relation) in [
            ("shoal.yaml", Relation::Inside),
            ("servers", Relation::Inside),
            ("servers/rack-a/web.yaml", Relation::Inside),
            ("servers-old", Relation::Outside),
            ("sites", Relation::Above),
            ("sites/a", Relation::Above),
            ("sites/b", Relation::Outside),
            ("sites/a/policies/x.rego", Relation::Inside),
            ("README.md", Relation::Outside),
        ] {
            assert_eq!(filter.relation(path), relation, "{path}");
        }
        assert_eq!(PathFilter::all().relation("x"), Relation::Inside);
    }

    #[test]
    fn names_that_escape_or_mislead_are_unsafe() {
        for name in ["", ".", "..", ".git", ".GIT", "a/b", "a\\b", "a\nb", "a\u{1b}[m", "gpj\u{202e}.exe"] {
            assert!(!is_safe_name(name), "{name:?}");
        }
        for name in ["a", ".github", "rack a", "größe", "名前", "...", "a.git"] {
            assert!(is_safe_name(name), "{name:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_escaped() {
        assert_eq!(escape(b"a\xff\nb\\c\xc3\xb6"), "a\\xff\\nb\\\\c\u{f6}");
    }
}
