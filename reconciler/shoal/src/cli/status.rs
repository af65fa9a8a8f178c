// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal status`: the fleet at a glance.

use std::fmt::Write as _;

use serde::Serialize;
use shoal_schema::api::{ServerView, StatusView};
use shoal_schema::status::{ConditionType, RecordState, ServerStatus};

use crate::client::ConnectArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::output::{Table, clean};

/// Show what the controller is doing, and how every server stands
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal status
  shoal status web-01 web-02
  shoal status --json | jq '.servers[] | select(.in_git)'")]
pub(crate) struct Args {
    /// Only these servers
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Serialize)]
struct Both<'a> {
    controller: &'a StatusView,
    servers: &'a [ServerView],
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let client = self.connect.client(context)?;
        let controller: StatusView = client.get(context, "/api/v1/status")?;
        let mut servers: Vec<ServerView> = client.get(context, "/api/v1/servers")?;
        if !self.servers.is_empty() {
            let known: Vec<String> = servers.iter().map(|server| server.status.name.clone()).collect();
            let unknown: Vec<&str> =
                self.servers.iter().filter(|name| !known.contains(name)).map(String::as_str).collect();
            if !unknown.is_empty() {
                let message = format!("the controller knows no server {}", unknown.join(", "));
                return Err(CliError::user("server.unknown", message));
            }
            servers.retain(|server| self.servers.contains(&server.status.name));
        }
        if self.json {
            context.json(&Both { controller: &controller, servers: &servers })?;
            return Ok(0);
        }
        context.data(&clean(&overview(&controller)))?;
        if !servers.is_empty() {
            context.data(&format!("\n{}", table(&servers)))?;
        }
        Ok(0)
    }
}

fn overview(view: &StatusView) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "shoal {}, ledger {}, counter {}", view.version, view.ledger.short(), view.counter);
    let commit = view.commit.as_deref().map_or("no commit", short);
    let age = view.source_age_seconds.map_or_else(String::new, |age| format!(", read {age}s ago"));
    let _ = writeln!(out, "in force: {commit}{age}");
    if let Some(summary) = &view.summary {
        let _ = writeln!(
            out,
            "{} servers: {} as wanted, {} safe, {} disruptive, {} destructive ({} unapproved, {} held); active jobs: {}",
            summary.servers,
            summary.unchanged,
            summary.safe,
            summary.disruptive,
            summary.destructive,
            summary.unapproved,
            summary.held,
            view.active_jobs
        );
    }
    if view.paused {
        out.push_str("paused: no new job and no new permit; 'shoal pause --off' goes on\n");
    }
    if view.observe_only {
        out.push_str(
            "only observing: the status branch is another controller's; 'shoal takeover' ends that\n",
        );
    }
    if let Some(refused) = &view.refused {
        let _ = writeln!(out, "refused: {}: {}", short(&refused.commit), refused.message);
    }
    if let Some(error) = &view.source_error {
        let _ = writeln!(out, "the inventory cannot be read: {error}");
    }
    for guard in &view.guards {
        let _ = writeln!(out, "held: {} ({})", guard.message, guard.hint);
    }
    for problem in view.problems.iter().take(20) {
        let _ = writeln!(out, "error: {}: {}", problem.place, problem.message);
    }
    if view.problems.len() > 20 {
        let _ = writeln!(out, "and {} more errors; 'shoal validate' shows them", view.problems.len() - 20);
    }
    out
}

fn table(servers: &[ServerView]) -> String {
    let mut table = Table::new(&["server", "state", "installed", "power", "job", "what"]);
    for server in servers {
        let (state, what) = state(server);
        let power = server.status.bmc.as_ref().and_then(|bmc| bmc.power.clone()).unwrap_or_default();
        let job = server.status.job.as_ref().filter(|job| job.status != "complete");
        let job = job.map(|job| format!("{} {}", job.id.short(), job.status)).unwrap_or_default();
        table.row([
            server.status.name.clone(),
            state.to_owned(),
            installed(&server.status),
            power,
            job,
            what,
        ]);
    }
    table.render()
}

/// What is on the disk, as far as is known.
pub(super) fn installed(status: &ServerStatus) -> String {
    let what = status.record.installed.as_ref().map(|on| format!("{} {}", on.image, on.version));
    match (what, status.record.state) {
        (_, RecordState::Unknown) => "unknown".to_owned(),
        (_, RecordState::Dirty) => "unfinished".to_owned(),
        (Some(what), RecordState::Installed) => what,
        (Some(what), RecordState::Adopted) => format!("{what} (adopted)"),
        (Some(what), RecordState::Released) => format!("{what} (released)"),
        (Some(what), RecordState::Restored) => format!("{what} (restored)"),
        (None, _) => "nothing recorded".to_owned(),
    }
}

/// The condition that matters most, and why.
pub(super) fn state(server: &ServerView) -> (&'static str, String) {
    let holds = |kind| server.status.conditions.iter().find(move |c| c.kind == kind && c.status);
    for (kind, word) in [
        (ConditionType::Stalled, "stalled"),
        (ConditionType::Suspended, "suspended"),
        (ConditionType::Reconciling, "reconciling"),
        (ConditionType::Drifted, "drifted"),
        (ConditionType::Ready, "ready"),
    ] {
        if let Some(condition) = holds(kind) {
            let quiet = kind == ConditionType::Ready;
            return (word, if quiet { String::new() } else { condition.message.clone() });
        }
    }
    let waits = server.waits.clone();
    let hold = server.entry.as_ref().and_then(|entry| entry.holds.first()).map(|hold| hold.message.clone());
    ("waiting", hold.or(waits).unwrap_or_default())
}

/// A commit's first twelve digits.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
