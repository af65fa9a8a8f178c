// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where a checked-in file and the code differ, and the first lines of how.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use similar::TextDiff;

use super::Files;

/// Lines of a diff that are shown; the rest is counted.
const SHOWN: usize = 20;

/// One file that is not what the code says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drift {
    /// Below the workspace.
    pub(super) path: String,
    /// As it is; nothing where it is missing.
    before: Option<String>,
    /// As it should be; nothing where it should not be.
    after: Option<String>,
}

/// Compares the files with what stands in the workspace.
pub(super) fn find(root: &Path, files: &Files, dirs: &[&str]) -> anyhow::Result<Vec<Drift>> {
    let mut drifts = Vec::new();
    for (path, after) in files {
        let before = read(&root.join(path))?;
        if before.as_ref() != Some(after) {
            drifts.push(Drift { path: path.clone(), before, after: Some(after.clone()) });
        }
    }
    for dir in dirs {
        for path in listed(root, dir)? {
            if !files.contains_key(&path) {
                drifts.push(Drift { before: read(&root.join(&path))?, path, after: None });
            }
        }
    }
    Ok(drifts)
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// The files of a directory by their path below the workspace, sorted.
fn listed(root: &Path, dir: &str) -> anyhow::Result<Vec<String>> {
    let full: PathBuf = root.join(dir);
    let entries = match std::fs::read_dir(&full) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("list {}", full.display())),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", full.display()))?;
        paths.push(format!("{dir}/{}", entry.file_name().to_string_lossy()));
    }
    paths.sort();
    Ok(paths)
}

impl Drift {
    /// Makes the file what it should be.
    pub(super) fn mend(&self, root: &Path, files: &Files) -> anyhow::Result<()> {
        let path = root.join(&self.path);
        let Some(text) = files.get(&self.path) else {
            return std::fs::remove_file(&path).with_context(|| format!("remove {}", path.display()));
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = match (&self.before, &self.after) {
            (None, _) => return write!(f, "{}: missing", self.path),
            (Some(_), None) => return write!(f, "{}: nothing generates it", self.path),
            (Some(before), Some(after)) => (before, after),
        };
        write!(f, "{}: differs", self.path)?;
        let diff = TextDiff::from_lines(before, after);
        let text = diff.unified_diff().context_radius(1).to_string();
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().take(SHOWN) {
            write!(f, "\n  {line}")?;
        }
        if lines.len() > SHOWN {
            write!(f, "\n  … {} lines more", lines.len() - SHOWN)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        [("gen/a.md", "one\ntwo\n"), ("gen/b.md", "three\n")]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into()
    }

    #[test]
    fn what_is_missing_different_or_too_much_is_found_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("gen")).unwrap();
        std::fs::write(dir.path().join("gen/a.md"), "one\nold\n").unwrap();
        std::fs::write(dir.path().join("gen/stale.md"), "gone\n").unwrap();
        let drifts = find(dir.path(), &files(), &["gen"]).unwrap();
        let said: Vec<String> = drifts.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0].starts_with("gen/a.md: differs\n")
                && said[0].contains("-old")
                && said[0].contains("+two")
        );
        assert_eq!(said[1], "gen/b.md: missing");
        assert_eq!(said[2], "gen/stale.md: nothing generates it");
        for drift in &drifts {
            drift.mend(dir.path(), &files()).unwrap();
        }
        assert_eq!(find(dir.path(), &files(), &["gen"]).unwrap(), []);
    }

    #[test]
    fn a_long_difference_is_cut_and_the_rest_counted() {
        let before = "before\n".repeat(100);
        let after = "after\n".repeat(100);
        let drift = Drift { path: "x".to_owned(), before: Some(before), after: Some(after) };
        let said = drift.to_string();
        assert_eq!(said.lines().count(), 1 + SHOWN + 1, "{said}");
        assert!(said.ends_with("lines more"));
    }
}
