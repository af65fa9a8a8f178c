// SPDX-License-Identifier: AGPL-3.0-or-later
//! Puts the entries of an archive below a root, with owners, modes, times, attributes, links, devices and holes.
//!
//! # Guarantees
//!
//! * Nothing is written outside of the root, see [`crate::root`]. A name with `..` is refused; an absolute one counts
//!   from the root. The last part of a name is never followed: what stands there is replaced.
//! * An attribute, an owner or a device that cannot be kept is an error, not a loss.
//!
//! # Assumptions
//!
//! Nobody else changes the tree meanwhile: it is mounted for this step alone.

pub(crate) mod acl;
mod error;
mod place;

use std::fs::File;
use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};

pub use error::UnpackError;

use crate::progress::Progress;
use crate::root::{Root, remove};
use crate::tar_stream::{Entry, Kind, Reader, Segment};
use place::{Parents, clean};

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries.
    pub entries: u64,
    /// Bytes of content, holes left out.
    pub bytes: u64,
}

/// Unpacks a whole archive. What stands behind it in the stream is left unread.
pub fn unpack<R: BufRead>(
    archive: &mut Reader<R>,
    root: &Root,
    progress: &Progress,
) -> Result<Unpacked, UnpackError> {
    let mut work = Work { root, parents: Parents::new(root), progress, directories: Vec::new() };
    let mut done = Unpacked::default();
    while let Some(entry) = archive.entry()? {
        let path = clean(&entry.path).map_err(|problem| UnpackError::refused(&entry.path, problem))?;
        done.bytes += work.entry(&entry, &path, archive)?;
        done.entries += 1;
    }
    work.finish()?;
    Ok(done)
}

struct Work<'a> {
    root: &'a Root,
    parents: Parents<'a>,
    progress: &'a Progress,
    /// Times and modes of directories: set at the end, because what is put into them changes them.
    directories: Vec<(Vec<u8>, u32, Timestamps)>,
}

impl Work<'_> {
    /// Puts one entry where it belongs; gives the bytes of its content.
    fn entry<R: BufRead>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        archive: &mut Reader<R>,
    ) -> Result<u64, UnpackError> {
        let failed = |source| UnpackError::entry(&entry.path, source);
        let times = times(entry);
        if path.is_empty() {
            if entry.kind != Kind::Directory {
                return Err(UnpackError::refused(&entry.path, "it stands in the place of the root"));
            }
            let fd =
                self.root.open_at(b"", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
            keep(&fd, entry).map_err(failed)?;
            self.directories.push((Vec::new(), entry.mode, times));
            return Ok(0);
        }
        let (parent, name) = self.parents.of(path).map_err(failed)?;
        let (parent, name) = (&*parent, name);
        match &entry.kind {
            Kind::File { size, segments } => {
                // The name is free in most cases: looking first would cost a call for each file.
                let open = || {
                    let flags =
                        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
                };
                let file = match open() {
                    Err(rustix::io::Errno::EXIST) => {
                        free(parent, name).map_err(failed)?;
                        self.parents.forget();
                        let (parent, name) = self.parents.of(path).map_err(failed)?;
                        let flags = OFlags::WRONLY
                            | OFlags::CREATE
                            | OFlags::EXCL
                            | OFlags::NOFOLLOW
                            | OFlags::CLOEXEC;
                        rustix::fs::openat(&*parent, name, flags, Mode::from_raw_mode(0o600))
                    }
                    other => other,
                };
                let file = File::from(file.map_err(io::Error::from).map_err(failed)?);
                let bytes = self.content(&entry.path, &file, *size, segments, archive)?;
                keep(&file, entry).map_err(failed)?;
                rustix::fs::futimens(&file, &times).map_err(io::Error::from).map_err(failed)?;
                return Ok(bytes);
            }
            Kind::Directory => {
                let made = rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700));
                let fd = match made {
                    Ok(()) => open_directory(parent, name),
                    Err(rustix::io::Errno::EXIST) => match open_directory(parent, name) {
                        // Something else stands there, or a link to a directory.
                        Err(_) => free(parent, name)
                            .and_then(|()| Ok(rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))?))
                            .and_then(|()| open_directory(parent, name)),
                        fd => fd,
                    },
                    Err(error) => Err(error.into()),
                };
                keep(&fd.map_err(failed)?, entry).map_err(failed)?;
                self.directories.push((path.to_vec(), entry.mode, times));
                self.parents.forget();
                return Ok(0);
            }
            _ => {}
        }
        free(parent, name).map_err(failed)?;
        match &entry.kind {
            Kind::Symlink(target) => {
                rustix::fs::symlinkat(target.as_slice(), parent, name)
                    .map_err(io::Error::from)
                    .map_err(failed)?;
            }
            Kind::HardLink(target) => {
                let refuse = |problem| UnpackError::refused(&entry.path, problem);
                let target = clean(target).map_err(refuse)?;
                if target.is_empty() || target == path {
                    return Err(refuse("it is a link to itself or to the root"));
                }
                let (directory, old) = crate::root::split(&target);
                let directory = self.root.directory(directory).map_err(failed)?;
                rustix::fs::linkat(&directory, old, parent, name, AtFlags::empty())
                    .map_err(io::Error::from)
                    .map_err(failed)?;
                // Owner and the rest are those of the entry that it is another name of.
                return Ok(0);
            }
            Kind::Fifo => node(parent, name, FileType::Fifo, (0, 0)).map_err(failed)?,
            Kind::CharDevice(major, minor) => {
                node(parent, name, FileType::CharacterDevice, (*major, *minor)).map_err(failed)?;
            }
            Kind::BlockDevice(major, minor) => {
                node(parent, name, FileType::BlockDevice, (*major, *minor)).map_err(failed)?;
            }
            Kind::File { .. } | Kind::Directory => {}
        }
        keep_unopened(parent, name, entry, &times).map_err(failed)?;
        self.parents.forget_if(path);
        Ok(0)
    }

    fn content<R: BufRead>(
        &self,
        path: &[u8],
        file: &File,
        size: u64,
        segments: &[Segment],
        archive: &mut Reader<R>,
    ) -> Result<u64, UnpackError> {
        let failed = |source| UnpackError::entry(path, source);
        let mut written = 0;
        for segment in segments {
            let mut done = 0;
            while done < segment.len {
                let piece = archive.content()?;
                let len = piece.len().min(usize::try_from(segment.len - done).unwrap_or(usize::MAX));
                if len == 0 {
                    return Err(UnpackError::refused(path, "its content is shorter than it says"));
                }
                file.write_all_at(&piece[..len], segment.offset + done).map_err(failed)?;
                archive.consume(len);
                done += len as u64;
            }
            written += done;
            self.progress.wrote(done);
        }
        // A hole at the end.
        if segments.last().map_or(0, |last| last.offset + last.len) < size {
            file.set_len(size).map_err(failed)?;
        }
        Ok(written)
    }

    /// Modes and times of directories, the deepest first.
    fn finish(self) -> Result<(), UnpackError> {
        for (path, mode, times) in self.directories.iter().rev() {
            let failed = |source| UnpackError::entry(path, source);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = match self.root.open_at(path, flags, Mode::empty()) {
                // A later entry replaced it.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                other => other.map_err(failed)?,
            };
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(*mode)).map_err(io::Error::from).map_err(failed)?;
            rustix::fs::futimens(&fd, times).map_err(io::Error::from).map_err(failed)?;
        }
        Ok(())
    }
}

/// Owner, mode and attributes. The owner comes first: a change of it takes away set-user-id and capabilities.
fn keep(fd: impl AsFd, entry: &Entry) -> io::Result<()> {
    rustix::fs::fchown(&fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(entry.mode))?;
    for (name, value) in &entry.xattrs {
        rustix::fs::fsetxattr(&fd, name.as_slice(), value, XattrFlags::empty())?;
    }
    Ok(())
}

/// The same of what must not be opened: links, pipes, devices.
fn keep_unopened(parent: &OwnedFd, name: &[u8], entry: &Entry, times: &Timestamps) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if !matches!(entry.kind, Kind::Symlink(_)) {
        // It was made by us and is no link, so nothing is followed.
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    }
    if !entry.xattrs.is_empty() {
        let mut path = Root::path_of(parent).into_os_string().into_encoded_bytes();
        path.push(b'/');
        path.extend_from_slice(name);
        for (name, value) in &entry.xattrs {
            rustix::fs::lsetxattr(path.as_slice(), name.as_slice(), value, XattrFlags::empty())?;
        }
    }
    rustix::fs::utimensat(parent, name, times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn node(parent: &OwnedFd, name: &[u8], kind: FileType, (major, minor): (u32, u32)) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    Ok(rustix::fs::mknodat(parent, name, kind, Mode::from_raw_mode(0o600), device)?)
}

/// Makes a name free. A directory goes only if it is empty.
fn free(parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match remove(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
        }
        other => other,
    }
}

fn open_directory(parent: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

fn times(entry: &Entry) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: entry.mtime, tv_nsec: i64::from(entry.mtime_nanos) },
    }
}
