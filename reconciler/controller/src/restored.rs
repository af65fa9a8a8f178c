// SPDX-License-Identifier: AGPL-3.0-or-later
//! What becomes of a database whose past cannot be trusted: it came out of a backup, was lost, or was overtaken.
//!
//! Guarantees: it has a ledger id that no approval in Git names; every record of an installed machine says that it
//! was restored, which holds its server until somebody agrees anew; every job that seemed active is over, its tokens
//! are worth nothing. All of that is one commit.
//! What it does not do: it does not look at the status branch. That is done at the next start (`startup`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shoal_core::job::{Budgets, Job, Outcome, Phase};
use shoal_core::ledger::Ledger;
use shoal_core::record;
use shoal_schema::JobId;
use shoal_schema::api::Level;
use shoal_schema::status::{JobSummary, LastError, ServerStatus};
use shoal_schema::step::Step;
use shoal_store::{Batch, ReadError, Scan, Store, Table, ledger};

use crate::outside::{NoRandomness, Random};
use crate::rows::{self, ControlRow, RowError, ServerRow};

type Servers = BTreeMap<String, Arc<ServerRow>>;
type Jobs = BTreeMap<JobId, Arc<Job>>;

/// Servers and jobs after they were marked, and what keeps that.
pub(crate) struct Marked {
    pub(crate) batch: Batch,
    pub(crate) servers: Servers,
    pub(crate) jobs: Jobs,
    /// Jobs that seemed active.
    pub(crate) over: usize,
}

/// Servers with a job that may be writing, although its tokens are dead.
pub(crate) struct UnderWay {
    servers: BTreeSet<String>,
    /// For how long: as long as an install may take.
    ms: u64,
}

impl UnderWay {
    /// Those with an active job in the database, or on the status branch.
    pub(crate) fn of<'a>(
        jobs: impl IntoIterator<Item = &'a Job>,
        branch: &[(String, ServerStatus)],
        ms: u64,
    ) -> Self {
        let own = jobs.into_iter().filter(|job| job.is_active()).map(|job| job.server.clone());
        let is_active = |status: &&ServerStatus| status.job.as_ref().is_some_and(JobSummary::is_active);
        let shown = branch.iter().map(|(_, status)| status).filter(is_active);
        Self { servers: own.chain(shown.map(|status| status.name.clone())).collect(), ms }
    }

    /// Whether a server is one of them.
    pub(crate) fn has(&self, server: &str) -> bool {
        self.servers.contains(server)
    }
}

/// Marks every server as restored and every active job as over.
pub(crate) fn mark(servers: Servers, jobs: Jobs, under_way: &UnderWay, now: Timestamp) -> Marked {
    let mut marked = Marked { batch: Batch::new(), servers: BTreeMap::new(), jobs: BTreeMap::new(), over: 0 };
    for (name, row) in servers {
        let row = restored(&row, under_way, now);
        rows::put_server(&mut marked.batch, &row);
        marked.servers.insert(name, Arc::new(row));
    }
    for (id, job) in jobs {
        let job = if job.is_active() {
            let over = over(&job, now);
            rows::put_job(&mut marked.batch, &over);
            marked.batch.delete(Table::ActiveJobs, over.server.as_str());
            marked.over += 1;
            Arc::new(over)
        } else {
            job
        };
        marked.jobs.insert(id, job);
    }
    marked
}

/// The row of a server whose record comes from a copy or from the status branch. Where a job may be writing, the machine
/// is left alone for as long as that may take.
pub(crate) fn restored(row: &ServerRow, under_way: &UnderWay, now: Timestamp) -> ServerRow {
    let mut row = row.clone();
    let is_under_way = under_way.has(&row.status.name);
    row.status_mut().record = record::restored(&row.status.record, is_under_way);
    row.status_mut().job = None;
    if is_under_way {
        row.left_alone_ms = Some(under_way.ms);
        // That job will not tidy up any more.
        row.left_behind = true;
        row.status_mut().next_try = now.checked_add(Duration::from_millis(under_way.ms)).ok();
    }
    row
}

/// What the status branch tells of servers that the database knows less of, or not at all. `marked`: its records were
/// marked since they were as old as the branch, which moved each number by one.
pub(crate) fn newer(own: &Servers, branch: Vec<(String, ServerStatus)>, marked: bool) -> Servers {
    branch
        .into_iter()
        .filter(|(_, status)| {
            let number = |own: &ServerRow| own.status.record.number.saturating_sub(u64::from(marked));
            own.get(&status.name).is_none_or(|own| number(own) < status.record.number)
        })
        .map(|(path, status)| {
            let mut row = ServerRow::new(&status.name);
            row.file = path.replace(".json", ".yaml");
            row.status = Arc::new(status);
            (row.status.name.clone(), Arc::new(row))
        })
        .collect()
}

fn over(job: &Job, now: Timestamp) -> Job {
    let mut job = job.clone();
    let message = "the database was restored or replaced while this job was active; its tokens are dead";
    job.note(now, Level::Error, None, message);
    job.failure = Some(LastError {
        step: Step::RedfishPoll,
        unit: None,
        code: "restored".to_owned(),
        message: message.to_owned(),
        hint: "look at the machine, then approve or adopt it anew".to_owned(),
        log_tail: None,
        job: Some(job.id.clone()),
    });
    job.outcome = Some(Outcome::Failed);
    job.phase = Phase::Complete;
    job.updated_at = now;
    job
}

/// A database out of a backup that could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// It cannot be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It gets no new ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// There is no new ledger id to be had.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// What a database that was made ready holds.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// Its new ledger.
    pub ledger: Ledger,
    /// Servers, all of them marked.
    pub servers: usize,
    /// Jobs that seemed active and are over.
    pub jobs_over: usize,
    /// Messages to people that were never sent, and no longer are.
    pub unsent: usize,
    /// Everything was paused when the backup was taken, and is.
    pub paused: bool,
}

/// Makes a database out of a backup ready for a controller. Nobody else may have it open. Blocks.
pub fn renew(store: &dyn Store, random: &dyn Random, now: Timestamp) -> Result<Renewed, RenewError> {
    let servers = rows::all::<ServerRow, _>(store, Table::Records)?;
    let servers: Servers = servers.into_iter().map(|(name, row)| (name, Arc::new(row))).collect();
    let jobs = rows::all::<Job, _>(store, Table::Jobs)?;
    let jobs: Jobs = jobs.into_iter().map(|(_, job)| (job.id.clone(), Arc::new(job))).collect();
    let control: ControlRow = rows::get(store, Table::Control, "control")?.unwrap_or_default();
    let longest = Budgets::default().result_ms;
    let under_way = UnderWay::of(jobs.values().map(|job| &**job), &[], longest);
    let mut marked = mark(servers, jobs, &under_way, now);
    let control = ControlRow { failures: 0, observe_only: false, restored: true, ..control };
    rows::put(&mut marked.batch, Table::Control, "control", &control);
    // What was news then would look like news now.
    let unsent = store.scan(Table::Outbox, &Scan::ALL)?;
    for (key, _) in &unsent {
        marked.batch.delete(Table::Outbox, key.clone());
    }
    let mut id = [0_u8; 16];
    random.fill(&mut id)?;
    let ledger = ledger::renew(store, id, None, marked.batch)?;
    Ok(Renewed {
        ledger,
        servers: marked.servers.len(),
        jobs_over: marked.over,
        unsent: unsent.len(),
        paused: control.paused,
    })
}

#[cfg(test)]
mod tests {
    use shoal_schema::LedgerId;
    use shoal_schema::status::RecordState;
    use shoal_store::{MemoryStore, Reader as _};

    use super::*;

    struct Nine;

    impl Random for Nine {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            bytes.fill(9);
            Ok(())
        }
    }

    fn row(name: &str, number: u64, state: RecordState) -> ServerRow {
        let mut row = ServerRow::new(name);
        row.status_mut().record.number = number;
        row.status_mut().record.state = state;
        row
    }

    #[test]
    fn a_backup_made_ready_has_a_new_ledger_and_marked_records_and_sends_no_old_news() {
        let store = MemoryStore::new();
        let before = ledger::open_or_create(&store, [7; 16]).unwrap();
        let mut batch = Batch::new();
        rows::put_server(&mut batch, &row("web-01", 4, RecordState::Installed));
        rows::put_server(&mut batch, &row("web-02", 0, RecordState::Unknown));
        let control = ControlRow { paused: true, failures: 3, observe_only: true, restored: false };
        rows::put(&mut batch, Table::Control, "control", &control);
        batch.put(Table::Outbox, "1", "{}");
        store.commit(batch).unwrap();

        let renewed = renew(&store, &Nine, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(renewed.ledger.id, LedgerId::from_bytes([9; 16]));
        assert_eq!(renewed.ledger.replaces, Some(before.id));
        assert_eq!((renewed.servers, renewed.jobs_over, renewed.unsent), (2, 0, 1));
        assert!(renewed.paused);
        let server: ServerRow = rows::get(&store, Table::Records, "web-01").unwrap().unwrap();
        assert_eq!((server.status.record.state, server.status.record.number), (RecordState::Restored, 5));
        let control: ControlRow = rows::get(&store, Table::Control, "control").unwrap().unwrap();
        assert_eq!(control, ControlRow { paused: true, failures: 0, observe_only: false, restored: true });
        assert!(store.scan(Table::Outbox, &Scan::ALL).unwrap().is_empty());
    }

    #[test]
    fn a_server_whose_job_the_branch_shows_as_active_is_left_alone_for_as_long_as_an_install_may_take() {
        let mut busy = row("web-01", 1, RecordState::Unknown);
        let job = JobSummary {
            id: JobId::from_bytes([1; 16]),
            status: "provisioning".to_owned(),
            outcome: None,
            attempt: 1,
        };
        busy.status_mut().job = Some(job);
        let shown = [("servers/web-01.json".to_owned(), (*busy.status).clone())];
        let under_way = UnderWay::of([], &shown, 7_200_000);
        let after = restored(&busy, &under_way, Timestamp::UNIX_EPOCH);
        assert_eq!(after.left_alone_ms, Some(7_200_000));
        assert!(after.left_behind, "a boot that the job set is ours to clear");
        assert_eq!(after.status.next_try, Timestamp::from_second(7200).ok());
        assert_eq!(after.status.record.state, RecordState::Restored, "by now it may be in use");
        let idle = restored(&row("web-02", 1, RecordState::Unknown), &under_way, Timestamp::UNIX_EPOCH);
        assert_eq!((idle.left_alone_ms, idle.status.record.state), (None, RecordState::Unknown));
    }

    #[test]
    fn the_branch_is_believed_only_where_it_knows_more() {
        let own: Servers =
            [row("web-01", 4, RecordState::Installed), row("web-02", 4, RecordState::Installed)]
                .into_iter()
                .map(|row| (row.status.name.clone(), Arc::new(row)))
                .collect();
        let told = |row: ServerRow| (format!("servers/{}.json", row.status.name), (*row.status).clone());
        let branch = vec![
            told(row("web-01", 4, RecordState::Adopted)),
            told(row("web-02", 6, RecordState::Dirty)),
            told(row("web-03", 1, RecordState::Installed)),
        ];
        // As if 4 were 3 and a mark: once more since the backup.
        let after_marks = newer(&own, branch.clone(), true);
        assert_eq!(after_marks.keys().collect::<Vec<_>>(), ["web-01", "web-02", "web-03"]);
        let newer = newer(&own, branch, false);
        assert_eq!(newer.keys().collect::<Vec<_>>(), ["web-02", "web-03"]);
        assert_eq!(newer["web-03"].file, "servers/web-03.yaml");
        let nobody = UnderWay::of([], &[], 1);
        let row = restored(&newer["web-02"], &nobody, Timestamp::UNIX_EPOCH);
        assert_eq!((row.status.record.state, row.left_alone_ms), (RecordState::Restored, None));
    }
}
