// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal status`: the fleet at a glance.

mod rebuild;

use std::fmt::Write as _;

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use shoal_schema::api::{ServerView, StatusView};
use shoal_schema::status::{ConditionType, RecordState, ServerStatus};

use crate::client::ConnectArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::output::{Table, clean, progress};

/// Show what the controller is doing, and how every server stands
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  shoal status
  shoal status web-01 web-02
  shoal status --json | jq '.servers[] | select(.in_git)'
  shoal status rebuild"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<StatusCommand>,
    /// Only these servers, with the last failure of each and the end of its log
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Subcommand)]
enum StatusCommand {
    Rebuild(rebuild::Args),
}

#[derive(Serialize)]
struct Both<'a> {
    controller: &'a StatusView,
    servers: &'a [ServerView],
}

impl Args {
    pub(in crate::cli) fn perform(&self, context: &Context) -> Outcome {
        if let Some(StatusCommand::Rebuild(args)) = &self.command {
            return args.perform(context);
        }
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
            context.data(&format!("\n{}", table(&servers, context.now())))?;
        }
        // Of a whole fleet this would be a wall.
        if !self.servers.is_empty() {
            for server in &servers {
                context.data(&clean(&failed(server)))?;
            }
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

fn table(servers: &[ServerView], now: Timestamp) -> String {
    let mut table = Table::new(&["server", "state", "installed", "power", "job", "what"]);
    for server in servers {
        let (state, what) = state(server);
        let power = server.status.bmc.as_ref().and_then(|bmc| bmc.power.clone()).unwrap_or_default();
        let job = server.status.job.as_ref().filter(|job| job.is_active());
        let far = server.job.as_ref().and_then(|job| job.progress.as_ref());
        let far = far.map(|far| format!(", {}", progress(far, now))).unwrap_or_default();
        let job = job.map(|job| format!("{} {}{far}", job.id.short(), job.status)).unwrap_or_default();
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

/// Why a server failed last, if it did; the job has the log, the server's own record has none.
fn failed(server: &ServerView) -> String {
    let job = server.job.as_ref().and_then(|job| job.error.as_ref());
    let Some(error) = job.or(server.status.last_error.as_ref()) else { return String::new() };
    format!("\n{}: {}", server.status.name, crate::cli::jobs::failure(error))
}

/// What is on the disk, as far as is known.
pub(in crate::cli) fn installed(status: &ServerStatus) -> String {
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
pub(in crate::cli) fn state(server: &ServerView) -> (&'static str, String) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JOB: &str = "0123456789abcdef0123456789abcdef";

    /// A server with a job as the API shows it.
    fn server(job: &serde_json::Value) -> ServerView {
        let mut whole = json!({
            "job_id": JOB, "server_serial": "S1", "server": "web-01", "status": "provisioning",
            "outcome": null, "attempt": 1, "phase": "installing", "failed_step": null, "error": null,
            "created_at": "2026-03-01T12:00:00Z", "last_update": "2026-03-01T12:00:00Z", "events": [],
        });
        for (key, value) in job.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        let summary = json!({"id": JOB, "status": whole["status"], "attempt": 1});
        serde_json::from_value(json!({
            "status": {
                "apiVersion": "shoal.dev/v1", "name": "web-01", "conditions": [], "job": summary,
                "record": {"number": 1, "state": "dirty"},
            },
            "file": "servers/web-01.yaml", "in_git": true, "entry": null, "waits": null, "job": whole,
        }))
        .expect("a server")
    }

    #[test]
    fn the_table_shows_how_far_a_machine_is() {
        let progress = json!({
            "step": "image-linux", "bytes": 52_428_800, "total": 121_634_816, "written": 0,
            "rate": 31_457_280, "done": false, "at": "2026-03-01T12:00:00Z",
        });
        let text =
            table(&[server(&json!({"progress": progress}))], "2026-03-01T12:00:02Z".parse().expect("a time"));
        assert!(text.contains("provisioning, image-linux 52.4 of 121.6 MB, 31.5 MB/s"), "{text}");
        assert_eq!(failed(&server(&json!({}))), "");
    }

    #[test]
    fn a_failure_is_shown_with_its_code_its_hint_and_the_end_of_its_log() {
        let error = json!({
            "step": "workflow.image-linux", "unit": "image-linux.service", "code": "disk_full",
            "message": "unpack the image: no room", "hint": "make the root larger",
            "logTail": "[imager] one\n[imager] two",
        });
        let text = failed(&server(&json!({"status": "complete", "outcome": "failed", "error": error})));
        assert_eq!(
            text,
            "\nweb-01: failed at workflow.image-linux in image-linux.service: unpack the image: no room \
             (disk_full)\n  | [imager] one\n  | [imager] two\n\nhint: make the root larger\n"
        );
    }
}
