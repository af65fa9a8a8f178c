// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which plan entries start now: limits by count, share and label, and the halt after failures.
//!
//! Pure: the caller hands in the plan, what is in flight and what failed. What does not start says
//! why, so that nothing waits in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoal_schema::kinds::{Labels, Limits};
use shoal_schema::plan::{Class, Entry, HoldCode, Plan};

use crate::mistake::Mistake;

/// What is in flight, and what failed.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    /// Servers with an active job, with their labels.
    pub active: BTreeMap<String, Labels>,
    /// Failed jobs since the last success or retry.
    pub failures: u32,
    /// Servers whose last job failed, with what they wait for. A retry takes them out.
    pub stalled: BTreeMap<String, String>,
    /// Machines in flight that the controller's own setting allows; 0 drains.
    pub worker_concurrency: u32,
}

/// Whether an entry starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Start,
    /// Not now, because.
    Wait {
        /// What holds it back.
        code: HoldCode,
        /// One sentence.
        message: String,
    },
}

/// For every destructive entry that nothing in the plan holds back: start, or wait and why. In the
/// plan's order, so that the answer does not depend on anything else.
pub fn turns<'a>(plan: &'a Plan, limits: &Limits, in_flight: &InFlight) -> Vec<(&'a Arc<Entry>, Turn)> {
    let servers = plan.summary.servers.max(1);
    let share = (u64::from(servers) * u64::from(limits.share_percent) / 100).max(1) as u32;
    let mut active = in_flight.active.clone();
    let mut turns = Vec::new();
    for entry in plan.entries.iter().filter(|e| e.class == Class::Destructive && e.holds.is_empty()) {
        let turn = turn(entry, limits, share, in_flight, &active);
        if turn == Turn::Start {
            active.insert(entry.server.clone(), Labels::clone(&entry.labels));
        }
        turns.push((entry, turn));
    }
    turns
}

fn turn(
    entry: &Entry,
    limits: &Limits,
    share: u32,
    in_flight: &InFlight,
    active: &BTreeMap<String, Labels>,
) -> Turn {
    let wait = |code, message| Turn::Wait { code, message };
    if active.contains_key(&entry.server) && !Mistake::ActiveJobIsNotSeen.is_made() {
        return wait(HoldCode::ActiveJob, "a job is active on this server".to_owned());
    }
    if let Some(why) = in_flight.stalled.get(&entry.server) {
        return wait(HoldCode::Failed, why.clone());
    }
    if limits.halt_after_failures > 0 && in_flight.failures >= limits.halt_after_failures {
        let message = format!(
            "halted: {} jobs failed without a success in between; 'shoal retry SERVER' lets it go on",
            in_flight.failures
        );
        return wait(HoldCode::Halted, message);
    }
    if in_flight.worker_concurrency == 0 {
        return wait(HoldCode::Limit, "draining: WORKER_CONCURRENCY is 0, no new job starts".to_owned());
    }
    let count = active.len() as u32;
    for (limit, what) in [
        (in_flight.worker_concurrency, "WORKER_CONCURRENCY"),
        (limits.concurrent, "limits.concurrent"),
        (share, "limits.sharePercent"),
    ] {
        if count >= limit {
            return wait(HoldCode::Limit, format!("{count} machines are in flight; {what} allows {limit}"));
        }
    }
    for limit in &limits.per_label {
        let Some(value) = entry.labels.get(&limit.label) else { continue };
        let same = active.values().filter(|labels| labels.get(&limit.label) == Some(value)).count() as u32;
        if same >= limit.max {
            let message = format!(
                "{same} machines with {}={value} are in flight; limits.perLabel allows {}",
                limit.label, limit.max
            );
            return wait(HoldCode::Limit, message);
        }
    }
    Turn::Start
}
