// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where a site lives: one directory with everything in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// One directory with everything in it. Removed at the end unless it was asked for by name.
pub struct Place {
    root: PathBuf,
    /// Dropped last.
    temporary: Option<TempDir>,
}

impl Place {
    /// A new temporary directory whose name begins with `prefix`, or the one to keep.
    pub fn new(prefix: &str, keep: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(dir) = keep else {
            let dir = tempfile::Builder::new().prefix(prefix).tempdir();
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

    /// It stays when all is over.
    pub fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bare repository that people push to and the controller watches.
    pub fn bare(&self) -> PathBuf {
        self.root.join("fleet.git")
    }

    /// A person's clone.
    pub fn checkout(&self) -> PathBuf {
        self.root.join("fleet")
    }

    /// The private age key.
    pub fn age_key(&self) -> PathBuf {
        self.root.join("age.key")
    }

    /// The maintenance ISO.
    pub fn maintenance_iso(&self) -> PathBuf {
        self.root.join("maintenance.iso")
    }

    /// The controller's own directory.
    pub fn storage(&self) -> PathBuf {
        self.root.join("controller")
    }

    /// The controller's database.
    pub fn database(&self) -> PathBuf {
        self.storage().join("db/shoal.redb")
    }

    /// The socket of the command line.
    pub fn socket(&self) -> PathBuf {
        self.root.join("shoal.sock")
    }

    /// What the controller logs.
    pub fn controller_log(&self) -> PathBuf {
        self.root.join("controller.log")
    }

    /// What the BMCs were asked.
    pub fn bmc_log(&self) -> PathBuf {
        self.root.join("bmc-requests.jsonl")
    }

    /// The disks of the machines.
    pub fn disks(&self) -> PathBuf {
        self.root.join("disks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "x").unwrap();
        assert!(Place::new("shoal-site-", Some(dir.path().to_owned())).is_err());
        assert_eq!(fs::read_to_string(dir.path().join("precious")).unwrap(), "x");
    }

    #[test]
    fn what_was_not_asked_for_by_name_is_gone_afterwards() {
        let place = Place::new("shoal-site-", None).unwrap();
        let root = place.root().to_owned();
        assert!(root.is_dir() && !place.is_kept());
        drop(place);
        assert!(!root.exists());
    }
}
