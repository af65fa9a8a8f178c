// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kind: Approval`: what people agreed to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Sha256;

/// Plan entries that people agreed to, each by its digest. Works once: the digest names the
/// controller's ledger and its record number for the server, and both move on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// Why, for those who read it in a year.
    #[schemars(length(min = 1, max = 2000))]
    pub reason: String,
    /// After this time it counts no more. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<jiff::Timestamp>,
    /// The entries.
    #[schemars(length(min = 1, max = 10000))]
    pub entries: Vec<ApprovedEntry>,
}

/// One plan entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovedEntry {
    /// The server, for people; the digest decides.
    pub server: String,
    /// What is agreed to.
    #[serde(default)]
    pub action: ApprovedAction,
    /// The entry's digest, as the plan shows it.
    pub entry: Sha256,
    /// What is lost, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loses: Option<String>,
}

/// What is agreed to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Hash,
)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovedAction {
    /// The plan's destructive entry.
    #[default]
    Install,
    /// Record the machine as it is, touching nothing.
    Adopt,
    /// Let servers leave Git although the guard holds them.
    Release,
}
