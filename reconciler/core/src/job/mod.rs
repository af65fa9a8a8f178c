// SPDX-License-Identifier: AGPL-3.0-or-later
//! The life of one install of one machine.
//!
//! Expected flow: `Queued` → discover → power off → eject → insert boot medium → insert task medium
//! → boot override → power on → wait for the permit → wait for the result → clean up → `Complete`.
//!
//! Guarantees: [`step::step`] is pure; every phase's effect may be performed again after a crash;
//! the only power action towards `On` is `On`, and after a permit the machine is never reset while
//! its budget lasts, unless it says itself that it failed or starts again, or stays off. `Complete` keeps the outcome.
//! Assumptions: the executor journals before and after every effect, hands in elapsed time, and drops
//! an effect's answer when phase or attempt moved on while it was performed.

pub mod budget;
pub mod effect;
pub mod event;
mod fail;
pub mod step;

pub use budget::Budgets;
pub use effect::{Effect, Medium, Next, next};
pub use event::{Event, Failure, Report};

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use shoal_schema::api::{JobEvent, JobView, Level};
use shoal_schema::disk::DiskFacts;
use shoal_schema::kinds::{DesiredPower, OnFailure};
use shoal_schema::status::{JobSummary, LastError};
use shoal_schema::step::Step;
use shoal_schema::wire::task::Identity;
use shoal_schema::{JobId, LedgerId, Sha256};

use crate::desired::{BmcTarget, InstallTarget};

/// How many events a job keeps; the oldest go first.
const EVENTS_KEPT: usize = 200;
/// How many webhook deliveries a job remembers (contracts §5).
const DELIVERIES_KEPT: usize = 32;

/// One install of one machine. Everything that it was agreed to do is frozen in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The job.
    pub id: JobId,
    /// The server's name when the job started.
    pub server: String,
    /// Its serial or UUID.
    pub machine: String,
    /// The database.
    pub ledger: LedgerId,
    /// The fencing number that its media carry.
    pub epoch: u64,
    /// The server's record number after the job's start moved it.
    pub record: u64,
    /// The plan entry that is carried out.
    pub entry_digest: Sha256,
    /// The file with the approval, where one was needed.
    pub approved_by: Option<String>,
    /// The disk that the plan entry named as lost, where it was known: no other one is written.
    #[serde(default)]
    pub expected_disk: Option<DiskFacts>,
    /// The machine must find its disk blank.
    pub require_blank: bool,
    /// Who the machine must be.
    pub identity: Identity,
    /// How to reach its BMC.
    pub bmc: BmcTarget,
    /// What to install.
    pub install: InstallTarget,
    /// The digest of the maintenance ISO that every attempt boots.
    pub maintenance_iso: Sha256,
    /// What is left after a failure behind the permit.
    pub on_failure: OnFailure,
    /// How the machine is left at the end.
    pub power_wanted: DesiredPower,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// When it last changed.
    pub updated_at: jiff::Timestamp,
    /// Where it is.
    pub phase: Phase,
    /// Milliseconds spent in this phase, over all incarnations of the controller.
    pub phase_ms: u64,
    /// Milliseconds spent in the preparing phases of this attempt.
    pub prepare_ms: u64,
    /// Milliseconds spent in all, the wait for a place apart.
    pub total_ms: u64,
    /// From 1.
    pub attempt: u32,
    /// Failed tries of this phase's effect, for its backoff.
    pub tries: u32,
    /// The effect is tried again when the phase has lasted so long.
    pub not_before_ms: u64,
    /// How media reach the machine. Known from the first discovery on: from then on the machine may
    /// have been asked to shut down, and has to be left in order.
    pub route: Option<Route>,
    /// Power as it was found, at the first discovery.
    pub power_found: Option<Power>,
    /// The machine was seen off by this job: what was found running is gone.
    pub touched: bool,
    /// The BMC read this attempt's medium after power-on was asked for.
    pub medium_read: bool,
    /// Attempts that ended without their medium ever being read: so many boot targets started nothing.
    #[serde(default)]
    pub unread_boots: u32,
    /// The controller was away while this attempt's machine was to boot: nobody served the medium.
    #[serde(default)]
    pub was_away: bool,
    /// The permit of this attempt.
    pub permit: Option<PermitRecord>,
    /// The disk that a permit was ever given for: from then on the disk counts as written.
    pub written: Option<DiskFacts>,
    /// Somebody wants it to end.
    pub cancel_requested: bool,
    /// How it ended, from the phases of cleanup on.
    pub outcome: Option<Outcome>,
    /// Why it failed, or why the last attempt did.
    pub failure: Option<LastError>,
    /// Cleanup that did not work out and is tried again by the reconciler: media or override where
    /// they are left, else power.
    pub cleanup_left: Option<Step>,
    /// What happened, oldest first.
    pub events: VecDeque<JobEvent>,
    /// The last webhook deliveries.
    pub deliveries: VecDeque<String>,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waits for a place. Crash, retry: still waits.
    Queued,
    /// Reads the BMC. Crash: reads again.
    Discover,
    /// Graceful, then forced. Crash: off is off.
    PowerOff,
    /// Empties our slots. Crash: empty is empty; the machine is off.
    Eject,
    /// Crash: the same image, with this attempt's capability, is ours.
    InsertBoot,
    /// Crash: as before.
    InsertTask,
    /// Target, enabled, mode. Crash: written again; the machine is off.
    Override,
    /// `On`. Crash: asked for again, which is harmless.
    PowerOn,
    /// The machine boots and asks. Crash: waits on.
    AwaitPermit,
    /// The machine writes. Crash: waits on; never a reset of a machine that runs.
    AwaitResult,
    /// Between two attempts. Crash: waits on.
    Backoff,
    /// Off before media are taken out. Crash: off is off.
    CleanOff,
    /// Crash: empty is empty.
    CleanEject,
    /// Crash: cleared again.
    CleanOverride,
    /// On, or left off. Crash: asked for again.
    CleanPower,
    /// The end.
    Complete,
}

/// How media reach a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Rung of the ladder.
    pub rung: Rung,
    /// The slot that the machine boots from; nothing where it boots over HTTP.
    pub boot_slot: Option<String>,
    /// The slot of the task medium; nothing where there is one image for both.
    pub task_slot: Option<String>,
    /// Further slots, for one that refuses our image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare_slots: Vec<String>,
}

/// The media ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Two CDs: ISO and ISO.
    TwoCd,
    /// A CD and a USB stick: ISO and raw image.
    CdUsb,
    /// One slot: one composed ISO.
    Single,
    /// No slot: the firmware fetches the composed ISO itself.
    UefiHttp,
}

impl Rung {
    /// Its name, as in status and plan.
    pub fn label(self) -> &'static str {
        match self {
            Self::TwoCd => "two-cd",
            Self::CdUsb => "cd-usb",
            Self::Single => "single",
            Self::UefiHttp => "uefi-http",
        }
    }

    /// Whether maintenance OS and task come as one image.
    pub fn is_composed(self) -> bool {
        matches!(self, Self::Single | Self::UefiHttp)
    }
}

/// Power as a BMC says, settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// Running.
    On,
    /// Off.
    Off,
}

/// A permit that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitRecord {
    /// The attempt.
    pub attempt: u32,
    /// The boot that asked.
    pub boot_id: String,
    /// The disk.
    pub disk: DiskFacts,
    /// When.
    pub granted_at: jiff::Timestamp,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The machine is installed.
    Succeeded,
    /// It is not.
    Failed,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 16] = [
        Self::Queued,
        Self::Discover,
        Self::PowerOff,
        Self::Eject,
        Self::InsertBoot,
        Self::InsertTask,
        Self::Override,
        Self::PowerOn,
        Self::AwaitPermit,
        Self::AwaitResult,
        Self::Backoff,
        Self::CleanOff,
        Self::CleanEject,
        Self::CleanOverride,
        Self::CleanPower,
        Self::Complete,
    ];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Discover => "reading the BMC",
            Self::PowerOff => "powering off",
            Self::Eject => "emptying the slots",
            Self::InsertBoot => "inserting the maintenance OS",
            Self::InsertTask => "inserting the task medium",
            Self::Override => "setting the one-time boot",
            Self::PowerOn => "powering on",
            Self::AwaitPermit => "booting the maintenance OS",
            Self::AwaitResult => "installing",
            Self::Backoff => "waiting for the next attempt",
            Self::CleanOff => "cleaning up: powering off",
            Self::CleanEject => "cleaning up: ejecting",
            Self::CleanOverride => "cleaning up: clearing the one-time boot",
            Self::CleanPower => "cleaning up: power",
            Self::Complete => "complete",
        }
    }

    /// The step key of a failure here.
    pub fn step(self) -> Step {
        match self {
            Self::Queued | Self::Discover => Step::RedfishDiscover,
            Self::PowerOff | Self::PowerOn => Step::RedfishReset,
            Self::Eject | Self::InsertBoot => Step::RedfishMountMaintenance,
            Self::InsertTask => Step::RedfishMountTask,
            Self::Override => Step::RedfishBootOverride,
            Self::AwaitPermit | Self::Backoff => Step::WorkflowDispatcher,
            Self::AwaitResult => Step::WebhookWait,
            Self::CleanEject | Self::CleanOverride => Step::CleanupUnmount,
            Self::CleanOff | Self::CleanPower | Self::Complete => Step::CleanupReset,
        }
    }

    /// Preparing counts against one budget over several phases.
    pub fn is_preparing(self) -> bool {
        matches!(
            self,
            Self::Discover
                | Self::PowerOff
                | Self::Eject
                | Self::InsertBoot
                | Self::InsertTask
                | Self::Override
                | Self::PowerOn
        )
    }

    /// The outcome is known; what is left is to leave the machine in order.
    pub fn is_cleaning(self) -> bool {
        matches!(self, Self::CleanOff | Self::CleanEject | Self::CleanOverride | Self::CleanPower)
    }
}

impl Job {
    /// `queued`, `provisioning`, `succeeded`, `failed`, `complete`.
    pub fn status(&self) -> &'static str {
        match (self.phase, self.outcome) {
            (Phase::Queued, _) => "queued",
            (Phase::Complete, _) => "complete",
            (_, Some(Outcome::Succeeded)) => "succeeded",
            (_, Some(Outcome::Failed)) => "failed",
            (_, None) => "provisioning",
        }
    }

    /// The disk must be found blank: until this very job wrote it. What a later attempt then finds on
    /// the same disk is the job's own; one that nothing tells from another disk stays untouched.
    pub fn disk_must_be_blank(&self) -> bool {
        let own = self.written.as_ref().is_some_and(|disk| disk.serial.is_some() || disk.wwn.is_some());
        self.require_blank && !own
    }

    /// Not over yet.
    pub fn is_active(&self) -> bool {
        self.phase != Phase::Complete
    }

    /// Why it failed, for people; first how the machine is left, where that is not as usual.
    pub fn why_failed(&self) -> String {
        let why = self.failure.as_ref().map_or_else(
            || "the job failed".to_owned(),
            |failure| format!("{} failed: {}", failure.step, failure.message),
        );
        if effect::keeps(self) { format!("left in the maintenance OS for a look: {why}") } else { why }
    }

    /// For the status branch.
    pub fn summary(&self) -> JobSummary {
        JobSummary {
            id: self.id.clone(),
            status: self.status().to_owned(),
            outcome: self.outcome_word().map(str::to_owned),
            attempt: self.attempt,
        }
    }

    /// For the API.
    pub fn view(&self) -> JobView {
        let failure = self.failure.as_ref().filter(|_| self.outcome == Some(Outcome::Failed));
        JobView {
            job_id: self.id.clone(),
            server_serial: self.machine.clone(),
            server: self.server.clone(),
            status: self.status().to_owned(),
            outcome: self.outcome_word().map(str::to_owned),
            attempt: self.attempt,
            phase: self.phase.label().to_owned(),
            failed_step: failure.map(|failure| failure.step),
            error: failure.cloned(),
            progress: None,
            created_at: self.created_at,
            last_update: self.updated_at,
            events: self.events.iter().cloned().collect(),
        }
    }

    fn outcome_word(&self) -> Option<&'static str> {
        self.outcome.map(|outcome| match outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
        })
    }

    /// Notes that something happened.
    pub fn note(
        &mut self,
        now: jiff::Timestamp,
        level: Level,
        step: Option<Step>,
        message: impl Into<String>,
    ) {
        if self.events.len() >= EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(JobEvent { time: now, level, message: message.into(), step });
    }

    /// Remembers a webhook delivery; `false` where it was known.
    pub fn remember_delivery(&mut self, delivery: &str) -> bool {
        if self.deliveries.iter().any(|known| known == delivery) {
            return false;
        }
        if self.deliveries.len() >= DELIVERIES_KEPT {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery.to_owned());
        true
    }
}
