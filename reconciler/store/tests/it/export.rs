// SPDX-License-Identifier: AGPL-3.0-or-later
//! Export and import: the same content, or an error and an empty store.

use std::io::Cursor;

use proptest::prelude::*;
use shoal_store::export::{ExportError, export, import, verify};
use shoal_store::sim_disk::SimDisk;
use shoal_store::{Batch, MemoryStore, Store, Table};

use crate::support::{dump, open_sim, put};

fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    for n in 0..600u32 {
        batch.put(Table::Jobs, n.to_be_bytes(), vec![n as u8; n as usize * 20]);
    }
    batch.put(Table::Records, "web-01", "");
    batch.add(Table::Meta, "counter", 7);
    store.commit(batch).unwrap();
    store
}

fn exported(store: &dyn Store) -> Vec<u8> {
    let mut out = Vec::new();
    export(store.snapshot().unwrap().as_ref(), &mut out).unwrap();
    out
}

#[test]
fn everything_goes_from_one_engine_into_the_other_and_back_with_the_same_bytes() {
    let memory = filled();
    let bytes = exported(&memory);
    assert_eq!(verify(&mut bytes.as_slice()).unwrap(), 602);
    let redb = open_sim(&SimDisk::new());
    assert_eq!(import(&redb, &mut Cursor::new(&bytes)).unwrap(), 602);
    assert_eq!(dump(&memory), dump(&redb));
    assert_eq!(exported(&redb), bytes);
    let empty = exported(&MemoryStore::new());
    assert_eq!(import(&MemoryStore::new(), &mut Cursor::new(&empty)).unwrap(), 0);
}

#[test]
fn an_export_is_one_moment_although_the_store_goes_on() {
    let store = open_sim(&SimDisk::new());
    store.commit(put(Table::Jobs, "a", "1")).unwrap();
    let snapshot = store.snapshot().unwrap();
    store.commit(put(Table::Jobs, "b", "2")).unwrap();
    let mut out = Vec::new();
    assert_eq!(export(snapshot.as_ref(), &mut out).unwrap(), 1);
}

#[test]
fn an_import_into_a_store_with_something_in_it_is_refused_and_names_the_table() {
    let bytes = exported(&filled());
    let store = MemoryStore::new();
    store.commit(put(Table::Records, "web-01", "mine")).unwrap();
    let before = dump(&store);
    let error = import(&store, &mut Cursor::new(&bytes)).unwrap_err();
    assert!(matches!(error, ExportError::NotEmpty(Table::Records)), "{error:?}");
    assert_eq!(dump(&store), before);
}

#[test]
fn something_else_than_an_export_is_named_as_such() {
    for bytes in [&b""[..], b"shoal", b"shoal-export 2\n....", &[0; 100]] {
        let error = import(&MemoryStore::new(), &mut Cursor::new(bytes)).unwrap_err();
        assert!(matches!(error, ExportError::NotAnExport), "{error:?}");
    }
}

#[test]
fn a_table_that_is_not_known_is_named() {
    let mut bytes = exported(&MemoryStore::new());
    let end = bytes.len() - 41;
    bytes.splice(end..end, *b"E\x05later\x00\x00\x00\x01k\x00\x00\x00\x00");
    let error = verify(&mut bytes.as_slice()).unwrap_err();
    assert!(matches!(&error, ExportError::UnknownTable(name) if name == "later"), "{error:?}");
}

/// An export of these entries, with the digest that it then has.
fn sealed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use sha2::Digest as _;
    let mut bytes = b"shoal-export 1\n".to_vec();
    for (table, key) in entries {
        bytes.extend([b'E', table.len() as u8]);
        bytes.extend(table.as_bytes());
        bytes.extend((key.len() as u32).to_be_bytes());
        bytes.extend(*key);
        bytes.extend([0; 4]);
    }
    bytes.push(b'.');
    bytes.extend((entries.len() as u64).to_be_bytes());
    let digest = sha2::Sha256::digest(&bytes);
    bytes.extend(digest);
    bytes
}

#[test]
fn what_no_export_writes_is_refused_before_anything_is_changed() {
    assert_eq!(
        verify(&mut sealed(&[("records", b"a"), ("records", b"b"), ("jobs", b"a")]).as_slice()).unwrap(),
        3
    );
    for (entries, words) in [
        (&[("jobs", &b""[..])][..], "an entry has no key"),
        (&[("jobs", b"a"), ("jobs", b"a")], "its entries are not in their order"),
        (&[("jobs", b"b"), ("jobs", b"a")], "its entries are not in their order"),
        (&[("jobs", b"a"), ("records", b"a")], "its entries are not in their order"),
    ] {
        let bytes = sealed(entries);
        for error in [
            verify(&mut bytes.as_slice()).unwrap_err(),
            import(&MemoryStore::new(), &mut Cursor::new(&bytes)).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("the export is damaged: {words}"));
        }
    }
}

proptest! {
    #[test]
    fn a_changed_cut_or_lengthened_export_changes_nothing(
        at in any::<proptest::sample::Index>(), bit in 0u8..8, cut: bool, more in 0usize..3,
    ) {
        let mut bytes = exported(&{
            let store = MemoryStore::new();
            store.commit(put(Table::Jobs, "some key", "some value")).unwrap();
            store.commit(put(Table::Meta, "counter", "12345678")).unwrap();
            store
        });
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else if more > 0 {
            bytes.extend(std::iter::repeat_n(bit, more));
        } else {
            bytes[at] ^= 1 << bit;
        }
        let store = MemoryStore::new();
        prop_assert!(import(&store, &mut Cursor::new(&bytes)).is_err());
        prop_assert_eq!(dump(&store), dump(&MemoryStore::new()));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), magic: bool) {
        let mut input = if magic { b"shoal-export 1\n".to_vec() } else { Vec::new() };
        input.extend(bytes);
        prop_assert!(verify(&mut input.as_slice()).is_err());
    }
}
