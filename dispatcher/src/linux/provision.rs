// SPDX-License-Identifier: AGPL-3.0-or-later
//! The directory for the steps: whole files with the right modes, at once.
//!
//! A file appears by renaming or linking a finished one, so that no reader sees half of it. Modes are set before
//! anything is written, whatever the umask is.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::output::{OutputFile, SECRET_DIR};

/// A provision directory: 0755, with a `secret` directory of 0700 in it.
#[derive(Clone, Debug)]
pub struct ProvisionDir {
    root: PathBuf,
}

impl ProvisionDir {
    /// It is made when the first file is written.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes a file, over an older one if need be.
    pub fn write(&self, file: &OutputFile) -> io::Result<()> {
        let temporary = self.prepare(file)?;
        fs::rename(&temporary, self.root.join(file.path)).or_else(|error| clean_up(&temporary, error))?;
        self.link(file)
    }

    /// Writes a file unless there is one. False when there was.
    pub fn create(&self, file: &OutputFile) -> io::Result<bool> {
        let temporary = self.prepare(file)?;
        let linked = fs::hard_link(&temporary, self.root.join(file.path));
        fs::remove_file(&temporary)?;
        match linked {
            Ok(()) => self.link(file).map(|()| true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a file, or nothing when there is none.
    pub fn read(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        match fs::read(self.root.join(name)) {
            Ok(content) => Ok(Some(Zeroizing::new(content))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A finished file beside the place where it belongs.
    fn prepare(&self, file: &OutputFile) -> io::Result<PathBuf> {
        directory(&self.root, 0o755)?;
        let (parent, mode) = if file.is_secret() {
            let secret = self.root.join(SECRET_DIR);
            directory(&secret, 0o700)?;
            (secret, 0o600)
        } else {
            (self.root.clone(), 0o644)
        };
        let name = Path::new(file.path).file_name().unwrap_or_default().to_string_lossy();
        let temporary = parent.join(format!(".{name}.{}", std::process::id()));
        // Left by a run that was killed, under the same number.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut to = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        fill(&mut to, mode, &file.content).or_else(|error| clean_up(&temporary, error))?;
        Ok(temporary)
    }

    fn link(&self, file: &OutputFile) -> io::Result<()> {
        let Some(link) = file.link else { return Ok(()) };
        match symlink(file.path, self.root.join(link)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

fn fill(file: &mut File, mode: u32, content: &[u8]) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

fn clean_up<T>(temporary: &Path, error: io::Error) -> io::Result<T> {
    // The first error is the one that counts.
    fs::remove_file(temporary).unwrap_or_default();
    Err(error)
}

fn directory(path: &Path, mode: u32) -> io::Result<()> {
    if !path.is_dir() {
        fs::create_dir_all(path)?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{OUTCOME, RECIPE_ENV, USER_DATA};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_secret_is_for_root_alone_and_has_its_name_in_the_contract() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().join("provision");
        let dir = ProvisionDir::new(root.clone());
        dir.write(&OutputFile::public(RECIPE_ENV, "A=\"b\"\n")).expect("written");
        dir.write(&OutputFile::secret(USER_DATA, "#cloud-config").linked("user-data")).expect("written");
        assert_eq!((mode(&root), mode(&root.join(RECIPE_ENV))), (0o755, 0o644));
        assert_eq!((mode(&root.join("secret")), mode(&root.join(USER_DATA))), (0o700, 0o600));
        assert_eq!(fs::read_to_string(root.join("user-data")).expect("linked"), "#cloud-config");
        let left: Vec<_> = fs::read_dir(&root).expect("listed").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_created_only_once() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = ProvisionDir::new(root.path().to_owned());
        let file = |content: &str| OutputFile::secret(OUTCOME, content);
        assert!(dir.create(&file("first")).expect("created"));
        assert!(!dir.create(&file("second")).expect("refused"));
        assert_eq!(dir.read(OUTCOME).expect("read").expect("there").as_slice(), b"first");
        dir.write(&file("third")).expect("written");
        assert_eq!(dir.read(OUTCOME).expect("read").expect("there").as_slice(), b"third");
        assert!(dir.read(USER_DATA).expect("read").is_none());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let root = tempfile::tempdir().expect("a directory");
        let blocked = root.path().join("file");
        fs::write(&blocked, "in the way").expect("written");
        assert!(ProvisionDir::new(blocked).write(&OutputFile::public(RECIPE_ENV, "")).is_err());
    }
}
