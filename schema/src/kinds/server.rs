// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kind: Server`: one machine, where its BMC is and what it should run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fleet::DriftPolicy;
use crate::disk::DiskSelector;
use crate::network::{Interface, Mac};

/// What is wanted of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("anyOf" = [{"required": ["serial"]}, {"required": ["uuid"]}]))]
pub struct ServerSpec {
    /// The machine's serial number; on Dell the service tag. `serial` or `uuid` must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 64), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9 ._/+-]*$"))]
    pub serial: Option<String>,
    /// The machine's SMBIOS UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))]
    pub uuid: Option<String>,
    /// Hardware addresses that belong to the machine; more proof of its identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub macs: Vec<Mac>,
    /// The machine's BMC.
    pub bmc: Bmc,
    /// Wanted power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<DesiredPower>,
    /// The recipe that installs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The system it should run. Without one the machine is watched and never installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<OsRef>,
    /// The disk to install on, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskSelector>,
    /// Values for the recipe's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// The machine's own network; DHCP without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<Interface>,
    /// Nothing is done to the machine, with who, why and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,
    /// Never install over this machine. Lifting it and installing takes two commits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// Raise it to install the same system again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reinstall: u32,
    /// What is left after a failed install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// What to do about drift, instead of the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftPolicy>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where a BMC is and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Bmc {
    /// `https://` and a host, with a port where it is not the usual one. No path.
    #[schemars(regex(pattern = r"^https?://[^\s/?#@]+/?$"))]
    pub address: String,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsRef>,
    /// What its certificate must be; the system's CAs without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BmcTls>,
    /// Which system, where several stand behind one BMC: its `Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

/// Names the Secret with `username` and `password`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CredentialsRef {
    /// The Secret's name.
    pub secret: String,
}

/// What a BMC's certificate must be. Exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct BmcTls {
    /// The SHA-256 fingerprint of the certificate, hex, with or without colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"))]
    pub sha256: Option<String>,
    /// A CA certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Accept the first one seen; alarm when it changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trust_on_first_use: bool,
    /// Accept anything. Passwords can be read by whoever is in between.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// Wanted power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredPower {
    /// Running.
    On,
    /// Off.
    Off,
    /// Not Shoal's business.
    #[default]
    Unmanaged,
}

/// A version of an Image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OsRef {
    /// The Image's name.
    pub image: String,
    /// One of its versions; a string, so quote it.
    pub version: String,
}

/// `true`, `false`, or why and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Suspend {
    /// Suspended or not, with nothing to say about it.
    Flag(bool),
    /// Suspended, with the reason.
    Because(Suspension),
}

/// Why nothing is done to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Suspension {
    /// Why; shown wherever the server is.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
    /// Until when; without it until someone takes it out. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
}

/// What is left after an install that failed when the disk was already written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Media out, override cleared, machine off.
    #[default]
    Off,
    /// The maintenance OS stays up for a look.
    Keep,
}
