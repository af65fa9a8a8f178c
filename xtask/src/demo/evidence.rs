// SPDX-License-Identifier: AGPL-3.0-or-later
//! What was found after the story, before anybody judges it.
//!
//! Guarantees: nothing in here is an opinion. Each part says where it was read: from Git with `git`,
//! over HTTP from the controller or from the emulators' control endpoint, from a disk file, or from
//! the operating system.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Evidence {
    /// What was wanted of whom.
    pub(crate) cast: Vec<Actor>,
    /// How many machines of a rack may be in flight at once, as the Fleet says.
    pub(crate) rack_limit: usize,
    /// The crash in the middle.
    pub(crate) crash: Crash,
    /// The version bump, before and after its approval.
    pub(crate) bump: Bump,
    /// From Git.
    pub(crate) git: Git,
    /// From the controller, over HTTP.
    pub(crate) api: Api,
    /// From the emulators' control endpoint, by server.
    pub(crate) machines: BTreeMap<String, Machine>,
    /// From the disk files, by server.
    pub(crate) disks: BTreeMap<String, DiskFound>,
    /// The search for secrets.
    pub(crate) search: Search,
}

impl Evidence {
    /// Writes it where people can look at it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the evidence as JSON")?;
        fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }
}

/// What was wanted of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Actor {
    /// Its name in Git.
    pub(crate) name: String,
    /// The rack that it stands in.
    pub(crate) rack: String,
    /// The emulated model of its BMC.
    pub(crate) profile: String,
    /// Its BMC tells how far a boot has come.
    pub(crate) tells_progress: bool,
    /// The image version that Git wants at the end.
    pub(crate) version: String,
    /// The version before the bump; nothing where it was not bumped.
    pub(crate) bumped_from: Option<String>,
    /// It was told to fail in this unit, for good.
    pub(crate) fails_in: Option<String>,
    /// The labels of its partitions, in order, as the recipe says.
    pub(crate) partitions: Vec<String>,
}

impl Actor {
    /// How many installs should have come to a good end.
    pub(crate) fn installs(&self) -> usize {
        match (&self.fails_in, &self.bumped_from) {
            (Some(_), _) => 0,
            (None, None) => 1,
            (None, Some(_)) => 2,
        }
    }
}

/// The crash in the middle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Crash {
    /// The signal that ended the first controller, from the operating system.
    pub(crate) signal: Option<i32>,
    /// Jobs that were active just before, from the controller.
    pub(crate) in_flight: Vec<InFlight>,
    /// The exit code of the second controller after SIGTERM.
    pub(crate) stopped: Option<i32>,
}

/// A job that was active when the controller was killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InFlight {
    /// The job.
    pub(crate) job: String,
    /// Its server.
    pub(crate) server: String,
    /// Its attempt.
    pub(crate) attempt: u32,
    /// Where it was, for people.
    pub(crate) phase: String,
}

/// The version bump.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bump {
    /// The exit code of `shoal plan` before the approval.
    pub(crate) plan_exit: Option<i32>,
    /// The plan's destructive entries of the bumped servers then: server → digest and approval state.
    pub(crate) planned: BTreeMap<String, Planned>,
    /// The reason of each server's Reconciling condition on the status branch, while held.
    pub(crate) held_as: BTreeMap<String, String>,
    /// What happened to any machine between the push of the bump and the push of the approval:
    /// `SERVER: what`.
    pub(crate) happened_while_held: Vec<String>,
    /// How long it was held, in milliseconds.
    pub(crate) held_ms: u64,
}

/// A plan entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Its digest.
    pub(crate) digest: String,
    /// `needed`, `approved`, …
    pub(crate) approval: String,
    /// What is done: `install`, `reinstall`.
    pub(crate) action: String,
}

/// From Git, with `git`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Git {
    /// The tip of the branch that people push to.
    pub(crate) main: String,
    /// The commit that the status branch calls in force.
    pub(crate) in_force: Option<String>,
    /// The ledger that the status branch names.
    pub(crate) ledger: String,
    /// The status branch, newest first.
    pub(crate) commits: Vec<StatusCommit>,
    /// Servers on the status branch.
    pub(crate) servers: BTreeMap<String, ServerFound>,
    /// What `approvals/` on the main branch agrees to: server and entry digest.
    pub(crate) approved: Vec<(String, String)>,
}

/// A commit of the status branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusCommit {
    /// Its id.
    pub(crate) id: String,
    /// How many parents it has.
    pub(crate) parents: usize,
    /// Its `Shoal-Ledger` trailer.
    pub(crate) ledger: String,
}

/// A server on the status branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerFound {
    /// The record's state: `installed`, `dirty`, …
    pub(crate) state: String,
    /// The installed version.
    pub(crate) version: Option<String>,
    /// The installed system was seen to start.
    pub(crate) boot_observed: bool,
    /// The last job's id.
    pub(crate) job: Option<String>,
    /// The last job's outcome.
    pub(crate) outcome: Option<String>,
    /// The plan entry that was last carried out.
    pub(crate) applied_entry: Option<String>,
    /// The reasons of conditions that hold, by type.
    pub(crate) conditions: BTreeMap<String, String>,
    /// The last error.
    pub(crate) error: Option<ErrorFound>,
}

/// A failure, as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorFound {
    /// The step key.
    pub(crate) step: String,
    /// The failing unit.
    pub(crate) unit: Option<String>,
    /// What happened.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

/// From the controller, over HTTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Api {
    /// `GET /readyz` answered 200.
    pub(crate) ready: bool,
    /// Every job.
    pub(crate) jobs: Vec<JobFound>,
    /// Servers for which the plan still has a destructive entry.
    pub(crate) pending: Vec<String>,
}

/// A job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobFound {
    /// Its id.
    pub(crate) id: String,
    /// Its server.
    pub(crate) server: String,
    /// Its status.
    pub(crate) status: String,
    /// How it ended.
    pub(crate) outcome: Option<String>,
    /// Its last attempt.
    pub(crate) attempt: u32,
    /// The step that failed.
    pub(crate) failed_step: Option<String>,
    /// It says that it was resumed.
    pub(crate) resumed: bool,
}

/// A machine, as the emulator's log and state have it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Every boot, in order.
    pub(crate) boots: Vec<Boot>,
    /// When it lost power or was reset.
    pub(crate) stops: Vec<Timestamp>,
    /// Reset types that its BMC was sent, in order.
    pub(crate) resets: Vec<String>,
    /// Images that were inserted.
    pub(crate) inserted: Vec<String>,
    /// Images that are in now.
    pub(crate) media: Vec<String>,
    /// The boot override now, `Disabled` where there is none.
    pub(crate) boot_override: String,
    /// Power now: `On`, `Off`.
    pub(crate) power: String,
    /// How far the system that runs has come.
    pub(crate) progress: String,
    /// Credentials that its BMC refused.
    pub(crate) refused_logins: u64,
}

/// A boot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Boot {
    /// When.
    pub(crate) at: Timestamp,
    /// The virtual medium that it started from; nothing where it was the disk.
    pub(crate) image: Option<String>,
}

impl Machine {
    /// Boots from virtual media.
    pub(crate) fn media_boots(&self) -> impl Iterator<Item = &Boot> {
        self.boots.iter().filter(|boot| boot.image.is_some())
    }
}

/// What is on the disk that was to be written, and beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DiskFound {
    /// Partition labels, in order.
    pub(crate) partitions: Vec<String>,
    /// Where partitions overlap or leave the disk.
    pub(crate) misplaced: Vec<String>,
    /// The stamp on the ESP.
    pub(crate) stamp: Option<StampFound>,
    /// The system would start.
    pub(crate) bootable: bool,
    /// The host name in the seed.
    pub(crate) hostname: Option<String>,
    /// Other disks of the machine that are no longer all zero.
    pub(crate) others_written: Vec<String>,
}

/// A stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StampFound {
    /// The job that wrote the disk.
    pub(crate) job: String,
    /// The plan entry.
    pub(crate) entry: String,
    /// The database.
    pub(crate) ledger: String,
    /// The server.
    pub(crate) server: String,
}

/// The search for secrets in what anybody may read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Search {
    /// How many secrets were planted.
    pub(crate) planted: usize,
    /// What was searched, and how many bytes of it.
    pub(crate) searched: BTreeMap<String, usize>,
    /// Where one was found, in which form.
    pub(crate) found: Vec<String>,
    /// The search itself works: a planted copy in each form was found.
    pub(crate) proven: bool,
}
