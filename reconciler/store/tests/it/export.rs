// SPDX-License-Identifier: AGPL-3.0-or-later
//! Export and import: the same content, or an error and no ledger.

use proptest::prelude::*;
use shoal_store::export::{Contents, ExportError, Importer};
use shoal_store::sim_disk::SimDisk;
use shoal_store::{Batch, MemoryStore, Store, Table, ledger};

use crate::support::{MADE_BY, NOW, dump, exported, open_sim, put};

fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    ledger::open_or_create(&store, [7; 16]).unwrap();
    let mut batch = Batch::new();
    for n in 0..600u32 {
        batch.put(Table::Jobs, n.to_be_bytes(), vec![n as u8; n as usize * 20]);
    }
    batch.put(Table::Records, "web-01", "");
    batch.add(Table::Meta, "counter", 7);
    store.commit(batch).unwrap();
    store
}

fn verify(bytes: &[u8]) -> Result<Contents, ExportError> {
    Importer::open(bytes)?.verify()
}

fn import(store: &dyn Store, bytes: &[u8]) -> Result<Contents, ExportError> {
    Importer::open(bytes)?.import(store)
}

#[test]
fn everything_goes_from_one_engine_into_the_other_and_back_with_the_same_bytes() {
    let memory = filled();
    let bytes = exported(&memory);
    let redb = open_sim(&SimDisk::new());
    let contents = import(&redb, &bytes).unwrap();
    assert_eq!(contents.tables, [(Table::Records, 1), (Table::Jobs, 600), (Table::Meta, 3)]);
    assert_eq!((contents.entries, contents.bytes), (604, bytes.len() as u64));
    assert_eq!(verify(&bytes).unwrap(), contents);
    assert_eq!(dump(&memory), dump(&redb));
    assert_eq!(exported(&redb), bytes);
    let empty = exported(&MemoryStore::new());
    assert_eq!(import(&MemoryStore::new(), &empty).unwrap().entries, 0);
}

#[test]
fn an_export_says_what_it_is_of_before_all_of_it_is_read() {
    let bytes = exported(&filled());
    let about = Importer::open(&bytes[..400]).unwrap().about().clone();
    assert_eq!((about.made_by.as_str(), about.made_at), (MADE_BY, NOW));
    assert_eq!((about.fleet.as_deref(), about.counter), (Some("fleet"), 7));
    assert_eq!(about.ledger, ledger::read(&filled()).unwrap().map(|ledger| ledger.id));
    // A line of text, for people who look at the file.
    assert!(bytes.starts_with(b"shoal-export 1\n{\"madeAt\":\"1970-01-01T00:00:00Z\",\"madeBy\":\"shoal"));
}

#[test]
fn an_export_is_one_moment_although_the_store_goes_on() {
    let store = open_sim(&SimDisk::new());
    store.commit(put(Table::Jobs, "a", "1")).unwrap();
    let before = exported(&store);
    let about = Importer::open(before.as_slice()).unwrap().about().clone();
    let mut export = shoal_store::export::Exporter::new(store.snapshot().unwrap(), about);
    let mut bytes = export.next().unwrap().unwrap();
    store.commit(put(Table::Jobs, "b", "2")).unwrap();
    bytes.extend(export.flat_map(Result::unwrap));
    assert_eq!(bytes, before);
}

#[test]
fn an_import_into_a_store_with_something_in_it_is_refused_and_names_the_table() {
    let store = MemoryStore::new();
    store.commit(put(Table::Records, "web-01", "mine")).unwrap();
    let before = dump(&store);
    let error = import(&store, &exported(&filled())).unwrap_err();
    assert!(matches!(error, ExportError::NotEmpty(Table::Records)), "{error:?}");
    assert_eq!(dump(&store), before);
}

#[test]
fn something_else_than_an_export_is_named_as_what_it_is() {
    assert!(matches!(verify(b"").unwrap_err(), ExportError::Empty));
    for bytes in [&b"shoal"[..], b"shoal-export one\n", &[0; 100], b"SQLite format 3\0"] {
        let error = verify(bytes).unwrap_err();
        assert!(matches!(error, ExportError::NotAnExport), "{error:?}");
    }
    assert!(matches!(verify(b"shoal-export 2\n....").unwrap_err(), ExportError::Newer));
}

#[test]
fn a_table_that_is_not_known_and_tables_out_of_order_are_named() {
    let with = |frame: &[u8]| {
        let mut bytes = exported(&filled());
        let end = bytes.len() - 41;
        bytes.splice(end..end, frame.iter().copied());
        verify(&bytes).unwrap_err()
    };
    let error = with(b"E\x05later\x00\x00\x00\x01k\x00\x00\x00\x00");
    assert!(matches!(&error, ExportError::UnknownTable(name) if name == "later"), "{error:?}");
    let error = with(b"E\x04jobs\x00\x00\x00\x01k\x00\x00\x00\x00");
    assert!(error.to_string().contains("order"), "{error:?}");
}

fn anything() -> impl Strategy<Value = Batch> {
    let table = (0..Table::ALL.len()).prop_map(|index| Table::ALL[index]);
    let bytes = |sizes| proptest::collection::vec(any::<u8>(), sizes);
    proptest::collection::vec((table, bytes(1..40), bytes(0..400)), 0..200).prop_map(|entries| {
        let mut batch = Batch::new();
        for (table, key, value) in entries {
            batch.put(table, key, value);
        }
        batch
    })
}

/// An export of these entries, with the digest that it then has.
fn sealed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use sha2::Digest as _;
    let mut bytes =
        b"shoal-export 1\n{\"madeAt\":\"1970-01-01T00:00:00Z\",\"madeBy\":\"shoal\",\"format\":1}\n".to_vec();
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
fn what_no_export_writes_is_refused_with_and_without_a_store() {
    let whole = sealed(&[("records", b"a"), ("records", b"b"), ("jobs", b"a")]);
    assert_eq!(verify(&whole).unwrap().entries, 3);
    for (entries, words) in [
        (&[("jobs", &b""[..])][..], "an entry has no key"),
        (&[("jobs", b"a"), ("jobs", b"a")], "its entries are not in their order"),
        (&[("jobs", b"b"), ("jobs", b"a")], "its entries are not in their order"),
        (&[("jobs", b"a"), ("records", b"a")], "its tables are not in their order"),
    ] {
        let bytes = sealed(entries);
        for error in [verify(&bytes).unwrap_err(), import(&MemoryStore::new(), &bytes).unwrap_err()] {
            assert_eq!(error.to_string(), format!("it is damaged: {words}"));
        }
    }
}

proptest! {
    #[test]
    fn whatever_a_store_holds_comes_back(batch in anything()) {
        let store = MemoryStore::new();
        store.commit(batch).unwrap();
        let there = MemoryStore::new();
        let contents = import(&there, &exported(&store)).unwrap();
        prop_assert_eq!(dump(&there), dump(&store));
        let counts: Vec<_> = dump(&store)
            .into_iter()
            .map(|(table, rows)| (table, rows.len() as u64))
            .filter(|(_, count)| *count > 0)
            .collect();
        prop_assert_eq!(contents.tables, counts);
    }

    #[test]
    fn a_changed_cut_or_lengthened_export_is_refused_and_leaves_no_ledger(
        at in any::<proptest::sample::Index>(), bit in 0u8..8, cut: bool, more in 0usize..3,
    ) {
        let mut bytes = exported(&{
            let store = MemoryStore::new();
            ledger::open_or_create(&store, [7; 16]).unwrap();
            store.commit(put(Table::Jobs, "some key", "some value")).unwrap();
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
        prop_assert!(import(&store, &bytes).is_err());
        prop_assert!(ledger::read(&store).unwrap().is_none());
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), magic in 0usize..3) {
        let mut input = [&b""[..], b"shoal-export 1\n", b"shoal-export 1\n{\"madeAt\":\"1970-01-01T00:00:00Z\",\
            \"madeBy\":\"x\",\"format\":1}\n"][magic].to_vec();
        input.extend(bytes);
        prop_assert!(verify(&input).is_err());
    }
}
