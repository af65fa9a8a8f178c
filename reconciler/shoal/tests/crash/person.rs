// SPDX-License-Identifier: AGPL-3.0-or-later
//! The person in front of the fleet: approves what waits for it, starts the controller when it is gone, and waits.

use std::collections::BTreeSet;
use std::time::Duration;

use shoal_schema::api::ServerView;
use shoal_schema::plan::Class;
use shoal_schema::status::{ConditionType, RecordState};
use shoal_testbed::machine::Running;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::scene::Scene;

/// Three attempts, on a busy host.
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(40);

/// Without anything that is written.
const QUIET: Duration = Duration::from_millis(400);
const QUIET_LOOKS: usize = 50;

/// What was agreed to: entries, by server.
#[derive(Default)]
pub(crate) struct Agreed {
    /// Server and digest.
    pub(crate) entries: BTreeSet<(String, String)>,
}

impl Scene {
    /// Until every server runs this version and nothing is under way, with the controller started as often as it is
    /// killed and approvals given as they are asked for.
    pub(crate) async fn until_at_rest(&mut self, version: &str, agreed: &mut Agreed) -> Vec<ServerView> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.keep_it_running().await;
            // Who was just killed does not answer.
            let seen = self.peer().json::<Vec<ServerView>>("/api/v1/servers").await.unwrap_or_default();
            if seen.len() == self.machines.simulated.len()
                && seen.iter().all(|server| is_at_rest(server, version))
                && self.machines.simulated.iter().all(|machine| machine.report().running == Running::System)
            {
                return seen;
            }
            // What is waited for here may wait for what runs on this thread.
            block_in_place(|| self.approve(&seen, agreed));
            assert!(Instant::now() < deadline, "not at rest: {seen:#?}\n{}", self.tell());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Until the controller sees its servers so.
    pub(crate) async fn until_seen(&self, is_so: impl Fn(&[ServerView]) -> bool) -> Vec<ServerView> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.peer().json::<Vec<ServerView>>("/api/v1/servers").await.unwrap_or_default();
            if is_so(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "never seen so: {seen:#?}\n{}", self.tell());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Until the controller's log has these words.
    pub(crate) async fn until_log(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "never said: {words}\n{}", self.tell());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Until nothing is written any more, here or there.
    pub(crate) async fn until_quiet(&self) {
        let mut met = usize::MAX;
        for _ in 0..QUIET_LOOKS {
            let before = std::mem::replace(&mut met, self.points.met().len());
            if met == before {
                return;
            }
            tokio::time::sleep(QUIET).await;
        }
        panic!("it writes and writes\n{}", self.tell());
    }

    /// Agrees, in Git, to every entry that waits for it and was not agreed to.
    fn approve(&self, seen: &[ServerView], agreed: &mut Agreed) {
        let mut any = false;
        for server in seen {
            let reason = condition(server, ConditionType::Reconciling);
            let Some(entry) = server.entry.as_ref().filter(|entry| entry.class == Class::Destructive) else {
                continue;
            };
            let (who, digest) = (server.status.name.clone(), entry.digest.to_string());
            if reason != Some("ApprovalNeeded") || !agreed.entries.insert((who.clone(), digest.clone())) {
                continue;
            }
            let short = &digest[7..15];
            let document = format!(
                "apiVersion: shoal.dev/v1
kind: Approval
metadata: {{name: {who}-{short}}}
spec:
  reason: agreed
  entries: [{{server: {who}, action: install, entry: \"{digest}\"}}]
"
            );
            self.repository().write(format!("approvals/{who}-{short}.yaml"), &document).expect("a file");
            any = true;
        }
        if any {
            self.push("approve");
            // Where it is dead, or dies of it, it looks when it starts.
            let _ = self.programs.shoal(&self.place.checkout(), &["reconcile"]);
        }
    }
}

fn is_at_rest(server: &ServerView, version: &str) -> bool {
    let record = &server.status.record;
    let installed = record.installed.as_ref().is_some_and(|installed| installed.version == version);
    installed
        && record.state == RecordState::Installed
        && server.entry.is_none()
        && server.job.as_ref().is_some_and(|job| job.status == "complete")
        && condition(server, ConditionType::Ready).is_some()
}

/// A condition's reason, where it holds.
pub(crate) fn condition(server: &ServerView, kind: ConditionType) -> Option<&str> {
    let held = server.status.conditions.iter().find(|condition| condition.kind == kind && condition.status);
    held.map(|condition| condition.reason.as_str())
}
