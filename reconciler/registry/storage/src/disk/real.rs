// SPDX-License-Identifier: AGPL-3.0-or-later
//! The file system as it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::{Disk, Root};
use crate::layout::Place;

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// Directories are for the owner, and for its group to read.
const DIR_MODE: u32 = 0o750;
/// The same of files.
const FILE_MODE: u32 = 0o640;

impl Disk for RealDisk {
    fn make_dir(&self, root: &Root, place: &Place) -> io::Result<bool> {
        let (dir, name) = root.open_parent(place)?;
        match rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(DIR_MODE)) {
            Ok(()) => Ok(true),
            // Whatever is there must be a directory, or the next step would fail with less of a clue.
            Err(Errno::EXIST) => root.open_dir(place).map(|_| false),
            Err(error) => Err(error.into()),
        }
    }

    fn create(&self, root: &Root, place: &Place) -> io::Result<File> {
        let (dir, name) = root.open_parent(place)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&dir, name, flags, Mode::from_raw_mode(FILE_MODE))?.into())
    }

    fn write_at(
        &self,
        _root: &Root,
        _place: &Place,
        file: &File,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<usize> {
        loop {
            match file.write_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
                other => return other,
            }
        }
    }

    fn sync_file(&self, _root: &Root, _place: &Place, file: &File) -> io::Result<()> {
        // The length is part of what is needed to read the data back, so this covers it.
        file.sync_data()
    }

    fn rename(&self, root: &Root, from: &Place, to: &Place) -> io::Result<()> {
        let (from_dir, from_name) = root.open_parent(from)?;
        let (to_dir, to_name) = root.open_parent(to)?;
        Ok(rustix::fs::renameat(&from_dir, from_name, &to_dir, to_name)?)
    }

    fn remove(&self, root: &Root, place: &Place) -> io::Result<bool> {
        unlink(root, place, AtFlags::empty())
    }

    fn remove_dir(&self, root: &Root, place: &Place) -> io::Result<bool> {
        match unlink(root, place, AtFlags::REMOVEDIR) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            other => other,
        }
    }

    fn touch(&self, root: &Root, place: &Place, when: Timestamp) -> io::Result<()> {
        let (dir, name) = root.open_parent(place)?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: when.as_second(),
                // Before 1970 the fraction counts backwards; whole seconds are near enough there.
                tv_nsec: i64::from(when.subsec_nanosecond().max(0)),
            },
        };
        Ok(rustix::fs::utimensat(&dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn sync_dir(&self, root: &Root, place: &Place) -> io::Result<()> {
        File::from(root.open_dir(place)?).sync_all()
    }

    fn may_be_passed(&self) -> bool {
        true
    }
}

/// Removes a name; `false` where there is none.
fn unlink(root: &Root, place: &Place, flags: AtFlags) -> io::Result<bool> {
    let (dir, name) = match root.open_parent(place) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match rustix::fs::unlinkat(&dir, name, flags) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
