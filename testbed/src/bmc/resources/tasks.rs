// SPDX-License-Identifier: AGPL-3.0-or-later
//! TaskService and the tasks of insertions and ejections, where a model answers with tasks.

use serde_json::{Map, Value, json};

use super::View;
use crate::bmc::errors;
use crate::bmc::profiles::OwnBoot;
use crate::bmc::routes::Resource;
use crate::bmc::state::Task;

pub(super) fn service(view: &View<'_>) -> Map<String, Value> {
    let version = view.profile.versions.task_service;
    let mut map = view.entity(&Resource::TaskService, "TaskService", version, "TaskService", "Task Service");
    map.insert("ServiceEnabled".into(), json!(true));
    map.insert("Status".into(), json!({"Health": "OK", "State": "Enabled"}));
    map.insert("Tasks".into(), view.link(&Resource::Tasks));
    map
}

pub(super) fn collection(view: &View<'_>) -> Map<String, Value> {
    let there = view.state.tasks.iter().filter(|task| is_there(view, task));
    let members: Vec<Resource> = there.map(|task| Resource::Task(task.id)).collect();
    view.collection(&Resource::Tasks, "TaskCollection", "Task Collection", &members)
}

pub(super) fn task(view: &View<'_>, id: u64) -> Option<Map<String, Value>> {
    let task = view.state.tasks.iter().find(|task| task.id == id && is_there(view, task))?;
    let resource = Resource::Task(id);
    let version = view.profile.versions.task;
    let mut map = view.entity(&resource, "Task", version, &id.to_string(), task.name);
    let time = |at: jiff::Timestamp| json!(at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
    map.insert("StartTime".into(), time(task.started));
    map.insert("TaskMonitor".into(), json!(format!("/redfish/v1/TaskService/TaskMonitors/{id}")));
    let (state, health, messages) = match &task.outcome {
        None => ("Running", "OK", Value::Array(Vec::new())),
        Some((_, _, Ok(()))) => ("Completed", "OK", Value::Array(Vec::new())),
        Some((_, _, Err(refusal))) => {
            let said = refusal.said_by(view.profile);
            let message = errors::message(view.profile, &said);
            let as_object = view.profile.media.tasks.as_ref().is_some_and(|tasks| tasks.messages_is_object);
            ("Exception", "Warning", if as_object { message } else { json!([message]) })
        }
    };
    if let Some((at, _, _)) = &task.outcome {
        map.insert("EndTime".into(), time(*at));
    }
    map.insert("TaskState".into(), json!(state));
    map.insert("TaskStatus".into(), json!(health));
    map.insert("Messages".into(), messages);
    Some(map)
}

/// A task that has ended is forgotten after a while. That while is not scaled: it is the client's to use.
fn is_there(view: &View<'_>, task: &Task) -> bool {
    let kept = view.profile.media.tasks.as_ref().map(|tasks| tasks.kept).or(match view.profile.boot.own {
        OwnBoot::Import { kept, .. } => Some(kept),
        _ => None,
    });
    match (&task.outcome, kept) {
        (Some((_, ended, _)), Some(kept)) => view.elapsed < *ended + kept,
        _ => true,
    }
}
