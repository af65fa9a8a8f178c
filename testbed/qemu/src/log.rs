// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happened to a machine, in order.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use shoal_testbed::bmc::{BootDevice, StopCause};
use tokio::sync::watch;

/// Events kept: the first ones.
const KEPT: usize = 10_000;

/// How a medium is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// QEMU itself sends Range requests to the image's address.
    Direct,
    /// The emulated BMC sends them, and QEMU reads from it.
    ThroughBmc,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum VmEvent {
    /// Firmware starts, to boot from `device`.
    Booted {
        /// The BMC's count of boots.
        boot: u64,
        /// Where from.
        device: BootDevice,
    },
    /// The guest stands still, by order of the BMC.
    Stopped {
        /// Why.
        cause: StopCause,
    },
    /// The guest asked for a reset.
    GuestReset,
    /// The guest switched itself off.
    GuestPoweredOff,
    /// The power button was pressed.
    ButtonPressed,
    /// A medium is in its drive.
    Loaded {
        /// The BMC's slot.
        slot: usize,
        /// The image.
        url: String,
        /// How it is read.
        route: Route,
    },
    /// A medium is out of its drive.
    Unloaded {
        /// The BMC's slot.
        slot: usize,
    },
    /// A medium could not be put into a drive.
    NotLoaded {
        /// The BMC's slot.
        slot: usize,
        /// The image.
        url: String,
        /// Why.
        reason: String,
    },
    /// Something that these machines cannot do; nothing runs.
    NotEmulated {
        /// What.
        what: String,
    },
    /// The guest's kernel panicked and was started again, unknown to the BMC.
    StartedAgain {
        /// The line on the console.
        line: String,
    },
    /// The guest's kernel panicked.
    Panicked {
        /// The line on the console.
        line: String,
    },
    /// QEMU stopped the guest: an emulation that does not work.
    Broken,
    /// The power was cut.
    PowerCut,
    /// The network cable was pulled or plugged in.
    Link {
        /// Plugged in.
        up: bool,
    },
    /// Media were slowed down, or not any more.
    Slowed {
        /// To this.
        bytes_per_second: Option<u64>,
    },
    /// A command to QEMU failed.
    Failed {
        /// What was said.
        reason: String,
    },
    /// QEMU is gone.
    Ended,
}

/// The events of one machine.
#[derive(Debug)]
pub(crate) struct EventLog {
    events: Mutex<Vec<VmEvent>>,
    changed: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { events: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl EventLog {
    pub(crate) fn push(&self, event: VmEvent) {
        tracing::info!(?event, "machine");
        {
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            if events.len() < KEPT {
                events.push(event);
            }
        }
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn all(&self) -> Vec<VmEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an event at or after `from`; its position. Nothing when the machine ends before.
    pub(crate) async fn wait_for(&self, from: usize, wanted: impl Fn(&VmEvent) -> bool) -> Option<usize> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let events = self.all();
            let found = events.iter().skip(from).position(&wanted);
            if let Some(position) = found {
                return Some(from + position);
            }
            if events.last() == Some(&VmEvent::Ended) {
                return None;
            }
            // The sender is in `self`: it cannot be gone.
            let _alive = changed.changed().await;
        }
    }
}
