// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk for tests: it stops, fills up, and forgets what was not synced.
//!
//! It works on the real file system and counts the steps. When it stops, no step after that does anything, and
//! it first takes away what a power cut might have taken: content written since the last sync of its file, and
//! names made, moved or removed since the last sync of their directory ([`Tear`]). A move counts as durable
//! once the directory it went to is synced. Then a test opens the storage again with another disk and looks.
//!
//! Files can also become unreadable ([`FaultDisk::break_file()`]): reading is no step, and is not counted.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Disk, RealDisk, Root, Stat};
use crate::layout::Place;

/// What goes wrong, counted in steps from 0 since the last [`FaultDisk::arm()`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The world stops before this step.
    CrashBefore(u64),
    /// The world stops after this step, before anybody hears of its success.
    CrashAfter(u64),
    /// This one step finds the disk full.
    NoSpaceAt(u64),
    /// This step and every later one that needs room find the disk full.
    NoSpaceFrom(u64),
    /// The disk is full once this many bytes were written; the write that crosses that is done in part.
    NoSpaceAfterBytes(u64),
}

/// What becomes of content that was written and not synced when the world stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// It is there all the same, as after `kill -9`.
    #[default]
    Nothing,
    /// The file ends where it was last synced.
    Length,
    /// The file has its length, and zeros.
    Zeros,
    /// The first half of it is there, then come zeros.
    Half,
}

/// What a stop takes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tear {
    /// Content that was not synced.
    pub content: Lost,
    /// Names that were not synced are as they were at the last sync of their directory.
    pub names: bool,
}

/// One step: what was done to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The kind of step.
    pub kind: &'static str,
    /// The file or directory; of a move, the target.
    pub place: Place,
}

/// A disk that does what a test says. For tests.
#[derive(Debug, Default)]
pub struct FaultDisk {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fault: Fault,
    tear: Tear,
    steps: Vec<Step>,
    written: u64,
    crashed: bool,
    content: Vec<Unsynced>,
    names: Vec<Change>,
    broken: Vec<(Place, Broken, i32)>,
}

/// What cannot be done with a file any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Its inode is damaged: it cannot be opened.
    Opening,
    /// Its blocks are: it can be opened, but not read.
    Reading,
}

/// A file with content that was not synced.
#[derive(Debug)]
struct Unsynced {
    file: File,
    identity: (u64, u64),
    /// The length up to which it was synced.
    synced: u64,
    /// What was written since: offset and length.
    ranges: Vec<(u64, u64)>,
}

/// A change of names that was not synced, and how it was before.
#[derive(Debug)]
enum Change {
    MadeDir(Place),
    Created(Place),
    Renamed { from: Place, to: Place, replaced: Option<Old> },
    Removed(Place, Old),
    RemovedDir(Place),
}

/// A file as it was.
#[derive(Debug)]
struct Old {
    content: Vec<u8>,
    modified: Timestamp,
}

// === impl FaultDisk ===

impl FaultDisk {
    /// A disk on which nothing goes wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets something go wrong, and counts from here on.
    pub fn arm(&self, fault: Fault, tear: Tear) {
        let mut state = self.state();
        state.fault = fault;
        state.tear = tear;
        state.steps.clear();
        state.written = 0;
    }

    /// The steps since the last [`FaultDisk::arm()`], the one that went wrong included.
    pub fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// Whether the world has stopped.
    pub fn crashed(&self) -> bool {
        self.state().crashed
    }

    /// From now on opening or reading whatever is at a place fails with this `errno`, until something else is
    /// put there.
    pub fn break_file(&self, place: Place, broken: Broken, errno: i32) {
        self.state().broken.push((place, broken, errno));
    }

    /// The error of whoever opens or reads a file that is broken.
    fn broken(&self, place: &Place, what: Broken) -> io::Result<()> {
        let state = self.state();
        let found = state.broken.iter().find(|(of, broken, _)| of == place && *broken == what);
        found.map_or(Ok(()), |(.., errno)| Err(io::Error::from_raw_os_error(*errno)))
    }

    /// Stops the world now.
    pub fn crash(&self, root: &Root) {
        self.state().crash(root);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one step, or what the fault says. One at a time, so that steps have an order.
    fn step<T>(
        &self,
        root: &Root,
        (kind, place): (&'static str, &Place),
        needs_room: bool,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        if state.crashed {
            return Err(stopped());
        }
        let number = state.steps.len() as u64;
        state.steps.push(Step { kind, place: place.clone() });
        match state.fault {
            Fault::CrashBefore(step) if step == number => {
                state.crash(root);
                return Err(stopped());
            }
            Fault::NoSpaceAt(step) if step == number => return Err(full()),
            Fault::NoSpaceFrom(step) if step <= number && needs_room => return Err(full()),
            Fault::NoSpaceAfterBytes(bytes) if state.written >= bytes && needs_room => return Err(full()),
            _ => {}
        }
        let done = act(&mut state);
        if state.fault == Fault::CrashAfter(number) {
            state.crash(root);
            return Err(stopped());
        }
        done
    }
}

impl Disk for FaultDisk {
    fn make_dir(&self, root: &Root, place: &Place) -> io::Result<bool> {
        self.step(root, ("make-dir", place), true, |state| {
            let made = RealDisk.make_dir(root, place)?;
            if made {
                state.names.push(Change::MadeDir(place.clone()));
            }
            Ok(made)
        })
    }

    fn create(&self, root: &Root, place: &Place) -> io::Result<File> {
        self.step(root, ("create", place), true, |state| {
            let file = RealDisk.create(root, place)?;
            state.names.push(Change::Created(place.clone()));
            Ok(file)
        })
    }

    fn write_at(
        &self,
        root: &Root,
        place: &Place,
        file: &File,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<usize> {
        self.step(root, ("write", place), true, |state| {
            let room = match state.fault {
                Fault::NoSpaceAfterBytes(limit) => limit - state.written,
                _ => u64::MAX,
            };
            let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let unsynced = state.unsynced(file)?;
            let written = RealDisk.write_at(root, place, file, offset, &bytes[..fits])?;
            unsynced.ranges.push((offset, written as u64));
            state.written += written as u64;
            Ok(written)
        })
    }

    fn sync_file(&self, root: &Root, place: &Place, file: &File) -> io::Result<()> {
        // A file system that allocates late finds out here that there is no room.
        self.step(root, ("sync", place), true, |state| {
            let identity = Stat::of(file)?.identity;
            state.content.retain(|unsynced| unsynced.identity != identity);
            // What a test does with its files is gone with the test: the real sync would only cost time.
            Ok(())
        })
    }

    fn rename(&self, root: &Root, from: &Place, to: &Place) -> io::Result<()> {
        self.step(root, ("rename", to), true, |state| {
            let replaced = Old::of(root, to)?;
            RealDisk.rename(root, from, to)?;
            state.broken.retain(|(place, ..)| place != to);
            for (place, ..) in state.broken.iter_mut().filter(|(place, ..)| place == from) {
                place.clone_from(to);
            }
            state.names.push(Change::Renamed { from: from.clone(), to: to.clone(), replaced });
            Ok(())
        })
    }

    fn remove(&self, root: &Root, place: &Place) -> io::Result<bool> {
        self.step(root, ("remove", place), false, |state| {
            let old = Old::of(root, place)?;
            let removed = RealDisk.remove(root, place)?;
            if let Some(old) = old.filter(|_| removed) {
                state.names.push(Change::Removed(place.clone(), old));
            }
            Ok(removed)
        })
    }

    fn remove_dir(&self, root: &Root, place: &Place) -> io::Result<bool> {
        self.step(root, ("remove-dir", place), false, |state| {
            let removed = RealDisk.remove_dir(root, place)?;
            if removed {
                state.names.push(Change::RemovedDir(place.clone()));
            }
            Ok(removed)
        })
    }

    fn touch(&self, root: &Root, place: &Place, when: Timestamp) -> io::Result<()> {
        self.step(root, ("touch", place), false, |_| RealDisk.touch(root, place, when))
    }

    fn sync_dir(&self, root: &Root, place: &Place) -> io::Result<()> {
        self.step(root, ("sync-dir", place), false, |state| {
            root.open_dir(place)?;
            state.names.retain(|change| change.place().parent().as_ref() != Some(place));
            Ok(())
        })
    }

    fn open(&self, root: &Root, place: &Place) -> io::Result<File> {
        self.broken(place, Broken::Opening)?;
        RealDisk.open(root, place)
    }

    fn read_at(
        &self,
        root: &Root,
        place: &Place,
        file: &File,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.broken(place, Broken::Reading)?;
        RealDisk.read_at(root, place, file, offset, buffer)
    }
}

fn stopped() -> io::Error {
    io::Error::other("the world has stopped (a fault of a test)")
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

// === impl State ===

impl State {
    /// The record of a file that is about to be written.
    fn unsynced(&mut self, file: &File) -> io::Result<&mut Unsynced> {
        let stat = Stat::of(file)?;
        let at = self.content.iter().position(|unsynced| unsynced.identity == stat.identity);
        let at = match at {
            Some(at) => at,
            None => {
                let file = file.try_clone()?;
                let (identity, synced) = (stat.identity, stat.size);
                self.content.push(Unsynced { file, identity, synced, ranges: Vec::new() });
                self.content.len() - 1
            }
        };
        Ok(&mut self.content[at])
    }

    /// Takes away what the tear says; from here on every step fails.
    fn crash(&mut self, root: &Root) {
        self.crashed = true;
        let tear = self.tear;
        for unsynced in self.content.drain(..) {
            // A file that cannot be torn stays whole, which a power cut may do as well.
            let _ = unsynced.tear(tear.content);
        }
        if tear.names {
            for change in self.names.drain(..).rev() {
                // A change on top of one that was taken back already has nothing to take back.
                let _ = change.take_back(root);
            }
        }
    }
}

// === impl Unsynced ===

impl Unsynced {
    fn tear(&self, lost: Lost) -> io::Result<()> {
        match lost {
            Lost::Nothing => Ok(()),
            Lost::Length => self.file.set_len(self.synced),
            Lost::Zeros => self.zero(0),
            Lost::Half => {
                let written: u64 = self.ranges.iter().map(|(_, length)| length).sum();
                self.zero(written / 2)
            }
        }
    }

    /// Zeros what was written since the sync, but for the first bytes of it.
    fn zero(&self, mut keep: u64) -> io::Result<()> {
        const BLOCK: [u8; 4096] = [0; 4096];
        for &(offset, length) in &self.ranges {
            let kept = keep.min(length);
            keep -= kept;
            let (mut at, end) = (offset + kept, offset + length);
            while at < end {
                let size = (end - at).min(BLOCK.len() as u64);
                self.file.write_all_at(&BLOCK[..size as usize], at)?;
                at += size;
            }
        }
        Ok(())
    }
}

// === impl Change ===

impl Change {
    /// What has to be durable for the change to be: its parent's names.
    fn place(&self) -> &Place {
        match self {
            Self::MadeDir(place)
            | Self::Created(place)
            | Self::Renamed { to: place, .. }
            | Self::Removed(place, _)
            | Self::RemovedDir(place) => place,
        }
    }

    fn take_back(self, root: &Root) -> io::Result<()> {
        match self {
            // Whatever was synced below it cannot be reached any more.
            Self::MadeDir(place) => std::fs::remove_dir_all(root.path().join(place.as_path())),
            Self::Created(place) => RealDisk.remove(root, &place).map(drop),
            Self::Renamed { from, to, replaced } => {
                RealDisk.rename(root, &to, &from)?;
                replaced.map_or(Ok(()), |old| old.put_back(root, &to))
            }
            Self::Removed(place, old) => old.put_back(root, &place),
            Self::RemovedDir(place) => RealDisk.make_dir(root, &place).map(drop),
        }
    }
}

// === impl Old ===

impl Old {
    fn of(root: &Root, place: &Place) -> io::Result<Option<Self>> {
        let Some(stat) = root.stat(place)? else { return Ok(None) };
        let mut content = Vec::new();
        root.open_file(place)?.read_to_end(&mut content)?;
        Ok(Some(Self { content, modified: stat.modified }))
    }

    fn put_back(&self, root: &Root, place: &Place) -> io::Result<()> {
        let file = RealDisk.create(root, place)?;
        file.write_all_at(&self.content, 0)?;
        RealDisk.touch(root, place, self.modified)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with an old file in it, and a disk.
    fn world() -> (tempfile::TempDir, Root, FaultDisk, Place) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("old"), "old content").unwrap();
        let root = Root::open(dir.path()).unwrap();
        let place = Place::root().child("new").unwrap();
        (dir, root, FaultDisk::new(), place)
    }

    fn write_new(root: &Root, disk: &FaultDisk, place: &Place) -> io::Result<File> {
        let file = disk.create(root, place)?;
        disk.write_at(root, place, &file, 0, b"12345678")?;
        Ok(file)
    }

    #[test]
    fn content_that_was_not_synced_is_torn_and_what_was_synced_stays() {
        for (lost, left) in [
            (Lost::Nothing, b"12345678abcd".to_vec()),
            (Lost::Length, b"12345678".to_vec()),
            (Lost::Zeros, b"12345678\0\0\0\0".to_vec()),
            (Lost::Half, b"12345678ab\0\0".to_vec()),
        ] {
            let (dir, root, disk, place) = world();
            let file = write_new(&root, &disk, &place).unwrap();
            disk.sync_file(&root, &place, &file).unwrap();
            disk.write_at(&root, &place, &file, 8, b"abcd").unwrap();
            disk.arm(Fault::CrashBefore(0), Tear { content: lost, names: false });
            disk.sync_file(&root, &place, &file).unwrap_err();
            assert_eq!(std::fs::read(dir.path().join("new")).unwrap(), left, "{lost:?}");
            assert!(disk.crashed());
            disk.remove(&root, &place).unwrap_err();
        }
    }

    #[test]
    fn names_that_were_not_synced_are_as_they_were() {
        let (dir, root, disk, place) = world();
        let old = Place::root().child("old").unwrap();
        disk.arm(Fault::CrashAfter(2), Tear { content: Lost::Nothing, names: true });
        write_new(&root, &disk, &place).unwrap();
        disk.rename(&root, &place, &old).unwrap_err();
        assert_eq!(std::fs::read(dir.path().join("old")).unwrap(), b"old content");
        assert!(!dir.path().join("new").exists());
    }

    #[test]
    fn names_that_were_synced_stay() {
        let (dir, root, disk, place) = world();
        let old = Place::root().child("old").unwrap();
        write_new(&root, &disk, &place).unwrap();
        disk.rename(&root, &place, &old).unwrap();
        disk.sync_dir(&root, &Place::root()).unwrap();
        disk.arm(Fault::CrashBefore(0), Tear { content: Lost::Nothing, names: true });
        disk.remove(&root, &old).unwrap_err();
        assert_eq!(std::fs::read(dir.path().join("old")).unwrap(), b"12345678");
    }

    #[test]
    fn a_full_disk_takes_a_part_and_then_nothing() {
        let (dir, root, disk, place) = world();
        let file = disk.create(&root, &place).unwrap();
        disk.arm(Fault::NoSpaceAfterBytes(5), Tear::default());
        assert_eq!(disk.write_at(&root, &place, &file, 0, b"12345678").unwrap(), 5);
        let error = disk.write_at(&root, &place, &file, 5, b"678").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(disk.remove(&root, &place).unwrap(), "removing needs no room");
        assert!(!dir.path().join("new").exists());
        assert_eq!(
            disk.steps().iter().map(|step| step.kind).collect::<Vec<_>>(),
            ["write", "write", "remove"]
        );
    }
}
