// SPDX-License-Identifier: AGPL-3.0-or-later
//! Runs one job: asks it what it wants next, journals, performs, journals, tells it what came of it.
//!
//! Guarantees: before an effect touches a BMC its intent is durable; a job that comes back after a
//! crash looks before it acts. Where the machine may be another controller's by now, an effect is broken off. SIGTERM lets the effect that is under way finish.
//! Assumptions: one runner per job.

use std::sync::Arc;
use std::time::Duration;

use shoal_core::job::{Effect, Event, Job, Next, next};
use shoal_schema::JobId;
use shoal_store::{Batch, Scan, Table};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::perform::{Connection, perform};
use super::watch::Watch;
use crate::controller::{Brought, ChangeError, Controller};
use crate::rows::{self, JournalOutcome, JournalRow, journal_key};

/// Elapsed time is kept so often, in milliseconds: what a crash may forget of a budget.
const TICK_MS: u64 = 30_000;
/// The pause before a start that could not be published is tried again.
const FENCE_PAUSE: Duration = Duration::from_secs(5);
/// The pause before a job that may not go on looks again.
const REST: Duration = Duration::from_millis(500);
/// The pause before a change that the store refused is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(2);

/// Runs a job to its end, or until the controller stops. Every line that is logged meanwhile names the job.
pub(crate) async fn run(controller: Arc<Controller>, id: JobId) {
    let span = span(&controller, &id);
    run_in_span(controller, id).instrument(span).await;
}

/// Runs a job that was active when the controller went away. It does nothing before it is kept that it came
/// back: a disk that is full at the start must not leave the job lying until somebody starts the controller anew.
pub(crate) async fn take_up(controller: Arc<Controller>, id: JobId) {
    let span = span(&controller, &id);
    let resumed = async {
        loop {
            match controller.job_event(&id, None, Event::Resumed).await {
                Ok(job) => {
                    tracing::info!(server = %job.server, step = job.phase.label(), "job resumed");
                    return true;
                }
                Err(ChangeError::NoJob { .. }) => return false,
                Err(error) if !again(&controller, &error).await => return false,
                Err(_) => {}
            }
        }
    };
    if resumed.instrument(span.clone()).await {
        run_in_span(controller, id).instrument(span).await;
    } else {
        controller.forget_runner(&id);
    }
}

/// After a change that the store refused: whether to try again, which is not so when the controller stops.
async fn again(controller: &Controller, error: &ChangeError) -> bool {
    error.tell("", "a job's change was not kept; trying again");
    tokio::select! {
        biased;
        () = controller.shutdown.cancelled() => false,
        () = tokio::time::sleep(STORE_PAUSE) => true,
    }
}

fn span(controller: &Controller, id: &JobId) -> tracing::Span {
    let machine = controller.world().jobs.get(id).map(|job| job.machine.clone()).unwrap_or_default();
    tracing::info_span!(
        "job",
        job_id = %id,
        server_serial = machine,
        worker_id = controller.worker_id(),
    )
}

async fn run_in_span(controller: Arc<Controller>, id: JobId) {
    let changed = controller.job_changed(&id);
    let mut connection = Connection::default();
    let mut watch = Watch::default();
    let mut journal = next_journal_number(&controller, &id);
    loop {
        let Some(job) = controller.world().jobs.get(&id).cloned() else { break };
        if job.is_active() && controller.world().control.observe_only {
            // The machine may be another controller's by now: nothing is done to it, and no budget
            // runs, until somebody says whose it is.
            connection.close().await;
            rest(&controller, &changed).await;
            if controller.shutdown.is_cancelled() {
                break;
            }
            continue;
        }
        let step = match next(&job, &controller.settings.budgets) {
            Next::Done => break,
            Next::WaitForPlace => begin(&controller, &changed, &id).await,
            Next::Wait { ms } => {
                connection.close().await;
                wait(&controller, &changed, &mut watch, &job, ms).await
            }
            Next::Perform(effect) => {
                journal += 1;
                act(&controller, &mut connection, &job, effect, journal).await
            }
        };
        if let Err(error) = step
            && !again(&controller, &error).await
        {
            break;
        }
        if controller.shutdown.is_cancelled() {
            break;
        }
    }
    connection.close().await;
    controller.forget_runner(&id);
}

/// Until something changed, but not for long.
async fn rest(controller: &Controller, changed: &tokio::sync::Notify) {
    tokio::select! {
        biased;
        () = controller.shutdown.cancelled() => {}
        () = changed.notified() => {}
        () = tokio::time::sleep(REST) => {}
    }
}

/// What the start consumed is known outside before anything is touched: another controller, or
/// another copy of this database, is found out here.
async fn begin(
    controller: &Controller,
    changed: &tokio::sync::Notify,
    id: &JobId,
) -> Result<(), ChangeError> {
    let server = controller.world().jobs.get(id).map(|job| job.server.clone());
    let Some(server) = server else { return Ok(()) };
    // Nothing was touched yet, so that a pause still holds it.
    if controller.world().control.paused {
        rest(controller, changed).await;
        return Ok(());
    }
    // Power or media may just be corrected there. Whatever comes later sees that a job is active.
    if controller.deeds.claim(&server).is_err() {
        rest(controller, changed).await;
        return Ok(());
    }
    match controller.fence().await {
        Ok(()) => controller.job_event(id, None, Event::Started).await.map(|_| ()),
        Err(why) => {
            // Told once for all that wait.
            tracing::debug!(job_id = %id, why, "waits: its start is not known on the status branch yet");
            tokio::select! {
                biased;
                () = controller.shutdown.cancelled() => {}
                () = changed.notified() => {}
                () = tokio::time::sleep(FENCE_PAUSE) => {}
            }
            Ok(())
        }
    }
}

async fn wait(
    controller: &Controller,
    changed: &tokio::sync::Notify,
    watch: &mut Watch,
    job: &Job,
    ms: u64,
) -> Result<(), ChangeError> {
    let began = Instant::now();
    let longest = Duration::from_millis(ms.min(TICK_MS));
    let pause = watch.pause(controller, job).map_or(longest, |look| look.min(longest));
    let look = async {
        tokio::time::sleep(pause).await;
        watch.is_gone(controller, job).await
    };
    let is_gone = tokio::select! {
        biased;
        is_gone = look => is_gone,
        () = changed.notified() => false,
        () = controller.shutdown.cancelled() => false,
    };
    let ms = began.elapsed().as_millis() as u64;
    let only = Some((job.phase, job.attempt));
    controller.job_event(&job.id, only, Event::Elapsed { ms }).await?;
    if is_gone {
        controller.job_event(&job.id, only, Event::FoundOff).await?;
    }
    Ok(())
}

async fn act(
    controller: &Controller,
    connection: &mut Connection,
    job: &Job,
    effect: Effect,
    number: u32,
) -> Result<(), ChangeError> {
    let mut row = JournalRow {
        attempt: job.attempt,
        effect,
        begun: controller.now(),
        epoch: controller.world().ledger.epoch,
        outcome: None,
    };
    keep_journal(controller, job, number, &row).await?;
    let span = tracing::info_span!("effect", step = job.phase.step().key());
    let began = Instant::now();
    let performed = perform(controller, connection, job, effect).instrument(span);
    let result = tokio::select! {
        biased;
        result = performed => result,
        // A shutdown that is waited for would be forced upon a machine that another controller has started since.
        () = controller.until_fenced() => {
            connection.close().await;
            return Ok(());
        }
    };
    let ms = began.elapsed().as_millis() as u64;
    let error = result.as_ref().err().map(|failure| failure.to_error(job.phase.step(), &job.id));
    row.outcome = Some(JournalOutcome { ended: controller.now(), error });
    let event = match result {
        Ok(report) => Event::Performed(report),
        Err(failure) => Event::NotPerformed(failure),
    };
    let journal = Some((journal_key(&job.id, number), &row));
    let brought = Brought { journal, ..Brought::default() };
    let only = Some((job.phase, job.attempt));
    let events = vec![Event::Elapsed { ms }, event];
    controller.brought_events(&job.id, only, events, &brought).await.map(|_| ())
}

async fn keep_journal(
    controller: &Controller,
    job: &Job,
    number: u32,
    row: &JournalRow,
) -> Result<(), ChangeError> {
    let mut batch = Batch::new();
    rows::put(&mut batch, Table::Journal, journal_key(&job.id, number), row);
    controller.commit(&format!("the journal of job {}", job.id), batch).await
}

fn next_journal_number(controller: &Controller, id: &JobId) -> u32 {
    let prefix = format!("{id}/");
    controller
        .store
        .scan(Table::Journal, &Scan::prefix(prefix.as_bytes()))
        .map(|rows| rows.len() as u32)
        .unwrap_or_default()
}
