// SPDX-License-Identifier: AGPL-3.0-or-later
//! What operators do: they look, agree, cancel, retry, accept.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::commits::{commit, pick_name};
use crate::controllers::{ask, hosts};
use crate::oracle::Agreed;
use crate::world::World;

async fn get(world: &Arc<World>, path: &str) -> Option<Value> {
    let answer = ask(world, hosts(0).0, "GET", path, &[], Vec::new()).await?;
    (answer.status == 200).then(|| answer.json())
}

/// What the controller shows.
pub(crate) async fn shown(world: &Arc<World>, path: &str) -> Option<Value> {
    get(world, path).await
}

/// An operator says something.
pub(crate) async fn post(world: &Arc<World>, path: &str, body: Value) {
    let json = vec![("content-type", "application/json".to_owned())];
    let answer = ask(world, hosts(0).0, "POST", path, &json, body.to_string().into_bytes()).await;
    world.say("operator", || {
        let text = answer.map(|answer| (answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
        format!("{path}: {text:?}")
    });
}

/// Cancels the job of a server.
pub(crate) async fn cancel(world: &Arc<World>, n: u64) {
    let job = world.with(|state| {
        let name = pick_name(&state.wanted, n)?;
        state.jobs[0].iter().find(|(_, job)| job.server == name).map(|(id, _)| id.clone())
    });
    if let Some(id) = job {
        post(world, &format!("/api/v1/jobs/{id}/cancel"), json!({})).await;
    }
}

/// Accepts whatever stands in Git now.
pub(crate) async fn accept(world: &Arc<World>) {
    let Some(tip) = world.git(|git| git.main) else { return };
    // The controller must have seen it to take it.
    post(world, "/api/v1/reconcile", json!({})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    post(world, "/api/v1/accept", json!({"revision": tip.to_string()})).await;
}

/// Agrees to what waits for it: every entry where the number is 0, one of them elsewhere.
pub(crate) async fn approve(world: &Arc<World>, n: u64, action: &str) {
    let Some(plan) = get(world, "/api/v1/plan").await else { return };
    let waits = |entry: &&Value| {
        matches!(entry["action"].as_str(), Some("install" | "reinstall"))
            && matches!(entry["approval"]["state"].as_str(), Some("needed" | "expired"))
    };
    let entries: Vec<Value> =
        plan["entries"].as_array().into_iter().flatten().filter(waits).cloned().collect();
    let chosen: Vec<&Value> = match (n, entries.len()) {
        (_, 0) => return,
        (0, _) => entries.iter().collect(),
        (n, count) => vec![&entries[n as usize % count]],
    };
    let shown = plan["source"]["commit"].as_str().and_then(|text| text.parse().ok());
    world.with(|state| {
        let Some(seen) = shown.and_then(|id| state.commits.get(&id)).cloned() else { return };
        let mut agreed = Vec::new();
        for entry in chosen {
            let (name, digest) = (entry["server"].as_str(), entry["digest"].as_str());
            let (Some(name), Some(digest)) = (name, digest) else { continue };
            agreed.push(json!({"server": name, "action": action, "entry": digest}));
            let image = seen.servers.get(name).and_then(|server| seen.image(server));
            if let Some(image) = image
                && action == "install"
            {
                let serial = entry["machine"].as_str().unwrap_or_default().to_owned();
                state.oracle.agreed.insert(digest.to_owned(), Agreed { serial, image });
            }
        }
        let name = format!("approval-{}", state.wanted.approvals.len());
        state.wanted.approvals.insert(name, json!({"reason": "simulation", "entries": agreed}));
    });
    commit(world);
}
