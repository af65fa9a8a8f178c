// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan document: what would be done to which machine, why, how bad, and what holds it back.
//!
//! The id is a digest of everything but `id` and `createdAt` (see [`EntrySeal`]). Same commit and same
//! observations give the same bytes on every machine. Close to OpenTofu's plan JSON in spirit:
//! `formatVersion`, per-resource actions with before and after, `complete`, `errored`.

mod id;

pub use id::{EntrySeal, id_of_document};

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::{Labels, no_labels};
use crate::{LedgerId, Sha256};

/// The value of `formatVersion` that this version writes and reads.
pub const PLAN_FORMAT: &str = "2.0";

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `2.0`. Readers accept any `2.x`; in `1.x` the id was made in another way.
    pub format_version: String,
    /// Digest of everything below.
    pub id: Sha256,
    /// When it was made; outside the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<jiff::Timestamp>,
    /// Where the desired state comes from.
    pub source: PlanSource,
    /// What else went in.
    pub inputs: PlanInputs,
    /// Per server, by name. Servers with nothing to do are counted, not listed. One plan shares with the
    /// next what did not change.
    pub entries: Vec<Arc<Entry>>,
    /// Results of policies; none in this version.
    pub policy: Vec<serde_json::Value>,
    /// What holds the fleet as a whole.
    pub guards: Vec<Guard>,
    /// Servers and documents that could not be read, and what is wrong with them.
    pub problems: Vec<Problem>,
    /// How many of what.
    pub summary: PlanSummary,
    /// Every server of the inventory was planned.
    pub complete: bool,
    /// Something was wrong with the inventory.
    pub errored: bool,
}

/// Where the desired state comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanSource {
    /// The commit; nothing where a plain directory was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// With `--base`: only what changes between both is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Digest over the inventory's paths and contents: a commit with the same is as good.
    pub inventory: Sha256,
}

/// What else went in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanInputs {
    /// Version of Shoal. In no entry's digest.
    pub tool: String,
    /// The database whose records were read; nothing where there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerId>,
    /// The database's counter.
    pub counter: u64,
}

/// What would be done to one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The server.
    pub server: String,
    /// Its serial or UUID, as Git says.
    pub machine: String,
    /// Labels, for limits and for people.
    #[serde(default, skip_serializing_if = "no_labels")]
    pub labels: Labels,
    /// What would be done.
    pub action: Action,
    /// How bad that is.
    pub class: Class,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, field by field.
    pub changes: Vec<Change>,
    /// What is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<String>,
    /// What people should know: unknown disk, applies at the next install, drift.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The controller's record number.
    pub record: u64,
    /// Digest of what would be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_digest: Option<Sha256>,
    /// Digest of the record that this was judged by.
    pub observed_digest: Sha256,
    /// The digest that an approval names.
    pub digest: Sha256,
    /// Whether people must agree, and whether they did.
    pub approval: ApprovalState,
    /// What holds it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// The steps, in order, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Cow<'static, str>>,
    /// How media would come to the machine, where it is to be installed and its BMC was looked at. In
    /// no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
}

/// How media would come to a machine, as its BMC was last seen. What would stop that is among the
/// entry's holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// Rung of the media ladder: `two-cd`, `cd-usb`, `single`, `uefi-http`, `none`.
    pub rung: String,
    /// Scheme of the media address: `http` or `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The boot target that starts the medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots_by: Option<String>,
    /// What an operator should know of the BMC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What an approval agrees to, by value. Its canonical JSON's SHA-256 is [`Entry::digest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryKey<'a> {
    /// The server.
    pub server: &'a str,
    /// Its serial or UUID, as Git says.
    pub machine: &'a str,
    /// What would be done.
    pub action: Action,
    /// Digest of what would be installed.
    pub desired: Option<&'a Sha256>,
    /// Digest of the record that this was judged by.
    pub observed: &'a Sha256,
    /// The record number.
    pub record: u64,
    /// The database; nothing where there is none yet: such an entry can never be approved.
    pub ledger: Option<&'a LedgerId>,
}

/// What would be done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    None,
    /// First install.
    Install,
    /// Install over what is there.
    Reinstall,
    /// Record the machine as it is.
    Adopt,
    /// The record moves to the server's new name.
    Rename,
    /// It left Git: media of ours ejected, nothing wiped, nothing powered off.
    Release,
    /// Media of ours or an override of ours are still there although nothing runs.
    Tidy,
    /// Switch it on.
    PowerOn,
    /// Shut it down.
    PowerOff,
}

/// How bad an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Nothing is done.
    None,
    /// Eject our own stale medium, clear our own override, power on.
    Safe,
    /// Power off, every reset.
    Disruptive,
    /// May lose data.
    Destructive,
}

/// Why, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// As wanted.
    UpToDate,
    /// No record of the machine.
    NoRecord,
    /// The last install did not end well.
    Unfinished,
    /// The record comes from an older copy.
    Restored,
    /// The machine behind the name is another one.
    MachineChanged,
    /// Another image digest.
    ImageChanged,
    /// Another layout.
    LayoutChanged,
    /// Another disk.
    DiskChanged,
    /// `reinstall` was raised.
    ReinstallRaised,
    /// Adoption was agreed to.
    AdoptionApproved,
    /// Another name, same machine.
    Renamed,
    /// It left Git.
    Removed,
    /// Media or override left over.
    LeftOver,
    /// Power is not as wanted.
    PowerDrift,
    /// Only what applies at the next install changed.
    NextInstall,
    /// Something else is not as wanted, and only reported.
    Drift,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which, such as `os.version`.
    pub field: String,
    /// As it is; nothing where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The values are digests, because the content is nobody's business.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// Where the new value stands: `servers/rack-a/web-01.yaml:14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it takes effect.
    pub effect: Effect,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It installs the machine again.
    Reinstalls,
    /// It does nothing now, and applies when the machine is next installed.
    NextInstall,
    /// It takes effect without an install.
    Now,
}

/// Whether people must agree, and whether they did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ApprovalState {
    /// Nobody needs to.
    NotNeeded,
    /// The machine itself must find its disk blank (`firstInstall: blankOnly`).
    BlankOnly,
    /// Somebody must.
    Needed,
    /// Somebody did.
    Approved {
        /// The file that says so.
        by: String,
    },
    /// An approval for exactly this entry has run out.
    Expired {
        /// The file that says so.
        by: String,
    },
}

/// Something that holds an entry back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Which.
    pub code: HoldCode,
    /// Why, in one sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What can hold an entry back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldCode {
    /// Nobody agreed yet.
    ApprovalNeeded,
    /// Agreed too long ago.
    ApprovalExpired,
    /// Suspended in Git.
    Suspended,
    /// Protected in Git, or was at the last accepted commit.
    Protected,
    /// The server's file cannot be read, so that nobody knows what is wanted now.
    Unreadable,
    /// The BMC does not answer.
    BmcUnreachable,
    /// The BMC refused the account; not tried again before it changes.
    CredentialsHeld,
    /// No way to bring media to this machine.
    NoRoute,
    /// This kind of install does not exist yet.
    Unsupported,
    /// A guard holds the whole fleet.
    Guard,
    /// Another job is active on the server.
    ActiveJob,
    /// Machines in flight are as many as may be.
    Limit,
    /// Too many failures; someone must look.
    Halted,
    /// The last job failed; someone must look and retry.
    Failed,
    /// Everything is paused.
    Paused,
    /// No ledger is known, so nothing can be agreed to.
    NoLedger,
}

/// Something that holds the fleet as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// A stable word: `inventory-shrunk`, `inventory-empty`, `fleet-missing`.
    pub code: String,
    /// Why, in one sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The digest that an approval with `action: release` names to let it pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256>,
}

/// A document that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `file:line:column`.
    pub place: String,
    /// A stable word.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The server that it stops, where it stops one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary {
    /// Servers in the inventory.
    pub servers: u32,
    /// As wanted.
    pub unchanged: u32,
    /// Entries of class safe.
    pub safe: u32,
    /// Entries of class disruptive.
    pub disruptive: u32,
    /// Entries of class destructive.
    pub destructive: u32,
    /// Entries that wait for agreement.
    pub unapproved: u32,
    /// Entries that something holds back.
    pub held: u32,
    /// Servers that could not be read.
    pub broken: u32,
}

impl Plan {
    /// Whether a plan of this format is one that this version reads.
    pub fn is_format_known(version: &str) -> bool {
        let major = |version: &str| version.split('.').next().map(str::to_owned);
        major(version) == major(PLAN_FORMAT)
    }
}
