// SPDX-License-Identifier: AGPL-3.0-or-later
//! Flags.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use shoal_dispatcher::linux::{FAILURE_FILE, Paths};

/// The steps of the Linux workflow.
#[derive(Debug, Parser)]
#[command(name = "shoal-steps", version, about, long_about = None)]
pub(crate) struct Cli {
    /// What the dispatcher wrote for the steps
    #[arg(long, global = true, default_value = "/run/provision", value_name = "DIR")]
    pub(crate) provision_dir: PathBuf,
    /// Where a failure is written down
    #[arg(long, global = true, default_value = FAILURE_FILE, value_name = "FILE")]
    pub(crate) failure_file: PathBuf,
    /// Where progress is appended, a line of JSON at a time [default: standard output]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) progress: Option<PathBuf>,
    /// Where the new root is mounted
    #[arg(long, global = true, default_value = "/mnt/new-root", value_name = "DIR")]
    pub(crate) new_root: PathBuf,
    /// Another place for /sys
    #[arg(long, global = true, hide = true, default_value = "/sys", value_name = "DIR")]
    sys: PathBuf,
    /// Another place for /proc
    #[arg(long, global = true, hide = true, default_value = "/proc", value_name = "DIR")]
    proc: PathBuf,
    /// How much is logged: error, warn, info, debug, trace
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL")]
    pub(crate) log_level: tracing::Level,
    #[command(subcommand)]
    pub(crate) step: Step,
}

/// A step.
#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Lay the disk out as the recipe says, unless it is
    Partition,
    /// Pull the image and put it on the disk, unless it is there
    ImageLinux,
    /// Make the system bootable
    BootloaderLinux {
        /// Make an entry in the firmware's boot menu too
        #[arg(long)]
        boot_entry: bool,
    },
    /// Write cloud-init's seed, and the stamp of the install
    ConfigDrive,
}

impl Step {
    /// Its name: that of its unit, and of its subcommand.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::ImageLinux => "image-linux",
            Self::BootloaderLinux { .. } => "bootloader-linux",
            Self::ConfigDrive => "config-drive",
        }
    }

    /// What stands in front of every line of its log.
    pub(crate) fn prefix(&self) -> &'static str {
        match self {
            Self::Partition => "[partition] ",
            Self::ImageLinux => "[imager] ",
            Self::BootloaderLinux { .. } => "[bootloader] ",
            Self::ConfigDrive => "[config-drive] ",
        }
    }
}

impl Cli {
    /// Where things are on this machine.
    pub(crate) fn paths(&self) -> Paths {
        Paths { sys: self.sys.clone(), proc: self.proc.clone(), ..Paths::default() }
    }
}
