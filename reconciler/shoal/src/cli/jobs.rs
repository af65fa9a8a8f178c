// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal jobs`: what is being done, what was done, and an end to it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use shoal_schema::api::{Done, JobEvent, JobProgress, JobView, Level};
use shoal_schema::status::LastError;

use super::reconcile::said;
use crate::client::{Client, ConnectArgs, segment};
use crate::error::{CliError, Kind, Outcome};
use crate::host::Context;
use crate::output::{Table, ago, clean, is_news, progress};

/// How often a watched job is looked at.
const PACE: Duration = Duration::from_secs(1);
/// While something is watched, a controller may be restarted: it is waited for so many looks.
const MISSED: u32 = 120;

/// List jobs, look at one, or cancel one
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  shoal jobs
  shoal jobs --watch                      until none is active
  shoal jobs show 1a2b3c4d --watch        its events as they come
  shoal jobs cancel 1a2b3c4d"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<JobsCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(Subcommand)]
enum JobsCommand {
    Show(Show),
    Cancel(Cancel),
}

#[derive(clap::Args)]
struct List {
    /// Only jobs that are active
    #[arg(long)]
    active: bool,
    /// Say what changes, until no job is active
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Show a job with everything that happened to it
#[derive(clap::Args)]
#[command(after_help = "Exit codes with --watch: 0 it succeeded, 1 it failed.")]
struct Show {
    /// The job, at least 6 digits of its id
    #[arg(value_name = "ID", value_parser = job_id)]
    id: String,
    /// Say what happens, until the job is complete
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Cancel a job and leave its machine in order
///
/// Before the machine has its permit nothing was written, and nothing will be. After it the machine
/// finishes, and the server is held.
#[derive(clap::Args)]
struct Cancel {
    /// The job, at least 6 digits of its id
    #[arg(value_name = "ID", value_parser = job_id)]
    id: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

fn job_id(text: &str) -> Result<String, String> {
    let fits = (6..=32).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected 6 to 32 digits of a job's id, as 'shoal jobs' shows it".to_owned())
    }
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            None => self.list.perform(context),
            Some(JobsCommand::Show(show)) => show.perform(context),
            Some(JobsCommand::Cancel(cancel)) => cancel.perform(context),
        }
    }
}

impl List {
    fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let mut jobs: Vec<JobView> = client.get(context, "/api/v1/jobs")?;
        // While watching, what ends must be seen to end.
        if self.active && !self.watch {
            jobs.retain(is_active);
        }
        if self.json {
            context.json(&jobs)?;
            return Ok(0);
        }
        if jobs.is_empty() {
            context.say("no jobs");
        } else {
            context.data(&table(context, &jobs))?;
        }
        while self.watch && jobs.iter().any(is_active) {
            let mut after: Vec<JobView> = look_again(context, &client, "/api/v1/jobs")?;
            for job in &mut after {
                let before = jobs.iter().find(|before| before.job_id == job.job_id);
                let moved = before.is_none_or(|before| {
                    before.phase != job.phase
                        || before.status != job.status
                        || news(before.progress.as_ref(), job).is_some()
                });
                if moved {
                    context.data(&clean(&format!("{}\n", line(job, context.now()))))?;
                } else if let Some(before) = before {
                    // What was said last is what the next look is compared with.
                    job.progress.clone_from(&before.progress);
                }
            }
            jobs = after;
        }
        Ok(0)
    }
}

impl Show {
    fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let path = format!("/api/v1/jobs/{}", segment(&self.id));
        let mut job: JobView = client.get(context, &path)?;
        if self.json {
            context.json(&job)?;
            return Ok(0);
        }
        context.data(&clean(&text(&job, context.now())))?;
        let mut seen = job.events.len();
        let mut told = job.progress.clone();
        while self.watch && is_active(&job) {
            job = look_again(context, &client, &path)?;
            for event in job.events.iter().skip(seen) {
                context.data(&clean(&format!("{}\n", event_line(event))))?;
            }
            if let Some(now) = news(told.as_ref(), &job) {
                context.data(&clean(&format!("  {}\n", progress(now, context.now()))))?;
                told = Some(now.clone());
            }
            // Old events may be dropped; what is there now was said.
            seen = job.events.len();
            if !is_active(&job) {
                context.data(&clean(&ending(&job)))?;
            }
        }
        let failed = self.watch && job.outcome.as_deref() != Some("succeeded");
        Ok(u8::from(failed))
    }
}

impl Cancel {
    fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let path = format!("/api/v1/jobs/{}", segment(&self.id));
        // By its whole id: digits that fit two jobs by then cancel neither.
        let job: JobView = client.get(context, &path)?;
        let path = format!("/api/v1/jobs/{}/cancel", job.job_id);
        let done: Done = client.post(context, &path, &serde_json::json!({}))?;
        said(context, &done, self.json)
    }
}

/// Looks once more, a little later; waits for a controller that is being restarted.
fn look_again<T: DeserializeOwned>(context: &Context, client: &Client, path: &str) -> Result<T, CliError> {
    let mut missed = 0;
    loop {
        context.wait(tokio::time::sleep(PACE));
        match client.get(context, path) {
            Err(error) if error.kind() == Kind::Hardware && missed < MISSED => {
                if missed == 0 {
                    context.say("the controller does not answer; waiting for it");
                }
                missed += 1;
            }
            other => return other,
        }
    }
}

/// Where a job's machine is, if that is worth another line.
fn news<'a>(told: Option<&JobProgress>, job: &'a JobView) -> Option<&'a JobProgress> {
    job.progress.as_ref().filter(|now| is_news(told, now))
}

fn is_active(job: &JobView) -> bool {
    job.status != "complete"
}

fn table(context: &Context, jobs: &[JobView]) -> String {
    let mut table = Table::new(&["job", "server", "status", "outcome", "attempt", "phase", "changed"]);
    for job in jobs {
        table.row([
            job.job_id.short(),
            &job.server,
            &job.status,
            job.outcome.as_deref().unwrap_or(""),
            &job.attempt.to_string(),
            &phase(job, context.now()),
            &ago(job.last_update, context.now()),
        ]);
    }
    table.render()
}

/// Where it is, and how far its machine is there.
fn phase(job: &JobView, now: Timestamp) -> String {
    match &job.progress {
        Some(far) => format!("{}: {}", job.phase, progress(far, now)),
        None => job.phase.clone(),
    }
}

fn line(job: &JobView, now: Timestamp) -> String {
    let outcome = job.outcome.as_ref().map(|outcome| format!(", {outcome}")).unwrap_or_default();
    let attempt = if job.attempt > 1 { format!(", attempt {}", job.attempt) } else { String::new() };
    format!("{} {}  {} ({}{attempt}{outcome})", job.job_id.short(), job.server, job.status, phase(job, now))
}

/// A job, for people.
pub(super) fn text(job: &JobView, now: Timestamp) -> String {
    let mut out = format!("{}\n", line(job, now));
    for event in &job.events {
        let _ = writeln!(out, "{}", event_line(event));
    }
    if !is_active(job) {
        out.push_str(&ending(job));
    }
    out
}

fn event_line(event: &JobEvent) -> String {
    let level = match event.level {
        Level::Info => "",
        Level::Warning => "warning: ",
        Level::Error => "error: ",
    };
    let step = event.step.map(|step| format!("[{}] ", step.key())).unwrap_or_default();
    let time = event.time.strftime("%Y-%m-%d %H:%M:%S");
    format!("  {time}  {step}{level}{}", event.message)
}

fn ending(job: &JobView) -> String {
    job.error.as_ref().map(failure).unwrap_or_default()
}

/// Why something failed, for people: where, code, message, the end of the log, what to do.
pub(super) fn failure(error: &LastError) -> String {
    let unit = error.unit.as_ref().map(|unit| format!(" in {unit}")).unwrap_or_default();
    let mut out = format!("failed at {}{unit}: {} ({})\n", error.step.key(), error.message, error.code);
    if let Some(log) = &error.log_tail {
        for line in log.lines() {
            let _ = writeln!(out, "  | {line}");
        }
    }
    let _ = writeln!(out, "\nhint: {}", error.hint);
    out
}
