// SPDX-License-Identifier: AGPL-3.0-or-later
//! A directory that is the root of everything below it: no path and no link in it leads out.
//!
//! Paths are resolved by the kernel with `RESOLVE_IN_ROOT` (openat2(2)), so an absolute link, or one with `..`, ends
//! where it would end in the installed system. Links that the kernel makes up (`/proc/…/fd`) are not followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How often a resolution is tried again that the kernel could not finish because something was renamed meanwhile.
const TRIES: u32 = 16;

/// Largest file that is read whole, in bytes.
const READ_LIMIT: u64 = 1 << 20;

/// A root.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens a directory as a root.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// Opens something below it. The last part of the path is followed unless `flags` say `NOFOLLOW`.
    pub fn open_at(&self, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { b".".as_slice() } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..TRIES {
            match rustix::fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
        Err(ErrorKind::Interrupted.into())
    }

    /// A directory below it.
    pub fn directory(&self, path: &[u8]) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    /// A directory below it, made with all above it where it is missing (0755).
    pub fn make_directories(&self, path: &[u8]) -> io::Result<OwnedFd> {
        match self.directory(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_empty() => {}
            other => return other,
        }
        let (parent, name) = split(path);
        let parent = self.make_directories(parent)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.directory(path)
    }

    /// A path for calls that take no descriptors. It holds as long as the descriptor is open.
    pub fn path_of(fd: impl AsFd) -> PathBuf {
        format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()).into()
    }

    /// Whether something is there.
    pub fn exists(&self, path: &str) -> bool {
        self.open_at(path.as_bytes(), OFlags::PATH, Mode::empty()).is_ok()
    }

    /// A small file; nothing where there is none.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        // A pipe with nobody at its other end must not stop the step.
        let fd = match self.open_at(path.as_bytes(), OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            other => other?,
        };
        let file = File::from(fd);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is no regular file"));
        }
        let mut content = Vec::new();
        file.take(READ_LIMIT + 1).read_to_end(&mut content)?;
        if content.len() as u64 > READ_LIMIT {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(Some(content))
    }

    /// Writes a file in one piece, durably, where it is not the same already. True when it was written.
    pub fn write(&self, path: &str, content: &[u8], mode: u32) -> io::Result<bool> {
        if self.read(path).ok().flatten().as_deref() == Some(content) {
            return Ok(false);
        }
        let (parent, name) = split(path.as_bytes());
        let parent = self.make_directories(parent)?;
        let temporary = [b".", name, b".new"].concat();
        remove(&parent, &temporary)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let mut file = File::from(rustix::fs::openat(&parent, temporary.as_slice(), flags, mode)?);
        rustix::fs::fchmod(&file, mode)?;
        file.write_all(content)?;
        file.sync_all()?;
        rustix::fs::renameat(&parent, temporary.as_slice(), &parent, name)?;
        // A directory opened as a path only cannot be synced.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::fsync(rustix::fs::openat(&parent, c".", flags, Mode::empty())?)?;
        Ok(true)
    }

    /// Removes a file, if there is one.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let (parent, name) = split(path.as_bytes());
        match self.directory(parent) {
            Ok(parent) => remove(&parent, name),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let fd = match self.open_at(path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Has everything written to the disk.
    pub fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(rustix::fs::syncfs(self.open_at(b"", flags, Mode::empty())?)?)
    }
}

/// Removes a name that is no directory, if it is there.
pub(crate) fn remove(parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A relative path without slashes at its ends, as directory and name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// For messages.
pub(crate) fn shown(path: &[u8]) -> String {
    OsStr::from_bytes(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_lead_to_where_they_would_in_the_installed_system() {
        let dir = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (dir.path().join("root"), dir.path().join("etc"));
        fs::create_dir_all(inside.join("etc")).expect("made");
        fs::create_dir_all(&outside).expect("made");
        symlink("/etc", inside.join("absolute")).expect("linked");
        symlink("../../../../etc", inside.join("upwards")).expect("linked");
        let root = Root::open(&inside).expect("opened");
        for path in ["absolute/a", "upwards/b", "../etc/c"] {
            assert!(root.write(path, b"x", 0o600).expect("written"), "{path}");
        }
        assert_eq!(fs::read_dir(&outside).expect("listed").count(), 0);
        let mut names = root.list("etc").expect("listed");
        names.sort();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn a_file_is_written_once_and_with_its_mode() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Root::open(dir.path()).expect("opened");
        assert!(root.write("var/lib/seed/user-data", b"x", 0o600).expect("written"));
        assert!(!root.write("var/lib/seed/user-data", b"x", 0o600).expect("the same"));
        assert!(root.write("var/lib/seed/user-data", b"y", 0o600).expect("written"));
        let path = dir.path().join("var/lib/seed/user-data");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        assert_eq!(root.list("var/lib/seed").expect("listed"), ["user-data"]);
        root.remove("var/lib/seed/user-data").expect("removed");
        root.remove("no/such/file").expect("nothing to remove");
        assert!(root.read("var/lib/seed/user-data").expect("none").is_none());
    }

    #[test]
    fn a_link_in_place_of_a_file_is_replaced_and_not_written_through() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("victim"), "kept").expect("written");
        symlink("victim", dir.path().join("fstab")).expect("linked");
        let root = Root::open(dir.path()).expect("opened");
        assert!(root.write("fstab", b"new", 0o644).expect("written"));
        assert_eq!(fs::read(dir.path().join("victim")).expect("read"), b"kept");
        assert!(fs::symlink_metadata(dir.path().join("fstab")).expect("there").is_file());
    }
}
