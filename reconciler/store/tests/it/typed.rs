// SPDX-License-Identifier: AGPL-3.0-or-later
//! Typed tables: round trips, order of keys, versions, errors that name the entry.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use shoal_schema::{JobId, Sha256};
use shoal_store::typed::{Key, Record, TypedError, TypedTable, first_of_pair};
use shoal_store::{Batch, CommitError, MemoryStore, Reader as _, Store, Table};

use crate::support::put;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
    count: u32,
}

impl Record for Note {
    const VERSION: u32 = 2;

    fn upgrade(from: u32, mut record: serde_json::Value) -> Result<serde_json::Value, String> {
        if from != 1 {
            return Err(format!("there never was a version {from}"));
        }
        let object = record.as_object_mut().ok_or("not an object")?;
        object.insert("count".to_owned(), 0.into());
        Ok(record)
    }
}

const NOTES: TypedTable<String, Note> = TypedTable::new(Table::Control);
const EVENTS: TypedTable<(JobId, u64), Note> = TypedTable::new(Table::JobEvents);

fn note(text: &str) -> Note {
    Note { text: text.to_owned(), count: 1 }
}

#[test]
fn records_carry_their_version_and_read_back() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    NOTES.put(&mut batch, &"a".to_owned(), &note("hello")).unwrap();
    store.commit(batch).unwrap();
    let bytes = store.get(Table::Control, b"a").unwrap().unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), r#"{"v":2,"record":{"text":"hello","count":1}}"#);
    assert_eq!(NOTES.get(&store, &"a".to_owned()).unwrap(), Some(note("hello")));
    assert_eq!(NOTES.get(&store, &"b".to_owned()).unwrap(), None);
    let mut batch = Batch::new();
    NOTES.delete(&mut batch, &"a".to_owned());
    store.commit(batch).unwrap();
    assert_eq!(NOTES.all(&store).unwrap(), []);
}

#[test]
fn a_record_of_an_earlier_version_is_brought_up_and_a_later_one_refused_by_name() {
    let store = MemoryStore::new();
    store.commit(put(Table::Control, "old", r#"{"v":1,"record":{"text":"x"}}"#)).unwrap();
    let old = NOTES.get(&store, &"old".to_owned()).unwrap().unwrap();
    assert_eq!(old, Note { text: "x".to_owned(), count: 0 });

    store.commit(put(Table::Control, "new", r#"{"v":3,"record":{"text":"x","count":0,"more":1}}"#)).unwrap();
    let error = NOTES.get(&store, &"new".to_owned()).unwrap_err();
    assert!(matches!(error, TypedError::Newer { found: 3, known: 2, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("\"new\"") && text.contains("control"), "{text}");

    store.commit(put(Table::Control, "odd", r#"{"v":0,"record":{}}"#)).unwrap();
    let error = NOTES.get(&store, &"odd".to_owned()).unwrap_err();
    assert!(error.to_string().contains("there never was a version 0"), "{error}");
}

#[test]
fn what_is_no_record_is_an_error_with_table_and_key() {
    let store = MemoryStore::new();
    for value in [
        "",
        "not json",
        "{}",
        r#"{"v":2}"#,
        r#"{"v":2,"record":{"text":1}}"#,
        r#"{"v":2,"record":{"text":"a","count":1,"extra":2}}"#,
    ] {
        store.commit(put(Table::Control, "a\0b", value)).unwrap();
        let error = NOTES.all(&store).unwrap_err();
        assert!(matches!(error, TypedError::Decode { table: Table::Control, .. }), "{value}: {error:?}");
        assert!(error.to_string().contains("\"a\\x00b\""), "{error}");
    }
    store.commit(put(Table::JobEvents, "not a pair", r#"{"v":2,"record":{"text":"a","count":1}}"#)).unwrap();
    let error = EVENTS.all(&store).unwrap_err();
    assert!(matches!(error, TypedError::Key { table: Table::JobEvents, .. }), "{error:?}");
}

#[test]
fn pairs_are_found_by_their_first_part_in_the_order_of_the_second() {
    let store = MemoryStore::new();
    let (mine, other) = (JobId::from_bytes([1; 16]), JobId::from_bytes([2; 16]));
    let mut batch = Batch::new();
    for number in [300u64, 2, 1] {
        EVENTS.insert(&mut batch, &(mine.clone(), number), &note(&number.to_string())).unwrap();
    }
    EVENTS.insert(&mut batch, &(other, 999), &note("other")).unwrap();
    store.commit(batch).unwrap();
    let prefix = first_of_pair(&mine);
    let numbers: Vec<u64> =
        EVENTS.prefixed(&store, &prefix).unwrap().into_iter().map(|((_, number), _)| number).collect();
    assert_eq!(numbers, [1, 2, 300]);
    assert_eq!(EVENTS.last(&store, &prefix).unwrap().unwrap().1, note("300"));
    assert_eq!(EVENTS.last(&store, &first_of_pair(&JobId::from_bytes([3; 16]))).unwrap(), None);
}

#[test]
fn an_insert_over_something_and_a_replacement_of_something_else_fail() {
    let store = MemoryStore::new();
    let key = "a".to_owned();
    let mut batch = Batch::new();
    NOTES.insert(&mut batch, &key, &note("1")).unwrap();
    store.commit(batch.clone()).unwrap();
    assert!(matches!(store.commit(batch), Err(CommitError::CheckFailed { .. })));

    let (read, raw) = NOTES.get_raw(&store, &key).unwrap().unwrap();
    assert_eq!(read, note("1"));
    let mut batch = Batch::new();
    NOTES.replace(&mut batch, &key, &raw, &note("2")).unwrap();
    store.commit(batch.clone()).unwrap();
    assert!(matches!(store.commit(batch), Err(CommitError::CheckFailed { .. })));
    assert_eq!(NOTES.get(&store, &key).unwrap(), Some(note("2")));
}

#[test]
fn keys_of_the_schema_read_back() {
    let digest = Sha256::of(b"x");
    assert_eq!(Sha256::decode(&digest.encode()), Some(digest));
    assert_eq!(Sha256::decode(b"sha256:short"), None);
    assert_eq!(JobId::decode(b"\xff"), None);
    assert_eq!(u64::decode(b"1234567"), None);
}

proptest! {
    #[test]
    fn pairs_read_back_and_sort_as_their_parts_do(
        a in ("[\\x00a\u{1}\u{ff}]{0,3}", any::<u64>()), b in ("[\\x00a\u{1}\u{ff}]{0,3}", any::<u64>()),
    ) {
        prop_assert_eq!(<(String, u64)>::decode(&a.encode()), Some(a.clone()));
        prop_assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        prop_assert_eq!(a.encode().starts_with(&first_of_pair(&b.0)), a.0 == b.0);
    }

    #[test]
    fn random_bytes_are_no_pair_or_one_that_encodes_to_them(bytes in proptest::collection::vec(0u8..4, 0..14)) {
        if let Some(pair) = <(String, u64)>::decode(&bytes) {
            prop_assert_eq!(pair.encode(), bytes);
        }
    }
}
