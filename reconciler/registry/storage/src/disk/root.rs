// SPDX-License-Identifier: AGPL-3.0-or-later
//! The root directory, and reading below it without ever following a symbolic link.
//!
//! The root itself may be reached through links: that is the operator's choice. Below it none is followed,
//! neither in the middle of a path nor at its end (`ELOOP`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::layout::Place;

/// The directory that everything is in. Stays the same directory even if it is renamed.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    dir: OwnedFd,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// Bytes that it takes on disk.
    pub allocated: u64,
    /// The time of last modification.
    pub modified: Timestamp,
    /// A regular file; otherwise a directory or something that does not belong here.
    pub is_file: bool,
    /// Device and inode: the same for two names of one file.
    pub identity: (u64, u64),
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// A directory; not one reached through a link.
    pub is_dir: bool,
}

// === impl Root ===

impl Root {
    /// Opens an existing directory.
    ///
    /// # Errors
    /// Those of the system, such as that it is not a directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { path: path.to_owned(), dir: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// The path it was opened by, for people to read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of the system; `ELOOP` where a symbolic link is in the way.
    pub fn open_file(&self, place: &Place) -> io::Result<File> {
        // Without NONBLOCK a pipe that somebody put there would hold the thread.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.at(place.as_path(), flags).map(File::from)
    }

    /// Opens a file for reading and writing; it must exist.
    ///
    /// # Errors
    /// As [`Root::open_file()`].
    pub fn open_for_writing(&self, place: &Place) -> io::Result<File> {
        self.at(place.as_path(), OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY).map(File::from)
    }

    /// What is known of a file; `None` where there is none.
    ///
    /// # Errors
    /// Those of the system; `ELOOP` for a symbolic link.
    pub fn stat(&self, place: &Place) -> io::Result<Option<Stat>> {
        let found = match self.open_parent(place) {
            Ok((dir, name)) => rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match found {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Err(Errno::LOOP.into()),
            Ok(stat) => Ok(Some(Stat::from(stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The whole of a small file; `None` where there is none.
    ///
    /// # Errors
    /// Those of the system, and [`io::ErrorKind::FileTooLarge`] past `limit` bytes.
    pub fn read(&self, place: &Place, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_file(place) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(bytes))
    }

    /// The names in a directory, sorted; none where there is no directory.
    ///
    /// # Errors
    /// Those of the system.
    pub fn list(&self, place: &Place) -> io::Result<Vec<Entry>> {
        let dir = match self.open_dir(place) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            if name == "." || name == ".." {
                continue;
            }
            let is_dir = match entry.file_type() {
                FileType::Directory => true,
                // Some file systems do not say.
                FileType::Unknown => match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                _ => false,
            };
            entries.push(Entry { name, is_dir });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// Opens a directory.
    pub(crate) fn open_dir(&self, place: &Place) -> io::Result<OwnedFd> {
        self.at(place.as_path(), OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The directory that a place lies in, and its name there.
    pub(crate) fn open_parent<'a>(&self, place: &'a Place) -> io::Result<(OwnedFd, &'a OsStr)> {
        let parent = place.as_path().parent().ok_or(Errno::INVAL)?;
        Ok((self.at(parent, OFlags::PATH | OFlags::DIRECTORY)?, place.name()))
    }

    /// Opens what is at a path below the root, without following any symbolic link.
    fn at(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let whole = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.dir, whole, flags, Mode::empty(), resolve) {
            // Old kernels and strict sandboxes do not have it.
            Err(Errno::NOSYS | Errno::PERM) => self.walk(path, flags),
            // A file created or renamed meanwhile, so the kernel could not be sure; or something is in the way, and
            // only looking at each component tells a link from a file.
            Err(Errno::AGAIN | Errno::NOTDIR) => self.walk(path, flags),
            other => Ok(other?),
        }
    }

    /// The same, one component after the other.
    fn walk(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut dir: Option<OwnedFd> = None;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else { return Err(Errno::INVAL.into()) };
            let flags = if components.peek().is_some() { step } else { flags };
            let parent = dir.as_ref().unwrap_or(&self.dir);
            dir = Some(match rustix::fs::openat(parent, name, flags, Mode::empty()) {
                // A link where a directory is wanted is reported as "not a directory".
                Err(Errno::NOTDIR) if names_a_link(parent, name) => return Err(Errno::LOOP.into()),
                other => other?,
            });
        }
        match dir {
            Some(dir) => Ok(dir),
            None => Ok(rustix::fs::openat(&self.dir, ".", flags, Mode::empty())?),
        }
    }
}

/// Whether a name is a symbolic link.
fn names_a_link(dir: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

// === impl Stat ===

impl Stat {
    /// Of an open file.
    ///
    /// # Errors
    /// Those of the system.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(rustix::fs::fstat(file)?.into())
    }
}

impl From<rustix::fs::Stat> for Stat {
    #[expect(clippy::useless_conversion, reason = "the widths differ between architectures")]
    fn from(stat: rustix::fs::Stat) -> Self {
        let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            allocated: u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512),
            // A time out of the range of the calendar is as good as the oldest one.
            modified: Timestamp::new(stat.st_mtime.into(), nanoseconds).unwrap_or(Timestamp::MIN),
            is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
            identity: (u64::from(stat.st_dev), u64::from(stat.st_ino)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::error::is_link;

    fn place(path: &str) -> Place {
        path.split('/').fold(Place::root(), |place, name| place.child(name).unwrap())
    }

    #[test]
    fn no_symbolic_link_is_followed_at_the_end_or_on_the_way() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let inside = tempfile::tempdir().unwrap();
        std::fs::create_dir(inside.path().join("dir")).unwrap();
        symlink(outside.path(), inside.path().join("dir/way")).unwrap();
        symlink(outside.path().join("secret"), inside.path().join("dir/end")).unwrap();
        let root = Root::open(inside.path()).unwrap();
        for path in ["dir/way/secret", "dir/end"] {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
            let place = place(path);
            assert!(is_link(&root.open_file(&place).unwrap_err()), "{path}");
            assert!(is_link(&root.walk(place.as_path(), flags).unwrap_err()), "{path}");
            assert!(is_link(&root.stat(&place).unwrap_err()), "{path}");
        }
        let listed = root.list(&place("dir")).unwrap();
        assert!(listed.iter().all(|entry| !entry.is_dir), "{listed:?}");
    }

    #[test]
    fn both_ways_of_opening_find_the_same_file() {
        let inside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(inside.path().join("a/b")).unwrap();
        std::fs::write(inside.path().join("a/b/c"), "content").unwrap();
        let root = Root::open(inside.path()).unwrap();
        let place = place("a/b/c");
        let walked = root.walk(place.as_path(), OFlags::RDONLY | OFlags::NOFOLLOW).unwrap();
        assert_eq!(Stat::of(&File::from(walked)).unwrap(), root.stat(&place).unwrap().unwrap());
        assert_eq!(root.read(&place, 7).unwrap().unwrap(), b"content");
        assert_eq!(root.read(&place, 6).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_is_not_there_is_none_and_not_an_error() {
        let inside = tempfile::tempdir().unwrap();
        let root = Root::open(inside.path()).unwrap();
        assert_eq!(root.stat(&place("a/b")).unwrap(), None);
        assert_eq!(root.read(&place("a/b"), 9).unwrap(), None);
        assert_eq!(root.list(&place("a")).unwrap(), Vec::new());
    }
}
