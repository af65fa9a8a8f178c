// SPDX-License-Identifier: AGPL-3.0-or-later
//! The one way to change anything on disk.
//!
//! Every step that changes the storage is a call of [`Disk`], so tests can stop the world before or after any
//! of them, fill the disk at any of them, and count them. Content is opened and read through it too, so that
//! tests have files which cannot be read any more; names and lists are read by [`Root`].
//!
//! Guarantees: nothing outside the root is reached, whatever symbolic links lie in it; a step that returned
//! `Ok` has happened, and is durable once the file or directory was synced.

mod coalesce;
mod fault;
mod files;
mod real;
mod root;

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use jiff::Timestamp;

pub use fault::{Broken, Fault, FaultDisk, Lost, Step, Tear};
pub(crate) use files::Files;
pub use real::RealDisk;
pub use root::{Entry, Root, Stat};

use crate::layout::Place;

/// The steps that change a storage. All block.
pub trait Disk: Debug + Send + Sync {
    /// Makes one directory. `false`: it is there already.
    fn make_dir(&self, root: &Root, place: &Place) -> io::Result<bool>;

    /// Creates a file that is not there yet ([`io::ErrorKind::AlreadyExists`] otherwise), for reading and writing.
    fn create(&self, root: &Root, place: &Place) -> io::Result<File>;

    /// Writes at an offset (bytes); returns how many were written, at least one unless there are none.
    fn write_at(
        &self,
        root: &Root,
        place: &Place,
        file: &File,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<usize>;

    /// Makes the content and the length of a file durable; its name needs [`Disk::sync_dir`].
    fn sync_file(&self, root: &Root, place: &Place, file: &File) -> io::Result<()>;

    /// Moves a file, replacing what is there.
    fn rename(&self, root: &Root, from: &Place, to: &Place) -> io::Result<()>;

    /// Removes a file. `false`: it was not there.
    fn remove(&self, root: &Root, place: &Place) -> io::Result<bool>;

    /// Removes an empty directory. `false`: it was not there, or is not empty.
    fn remove_dir(&self, root: &Root, place: &Place) -> io::Result<bool>;

    /// Sets the time of last modification of a file.
    fn touch(&self, root: &Root, place: &Place, when: Timestamp) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, root: &Root, place: &Place) -> io::Result<()>;

    /// Whether a file may be read past this: by the kernel, on its way to a socket.
    fn may_be_passed(&self) -> bool {
        false
    }

    /// Opens a file for reading.
    fn open(&self, root: &Root, place: &Place) -> io::Result<File> {
        root.open_file(place)
    }

    /// Reads at an offset (bytes); returns how many bytes were read, 0 at the end of the file only.
    fn read_at(
        &self,
        _root: &Root,
        _place: &Place,
        file: &File,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}
