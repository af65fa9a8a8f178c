// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk in memory that can be full, slow, torn and unplugged: for fault tests and simulations.
//!
//! Expected flow: [`SimDisk::opener`] under [`crate::RedbStore::open_on`]; then faults by the
//! number of the operation ([`SimDisk::fail`]), a held sync ([`SimDisk::hold_syncs`]), or a loss
//! of power ([`SimDisk::lose_power`]) in which what was not synced is kept, dropped or torn, each
//! write on its own and in any combination, as a disk's cache does.
//!
//! Guarantees: deterministic for the same calls. Sectors of 512 bytes are written whole or not.
//! What it does not do: it keeps no locks; open one store at a time.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::OpenBackend;

const SECTOR: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    syncs_released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What a loss of power leaves for certain.
    synced: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Unsynced>,
    /// Counts writes, changes of length and syncs.
    operations: u64,
    syncs: u64,
    faults: Option<(u64, u64)>,
    syncs_held: bool,
    syncs_waiting: usize,
}

#[derive(Clone, Debug)]
enum Unsynced {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

/// What a loss of power does to one operation that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reached the disk.
    Kept,
    /// It did not.
    Dropped,
    /// Of a write, so many of its first sectors did.
    Torn(usize),
}

impl SimDisk {
    /// A blank disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with this content, all of it synced.
    pub fn with_content(content: Vec<u8>) -> Self {
        let disk = Self::new();
        {
            let mut state = disk.lock();
            state.seen.clone_from(&content);
            state.synced = content;
        }
        disk
    }

    /// For [`crate::RedbStore::open_on`].
    pub fn opener(&self) -> OpenBackend {
        let disk = self.clone();
        Box::new(move || Ok(Box::new(disk.clone())))
    }

    /// What a reader of the disk sees now.
    pub fn content(&self) -> Vec<u8> {
        self.lock().seen.clone()
    }

    /// Writes, changes of length and syncs so far; the next one has this number.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Syncs so far.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Operations with these numbers fail for want of space, from `first` on, `count` of them.
    pub fn fail(&self, first: u64, count: u64) {
        self.lock().faults = Some((first, count));
    }

    /// There is space again.
    pub fn mend(&self) {
        self.lock().faults = None;
    }

    /// Syncs wait from now on, until [`SimDisk::release_syncs`].
    pub fn hold_syncs(&self) {
        self.lock().syncs_held = true;
    }

    /// Waits until a sync waits.
    pub fn wait_for_a_held_sync(&self) {
        let mut state = self.lock();
        while state.syncs_waiting == 0 {
            state = self.shared.syncs_released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets syncs go on.
    pub fn release_syncs(&self) {
        self.lock().syncs_held = false;
        self.shared.syncs_released.notify_all();
    }

    /// Takes the power away now: the disk as it may be found afterwards. `fate` is asked once for
    /// each operation since the last sync, with the number of sectors that it touched. The disk
    /// itself goes on, so that one run can be cut off in many places.
    pub fn lose_power(&self, mut fate: impl FnMut(usize) -> Fate) -> Self {
        let state = self.lock();
        let mut content = state.synced.clone();
        for operation in &state.unsynced {
            let sectors = match operation {
                Unsynced::Write { offset, data } => sectors(*offset, data.len()),
                Unsynced::SetLen(_) => 1,
            };
            match (operation, fate(sectors)) {
                (_, Fate::Dropped) => {}
                (Unsynced::Write { offset, data }, Fate::Torn(kept)) => {
                    let end = (offset / SECTOR + kept) * SECTOR;
                    let length = end.saturating_sub(*offset).min(data.len());
                    write_at(&mut content, *offset, &data[..length]);
                }
                (operation, Fate::Kept | Fate::Torn(_)) => perform(&mut content, operation),
            }
        }
        drop(state);
        Self::with_content(content)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, operation: Unsynced) -> io::Result<()> {
        let mut state = self.lock();
        state.count()?;
        perform(&mut state.seen, &operation);
        state.unsynced.push(operation);
        Ok(())
    }
}

impl State {
    fn count(&mut self) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        match self.faults {
            Some((first, count)) if (first..first.saturating_add(count)).contains(&number) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

impl StorageBackend for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        let start = offset as usize;
        let found = state.seen.get(start..start.saturating_add(out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Unsynced::SetLen(len as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.count()?;
        state.syncs += 1;
        state.syncs_waiting += 1;
        self.shared.syncs_released.notify_all();
        while state.syncs_held {
            state = self.shared.syncs_released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.syncs_waiting -= 1;
        state.unsynced.clear();
        state.synced = state.seen.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Unsynced::Write { offset: offset as usize, data: data.to_vec() })
    }
}

fn perform(content: &mut Vec<u8>, operation: &Unsynced) {
    match operation {
        Unsynced::Write { offset, data } => write_at(content, *offset, data),
        Unsynced::SetLen(length) => content.resize(*length, 0),
    }
}

fn write_at(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

fn sectors(offset: usize, length: usize) -> usize {
    (offset + length).div_ceil(SECTOR) - offset / SECTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_power_keeps_what_was_synced_and_tears_at_sectors() {
        let disk = SimDisk::new();
        disk.write(0, &[1; 1024]).unwrap();
        disk.sync_data().unwrap();
        disk.write(256, &[2; 768]).unwrap();
        assert_eq!(disk.lose_power(|_| Fate::Dropped).content(), [1; 1024]);
        let torn = disk
            .lose_power(|sectors| {
                assert_eq!(sectors, 2);
                Fate::Torn(1)
            })
            .content();
        assert_eq!((torn[255], torn[256], torn[511], torn[512]), (1, 2, 2, 1));
        let kept = disk.lose_power(|_| Fate::Kept).content();
        assert_eq!((kept, disk.content()[1023]), (disk.content(), 2));
    }

    #[test]
    fn a_full_disk_fails_the_operations_it_was_told_to_and_no_others() {
        let disk = SimDisk::new();
        disk.fail(1, 2);
        disk.write(0, b"a").unwrap();
        assert_eq!(disk.write(0, b"b").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.sync_data().unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.set_len(3).unwrap();
        assert_eq!((disk.content().as_slice(), disk.operations()), (&b"a\0\0"[..], 4));
    }
}
