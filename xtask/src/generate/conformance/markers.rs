// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finds which test shows which requirement: `// covers: id, id` (or `///`) above a test and its
//! attributes; several such lines add up.
//!
//! Guarantee: a marker that stands above no test, or above one that is ignored, is an error; it would
//! claim what nothing shows.

use std::path::Path;

use anyhow::{Context as _, bail};

/// A test shows a requirement.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown {
    /// Below the directory that was searched.
    pub(super) file: String,
    pub(super) function: String,
    pub(super) id: String,
}

/// Every marker in the Rust sources below a directory, sorted.
pub(super) fn find(dir: &Path) -> anyhow::Result<Vec<Shown>> {
    let mut files = Vec::new();
    sources(dir, dir, &mut files)?;
    let mut shown = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(dir.join(&file)).with_context(|| format!("read {file}"))?;
        shown.extend(read(&file, &text)?);
    }
    shown.sort();
    Ok(shown)
}

/// The Rust sources below `dir`, as paths below `top`.
fn sources(top: &Path, dir: &Path, files: &mut Vec<String>) -> anyhow::Result<()> {
    let failed = || format!("list {}", dir.display());
    for entry in std::fs::read_dir(dir).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.is_dir() {
            // What a build leaves there is none of ours.
            if path.file_name().is_some_and(|name| name != "target") {
                sources(top, &path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(top).context("a file lies outside of its directory")?;
            files.push(below.to_str().context("a file's name is not UTF-8")?.to_owned());
        }
    }
    Ok(())
}

/// A marker whose function has not come yet.
#[derive(Default)]
struct Pending {
    line: usize,
    ids: Vec<String>,
    test: bool,
    ignored: bool,
    /// Brackets of an attribute that goes over several lines.
    open: usize,
}

fn read(file: &str, text: &str) -> anyhow::Result<Vec<Shown>> {
    let mut shown = Vec::new();
    let mut pending: Option<Pending> = None;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if let Some(ids) = marker(line) {
            let pending = pending.get_or_insert_with(|| Pending { line: number, ..Pending::default() });
            let before = pending.ids.len();
            pending.ids.extend(ids.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()));
            if pending.ids.len() == before {
                bail!("{file}:{number}: the marker names nothing");
            }
            continue;
        }
        let Some(mut marked) = pending.take() else { continue };
        if marked.open > 0 || line.starts_with("#[") {
            marked.attribute(line);
            pending = Some(marked);
        } else if line.starts_with("//") {
            pending = Some(marked);
        } else if let Some(function) = function(line).filter(|_| marked.test) {
            if marked.ignored {
                bail!("{file}:{}: {function} is ignored and shows nothing", marked.line);
            }
            let one = |id| Shown { file: file.to_owned(), function: function.to_owned(), id };
            shown.extend(marked.ids.into_iter().map(one));
        } else {
            bail!("{file}:{}: the marker does not stand above a test and its attributes", marked.line);
        }
    }
    if let Some(marked) = pending {
        bail!("{file}:{}: the marker does not stand above a test and its attributes", marked.line);
    }
    Ok(shown)
}

fn marker(line: &str) -> Option<&str> {
    line.strip_prefix("//")?.trim_start_matches('/').trim_start().strip_prefix("covers:")
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(['(', '<']).next().filter(|name| !name.is_empty())
}

impl Pending {
    fn attribute(&mut self, line: &str) {
        let path = line.trim_start_matches("#[").split(['(', ']', ' ', '=']).next().unwrap_or_default();
        if self.open == 0 {
            self.test |= path == "test" || path.ends_with("::test");
            self.ignored |= path == "ignore";
        }
        self.open =
            (self.open + line.matches(['(', '[']).count()).saturating_sub(line.matches([')', ']']).count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(String, String)> {
        read("a.rs", text).unwrap().into_iter().map(|shown| (shown.function, shown.id)).collect()
    }

    fn row(function: &str, id: &str) -> (String, String) {
        (function.to_owned(), id.to_owned())
    }

    #[test]
    fn a_marker_belongs_to_the_test_below_it() {
        let text = "\
            // covers: a-01, a-02\n    #[tokio::test]\n    async fn one() {\n    }\n\n\
            /// Words.\n/// covers: b-01\n// covers: b-02,\n#[test]\nfn two() {}\n\n#[test]\nfn three() {}\n";
        assert_eq!(
            rows(text),
            [row("one", "a-01"), row("one", "a-02"), row("two", "b-01"), row("two", "b-02")]
        );
    }

    #[test]
    fn attributes_may_have_arguments_and_several_lines() {
        let text = "\
            // covers: a-01\n// words\n#[tokio::test(flavor = \"multi_thread\")]\n\
            #[expect(\n    clippy::x,\n    reason = \"y\"\n)]\nasync fn one() {}\n";
        assert_eq!(rows(text), [row("one", "a-01")]);
    }

    #[test]
    fn a_marker_above_anything_but_a_test_is_refused() {
        for text in [
            "// covers: a-01\nfn helper() {}\n",
            "#[test]\n// covers: a-01\nfn below_its_attribute() {}\n",
            "// covers: a-01\n\n#[test]\nfn with_a_gap() {}\n",
            "// covers: a-01\nstruct X;\n",
            "// covers: a-01\n",
        ] {
            let error = read("a.rs", text).unwrap_err().to_string();
            assert!(
                error.ends_with("the marker does not stand above a test and its attributes"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn an_ignored_test_and_a_marker_without_ids_are_refused() {
        let error =
            read("a.rs", "\n// covers: a-01\n#[test]\n#[ignore = \"slow\"]\nfn one() {}\n").unwrap_err();
        assert_eq!(error.to_string(), "a.rs:2: one is ignored and shows nothing");
        let error = read("a.rs", "// covers:\n#[test]\nfn one() {}\n").unwrap_err();
        assert_eq!(error.to_string(), "a.rs:1: the marker names nothing");
    }

    #[test]
    fn sources_are_found_in_directories_below_and_what_a_build_left_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for (path, id) in [("src/a.rs", "a-01"), ("b.rs", "b-01"), ("target/c.rs", "c-01"), ("d.txt", "d-01")]
        {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("// covers: {id}\n#[test]\nfn one() {{}}\n")).unwrap();
        }
        let found: Vec<_> =
            find(dir.path()).unwrap().into_iter().map(|shown| (shown.file, shown.id)).collect();
        assert_eq!(found, [row("b.rs", "b-01"), row("src/a.rs", "a-01")]);
    }
}
