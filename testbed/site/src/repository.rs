// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Git repository of a site: a bare one that the controller watches, and a person's clone of it.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::place::Place;
use crate::program::Programs;

/// A bare repository and a clone, both in the site's place.
pub struct Repository<'a> {
    programs: &'a Programs,
    place: &'a Place,
}

impl<'a> Repository<'a> {
    /// Makes both, empty.
    pub fn make(programs: &'a Programs, place: &'a Place) -> anyhow::Result<Self> {
        let (bare, clone) = (place.bare(), place.checkout());
        programs.git(place.root(), &["init", "--quiet", "--bare", &name(&bare)])?;
        programs.git(place.root(), &["clone", "--quiet", &name(&bare), &name(&clone)])?;
        programs.git(&clone, &["config", "user.name", "Ada"])?;
        programs.git(&clone, &["config", "user.email", "ada@example.org"])?;
        Ok(Self { programs, place })
    }

    /// Those that were made before.
    pub fn of(programs: &'a Programs, place: &'a Place) -> Self {
        Self { programs, place }
    }

    /// Makes the controller's age key; the public one.
    pub fn make_age_key(&self) -> anyhow::Result<String> {
        let key = name(&self.place.age_key());
        let said = self.programs.shoal(self.place.root(), &["secret", "keygen", "--out", &key])?;
        Ok(said.expect_success("shoal secret keygen")?.trim().to_owned())
    }

    /// Encrypts a Secret; `values` are lines of YAML.
    pub fn write_secret(&self, secret: &str, values: &str) -> anyhow::Result<()> {
        let said = self.programs.shoal_with(
            &self.place.checkout(),
            &["secret", "new", secret, "--from", "-"],
            values,
        )?;
        said.expect_success(&format!("shoal secret new {secret}")).map(drop)
    }

    /// A file of the clone.
    pub fn read(&self, path: impl AsRef<Path>) -> anyhow::Result<String> {
        let path = self.place.checkout().join(path);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Writes a file of the clone.
    pub fn write(&self, path: impl AsRef<Path>, text: &str) -> anyhow::Result<()> {
        let path = self.place.checkout().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make the directory {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) -> anyhow::Result<()> {
        let clone = self.place.checkout();
        self.programs.git(&clone, &["add", "--all"])?;
        self.programs.git(&clone, &["commit", "--quiet", "-m", message]).map(drop)
    }

    /// Fetches what others pushed, the controller's status branch among it.
    pub fn fetch(&self) -> anyhow::Result<()> {
        self.programs.git(&self.place.checkout(), &["fetch", "--quiet", "origin"]).map(drop)
    }

    /// Pushes, as a person would.
    pub fn push(&self) -> anyhow::Result<()> {
        self.programs.git(&self.place.checkout(), &["push", "--quiet", "origin", "HEAD:main"]).map(drop)
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
