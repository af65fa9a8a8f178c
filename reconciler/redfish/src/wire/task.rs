// SPDX-License-Identifier: AGPL-3.0-or-later
//! Waiting for the task behind a 202.
//!
//! # Caveats
//! A task that vanished (404, 410) is unknown, not done: iDRAC before 5.00 purges tasks after
//! a minute. So is one whose own resource is answered 5xx. The caller reads the resource itself in
//! any case.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Failure, Wire};
use super::exchange::{Answer, Request};
use super::message::Messages;
use super::refusal::Refusal;
use super::retry::Replay;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::model::json;
use crate::rules::{Rule, Rules};

/// How a task ended, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskEnd {
    /// The answer was no 202.
    NotATask,
    /// The BMC says that it is done.
    Completed,
    /// The BMC says nothing more about it, or did not come to an end in time.
    Unknown,
}

/// Where a task can be asked about, best first.
pub(crate) fn places(answer: &Answer, rules: Rules, path_of: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    let body = answer.body.as_ref().unwrap_or(&Value::Null);
    let is_task = json::text(body, "TaskState").is_some()
        || json::text(body, "@odata.type").is_some_and(|kind| kind.contains("#Task."));
    let from_body = is_task.then(|| json::target(body)).flatten();
    let monitor = json::text(body, "TaskMonitor");
    for location in
        [from_body.as_deref(), answer.location(), answer.header("taskmonitor"), monitor.as_deref()]
            .into_iter()
            .flatten()
    {
        let Some(path) = path_of(location) else {
            continue;
        };
        // Monitors come in two spellings; the task itself says more than its monitor.
        let task =
            path.trim_end_matches('/').trim_end_matches("/Monitor").replace("/TaskMonitors/", "/Tasks/");
        // Of `/Monitor` alone nothing is left.
        let many = rules.has(Rule::TaskMonitorsHaveManySpellings) && !task.is_empty();
        for place in std::iter::once(path).chain(many.then_some(task)) {
            if !places.iter().any(|known| json::same_path(known, &place)) {
                places.push(place);
            }
        }
    }
    places
}

fn is_under_way(state: &str) -> bool {
    matches!(
        state,
        "New"
            | "Starting"
            | "Running"
            | "Pending"
            | "Service"
            | "Stopping"
            | "Suspended"
            | "Interrupted"
            | "Cancelling"
    )
}

/// Waits for the task behind `answer` until `deadline`. A task that failed is an error.
pub(crate) async fn wait(
    wire: &Wire,
    op: Op,
    answer: &Answer,
    deadline: Instant,
    poll: Duration,
) -> Result<TaskEnd, Error> {
    if answer.status != 202 || !wire.rules().has(Rule::TasksAreFollowed) {
        return Ok(TaskEnd::NotATask);
    }
    let mut places = places(answer, wire.rules(), |location| wire.path_of(location)).into_iter();
    let Some(mut place) = places.next() else {
        return Ok(TaskEnd::Unknown);
    };
    loop {
        let request = Request { method: Method::GET, path: place.clone(), body: None, condition: None };
        match wire.send(op, request, Replay::Anything).await {
            Ok(answer) => {
                let body = answer.body.as_ref().unwrap_or(&Value::Null);
                match json::text(body, "TaskState") {
                    Some(state) if state == "Completed" => {
                        return if json::text(body, "TaskStatus").as_deref() == Some("Critical") {
                            Err(failed(wire, op, &place, &state, body))
                        } else {
                            Ok(TaskEnd::Completed)
                        };
                    }
                    Some(state) if matches!(state.as_str(), "Exception" | "Killed" | "Cancelled") => {
                        return Err(failed(wire, op, &place, &state, body));
                    }
                    Some(state) if is_under_way(&state) => {}
                    // A word that the schema does not know is no end.
                    Some(_) => {}
                    // A monitor answers 202 while the task runs, and then what the action would have.
                    None if answer.status == 202 => {}
                    None => return Ok(TaskEnd::Completed),
                }
            }
            Err(Failure::Refused(refusal)) if matches!(refusal.status, 404 | 405 | 410) => {
                match places.next() {
                    Some(next) => {
                        place = next;
                        continue;
                    }
                    None if wire.rules().has(Rule::VanishedTasksAreUnknown) => return Ok(TaskEnd::Unknown),
                    None => return Err(wire.failed(op, &place, Failure::Refused(refusal))),
                }
            }
            // Repeated by the wire already. What the task is about will tell how it ends.
            Err(Failure::Refused(refusal))
                if (refusal.status >= 500 || refusal.is_not_now())
                    && wire.rules().has(Rule::FailingTasksAreStillRunning) =>
            {
                return Ok(TaskEnd::Unknown);
            }
            Err(failure) => return Err(wire.failed(op, &place, failure)),
        }
        if Instant::now() + poll >= deadline {
            return Ok(TaskEnd::Unknown);
        }
        tokio::time::sleep(poll).await;
    }
}

/// The error of a failed task: its messages may name a cause that an operator can act on.
fn failed(wire: &Wire, op: Op, place: &str, state: &str, body: &Value) -> Error {
    let refusal = {
        let rules = wire.rules();
        Refusal { status: 400, messages: Messages::read(body, rules), retry_after: None, rules }
    };
    let kind = match wire.kind_of(&refusal) {
        ErrorKind::Refused { message, .. } => ErrorKind::TaskFailed { state: state.to_owned(), message },
        known => known,
    };
    wire.error(op, Some(place), kind)
}
