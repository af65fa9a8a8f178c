// SPDX-License-Identifier: AGPL-3.0-or-later
//! A volume that stands in for the maintenance ISO.

use std::fs;

use anyhow::Context as _;
use shoal_taskiso::{DEFAULT_LIMIT, TaskFiles, build_volume};

use crate::Place;

impl Place {
    /// Writes a volume that stands in for the maintenance ISO. The maintenance OS of emulated machines is simulated:
    /// nothing in the volume is started, every byte of it is read.
    pub fn write_maintenance_stand_in(&self) -> anyhow::Result<()> {
        let mut files = TaskFiles::new();
        files
            .insert("readme.txt", "A stand-in for the maintenance OS of emulated machines.\n".to_owned())
            .context("fill the maintenance ISO")?;
        let iso = build_volume("SHOAL_MAINTENANCE", &files, 0, 1 << 20, DEFAULT_LIMIT)
            .context("build the maintenance ISO")?;
        fs::write(self.maintenance_iso(), &iso.bytes).context("write the maintenance ISO")
    }
}
