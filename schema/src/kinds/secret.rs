// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kind: Secret`: values encrypted with age.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::{SecretString, Sha256};

/// An encrypted Secret. The plaintext is a [`SecretEnvelope`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretSpec {
    /// Names of the fleet's recipients that can read it.
    #[schemars(length(min = 1))]
    pub recipients: Vec<String>,
    /// Digest over the sorted `NAME KEY` lines of those recipients; tells when someone must re-encrypt.
    pub recipients_digest: Sha256,
    /// The age file, armored.
    #[schemars(length(max = 1_000_000), regex(pattern = r"^-----BEGIN AGE ENCRYPTED FILE-----\n"))]
    pub age: String,
}

/// What is encrypted. It carries its own name, because age has no associated data: a ciphertext
/// that was copied under another name is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretEnvelope {
    /// The Secret's name.
    pub name: String,
    /// The values by key.
    pub data: BTreeMap<String, SecretString>,
}
