// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the dispatcher left for the steps: `recipe.env`, `layout.json`, and the rest of `/run/provision`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use shoal_dispatcher::output::files::Layout;
use shoal_dispatcher::output::{LAYOUT, RECIPE_ENV, env_file};
use shoal_schema::disk::{DiskFacts, Partition};
use zeroize::Zeroizing;

use crate::failure::Code;

/// How the image is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A root file system as a tar archive.
    RootfsTar,
    /// A whole disk.
    RawDisk,
}

/// The provision directory, read.
#[derive(Clone, Debug)]
pub struct Provision {
    dir: PathBuf,
    variables: BTreeMap<String, String>,
    disk: DiskFacts,
    partitions: Vec<Partition>,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A file is missing or unreadable.
    #[error("read {name} in the provision directory")]
    Read {
        /// The file.
        name: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("read {name} in the provision directory: {problem}")]
    Malformed {
        /// The file.
        name: &'static str,
        /// What is wrong; never what stands in it.
        problem: String,
    },
}

impl ProvisionError {
    /// Its code.
    pub fn code(&self) -> Code {
        Code::BadProvision
    }

    fn malformed(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed { name, problem: problem.into() }
    }
}

impl Provision {
    /// Reads what every step needs. A disk must be named, in both files, and be the same.
    pub fn read(dir: &Path) -> Result<Self, ProvisionError> {
        let text =
            |name| fs::read_to_string(dir.join(name)).map_err(|source| ProvisionError::Read { name, source });
        let variables = env_file::parse(&text(RECIPE_ENV)?)
            .ok_or_else(|| ProvisionError::malformed(RECIPE_ENV, "it is not as the dispatcher writes it"))?;
        let layout: Layout = serde_json::from_str(&text(LAYOUT)?)
            .map_err(|error| ProvisionError::malformed(LAYOUT, error.to_string()))?;
        let disk = layout.disk.ok_or_else(|| ProvisionError::malformed(LAYOUT, "no disk is named"))?;
        let variable = |key: &str| variables.get(key).filter(|value| !value.is_empty());
        let same = variable("TARGET_DISK") == Some(&disk.path)
            && variable("TARGET_DISK_SERIAL") == disk.serial.as_ref()
            && variable("TARGET_DISK_WWN") == disk.wwn.as_ref();
        if !same {
            let problem = "it names another disk than layout.json";
            return Err(ProvisionError::malformed(RECIPE_ENV, problem));
        }
        Ok(Self { dir: dir.to_owned(), variables, disk, partitions: layout.partitions })
    }

    /// A variable that is set to something.
    pub fn variable(&self, key: &str) -> Option<&str> {
        self.variables.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The disk that the permit was granted for.
    pub fn disk(&self) -> &DiskFacts {
        &self.disk
    }

    /// The partitions, in order.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// How the image is packed; a root file system where nothing is said.
    pub fn packing(&self) -> Result<Packing, ProvisionError> {
        match self.variable("IMAGE_FORMAT") {
            None | Some("rootfs-tar") => Ok(Packing::RootfsTar),
            Some("raw-disk") => Ok(Packing::RawDisk),
            Some(other) => {
                let problem = format!("IMAGE_FORMAT {other:?} is not one that Linux is installed from");
                Err(ProvisionError::malformed(RECIPE_ENV, problem))
            }
        }
    }

    /// A file by its name in the contract; nothing when there is none. It may be secret.
    pub fn file(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, ProvisionError> {
        match fs::read(self.dir.join(name)) {
            Ok(content) => Ok(Some(Zeroizing::new(content))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ProvisionError::Read { name, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(env: &[(&'static str, &str)], layout: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        let env: Vec<_> = env.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        fs::write(dir.path().join(RECIPE_ENV), env_file::render(&env).expect("rendered")).expect("written");
        fs::write(dir.path().join(LAYOUT), layout).expect("written");
        dir
    }

    const DISK: &str = r#"{"disk":{"path":"/dev/sda","serial":"S1","size_bytes":1000},"partitions":[]}"#;

    #[test]
    fn what_the_dispatcher_wrote_is_read() {
        let env = [("TARGET_DISK", "/dev/sda"), ("TARGET_DISK_SERIAL", "S1"), ("OCI_URL", "")];
        let dir = directory(&env, DISK);
        let read = Provision::read(dir.path()).expect("read");
        assert_eq!(read.disk().path, "/dev/sda");
        assert_eq!(read.variable("OCI_URL"), None);
        assert_eq!(read.packing().expect("known"), Packing::RootfsTar);
        assert!(read.file("user-data").expect("none").is_none());
    }

    #[test]
    fn two_files_that_name_different_disks_are_refused() {
        for env in [
            &[("TARGET_DISK", "/dev/sdb"), ("TARGET_DISK_SERIAL", "S1")][..],
            &[("TARGET_DISK", "/dev/sda"), ("TARGET_DISK_SERIAL", "S2")][..],
            &[("TARGET_DISK", "/dev/sda")][..],
        ] {
            let dir = directory(env, DISK);
            assert!(matches!(
                Provision::read(dir.path()),
                Err(ProvisionError::Malformed { name: RECIPE_ENV, .. })
            ));
        }
    }

    #[test]
    fn a_format_that_is_not_of_linux_is_refused() {
        let env = [("TARGET_DISK", "/dev/sda"), ("TARGET_DISK_SERIAL", "S1"), ("IMAGE_FORMAT", "wim")];
        let dir = directory(&env, DISK);
        assert!(Provision::read(dir.path()).expect("read").packing().is_err());
    }
}
