// SPDX-License-Identifier: AGPL-3.0-or-later
//! The files of the status branch: one per server, and a summary.
//!
//! Only transitions are written: no heartbeat, no last-seen; the source commit stands in the
//! summary alone. The plan reads the observed state of a fleet from these files and from nothing
//! else, in CI and in the controller, so both see the same.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::DiskFacts;
use crate::kinds::ApiVersion;
use crate::step::Step;
use crate::{JobId, LedgerId, Sha256};

/// The summary's path on the status branch.
pub const SUMMARY_PATH: &str = "summary.json";

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusSummary {
    /// The version of this shape.
    pub api_version: ApiVersion,
    /// The database that writes here.
    pub ledger: LedgerId,
    /// Grows with every change of that database's records.
    pub counter: u64,
    /// The writer's version.
    pub writer: String,
    /// Drawn by the writer when it started: tells two controllers on copies of one database apart.
    #[serde(default)]
    pub incarnation: String,
    /// The commit that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A newer commit that was not taken, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedCommit>,
    /// Servers by the state of their Ready condition, `ready`, `reconciling`, `stalled`, …
    pub counts: BTreeMap<String, u32>,
    /// Everything is paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What holds the fleet as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
}

/// A commit that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedCommit {
    /// The commit.
    pub commit: String,
    /// Why, and what to do.
    pub message: String,
}

/// One server's file, `servers/…/NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// The version of this shape.
    pub api_version: ApiVersion,
    /// The server's name.
    pub name: String,
    /// What the controller holds to be true of the machine; enters plan digests.
    pub record: Record,
    /// What was last seen through the BMC; enters no digest but may hold things back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc: Option<BmcFacts>,
    /// Ready, Reconciling, Stalled, Drifted, Suspended.
    pub conditions: Vec<Condition>,
    /// The job that is active, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobSummary>,
    /// The plan entry that was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted_entry: Option<Sha256>,
    /// The plan entry that was last carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_entry: Option<Sha256>,
    /// The last error, until a later success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// When it is tried again. Written on transitions only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<jiff::Timestamp>,
    /// What is not as wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// The controller's record of a machine. Its number, identity, state, installed digest and disks
/// enter the observed digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Moves at job start, adoption, release, change of serial, restore. Approvals name it.
    pub number: u64,
    /// The machine's serial as Git said when the record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The machine's UUID as Git said when the record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// How the controller came to know what is on the disk.
    pub state: RecordState,
    /// What is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Installed>,
    /// The disks, as the machine itself said when it last asked for a permit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskFacts>,
    /// `protect` at the commit in force.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// `protect` at the commit before: protection outlives its own removal by one commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected_before: bool,
    /// The value of `reinstall` that was last carried out or adopted.
    #[serde(default)]
    pub reinstall: u32,
}

/// What the controller knows of a machine's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RecordState {
    /// Nothing: never installed or adopted by this database.
    Unknown,
    /// A job is or was writing, and did not end well: the disk may hold anything.
    Dirty,
    /// Installed by a job that succeeded.
    Installed,
    /// Recorded as it is, by agreement in Git; unverified.
    Adopted,
    /// It left Git. Nothing was wiped.
    Released,
    /// Taken from an older copy or the status branch; needs new agreement.
    Restored,
}

/// What is installed on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// Digest of all that reinstalls when it changes: image, layout, disk, counter.
    pub digest: Sha256,
    /// Image name.
    pub image: String,
    /// Image version.
    pub version: String,
    /// The image's own digest.
    pub image_digest: String,
    /// Digest of the layout.
    pub layout_digest: Sha256,
    /// The disk selector, for people and for the plan's reasons.
    pub disk: String,
    /// Digest of what applies at the next install only (user-data, variables, network).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<Sha256>,
    /// The disk that was written, where a job did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<DiskFacts>,
    /// The installed system was seen to start.
    pub boot_observed: bool,
    /// The job, where one did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// What was last seen through a BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BmcFacts {
    /// Answers, or since when not. Flips after three sweeps and ten minutes; at once where the account was
    /// refused or the certificate is another one.
    pub reachable: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<Unreachable>,
    /// Vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Model of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Firmware of the BMC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Serial as the BMC says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// UUID as the BMC says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Rung of the media ladder: `two-cd`, `cd-usb`, `single`, `uefi-http`, `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// Scheme of the media address that the BMC would be given: `http` or `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The boot target that starts our medium: `Cd`, `UsbCd`, `UefiHttp`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots_by: Option<String>,
    /// What would stop an install, as far as the BMC says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
    /// What an operator should know of the BMC, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// `On` or `Off`, as last settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<String>,
    /// Media of ours that are still in although nothing runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_media: bool,
    /// Media of somebody else's, by host only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_media: Vec<String>,
    /// A boot override of ours stands although nothing runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub boot_override: bool,
    /// A boot override that somebody else set: `Once Pxe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_override: Option<String>,
    /// The certificate accepted on first use, as a fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// [`Unreachable::code`] where the BMC refused the account.
pub const REFUSED_ACCOUNT: &str = "credentials-rejected";
/// [`Unreachable::code`] where the BMC shows another certificate than the one that was trusted.
pub const ANOTHER_CERTIFICATE: &str = "certificate-changed";

/// Since when a BMC does not answer, and how it fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unreachable {
    /// Since when.
    pub since: jiff::Timestamp,
    /// A stable word: `unreachable`, `timeout`, `certificate-changed`, `credentials-rejected`, …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// How it fails.
    pub message: String,
}

/// Something that would stop an install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// A stable word: `licence`, `no-media`, `no-media-address`, …
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// The conditions of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The machine is as Git says.
    Ready,
    /// Something is being done, or waits for its turn.
    Reconciling,
    /// Nothing goes on without a person.
    Stalled,
    /// Something is not as wanted.
    Drifted,
    /// Git says to leave it alone.
    Suspended,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: bool,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// Since when it is so.
    pub since: jiff::Timestamp,
}

/// A job, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// `queued`, `provisioning`, `succeeded`, `failed`, `complete`.
    pub status: String,
    /// `succeeded` or `failed`, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The attempt.
    pub attempt: u32,
}

impl JobSummary {
    /// It is not over yet.
    pub fn is_active(&self) -> bool {
        self.status != "complete"
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// Where.
    pub step: Step,
    /// The failing unit's own name, where the machine reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A stable word.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The end of the failing step's log, redacted on the machine. Never in the status branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}
