// SPDX-License-Identifier: AGPL-3.0-or-later
//! The same answers from every engine: each test runs over the memory, over redb in memory and
//! over redb on a file, and random histories are compared step by step, with crashes in between.

use proptest::prelude::*;
use shoal_store::sim_disk::{Fate, SimDisk};
use shoal_store::{
    Batch, Check, CommitError, Expect, MAX_KEY_BYTES, MAX_VALUE_BYTES, MemoryStore, Order, RedbStore, Scan,
    Store, Table, Write,
};

use crate::support::{block_on, dump, open_sim, opening, put, value};

fn each(test: impl Fn(&dyn Store)) {
    test(&MemoryStore::new());
    test(&open_sim(&SimDisk::new()));
    let directory = tempfile::tempdir().unwrap();
    test(&RedbStore::open(&directory.path().join("shoal.redb"), &opening()).unwrap());
}

#[test]
fn what_was_committed_is_read_back_and_what_was_not_is_absent() {
    each(|store| {
        store.commit(put(Table::Jobs, "a", "1")).unwrap();
        assert_eq!(value(store, "a").as_deref(), Some("1"));
        assert_eq!(value(store, "b"), None);
        assert_eq!(store.get(Table::Records, b"a").unwrap(), None, "tables are apart");
        let mut batch = Batch::new();
        batch.delete(Table::Jobs, "a");
        batch.delete(Table::Jobs, "was never there");
        store.commit(batch).unwrap();
        assert_eq!(value(store, "a"), None);
    });
}

#[test]
fn writes_of_a_batch_are_applied_in_order() {
    each(|store| {
        let mut batch = put(Table::Jobs, "a", "first");
        batch.delete(Table::Jobs, "a");
        batch.put(Table::Jobs, "a", "last");
        batch.put(Table::Jobs, "gone", "x");
        batch.delete(Table::Jobs, "gone");
        store.commit(batch).unwrap();
        assert_eq!((value(store, "a").as_deref(), value(store, "gone")), (Some("last"), None));
    });
}

#[test]
fn a_check_that_fails_names_its_entry_and_nothing_is_written() {
    each(|store| {
        store.commit(put(Table::Jobs, "there", "1")).unwrap();
        let cases = [
            ("there", Expect::Absent),
            ("absent", Expect::Exists),
            ("there", Expect::Value(b"2".to_vec())),
            ("absent", Expect::Value(Vec::new())),
        ];
        for (key, expect) in cases {
            let mut batch = put(Table::Records, "x", "y");
            batch.check(Table::Jobs, "there", Expect::Exists);
            batch.check(Table::Jobs, key, expect);
            match store.commit(batch).unwrap_err() {
                CommitError::CheckFailed { table: Table::Jobs, key: named } => {
                    assert_eq!(named, key.as_bytes());
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(store.get(Table::Records, b"x").unwrap(), None);
        }
    });
}

#[test]
fn checks_see_the_state_before_the_batch() {
    each(|store| {
        let mut batch = put(Table::Jobs, "a", "1");
        batch.check(Table::Jobs, "a", Expect::Absent);
        store.commit(batch.clone()).unwrap();
        assert!(matches!(store.commit(batch), Err(CommitError::CheckFailed { .. })));
    });
}

#[test]
fn a_counter_grows_from_nothing_and_refuses_what_is_none() {
    each(|store| {
        let mut batch = Batch::new();
        batch.add(Table::Meta, "n", 2);
        batch.add(Table::Meta, "n", 3);
        store.commit(batch).unwrap();
        assert_eq!(store.get(Table::Meta, b"n").unwrap().unwrap(), 5u64.to_be_bytes());

        let mut batch = put(Table::Jobs, "other", "1");
        batch.add(Table::Meta, "n", u64::MAX);
        assert!(matches!(store.commit(batch), Err(CommitError::NotACounter { .. })), "overflow");
        let mut batch = put(Table::Jobs, "text", "1");
        batch.add(Table::Jobs, "text", 1);
        assert!(matches!(store.commit(batch), Err(CommitError::NotACounter { .. })), "text");
        assert_eq!((value(store, "other"), value(store, "text")), (None, None));
        assert_eq!(store.get(Table::Meta, b"n").unwrap().unwrap(), 5u64.to_be_bytes());
    });
}

#[test]
fn keys_and_values_beyond_the_limits_are_refused_by_name() {
    each(|store| {
        for key in [String::new(), "k".repeat(MAX_KEY_BYTES + 1)] {
            let error = store.commit(put(Table::Jobs, &key, "v")).unwrap_err();
            assert!(matches!(error, CommitError::KeySize { table: Table::Jobs, .. }), "{error:?}");
            let mut check = Batch::new();
            check.check(Table::Jobs, key, Expect::Absent);
            assert!(matches!(block_on(store.commit_async(check)), Err(CommitError::KeySize { .. })));
        }
        let error = store.commit(put(Table::Jobs, "big", &"v".repeat(MAX_VALUE_BYTES + 1))).unwrap_err();
        assert!(error.to_string().contains("\"big\" of the table jobs"), "{error}");
        store.commit(put(Table::Jobs, &"k".repeat(MAX_KEY_BYTES), &"v".repeat(MAX_VALUE_BYTES))).unwrap();
        assert_eq!(store.scan(Table::Jobs, &Scan::ALL).unwrap()[0].1.len(), MAX_VALUE_BYTES);
    });
}

#[test]
fn a_scan_pages_in_both_directions_within_its_prefix() {
    each(|store| {
        let mut batch = Batch::new();
        for key in ["a", "b/1", "b/2", "b/3", "b0", "c"] {
            batch.put(Table::Jobs, key, key);
        }
        store.commit(batch).unwrap();
        let keys = |scan: &Scan<'_>| -> Vec<String> {
            let entries = store.scan(Table::Jobs, scan).unwrap();
            entries.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
        };
        let all = Scan::prefix(b"b/");
        assert_eq!(keys(&all), ["b/1", "b/2", "b/3"]);
        assert_eq!(keys(&Scan { limit: 2, ..all }), ["b/1", "b/2"]);
        assert_eq!(keys(&Scan { after: Some(b"b/2"), ..all }), ["b/3"]);
        assert_eq!(keys(&Scan { order: Order::Descending, limit: 1, ..all }), ["b/3"]);
        assert_eq!(keys(&Scan { order: Order::Descending, after: Some(b"b/2"), ..all }), ["b/1"]);
        assert_eq!(keys(&Scan { after: Some(b"z"), ..all }), Vec::<String>::new());
        assert_eq!(keys(&Scan { limit: 0, ..all }), Vec::<String>::new());
        assert_eq!(keys(&Scan::ALL).len(), 6);
        assert_eq!(store.scan(Table::Outbox, &Scan::ALL).unwrap(), [], "a table without entries");
    });
}

#[test]
fn a_snapshot_does_not_see_later_commits() {
    each(|store| {
        store.commit(put(Table::Jobs, "a", "1")).unwrap();
        let snapshot = store.snapshot().unwrap();
        store.commit(put(Table::Jobs, "a", "2")).unwrap();
        store.commit(put(Table::Jobs, "b", "2")).unwrap();
        assert_eq!(value(snapshot.as_ref(), "a").as_deref(), Some("1"));
        assert_eq!(snapshot.scan(Table::Jobs, &Scan::ALL).unwrap().len(), 1);
        assert_eq!(value(store, "a").as_deref(), Some("2"));
    });
}

#[test]
fn of_many_callers_that_create_one_entry_exactly_one_succeeds() {
    each(|store| {
        let created: usize = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..16)
                .map(|caller| {
                    scope.spawn(move || {
                        let mut batch = put(Table::ActiveJobs, "web-01", &caller.to_string());
                        batch.check(Table::ActiveJobs, "web-01", Expect::Absent);
                        batch.add(Table::Meta, "created", 1);
                        match store.commit(batch) {
                            Ok(()) => 1,
                            Err(CommitError::CheckFailed { .. }) => 0,
                            Err(other) => panic!("{other:?}"),
                        }
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!(created, 1);
        assert_eq!(store.get(Table::Meta, b"created").unwrap().unwrap(), 1u64.to_be_bytes());
    });
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Batch),
    CommitAsync(Vec<Batch>),
    Scan { prefix: Vec<u8>, after: Option<Vec<u8>>, descending: bool, limit: usize },
    Reopen,
    LosePower,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0u8), Just(b'a'), Just(0xff)], 0..3)
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![Just(Table::Jobs), Just(Table::Meta)]
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(1u64.to_be_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
        (any::<u8>(), 1000usize..9000).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let expect = prop_oneof![3 => Just(Expect::Absent), 3 => Just(Expect::Exists), 1 => content().prop_map(Expect::Value)];
    let check =
        (table(), key(), expect).prop_map(|(table, key, expect)| Check { table, key, expect }).boxed();
    let write = prop_oneof![
        4 => (table(), key(), content()).prop_map(|(table, key, value)| Write::Put { table, key, value }),
        2 => (table(), key()).prop_map(|(table, key)| Write::Delete { table, key }),
        2 => (table(), key(), 0u64..3).prop_map(|(table, key, amount)| Write::Add { table, key, amount }),
    ];
    let checks = prop_oneof![3 => proptest::collection::vec(check.clone(), 0..1), 1 => proptest::collection::vec(check, 1..3)];
    (checks, proptest::collection::vec(write, 0..5)).prop_map(|(checks, writes)| Batch { checks, writes })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Commit),
        3 => proptest::collection::vec(batch(), 1..6).prop_map(Step::CommitAsync),
        3 => (key(), proptest::option::of(key()), any::<bool>(), 0usize..5)
            .prop_map(|(prefix, after, descending, limit)| Step::Scan { prefix, after, descending, limit }),
        1 => Just(Step::Reopen),
        1 => Just(Step::LosePower),
    ]
}

fn outcome(result: &Result<(), CommitError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn random_histories_with_crashes_give_the_same_answers_from_memory_and_from_redb(
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        let memory = MemoryStore::new();
        let mut disk = SimDisk::new();
        let mut redb = open_sim(&disk);
        for step in steps {
            match step {
                Step::Commit(batch) => {
                    prop_assert_eq!(outcome(&memory.commit(batch.clone())), outcome(&redb.commit(batch)));
                }
                Step::CommitAsync(batches) => {
                    let pending: Vec<_> = batches.iter().map(|batch| redb.commit_async(batch.clone())).collect();
                    for (batch, answer) in batches.into_iter().zip(pending) {
                        prop_assert_eq!(outcome(&memory.commit(batch)), outcome(&block_on(answer)));
                    }
                }
                Step::Scan { prefix, after, descending, limit } => {
                    let order = if descending { Order::Descending } else { Order::Ascending };
                    let scan = Scan { prefix: &prefix, after: after.as_deref(), order, limit };
                    for table in [Table::Jobs, Table::Meta] {
                        use shoal_store::Reader as _;
                        prop_assert_eq!(memory.scan(table, &scan).unwrap(), redb.scan(table, &scan).unwrap());
                    }
                }
                Step::Reopen => {
                    drop(redb);
                    redb = open_sim(&disk);
                }
                Step::LosePower => {
                    let left = disk.lose_power(|_| Fate::Dropped);
                    drop(redb);
                    disk = left;
                    redb = open_sim(&disk);
                }
            }
        }
        prop_assert_eq!(dump(&memory), dump(&redb));
        prop_assert_eq!(dump(memory.snapshot().unwrap().as_ref()), dump(redb.snapshot().unwrap().as_ref()));
    }
}
