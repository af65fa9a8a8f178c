// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the demo lives: one directory with everything in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::evidence::Evidence;

/// One directory with everything in it. Removed at the end unless it was asked for by name.
pub(crate) struct Place {
    root: PathBuf,
    /// Dropped last.
    temporary: Option<TempDir>,
}

impl Place {
    /// A new temporary directory, or the one to keep.
    pub(crate) fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(dir) = keep else {
            let dir = tempfile::Builder::new().prefix("shoal-demo-").tempdir();
            let dir = dir.context("make a temporary directory")?;
            return Ok(Self { root: dir.path().to_owned(), temporary: Some(dir) });
        };
        fs::create_dir_all(&dir).with_context(|| format!("make the directory {}", dir.display()))?;
        let root = dir.canonicalize().with_context(|| format!("find the directory {}", dir.display()))?;
        if root.read_dir().with_context(|| format!("read {}", root.display()))?.next().is_some() {
            bail!("{} is not empty; nothing in it is touched", root.display());
        }
        Ok(Self { root, temporary: None })
    }

    /// It stays when the demo is over.
    pub(crate) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The bare repository that people push to and the controller watches.
    pub(crate) fn bare(&self) -> PathBuf {
        self.root.join("fleet.git")
    }

    /// A person's clone.
    pub(crate) fn clone(&self) -> PathBuf {
        self.root.join("fleet")
    }

    /// The private age key.
    pub(crate) fn age_key(&self) -> PathBuf {
        self.root.join("age.key")
    }

    /// The stand-in for the maintenance ISO.
    pub(crate) fn maintenance_iso(&self) -> PathBuf {
        self.root.join("maintenance.iso")
    }

    /// The controller's own directory.
    pub(crate) fn storage(&self) -> PathBuf {
        self.root.join("controller")
    }

    /// The controller's database.
    pub(crate) fn database(&self) -> PathBuf {
        self.storage().join("db/shoal.redb")
    }

    /// The socket of the command line.
    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("shoal.sock")
    }

    /// What the controller logs.
    pub(crate) fn controller_log(&self) -> PathBuf {
        self.root.join("controller.log")
    }

    /// What the BMCs were asked.
    pub(crate) fn bmc_log(&self) -> PathBuf {
        self.root.join("bmc-requests.jsonl")
    }

    /// The disks of the machines.
    pub(crate) fn disks(&self) -> PathBuf {
        self.root.join("disks")
    }

    /// Writes the evidence where it is kept.
    pub(crate) fn write_evidence(&self, evidence: &Evidence) -> anyhow::Result<()> {
        let path = self.root.join("evidence.json");
        let text = serde_json::to_string_pretty(evidence).context("write the evidence as JSON")?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "x").unwrap();
        assert!(Place::new(Some(dir.path().to_owned())).is_err());
        assert_eq!(fs::read_to_string(dir.path().join("precious")).unwrap(), "x");
    }

    #[test]
    fn what_was_not_asked_for_by_name_is_gone_afterwards() {
        let place = Place::new(None).unwrap();
        let root = place.root().to_owned();
        assert!(root.is_dir() && !place.is_kept());
        drop(place);
        assert!(!root.exists());
    }
}
