// SPDX-License-Identifier: AGPL-3.0-or-later
//! Damaged files: every flipped bit and every cut is an error with a way out, or harmless; never a
//! panic, and never other content than was written.

use std::path::Path;

use shoal_store::sim_disk::SimDisk;
use shoal_store::{Batch, OpenError, RedbStore, Store, Table};

use crate::support::{dump, open_sim, opening, try_open_sim};

type Content = Vec<(Table, Vec<shoal_store::Entry>)>;

fn small_database() -> (Vec<u8>, Content) {
    let disk = SimDisk::new();
    let store = open_sim(&disk);
    for n in 0..40u64 {
        let mut batch = Batch::new();
        batch.put(Table::Records, format!("web-{n:02}"), vec![n as u8; 300]);
        batch.put(Table::Jobs, format!("job-{n:02}"), vec![n as u8; 900]);
        batch.add(Table::Meta, "counter", 1);
        store.commit(batch).unwrap();
    }
    let content = dump(&store);
    drop(store);
    (disk.content(), content)
}

fn judge(bytes: Vec<u8>, wanted: &Content, what: &str) -> bool {
    match try_open_sim(&SimDisk::with_content(bytes)) {
        Ok(store) => {
            assert_eq!(&dump(&store), wanted, "{what} changed the content without a word");
            true
        }
        Err(OpenError::Damaged { .. } | OpenError::NotOurs { .. } | OpenError::Newer { .. }) => false,
        Err(other) => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_harmless_wherever_it_is() {
    let (bytes, wanted) = small_database();
    let mut refused = 0;
    // All of the header, bit by bit; of the rest one bit in every 61 bytes.
    let places = (0..512 * 8).chain((512..bytes.len()).step_by(61).map(|byte| byte * 8 + byte % 8));
    for bit in places {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if !judge(damaged, &wanted, &format!("bit {} of byte {}", bit % 8, bit / 8)) {
            refused += 1;
        }
    }
    assert!(refused > 500, "only {refused} flips were noticed");
}

#[test]
fn a_file_cut_off_anywhere_is_refused_or_whole() {
    let (bytes, wanted) = small_database();
    for length in (1..bytes.len()).step_by(1531).chain([1, 8, 9, 320, 511, 512, 4096, bytes.len() - 1]) {
        let whole = judge(bytes[..length].to_vec(), &wanted, &format!("a cut at {length}"));
        assert!(!whole, "a cut at {length} of {} was not noticed", bytes.len());
    }
    for more in [1, 4096] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        judge(longer, &wanted, &format!("{more} bytes more"));
    }
}

#[test]
fn a_damaged_file_is_named_with_the_way_out_and_stays_as_it_is() {
    let (bytes, _) = small_database();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shoal.redb");
    let garbage = vec![b'x'; 10_000];
    let mut cut = bytes.clone();
    cut.truncate(bytes.len() / 2);
    for (what, content) in
        [("garbage", garbage), ("cut", cut), ("short", b"redb".to_vec()), ("empty", Vec::new())]
    {
        std::fs::write(&path, &content).unwrap();
        let error = open(&path).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error:?}");
        assert!(text.contains(path.to_str().unwrap()) && text.contains("shoal restore"), "{what}: {text}");
        assert!(text.contains("nothing is installed without a new approval"), "{what}: {text}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "{what} was written to");
    }
}

fn open(path: &Path) -> Result<(), OpenError> {
    RedbStore::open(path, &opening()).map(drop)
}
