// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people commit: one document a file is the habit, several are accepted.

mod approval;
mod fleet;
mod image;
mod recipe;
mod secret;
mod server;

pub use approval::{ApprovalSpec, ApprovedAction, ApprovedEntry};
pub use fleet::{
    BmcDefaults, DriftPolicy, FirstInstall, FleetSpec, LabelLimit, LabelledUrl, Limits, Notify, PowerDrift,
    Recipient, ServerDefaults, StatusSpec,
};
pub use image::{ImageFormat, ImageSpec, ImageVersion};
pub use recipe::{Parameter, RecipeSpec, SecretRef, Template};
pub use secret::{SecretEnvelope, SecretSpec};
pub use server::{
    Bmc, BmcTls, CredentialsRef, DesiredPower, OnFailure, OsRef, ServerSpec, Suspend, Suspension,
};

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one API version so far.
pub const API_VERSION: &str = "shoal.dev/v1";

/// Every kind, in the order in which documents are written about.
pub const KINDS: [&str; 6] = ["Fleet", "Server", "Recipe", "Image", "Secret", "Approval"];

/// `apiVersion: shoal.dev/v1`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first version.
    #[default]
    #[serde(rename = "shoal.dev/v1")]
    V1,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $tag:ident $spec:ident)*) => {
        $(
            #[doc = concat!("`kind: ", stringify!($name), "`")]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
            pub enum $tag {
                #[doc = concat!("`", stringify!($name), "`")]
                #[default]
                $name,
            }

            $(#[$doc])*
            #[derive(Clone, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                /// The version of this shape.
                #[serde(rename = "apiVersion")]
                pub api_version: ApiVersion,
                /// Says which kind of document this is.
                pub kind: $tag,
                /// Name and labels.
                pub metadata: Metadata,
                /// What is wanted.
                pub spec: $spec,
            }
        )*

        /// The JSON Schema of a kind, or nothing where there is no such kind.
        pub fn schema_of(kind: &str) -> Option<schemars::Schema> {
            let settings = schemars::generate::SchemaSettings::draft07();
            match kind {
                $(stringify!($name) => Some(settings.into_generator().into_root_schema_for::<$name>()),)*
                _ => None,
            }
        }
    };
}

kinds! {
    /// Defaults and limits of the whole repository. There is exactly one, in `shoal.yaml`.
    Fleet FleetKind FleetSpec
    /// One machine.
    Server ServerKind ServerSpec
    /// How to install: target, disk, layout, user-data template, parameters.
    Recipe RecipeKind RecipeSpec
    /// OS versions and the OCI references, pinned by digest, that hold them.
    Image ImageKind ImageSpec
    /// Values encrypted with age; only the listed recipients can read them.
    Secret SecretKind SecretSpec
    /// What people agreed to: plan entries by digest, each consumed once.
    Approval ApprovalKind ApprovalSpec
}

/// Free labels of a document: shared, for they are told with each entry of a plan.
pub type Labels = Arc<BTreeMap<String, String>>;

/// Whether there are none.
pub(crate) fn no_labels(labels: &Labels) -> bool {
    labels.is_empty()
}

/// Name and labels of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Unique within its kind: lower-case letters, digits, `-`, `.` and, in secrets, `/`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$"))]
    pub name: String,
    /// Free labels, for limits and for finding.
    #[serde(default, skip_serializing_if = "no_labels")]
    pub labels: Labels,
    /// For people; never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
