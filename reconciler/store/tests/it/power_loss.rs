// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power lost at every operation, with unsynced writes kept, dropped and torn in any combination:
//! what was acknowledged is there, and every batch whole or absent.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use shoal_store::sim_disk::{Fate, SimDisk};
use shoal_store::{Batch, OpenBackend, Reader as _, RedbStore, Store, Table};

use crate::support::{open_sim, opening};

const ROUNDS: u64 = 8;

fn round(n: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Jobs, format!("k{n}"), vec![n as u8; 3000 + n as usize * 700]);
    batch.put(Table::Journal, "last", n.to_be_bytes());
    batch.add(Table::Meta, "n", 1);
    if n >= 3 {
        batch.delete(Table::Jobs, format!("k{}", n - 3));
    }
    batch
}

/// How many rounds the store holds; panics where it holds a part of one.
fn rounds_held(store: &RedbStore) -> u64 {
    let n = store.get(Table::Meta, b"n").unwrap();
    let held = n.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    let last = store.get(Table::Journal, b"last").unwrap();
    assert_eq!(last.map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())), held.checked_sub(1));
    for n in 0..ROUNDS {
        let found = store.get(Table::Jobs, format!("k{n}").as_bytes()).unwrap();
        let wanted = (n < held && n + 3 >= held).then(|| vec![n as u8; 3000 + n as usize * 700]);
        assert_eq!(found, wanted, "k{n} of {held}");
    }
    held
}

/// Disks as they were left at one moment after the other.
#[derive(Default)]
pub(crate) struct Moments {
    /// The disks.
    pub(crate) left: Vec<SimDisk>,
    /// How many rounds had been acknowledged by then.
    acknowledged: Vec<u64>,
}

/// Does something with a disk, and takes the power away before every operation on it.
pub(crate) fn moments_of(
    disk: &SimDisk,
    fate: impl FnMut(usize) -> Fate + Send + 'static,
    work: impl FnOnce(OpenBackend),
) -> Moments {
    moments_counting(disk, fate, |opener, _| work(opener))
}

fn moments_counting(
    disk: &SimDisk,
    fate: impl FnMut(usize) -> Fate + Send + 'static,
    work: impl FnOnce(OpenBackend, &Mutex<u64>),
) -> Moments {
    let probe = Arc::new(Probe {
        disk: disk.clone(),
        fate: Mutex::new(Box::new(fate)),
        moments: Mutex::default(),
        acknowledged: Mutex::default(),
    });
    let opener: OpenBackend = {
        let probe = Arc::clone(&probe);
        Box::new(move || Ok(Box::new(ProbedDisk(Arc::clone(&probe)))))
    };
    work(opener, &probe.acknowledged);
    std::mem::take(&mut *probe.moments.lock().unwrap())
}

/// Runs the workload and takes the power away before every operation.
fn moments(fate: impl FnMut(usize) -> Fate + Send + 'static) -> Moments {
    let disk = SimDisk::new();
    drop(open_sim(&disk));
    moments_counting(&disk, fate, |opener, acknowledged| {
        let store = RedbStore::open_on(opener, "sim.redb".as_ref(), &opening()).unwrap();
        for n in 0..ROUNDS {
            store.commit(round(n)).unwrap();
            *acknowledged.lock().unwrap() = n + 1;
        }
    })
}

struct Probe {
    disk: SimDisk,
    fate: Mutex<Box<dyn FnMut(usize) -> Fate + Send>>,
    moments: Mutex<Moments>,
    acknowledged: Mutex<u64>,
}

impl Probe {
    fn take(&self) {
        let mut fate = self.fate.lock().unwrap();
        let left = self.disk.lose_power(&mut *fate);
        let acknowledged = *self.acknowledged.lock().unwrap();
        let mut moments = self.moments.lock().unwrap();
        moments.left.push(left);
        moments.acknowledged.push(acknowledged);
    }
}

struct ProbedDisk(Arc<Probe>);

impl std::fmt::Debug for ProbedDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProbedDisk")
    }
}

impl redb::StorageBackend for ProbedDisk {
    fn len(&self) -> std::io::Result<u64> {
        self.0.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.take();
        self.0.disk.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.take();
        self.0.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.take();
        self.0.disk.write(offset, data)
    }
}

fn nothing_acknowledged_is_lost(fate: impl FnMut(usize) -> Fate + Send + 'static) {
    let Moments { left, acknowledged } = moments(fate);
    assert!(left.len() > 40, "only {} moments", left.len());
    for (index, (disk, acknowledged)) in left.into_iter().zip(acknowledged).enumerate() {
        let held = rounds_held(&open_sim(&disk));
        assert!(
            held == acknowledged || held == acknowledged + 1,
            "at operation {index}: {acknowledged} acknowledged, {held} there"
        );
    }
}

#[test]
fn with_every_unsynced_write_dropped_nothing_acknowledged_is_lost() {
    nothing_acknowledged_is_lost(|_| Fate::Dropped);
}

#[test]
fn with_every_unsynced_write_kept_nothing_acknowledged_is_lost() {
    nothing_acknowledged_is_lost(|_| Fate::Kept);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn with_unsynced_writes_kept_dropped_and_torn_at_random_nothing_acknowledged_is_lost(seed: u64) {
        let mut state = seed;
        nothing_acknowledged_is_lost(move |sectors| {
            // Knuth's generator: what matters is that a seed gives the same run.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = (state >> 33) as usize;
            match draw % 3 {
                0 => Fate::Kept,
                1 => Fate::Dropped,
                _ => Fate::Torn((draw / 3) % (sectors + 1)),
            }
        });
    }
}
