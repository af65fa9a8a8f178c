// SPDX-License-Identifier: AGPL-3.0-or-later
//! The writer thread: gathers batches, commits them together, answers each one.
//!
//! Guarantees: batches are applied in the order in which they were handed in; nobody is answered
//! before the transaction is durable; an answer of [`CommitError::NotWritten`] is the truth.

use std::sync::mpsc;

use redb::ReadableTable as _;
use tokio::sync::oneshot;

use super::engine::Engine;
use super::format;
use crate::apply::{Working, apply};
use crate::watch::{self, Moment};
use crate::{Batch, CommitError, Table};

/// Batches that share a transaction, at most. A thousand are a few milliseconds of work, about
/// what the sync takes: more would make the first wait for the last.
const GROUP_BATCHES: usize = 1024;

/// Bytes that share a transaction, at most: they are all in memory until the commit.
const GROUP_BYTES: usize = 32 << 20;

/// A batch and who waits for it.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: Answer,
}

/// Where the answer goes.
pub(super) enum Answer {
    Blocking(mpsc::SyncSender<Result<(), CommitError>>),
    Async(oneshot::Sender<Result<(), CommitError>>),
}

impl Answer {
    pub(super) fn give(self, result: Result<(), CommitError>) {
        // Who no longer waits does not want the answer.
        match self {
            Self::Blocking(sender) => drop(sender.send(result)),
            Self::Async(sender) => drop(sender.send(result)),
        }
    }
}

/// Runs until the queue is closed and empty.
pub(super) fn run(engine: &Engine, queue: &mpsc::Receiver<Request>) {
    while let Ok(first) = queue.recv() {
        let mut bytes = first.batch.weight();
        let mut group = vec![first];
        while group.len() < GROUP_BATCHES && bytes < GROUP_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.batch.weight();
            group.push(next);
        }
        let (batches, answers): (Vec<Batch>, Vec<Answer>) =
            group.into_iter().map(|request| (request.batch, request.answer)).unzip();
        for (answer, result) in answers.into_iter().zip(commit_group(engine, &batches)) {
            answer.give(result);
        }
    }
}

fn commit_group(engine: &Engine, batches: &[Batch]) -> Vec<Result<(), CommitError>> {
    let mut results = Vec::with_capacity(batches.len());
    let mut number = None;
    let attempt = engine.with(|database| {
        let transaction = format::begin_write(database)?;
        let mut changes = false;
        {
            let mut working = Transaction::new(&transaction);
            for batch in batches {
                let result = apply(batch, &mut working)?;
                changes |= result.is_ok() && !batch.writes.is_empty();
                results.push(result);
            }
        }
        if !changes {
            return Ok(transaction.abort()?);
        }
        number = Some(format::count_commit(&transaction)?);
        tell_watcher(Moment::Before, batches, &results);
        transaction.commit()?;
        tell_watcher(Moment::After, batches, &results);
        Ok(())
    });
    let Err(source) = attempt else { return results };
    let Some(number) = number else {
        return refuse(batches, &CommitError::NotWritten { source });
    };
    // The commit began: only the database itself can tell how it ended. To read it is to open it
    // anew, and to open it is to make what is found durable.
    match engine.with(format::commits) {
        Ok(found) if found >= number => results,
        Ok(_) => refuse(batches, &CommitError::NotWritten { source }),
        Err(_) => refuse(batches, &CommitError::Unknown { source }),
    }
}

/// Whoever watches hears what is written.
fn tell_watcher(moment: Moment, batches: &[Batch], results: &[Result<(), CommitError>]) {
    let Some(watcher) = watch::watcher() else { return };
    let kept = batches.iter().zip(results).filter(|(_, result)| result.is_ok());
    let writes: Vec<_> = kept.flat_map(|(batch, _)| &batch.writes).collect();
    watcher.commit(moment, &writes);
}

fn refuse(batches: &[Batch], error: &CommitError) -> Vec<Result<(), CommitError>> {
    batches.iter().map(|_| Err(error.clone())).collect()
}

/// A write transaction with its tables, opened as they are needed.
pub(super) struct Transaction<'txn> {
    transaction: &'txn redb::WriteTransaction,
    tables: Vec<Option<OpenTable<'txn>>>,
}

pub(super) type OpenTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

impl<'txn> Transaction<'txn> {
    pub(super) fn new(transaction: &'txn redb::WriteTransaction) -> Self {
        Self { transaction, tables: Table::ALL.iter().map(|_| None).collect() }
    }

    pub(super) fn table(&mut self, table: Table) -> Result<&mut OpenTable<'txn>, redb::Error> {
        let slot = &mut self.tables[table.index()];
        match slot {
            Some(open) => Ok(open),
            None => Ok(slot.insert(self.transaction.open_table(format::definition(table))?)),
        }
    }
}

impl Working for Transaction<'_> {
    type Error = redb::Error;

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let found = self.table(table)?.get(key)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), redb::Error> {
        let rows = self.table(table)?;
        match value {
            Some(value) => drop(rows.insert(key, value)?),
            None => drop(rows.remove(key)?),
        }
        Ok(())
    }
}
