// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kind: Recipe`: how to install.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::{DiskSelector, Partition};

/// How to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecipeSpec {
    /// The systemd target that the maintenance OS starts, such as `install-linux.target`.
    #[schemars(regex(pattern = r"^[a-z0-9.-]+\.target$"))]
    pub target: String,
    /// The disk to install on, unless the server names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskSelector>,
    /// The partitions, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub layout: Vec<Partition>,
    /// cloud-init user-data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Template>,
    /// Windows answer file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unattend_xml: Option<Template>,
    /// ESXi Kickstart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks_cfg: Option<Template>,
    /// Where the firmware is, for firmware tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9+.-]*://\S+$"))]
    pub firmware_url: Option<String>,
    /// What servers may, or must, set in `vars`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// Stored for audit, never interpreted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Text with `${parameter}` and `${secret.NAME}` in it.
///
/// `${x}` puts the value in as it is (one line only), `${x|quote}` as a double-quoted string
/// that YAML and JSON both read, `$${` stands for `${`. Anything else is plain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Template {
    /// The text.
    #[schemars(length(max = 1_048_576))]
    pub text: String,
    /// Values that come from Secrets, by the name that the text uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretRef>,
}

/// One value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretRef {
    /// The Secret's name.
    pub secret: String,
    /// The key within it.
    pub key: String,
}

/// A value that servers may, or must, set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Parameter {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Used where a server sets nothing. Without it the parameter is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}
