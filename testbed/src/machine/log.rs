// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happened to a machine, kept outside of what it tells anybody.
//!
//! Tests and demos take their verdict from here. No secret is in it: decisions and codes are kept, answers are not.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shoal_dispatcher::exit::Exit;
use shoal_schema::wire::stamp::Stamp;

use super::behaviour::Mishap;
use super::disk::DiskReport;
use crate::bmc::{BootDevice, StopCause};

/// Events kept per machine.
const KEPT: usize = 2000;

/// What a machine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Running {
    /// Nothing: off, in POST, or nobody told it yet.
    #[default]
    Nothing,
    /// Firmware looks for something to boot.
    Firmware,
    /// Firmware found nothing.
    NoBootDevice,
    /// The maintenance OS.
    Maintenance,
    /// The installed system, on its way up.
    SystemStarting,
    /// The installed system.
    System,
    /// The installed system, stuck.
    SystemStuck,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// Firmware handed over, or tried to.
    Booted {
        /// Where from, as the BMC says.
        device: BootDevice,
    },
    /// Firmware found nothing to boot, or refused what it found.
    NotBooted {
        /// Why.
        reason: String,
    },
    /// A mishap that was asked for.
    Mishap {
        /// Which.
        mishap: Mishap,
    },
    /// A boot medium was read.
    MediumRead {
        /// Its slot.
        slot: usize,
        /// Its volume label.
        label: String,
        /// Bytes read of it.
        bytes: u64,
    },
    /// An image was fetched by UEFI HTTP boot.
    ImageFetched {
        /// Its address.
        uri: String,
        /// Its volume label.
        label: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A task medium was found.
    TaskFound {
        /// The device that it showed up as.
        device: String,
        /// Its volume label.
        label: String,
        /// Bytes in front of the task: more than none in a composed image.
        offset: u64,
    },
    /// The maintenance OS started.
    MaintenanceStarted,
    /// A call for the permit.
    PermitAsked {
        /// HTTP status; nothing when there was no answer.
        status: Option<u16>,
        /// `granted`, `wait`, `already_installed`, `refused`.
        decision: Option<String>,
        /// The controller's word for a refusal.
        code: Option<String>,
    },
    /// The dispatcher ended.
    Dispatched {
        /// Its exit code.
        exit: Exit,
        /// Why it failed.
        code: Option<String>,
    },
    /// The clock was set.
    ClockSet {
        /// To what.
        to: Timestamp,
    },
    /// A step of the install began.
    StepStarted {
        /// Its unit.
        unit: String,
    },
    /// A step of the install ended.
    StepEnded {
        /// Its unit.
        unit: String,
        /// Why it failed; nothing when it did not.
        error: Option<String>,
    },
    /// A try of the webhook.
    WebhookTried {
        /// Its delivery id.
        delivery_id: String,
        /// `success` or `failed`.
        status: String,
        /// The unit that failed.
        failed_step: Option<String>,
        /// HTTP status; nothing when there was no answer.
        answer: Option<u16>,
        /// Whether it left the machine.
        sent: bool,
    },
    /// The installed system runs.
    SystemStarted {
        /// The stamp on its ESP.
        stamp: Option<Stamp>,
        /// The image in its root.
        image: Option<String>,
    },
    /// The installed system did not come up.
    SystemStuck {
        /// Why.
        reason: String,
    },
    /// The power button was pressed.
    ButtonPressed {
        /// Whether anything listens to it.
        heard: bool,
    },
    /// What was running is gone.
    Stopped {
        /// Why.
        cause: StopCause,
    },
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineEvent {
    /// Counts the events of this machine, from 1.
    pub seq: u64,
    /// When, by the testbed's clock.
    pub at: Timestamp,
    /// The BMC's number of the boot.
    pub boot: u64,
    /// The kernel's random id of the boot.
    pub boot_id: String,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// A machine as it really is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineReport {
    /// DMI serial.
    pub serial: String,
    /// What it runs.
    pub running: Running,
    /// Boots so far.
    pub boots: u64,
    /// Permits granted so far.
    pub permits_granted: u64,
    /// Installs that came to their end.
    pub installs: u64,
    /// Its disks.
    pub disks: Vec<DiskReport>,
    /// What happened, oldest first.
    pub events: Vec<MachineEvent>,
}

impl MachineReport {
    /// The events of one kind, in the caller's own terms.
    pub fn find<'a, T>(
        &'a self,
        pick: impl Fn(&'a Happening) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.events.iter().filter_map(move |event| pick(&event.what))
    }
}

/// The events of a machine.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    next: u64,
    ring: VecDeque<MachineEvent>,
}

impl EventLog {
    pub(super) fn push(&mut self, at: Timestamp, boot: u64, boot_id: &str, what: Happening) {
        self.next += 1;
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back(MachineEvent { seq: self.next, at, boot, boot_id: boot_id.to_owned(), what });
    }

    pub(super) fn all(&self) -> Vec<MachineEvent> {
        self.ring.iter().cloned().collect()
    }
}
