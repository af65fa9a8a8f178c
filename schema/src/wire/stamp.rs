// SPDX-License-Identifier: AGPL-3.0-or-later
//! The stamp that an install leaves on the ESP and in the root: `shoal/stamp.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JobId, LedgerId, Sha256};

/// Where the stamp stands on the ESP, and below `/etc` in the root.
pub const STAMP_PATH: &str = "shoal/stamp.json";

/// Says which install wrote a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// The job that wrote it.
    pub job_id: JobId,
    /// The plan entry that the job carried out.
    pub entry_digest: Sha256,
    /// What was installed.
    pub desired_digest: Sha256,
    /// The database that the job belongs to.
    pub ledger: LedgerId,
    /// The controller's record number of the server when the job started.
    pub record: u64,
    /// The server's name.
    pub server: String,
    /// When the permit was granted, by the controller's clock.
    pub granted_at: jiff::Timestamp,
}
