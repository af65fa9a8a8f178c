// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the machines boot and install: built once by `just machines`, used by every site.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use shoal_schema::kinds::ImageFormat;
use shoal_testbed_qemu::Programs;

use crate::inventory::{IMAGES, Os};

/// Where `just machines` puts them, below the workspace.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/machines");

/// The files and programs that a site needs.
#[derive(Clone, Debug)]
pub struct Artifacts {
    directory: PathBuf,
    /// QEMU and its firmware.
    pub programs: Programs,
}

impl Artifacts {
    /// Looks for them; an error says what to install or to build.
    pub fn find() -> anyhow::Result<Self> {
        let directory =
            std::env::var_os("SHOAL_MACHINES").map_or_else(|| PathBuf::from(DIRECTORY), PathBuf::from);
        let programs = Programs::find(&std::env::var_os("PATH").unwrap_or_default())?;
        let own = std::env::current_exe().context("find this program")?;
        let programs = programs.with_forwarder_near(&own);
        if programs.forwarder.is_none() {
            bail!("shoal-vm-forward is not built; 'cargo build -p shoal-testbed-qemu' makes it");
        }
        let found = Self { directory, programs };
        for file in IMAGES.iter().map(|os| found.image(*os)).chain([found.maintenance_iso()]) {
            if !file.is_file() {
                bail!("{} is not there; 'just machines' builds it, as root", file.display());
            }
        }
        Ok(found)
    }

    /// The maintenance OS.
    pub fn maintenance_iso(&self) -> PathBuf {
        self.directory.join("maintenance.iso")
    }

    /// The file of an image.
    pub fn image(&self, os: Os) -> PathBuf {
        let ending = if os.format == ImageFormat::RawDisk { "raw" } else { "tar" };
        self.directory.join(format!("{}-{}.{ending}.zst", os.image, os.version))
    }
}
