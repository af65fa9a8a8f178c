// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a simulated machine is told about itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::behaviour::{BehaviourError, MachineBehaviour};
use super::disk::DiskFileError;
use crate::bmc::{Clock, Identity};

/// One machine.
#[derive(Clone)]
pub struct MachineConfig {
    /// Who it is, and which disks it has; the same as its BMC says.
    pub identity: Identity,
    /// Where the disk files are. They are made when they are not there, and stay when the machine goes.
    pub directory: PathBuf,
    /// How it misbehaves.
    pub behaviour: MachineBehaviour,
    /// How long things take, before scaling.
    pub timing: Timing,
    /// Multiplier for every time of the machine, the dispatcher's waits included: 1 is as slow as the real ones, 0 is
    /// at once. Network time-outs are real.
    pub time_scale: f64,
    /// How much of the boot medium is read.
    pub boot_reads: BootReads,
    /// What the maintenance OS does when it is done.
    pub after_install: AfterInstall,
    /// Seed of boot ids. Two runs with one seed and one disk would boot with the same ids, which no machine does.
    pub seed: u64,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// How long things take, in milliseconds, before scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// From firmware's hand-over to the dispatcher.
    pub maintenance_boot_ms: u64,
    /// Until a USB medium shows up, counted from the dispatcher's start.
    pub usb_appears_ms: u64,
    /// Each step of an install.
    pub step_ms: u64,
    /// From firmware's hand-over to a running installed system.
    pub system_boot_ms: u64,
    /// From the power button to power off.
    pub shutdown_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            maintenance_boot_ms: 20_000,
            usb_appears_ms: 6_000,
            step_ms: 15_000,
            system_boot_ms: 30_000,
            shutdown_ms: 5_000,
        }
    }
}

/// How much of the boot medium a machine reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootReads {
    /// What tells that it is one, and a few blocks of it: for thousands of machines.
    #[default]
    Sparse,
    /// Every byte, as a maintenance OS that runs from RAM does.
    Whole,
}

/// What the maintenance OS does when it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterInstall {
    /// Waits for the controller to take the media out and switch it off.
    #[default]
    Waits,
    /// Switches itself off.
    PowersOff,
    /// Reboots.
    Reboots,
}

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The time scale is not a length of time.
    #[error("time scale {0} is negative or not a number")]
    TimeScale(f64),
    /// The behaviour makes no sense.
    #[error("read the machine's behaviour")]
    Behaviour(#[from] BehaviourError),
    /// A machine without disks.
    #[error("make machine {serial}: it has no disk")]
    NoDisk {
        /// The machine.
        serial: String,
    },
    /// A MAC that is none.
    #[error("make machine {serial}: {mac:?} is no hardware address")]
    Mac {
        /// The machine.
        serial: String,
        /// The text.
        mac: String,
    },
    /// A disk file could not be made or opened.
    #[error("make the disks of machine {serial}")]
    Disk {
        /// The machine.
        serial: String,
        /// What went wrong.
        #[source]
        source: DiskFileError,
    },
}

/// The machine's own time.
#[derive(Clone)]
pub(super) struct MachineTime {
    clock: Arc<dyn Clock>,
    scale: f64,
}

impl MachineTime {
    pub(super) fn new(clock: Arc<dyn Clock>, scale: f64) -> Result<Self, MachineError> {
        if !scale.is_finite() || scale < 0.0 {
            return Err(MachineError::TimeScale(scale));
        }
        Ok(Self { clock, scale })
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        let duration = duration.mul_f64(self.scale);
        // Even what takes no time lets others run.
        tokio::task::yield_now().await;
        if !duration.is_zero() {
            self.clock.sleep(duration).await;
        }
    }

    pub(super) async fn sleep_ms(&self, ms: u64) {
        self.sleep(Duration::from_millis(ms)).await;
    }
}
