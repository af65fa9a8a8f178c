// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kind: Fleet`: what holds for every server unless it says otherwise.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::server::{BmcTls, CredentialsRef, DesiredPower};

/// What a fleet wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FleetSpec {
    /// Whether a machine without a record needs an approval, or may be installed where the
    /// machine itself finds its disk blank.
    pub first_install: FirstInstall,
    /// The controller's API as hosts reach it, unless a labelled one fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s/?#@]+/?$"))]
    pub callback_url: Option<String>,
    /// The same by label; the first that fits counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callback_urls: Vec<LabelledUrl>,
    /// The media listeners as BMCs reach them, by label; every scheme that fits is offered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media_urls: Vec<LabelledUrl>,
    /// How much may happen at once.
    pub limits: Limits,
    /// Who can read secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Recipient>,
    /// Where status goes.
    pub status: StatusSpec,
    /// Values for servers that do not set them.
    pub defaults: ServerDefaults,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// One outgoing webhook for what people should hear of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
}

/// How a machine without a record is first installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FirstInstall {
    /// An approval in Git, as for any destructive change.
    #[default]
    Approve,
    /// None needed where the machine finds the disk blank: no table, no signature, first and
    /// last 16 MiB zero.
    BlankOnly,
}

/// An address for servers with certain labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LabelledUrl {
    /// Scheme, host and port.
    #[schemars(regex(pattern = r"^https?://[^\s/?#@]+/?$"))]
    pub url: String,
    /// All of them must fit; none fits every server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How much may happen at once. The smallest limit that applies wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Limits {
    /// Machines in flight in all.
    #[schemars(range(min = 0, max = 10000))]
    pub concurrent: u32,
    /// Percent of the fleet in flight; at least one machine.
    #[schemars(range(min = 1, max = 100))]
    pub share_percent: u8,
    /// So many at once among servers with the same value of a label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_label: Vec<LabelLimit>,
    /// Percent of the servers with a record that may leave Git in one go before the whole
    /// inventory is held; one server may always leave.
    #[schemars(range(min = 0, max = 100))]
    pub removed_share_percent: u8,
    /// After so many failed jobs since the last success no further one starts until someone retries;
    /// 0 never halts.
    #[schemars(range(min = 0, max = 1000))]
    pub halt_after_failures: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // 16 as the default number of machines in flight; 25 % so that a bad image cannot reach a
        // whole fleet at once; 10 % because fewer deletions in a commit are everyday work.
        Self {
            concurrent: 16,
            share_percent: 25,
            per_label: Vec::new(),
            removed_share_percent: 10,
            halt_after_failures: 3,
        }
    }
}

/// A limit among servers with the same value of a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LabelLimit {
    /// The label's key, such as `rack`.
    pub label: String,
    /// So many at once.
    #[schemars(range(min = 1, max = 10000))]
    pub max: u32,
}

/// Someone who can read secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Recipient {
    /// What secrets call them.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,62}$"))]
    pub name: String,
    /// An age public key, `age1…`.
    #[schemars(regex(pattern = r"^age1[02-9ac-hj-np-z]{58}$"))]
    pub key: String,
}

/// Where status is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct StatusSpec {
    /// A branch of its own; never the one that people write.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,120}$"))]
    pub branch: String,
    /// Changes are gathered for so long, in seconds.
    #[schemars(range(min = 0, max = 86400))]
    pub flush_seconds: u32,
    /// Or until so many servers changed.
    #[schemars(range(min = 1, max = 100_000))]
    pub flush_count: u32,
}

impl Default for StatusSpec {
    fn default() -> Self {
        Self { branch: "shoal/status".to_owned(), flush_seconds: 60, flush_count: 500 }
    }
}

/// Values for servers that do not set them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ServerDefaults {
    /// The recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Wanted power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<DesiredPower>,
    /// Parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Access to BMCs.
    pub bmc: BmcDefaults,
}

/// Access to BMCs that servers share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct BmcDefaults {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsRef>,
    /// What the certificate must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<BmcTls>,
}

/// What to do about drift.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct DriftPolicy {
    /// When the power is not as wanted.
    pub power: PowerDrift,
}

/// When the power is not as wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PowerDrift {
    /// Say so.
    #[default]
    Report,
    /// Put it right, but never within 15 minutes of an outside change.
    Correct,
}

/// One outgoing webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Notify {
    /// Where to POST.
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    pub url: String,
    /// The Secret whose key `key` signs the body (HMAC-SHA256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}
