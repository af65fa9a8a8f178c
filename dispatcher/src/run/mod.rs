// SPDX-License-Identifier: AGPL-3.0-or-later
//! One run, from an empty `/run/provision` to a started target or a reported failure.
//!
//! # Guarantees
//!
//! * A run in a boot that already has an outcome delivers that outcome again, and does nothing else; a run in a boot
//!   that already handed over starts the same target again, which systemd ignores when it runs.
//! * Every failure behind a readable task is claimed and delivered before the run ends.
//!
//! # What happens on a crash
//!
//! Before the hand-over: the next run of the same boot does everything again; the permit is bound to (attempt, boot
//! id), so the controller gives the same answer. After it: see above.

mod error;
mod hand_over;
mod stages;

use shoal_schema::wire::task::Task;

use crate::cause::chain;
use crate::documents::TaskSheet;
use crate::exit::Exit;
use crate::host::Host;
use crate::medium::{self, TASK_NAME, TaskMedium};
use crate::output::{HANDED_OFF, OutputFile, SESSION};
use crate::redact::Redactor;
use crate::run_log::RunLog;
use crate::session::Session;
use crate::settings::Settings;
use crate::webhook::{self, Claim, Delivery, Outcome};

pub use error::RunError;

/// What a run came to.
pub struct Report {
    /// The exit code.
    pub exit: Exit,
    /// What was done.
    pub end: End,
    /// Whether and how the controller was told.
    pub delivery: Option<Delivery>,
    /// What went on, line by line.
    pub log: RunLog,
}

/// The end of a run.
pub enum End {
    /// The target was started, or would have been.
    HandedOver {
        /// The target.
        target: String,
    },
    /// The entry is installed already; nothing was written.
    AlreadyInstalled,
    /// An earlier run of this boot had an outcome.
    Repeated,
    /// Nothing was started.
    Failed {
        /// The unit that the failure is reported as.
        unit: &'static str,
        /// A stable word.
        code: String,
        /// The error and its causes.
        message: String,
    },
}

/// How far a run got without failing.
enum Passed {
    HandedOver { target: String },
    AlreadyInstalled,
}

/// Runs the dispatcher once.
pub async fn run<H: Host + ?Sized>(host: &H, settings: &Settings) -> Report {
    let mut log = RunLog::default();
    match repeat(host, settings, &mut log).await {
        Ok(None) => {}
        Ok(Some((exit, end, delivery))) => return Report { exit, end, delivery, log },
        Err(error) => return failed(error, None, log),
    }
    let (sheet, medium) = match open(host, settings, &mut log).await {
        Ok(opened) => opened,
        // Without a task nobody knows whom to tell.
        Err(error) => return failed(error, None, log),
    };
    let task = &sheet.task;
    let mut session = Session::new(task, host.boot_id().await.ok(), host.now());
    let mut redactor = Redactor::default();
    redactor.add(&task.token);
    let mut stages = stages::Stages { host, settings, sheet: &sheet, medium: &medium, log: &mut log };
    let result = stages.run(&mut session, &mut redactor).await;
    match result {
        Ok(Passed::HandedOver { target }) => {
            let end = End::HandedOver { target };
            Report { exit: Exit::HandedOff, end, delivery: None, log }
        }
        Ok(Passed::AlreadyInstalled) => {
            let delivery = tell(host, settings, &sheet, &session, &redactor, None, &mut log).await;
            let told = delivery.as_ref().is_some_and(|delivery| delivery.accepted);
            let exit = if told { Exit::HandedOff } else { Exit::Unreported };
            Report { exit, end: End::AlreadyInstalled, delivery, log }
        }
        Err(error) => {
            log.warn("failed", chain(&error));
            let delivery = tell(host, settings, &sheet, &session, &redactor, Some(&error), &mut log).await;
            failed(error, delivery, log)
        }
    }
}

fn failed(error: RunError, delivery: Option<Delivery>, log: RunLog) -> Report {
    let message = chain(&error);
    let end = End::Failed { unit: error.unit(), code: error.code().to_owned(), message };
    Report { exit: error.exit(), end, delivery, log }
}

/// What an earlier run of this boot left to do.
async fn repeat<H: Host + ?Sized>(
    host: &H,
    settings: &Settings,
    log: &mut RunLog,
) -> Result<Option<(Exit, End, Option<Delivery>)>, RunError> {
    if let Some(claim) = webhook::claimed(host).await? {
        log.note("an earlier run of this boot had an outcome", claim.exit.meaning());
        let delivery = match session(host).await? {
            Some(session) => Some(deliver(host, settings, &session, &claim, log).await?),
            None => None,
        };
        return Ok(Some((claim.exit_after(delivery.as_ref()), End::Repeated, delivery)));
    }
    let started = host.read(HANDED_OFF).await.map_err(RunError::output(HANDED_OFF))?;
    let Some(started) = started else { return Ok(None) };
    let target = String::from_utf8_lossy(&started).trim().to_owned();
    log.note("an earlier run of this boot handed over", &target);
    if settings.start {
        hand_over::start(host, &target).await?;
    }
    Ok(Some((Exit::HandedOff, End::HandedOver { target }, None)))
}

/// The session that an earlier run, or the dispatcher before this unit, left.
pub async fn session<H: Host + ?Sized>(host: &H) -> Result<Option<Session>, RunError> {
    let content = host.read(SESSION).await.map_err(RunError::output(SESSION))?;
    content
        .map(|content| serde_json::from_slice(&content).map_err(|source| RunError::Session { source }))
        .transpose()
}

async fn open<H: Host + ?Sized>(
    host: &H,
    settings: &Settings,
    log: &mut RunLog,
) -> Result<(TaskSheet, TaskMedium), RunError> {
    let names = [TASK_NAME.to_owned(), settings.recipe_name.clone(), settings.schema_name.clone()];
    let medium = medium::find(host, &names, settings.medium_wait, settings.poll_interval, log).await?;
    let sheet = crate::documents::task(&medium.files)?;
    let Task { job_id, attempt, server, .. } = &sheet.task;
    log.note("task read", format!("job {job_id} attempt {attempt} for {server}"));
    Ok((sheet, medium))
}

/// Claims the outcome and delivers the one that counts. Nothing when not even a connection can be made.
async fn tell<H: Host + ?Sized>(
    host: &H,
    settings: &Settings,
    sheet: &TaskSheet,
    session: &Session,
    redactor: &Redactor,
    error: Option<&RunError>,
    log: &mut RunLog,
) -> Option<Delivery> {
    let outcome = match error {
        None => Outcome::Success,
        Some(error) => Outcome::Failed {
            unit: error.unit().to_owned(),
            code: error.code().to_owned(),
            message: chain(error),
            hint: None,
            log: log.text(),
        },
    };
    let exit = error.map_or(Exit::HandedOff, RunError::exit);
    let body = webhook::body(session, &outcome, redactor, host.now());
    let claim = Claim { body, exit };
    let claim = match webhook::claim(host, claim.clone()).await {
        Ok(claim) => claim,
        Err(error) => {
            // Being unable to keep it is no reason not to tell it.
            log.warn("outcome not kept", chain(&error));
            claim
        }
    };
    let transport = match host.connect(&sheet.endpoint) {
        Ok(transport) => transport,
        Err(error) => {
            log.warn("outcome not delivered", chain(&error));
            return None;
        }
    };
    let (machine, token) = (&session.machine, &session.token);
    Some(
        webhook::deliver(transport.as_ref(), host, machine, token, &claim.body, &settings.webhook, log).await,
    )
}

/// Delivers an outcome that was claimed before.
pub async fn deliver<H: Host + ?Sized>(
    host: &H,
    settings: &Settings,
    session: &Session,
    claim: &Claim,
    log: &mut RunLog,
) -> Result<Delivery, RunError> {
    let endpoint = crate::endpoint::Endpoint::try_from(&session.callback)
        .map_err(crate::documents::DocumentError::from)?;
    let transport = host.connect(&endpoint).map_err(crate::permit::PermitError::Setup)?;
    let (machine, token) = (&session.machine, &session.token);
    Ok(webhook::deliver(transport.as_ref(), host, machine, token, &claim.body, &settings.webhook, log).await)
}

/// Writes the session where later units find it.
async fn keep_session<H: Host + ?Sized>(host: &H, session: &Session) -> Result<(), RunError> {
    let content = serde_json::to_vec(session).map_err(|source| RunError::Session { source })?;
    host.write(&OutputFile::secret(SESSION, content)).await.map_err(RunError::output(SESSION))
}
