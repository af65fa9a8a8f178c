// SPDX-License-Identifier: AGPL-3.0-or-later
//! Watches the controller over HTTP: one line for each server, until something is so.

use std::time::Duration;

use anyhow::bail;
use shoal_schema::api::ServerView;
use shoal_schema::plan::Class;
use shoal_schema::status::ConditionType;
use tokio::time::Instant;

use super::screen::{Mood, Screen};
use shoal_testbed_site::Peer;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Watches until `done` says so of all servers; an error with who is where after `patience`.
pub(crate) async fn until(
    screen: &Screen,
    controller: &Peer,
    what: &str,
    patience: Duration,
    mut done: impl FnMut(&[ServerView]) -> bool,
) -> anyhow::Result<Vec<ServerView>> {
    let deadline = Instant::now() + patience;
    let mut last = Vec::new();
    loop {
        // While it starts nobody answers; that is what the patience is for.
        let trouble = match controller.json::<Vec<ServerView>>("/api/v1/servers").await {
            Ok(servers) => {
                for server in &servers {
                    let (mood, text) = line(server);
                    screen.server(&server.status.name, mood, &text);
                }
                if done(&servers) {
                    return Ok(servers);
                }
                last = servers;
                String::new()
            }
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            let lines: Vec<String> =
                last.iter().map(|server| format!("{}: {}", server.status.name, line(server).1)).collect();
            bail!("{what}: not in {} s\n{trouble}\n{}", patience.as_secs(), lines.join("\n"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A job is active on the server.
pub(crate) fn is_active(server: &ServerView) -> bool {
    server.job.as_ref().is_some_and(|job| job.status != "complete")
}

/// A condition's reason, where it holds.
pub(crate) fn condition(server: &ServerView, kind: ConditionType) -> Option<&str> {
    let held = server.status.conditions.iter().find(|condition| condition.kind == kind && condition.status);
    held.map(|condition| condition.reason.as_str())
}

/// How a server is doing, in one line.
fn line(server: &ServerView) -> (Mood, String) {
    let status = &server.status;
    if let Some(job) = server.job.as_ref().filter(|job| job.status != "complete") {
        let attempt = if job.attempt > 1 { format!(" (attempt {})", job.attempt) } else { String::new() };
        return (Mood::Busy, format!("{}{attempt}", job.phase));
    }
    if condition(server, ConditionType::Stalled).is_some() {
        let why = status.last_error.as_ref().map_or_else(
            || "stalled".to_owned(),
            |error| format!("failed at {}: {}", error.step.key(), error.message),
        );
        return (Mood::Bad, why);
    }
    if let Some(entry) = server.entry.as_ref().filter(|entry| entry.class == Class::Destructive) {
        if condition(server, ConditionType::Reconciling) == Some("ApprovalNeeded") {
            return (Mood::Held, format!("waits for approval of entry {}", entry.digest.short()));
        }
        let waits = server.waits.clone().or_else(|| entry.holds.first().map(|hold| hold.message.clone()));
        return (Mood::Idle, waits.unwrap_or_else(|| "waits for its turn".to_owned()));
    }
    match &status.record.installed {
        Some(installed) if installed.boot_observed => {
            (Mood::Good, format!("runs {} {}", installed.image, installed.version))
        }
        Some(installed) => (Mood::Good, format!("{} {} is installed", installed.image, installed.version)),
        None => (Mood::Idle, "known".to_owned()),
    }
}
