// SPDX-License-Identifier: AGPL-3.0-or-later
//! Rows of the database, as the controller reads them at its start.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shoal_controller::rows::{self, AcceptedRow, ControlRow, JournalRow, RowError, ServerRow};
use shoal_core::job::step::step;
use shoal_core::job::{Budgets, Event, Job};
use shoal_core::ledger::Ledger;
use shoal_schema::JobId;
use shoal_schema::api::ApplyOutcome;
use shoal_store::{Batch, MemoryStore, Store, Table, ledger};

const KEY: &str = "key";

/// The input as a row: its first line is the table, the rest the value.
///
/// # Panics
///
/// Where a row that is read is not written as it was read, where writing is not the same every time,
/// where an error does not name the row, or where a job that is read cannot go on.
pub fn store_rows(input: &[u8]) -> bool {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let value = input.get(end + 1..).unwrap_or_default();
    match &input[..end] {
        b"records" => row::<ServerRow>(Table::Records, value).is_some(),
        b"jobs" => row::<Job>(Table::Jobs, value).map(goes_on).is_some(),
        b"journal" => row::<JournalRow>(Table::Journal, value).is_some(),
        b"inventory" => row::<AcceptedRow>(Table::Inventory, value).is_some(),
        b"control" => row::<ControlRow>(Table::Control, value).is_some(),
        b"applied_plans" => row::<ApplyOutcome>(Table::AppliedPlans, value).is_some(),
        b"active_jobs" => row::<JobId>(Table::ActiveJobs, value).is_some(),
        b"bmc_pins" => row::<String>(Table::BmcPins, value).is_some(),
        b"meta" => ledger(value).is_some(),
        _ => false,
    }
}

fn row<T: DeserializeOwned + Serialize + PartialEq + Debug>(table: Table, value: &[u8]) -> Option<T> {
    match read::<T>(table, value) {
        Ok(row) => {
            let written = write(table, &row);
            let again = read::<T>(table, &written).expect("it was just written");
            assert_eq!(again, row);
            assert_eq!(write(table, &again), written, "the same row is other bytes");
            Some(row)
        }
        Err(error) => {
            assert!(
                matches!(error, RowError::Decode { table: named, ref key, .. } if named == table && key == KEY)
            );
            assert!(error.to_string().contains(table.name()), "{error}");
            None
        }
    }
}

fn read<T: DeserializeOwned>(table: Table, value: &[u8]) -> Result<T, RowError> {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    batch.put(table, KEY, value);
    store.commit(batch).expect("a store in memory");
    let one = rows::get(&store, table, KEY).map(|row| row.expect("it was put there"));
    assert_eq!(rows::all::<T, _>(&store, table).is_ok(), one.is_ok());
    one
}

fn write<T: Serialize>(table: Table, row: &T) -> Vec<u8> {
    let mut batch = Batch::new();
    rows::put(&mut batch, table, KEY, row);
    match batch.writes.into_iter().next() {
        Some(shoal_store::Write::Put { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

/// A job that stands in a database is taken up, whatever state it is in, and comes to an end.
fn goes_on(mut job: Job) {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let budgets = Budgets::default();
    for event in [Event::Resumed, Event::Elapsed { ms: 0 }, Event::Elapsed { ms: 1 }] {
        job = step(job, event, &budgets, now);
    }
    let day = Duration::from_secs(86_400).as_millis() as u64;
    for _ in 0..40 {
        let _ = (job.view(), job.summary(), job.status(), job.why_failed());
        job = step(job, Event::Elapsed { ms: day }, &budgets, now);
    }
    assert!(!job.is_active() || job.attempt <= 3 || job.outcome.is_some(), "{:?} for ever", job.phase);
}

/// The identity of a database, with its counters.
fn ledger(value: &[u8]) -> Option<Ledger> {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    batch.put(Table::Meta, "ledger", value);
    batch.put(Table::Meta, "counter", 7_u64.to_be_bytes());
    batch.put(Table::Meta, "epoch", 3_u64.to_be_bytes());
    store.commit(batch).expect("a store in memory");
    let found = ledger::read(&store).ok()?.expect("it was put there");
    assert_eq!((found.counter, found.epoch), (7, 3));
    let next = ledger::next_epoch(&store).expect("an epoch can follow");
    assert_eq!((next.epoch, &next.id), (4, &found.id));
    Some(found)
}
