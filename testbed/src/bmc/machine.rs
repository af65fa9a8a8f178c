// SPDX-License-Identifier: AGPL-3.0-or-later
//! The seam between a BMC and the machine behind it.
//!
//! A [`Machine`] is told what a real one would notice: power, firmware handing over to a boot device, the power button,
//! media that come and go. Through [`Host`] it does what a real one can do to its BMC: switch itself off, reboot,
//! report boot progress, read virtual media.
//!
//! # Guarantees
//!
//! * Calls for one BMC come in the order of the events, outside every lock, on a tokio runtime.
//! * A [`Host`] belongs to one boot. After a reset or a power loss everything that an older one asks for is ignored
//!   and its media cannot be read: what was running is gone.
//! * `boot` is called once per POST that was finished; a one-time override is already consumed when it is.
//!
//! # Assumptions
//!
//! The methods return at once; work goes to a task or a thread of the machine's own, which ends when `stop` is called.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::instance::Bmc;
use super::medium::{MediumError, MediumReader};

/// What is behind a BMC.
pub trait Machine: Send + Sync + 'static {
    /// POST is over; firmware hands control to what `plan` says.
    fn boot(&self, host: Host, plan: BootPlan);
    /// What was running is gone, at once and without a chance to save anything.
    fn stop(&self, cause: StopCause);
    /// The power button was pressed, or the BMC asked for a graceful shutdown. A system that listens calls
    /// [`Host::power_off`] or [`Host::reboot`] in its own time; one that hangs does nothing.
    fn shutdown_requested(&self, host: Host, then: AfterShutdown);
    /// Virtual media were inserted or ejected; `media` is what is attached now. Also called while the power is off.
    fn media_changed(&self, media: &[AttachedMedium]) {
        let _ = media;
    }
}

/// Why a machine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// The power is gone.
    PowerOff,
    /// A reset; POST follows.
    Reset,
}

/// What a graceful shutdown is to end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterShutdown {
    /// Power off.
    PowerOff,
    /// Reboot.
    Reboot,
}

/// Where firmware boots from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum BootDevice {
    /// The first disk in the boot order.
    Disk,
    /// A virtual CD, by index into the profile's slots.
    Cd {
        /// Slot index.
        slot: usize,
    },
    /// A virtual USB stick or floppy.
    Usb {
        /// Slot index.
        slot: usize,
    },
    /// Network boot.
    Pxe,
    /// UEFI HTTP boot.
    UefiHttp {
        /// `HttpBootUri`, where the BMC was given one.
        uri: Option<String>,
    },
    /// The setup screen, a shell, diagnostics: it stays there.
    Other {
        /// The Redfish name of the target.
        target: String,
    },
}

/// Firmware mode of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootMode {
    /// UEFI.
    #[serde(rename = "UEFI")]
    Uefi,
    /// BIOS compatibility. UEFI-only media do not start in it.
    Legacy,
}

/// How a medium shows up in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediumKind {
    /// An optical drive, `/dev/srN`.
    Cd,
    /// A USB disk, `/dev/sdX`.
    Usb,
}

/// A medium that the BMC shows to the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedMedium {
    /// Index into the profile's slots; the order in which the machine sees them.
    pub slot: usize,
    /// The slot's Redfish id.
    pub id: String,
    /// How it shows up.
    pub kind: MediumKind,
    /// Where the BMC reads it from.
    pub url: String,
    /// When it was inserted.
    pub inserted_at: Timestamp,
    /// Counts the insertions of this BMC: tells a medium from its successor in the same slot.
    pub insertion: u64,
}

/// What firmware does at the end of a POST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootPlan {
    /// Counts the boots of this BMC's machine, from 1.
    pub boot: u64,
    /// Where from.
    pub device: BootDevice,
    /// In which mode.
    pub mode: BootMode,
    /// Whether a boot override was the reason.
    pub overridden: bool,
    /// All attached media, in slot order.
    pub media: Vec<AttachedMedium>,
}

/// How far the machine has come, in the words of `BootProgress.LastState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootProgress {
    /// Off, or just reset.
    None,
    /// POST.
    SystemHardwareInitializationComplete,
    /// A setup screen.
    SetupEntered,
    /// Firmware has handed over.
    OSBootStarted,
    /// The system says that it runs.
    OSRunning,
}

/// A machine's hold on its BMC, for one boot.
#[derive(Clone)]
pub struct Host {
    pub(crate) bmc: Arc<Bmc>,
    pub(crate) boot: u64,
}

impl Host {
    /// Index of the BMC in its farm.
    pub fn index(&self) -> usize {
        self.bmc.index
    }

    /// Which boot this belongs to.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// Whether this boot still runs: no reset and no power loss since.
    pub fn is_current(&self) -> bool {
        self.bmc.runs_boot(self.boot)
    }

    /// The system switches the machine off. False when this boot is over already.
    pub fn power_off(&self) -> bool {
        self.bmc.host_power_off(self.boot)
    }

    /// The system reboots: POST follows, and with it a pending override. False when this boot is over already.
    pub fn reboot(&self) -> bool {
        self.bmc.host_reboot(self.boot)
    }

    /// Reports how far the boot has come. False when this boot is over already.
    pub fn report(&self, progress: BootProgress) -> bool {
        self.bmc.host_progress(self.boot, progress)
    }

    /// Opens an attached medium for reading through the BMC, with Range requests to the URL that the BMC was given.
    pub async fn open(&self, medium: &AttachedMedium) -> Result<MediumReader, MediumError> {
        MediumReader::open(self.clone(), medium.clone()).await
    }
}

/// How much a [`NullMachine`] remembers.
const REMEMBERED: usize = 1000;

/// A machine that boots nothing and writes down what it was told, the last thousand things.
#[derive(Debug, Default)]
pub struct NullMachine {
    ignores_shutdown: bool,
    told: Mutex<VecDeque<Told>>,
}

/// What a [`NullMachine`] was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `boot`.
    Boot(BootPlan),
    /// `stop`.
    Stop(StopCause),
    /// `shutdown_requested`.
    ShutdownRequested(AfterShutdown),
    /// `media_changed`, with the URLs.
    MediaChanged(Vec<String>),
}

impl NullMachine {
    /// One that ignores graceful shutdowns, as a hung system does.
    pub fn hung() -> Self {
        Self { ignores_shutdown: true, ..Self::default() }
    }

    /// Everything so far, in order.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn note(&self, told: Told) {
        let mut memory = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= REMEMBERED {
            memory.pop_front();
        }
        memory.push_back(told);
    }
}

impl Machine for NullMachine {
    fn boot(&self, _host: Host, plan: BootPlan) {
        self.note(Told::Boot(plan));
    }

    fn stop(&self, cause: StopCause) {
        self.note(Told::Stop(cause));
    }

    fn shutdown_requested(&self, host: Host, then: AfterShutdown) {
        self.note(Told::ShutdownRequested(then));
        if !self.ignores_shutdown {
            match then {
                AfterShutdown::PowerOff => host.power_off(),
                AfterShutdown::Reboot => host.reboot(),
            };
        }
    }

    fn media_changed(&self, media: &[AttachedMedium]) {
        self.note(Told::MediaChanged(media.iter().map(|medium| medium.url.clone()).collect()));
    }
}
