// SPDX-License-Identifier: AGPL-3.0-or-later
//! The permit: asked for by the machine before its first write, granted by the controller.
//!
//! `POST /api/v1/jobs/{id}/permit` with the job's token as `Authorization: Bearer`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::DiskFacts;
use crate::secret_value::{SecretString, on_the_wire};
use crate::wire::stamp::Stamp;
use crate::wire::task::Identity;

/// The longest `boot_id`, in bytes.
const BOOT_LIMIT: usize = 64;

/// What a machine says of itself when it asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PermitRequest {
    /// The attempt that the task medium names.
    pub attempt: u32,
    /// The epoch that the task medium names.
    pub epoch: u64,
    /// The kernel's random id of this boot; a permit is bound to it.
    #[schemars(length(min = 1, max = 64))]
    pub boot_id: String,
    /// Who the machine is, from its own DMI and interfaces.
    pub identity: Identity,
    /// The disk that the selector chose; nothing where it fits none or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskState>,
    /// How many disks the selector fits.
    pub matching_disks: u32,
    /// Every disk of the machine.
    #[serde(default)]
    pub disks: Vec<DiskFacts>,
    /// The dispatcher's version.
    pub dispatcher_version: String,
}

impl PermitRequest {
    /// What is wrong with it, if anything. The boot is kept with the job, so it must not be long.
    pub fn problem(&self) -> Option<&'static str> {
        if self.boot_id.is_empty() || self.boot_id.len() > BOOT_LIMIT {
            return Some("boot_id must have 1 to 64 bytes");
        }
        None
    }
}

/// The chosen disk and what is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskState {
    /// The disk.
    #[serde(flatten)]
    pub facts: DiskFacts,
    /// No table, no signature, first and last 16 MiB zero.
    pub blank: bool,
    /// What was found, for people: `gpt: 3 partitions`, `ext4 "root"`.
    #[serde(default)]
    pub contents: Vec<String>,
    /// The stamp of an earlier install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
}

/// The controller's answer.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum PermitAnswer {
    /// Write. Bound to (attempt, boot id); the same boot gets the same answer again.
    Granted(Box<Grant>),
    /// Ask again later; until then nothing is written.
    Wait {
        /// Why, for people.
        reason: String,
        /// When to ask again.
        retry_after_seconds: u32,
    },
    /// The very entry is already installed on this disk: report success, write nothing.
    AlreadyInstalled,
    /// Never. Report failure with this code, write nothing.
    Refused {
        /// A stable word, such as `stale_attempt`, `wrong_machine`, `not_blank`.
        code: String,
        /// Why, for people.
        message: String,
    },
}

/// What comes with a permit: all that must not stand on a medium.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// The stamp to leave on the ESP and in the root.
    pub stamp: Stamp,
    /// The controller's time; the machine sets its clock from it.
    pub time: jiff::Timestamp,
    /// cloud-init user-data, rendered.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "on_the_wire::optional")]
    pub user_data: Option<SecretString>,
    /// Windows answer file, rendered.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "on_the_wire::optional")]
    pub unattend_xml: Option<SecretString>,
    /// cloud-init network-config (version 2) as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_config: Option<serde_json::Value>,
    /// A token to pull this job's image with, where the registry wants one.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "on_the_wire::optional")]
    pub registry_token: Option<SecretString>,
}
