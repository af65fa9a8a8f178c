// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which pieces of files were found right a moment ago, so that many who read the same content from the page
//! cache at once do not have it checked again for each of them.
//!
//! A piece counts as right for [`WINDOW`] after its check, for exactly the file that was checked: the same inode,
//! length and times of change, to the nanosecond. Any write through the file system changes the time, and the
//! file is another one. The kernel's times have steps of some milliseconds, so a file that changed just now is not
//! remembered: a write within the same step would go unseen.
//!
//! A fixed number of slots, one place in it for each piece: what does not fit pushes something else out, and costs
//! a check.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::Clock;

/// For how long a piece counts as right.
const WINDOW: Duration = Duration::from_secs(60);
/// A file that changed later than so long ago may change again unseen: ten of the largest steps of the kernel's clock
/// for these times (10 ms with 100 ticks a second).
const SETTLED: SignedDuration = SignedDuration::from_millis(100);
/// The same on a file system whose times are whole seconds, or pairs of them.
const SETTLED_COARSE: SignedDuration = SignedDuration::from_secs(3);
/// How many pieces: those of 4 GiB, in 2 MiB of memory.
const SLOTS: usize = 16 * 1024;

/// The state of a file: whatever is written to it makes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The pieces that were found right.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    /// Empty before the first one.
    slots: Mutex<Box<[Option<Slot>]>>,
    order: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    version: Version,
    piece: u64,
    /// On the clock that does not jump.
    until: Duration,
}

// === impl Version ===

impl Version {
    /// Of a file as it is now; `None` where the system does not say.
    pub(super) fn of(file: &File) -> Option<Self> {
        let stat = rustix::fs::fstat(file).ok()?;
        Some(Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        })
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        let settled = if self.changed.1 == 0 { SETTLED_COARSE } else { SETTLED };
        let changed = i32::try_from(self.changed.1).ok().map(|nanos| Timestamp::new(self.changed.0, nanos));
        changed.is_some_and(|changed| changed.is_ok_and(|changed| now.duration_since(changed) >= settled))
    }
}

// === impl Fresh ===

impl Fresh {
    /// A piece of a file was read and found right, and the file was this version before it was read.
    pub(super) fn put(&self, version: Version, piece: u64, clock: &dyn Clock) {
        if !version.is_settled(clock.now()) {
            return;
        }
        let slot = Slot { version, piece, until: clock.monotonic() + WINDOW };
        let at = self.slot(&version, piece);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.is_empty() {
            *slots = vec![None; SLOTS].into_boxed_slice();
        }
        slots[at] = Some(slot);
    }

    /// Whether a piece of the file as it is now was found right a moment ago.
    pub(super) fn has(&self, version: &Version, piece: u64, clock: &dyn Clock) -> bool {
        let slot =
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(self.slot(version, piece)).copied();
        slot.flatten().is_some_and(|slot| {
            slot.version == *version && slot.piece == piece && clock.monotonic() < slot.until
        })
    }

    /// Pieces of one file are beside each other, so that they do not push each other out.
    fn slot(&self, version: &Version, piece: u64) -> usize {
        (self.order.hash_one(version).wrapping_add(piece) % SLOTS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// So many seconds from now, on both clocks.
    #[derive(Debug)]
    struct In(u64);

    impl Clock for In {
        fn now(&self) -> Timestamp {
            Timestamp::now() + Duration::from_secs(self.0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0)
        }
    }

    /// Later than anything that a test writes.
    const LATER: u64 = 1000;

    fn file() -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "content").unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        (dir, file)
    }

    #[test]
    fn a_piece_is_right_for_a_while_after_its_check_and_no_other_piece_is() {
        let (_dir, file) = file();
        let (fresh, version) = (Fresh::default(), Version::of(&file).unwrap());
        assert!(!fresh.has(&version, 3, &In(LATER)));
        fresh.put(version, 3, &In(LATER));
        assert!(fresh.has(&version, 3, &In(LATER + WINDOW.as_secs() - 1)));
        assert!(!fresh.has(&version, 3, &In(LATER + WINDOW.as_secs())));
        assert!(!fresh.has(&version, 2, &In(LATER)) && !fresh.has(&version, 4, &In(LATER)));
    }

    #[test]
    fn whatever_is_written_to_a_file_makes_another_version_of_it() {
        let (dir, file) = file();
        let mut versions = vec![Version::of(&file).unwrap()];
        let mut seen = |what: &str| {
            let version = Version::of(&file).unwrap();
            assert!(!versions.contains(&version), "{what}");
            versions.push(version);
        };
        // Until the kernel's clock has gone on: that is what a file has to be settled for.
        let tick = || {
            let probe = dir.path().join("probe");
            let time = || {
                fs::write(&probe, "x").unwrap();
                let version = Version::of(&File::open(&probe).unwrap()).unwrap();
                version.changed
            };
            let before = time();
            while time() == before {}
        };
        tick();
        file.write_all_at(b"CONTENT", 0).unwrap();
        seen("a write of the same length");
        tick();
        let before = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.set_modified(before).unwrap();
        seen("a write whose time was set back");
        tick();
        file.set_len(3).unwrap();
        seen("a truncation");
        fs::write(dir.path().join("file2"), "content").unwrap();
        assert!(!versions.contains(&Version::of(&File::open(dir.path().join("file2")).unwrap()).unwrap()));
    }

    #[test]
    fn what_changed_just_now_is_not_remembered() {
        let (_dir, file) = file();
        let (fresh, version) = (Fresh::default(), Version::of(&file).unwrap());
        fresh.put(version, 0, &In(0));
        assert!(!fresh.has(&version, 0, &In(0)));
        assert!(fresh.slots.lock().unwrap().is_empty());
    }

    #[test]
    fn no_more_is_remembered_than_there_are_slots_and_pieces_of_one_file_do_not_collide() {
        let (_dir, file) = file();
        let (fresh, version) = (Fresh::default(), Version::of(&file).unwrap());
        let all = || 0..SLOTS as u64;
        all().for_each(|piece| fresh.put(version, piece, &In(LATER)));
        assert!(all().all(|piece| fresh.has(&version, piece, &In(LATER))));
        fresh.put(version, SLOTS as u64, &In(LATER));
        assert_eq!(all().filter(|piece| fresh.has(&version, *piece, &In(LATER))).count(), SLOTS - 1);
    }
}
