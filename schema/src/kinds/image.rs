// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kind: Image`: OS versions and where they are, pinned by digest.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::size::ByteSize;

/// An operating system's versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageSpec {
    /// Version → artifact. Versions are strings: quote `"24.10"`.
    #[schemars(extend("minProperties" = 1))]
    pub versions: BTreeMap<String, ImageVersion>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageVersion {
    /// `HOST[:PORT]/REPOSITORY@sha256:…`. A tag may stand in front of the digest; the digest counts.
    #[schemars(regex(
        pattern = r"^[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@sha256:[0-9a-f]{64}$"
    ))]
    pub oci: String,
    /// How the artifact is packed.
    #[serde(default)]
    pub format: ImageFormat,
    /// The smallest disk that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_disk: Option<ByteSize>,
}

impl ImageVersion {
    /// The digest in `oci`, which the schema guarantees.
    pub fn digest(&self) -> Option<&str> {
        self.oci.split_once('@').map(|(_, digest)| digest)
    }
}

/// How an artifact is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// A root file system as a tar archive: plain, gzip or zstd.
    #[default]
    RootfsTar,
    /// A whole disk, plain or zstd.
    RawDisk,
    /// A Windows image.
    Wim,
    /// An installer, booted as it is.
    Iso,
}
