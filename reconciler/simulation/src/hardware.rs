// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMCs and machines, as they are.

use std::time::Duration;

use shoal_schema::wire::stamp::Stamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Boot targets of a BMC that may lead to the boot slot.
pub(crate) const BOOT_TARGETS: usize = 2;

/// A BMC. Its address is its number.
pub(crate) struct Bmc {
    /// Which machine it sits in.
    pub machine: usize,
    /// What is in its slots, boot slot first.
    pub slots: [Option<String>; 2],
    /// How many of them it has.
    pub slots_there: usize,
    /// The target of the next start, of those that may lead to the boot slot.
    pub boot_once: Option<usize>,
    /// The side whose controller set that.
    pub boot_once_by: usize,
    /// The target that does: the other is listed, taken, and starts nothing.
    pub starts_by: usize,
    /// Does not answer before this time.
    pub down_until: Option<Instant>,
    /// Says that it did what it did not do.
    pub lies: Option<Lie>,
}

/// What a BMC says that it did, and did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It put an image in.
    Insert,
    /// It took an image out.
    Eject,
    /// The next start is from the medium.
    Override,
    /// It switched the machine on.
    PowerOn,
}

impl Bmc {
    /// The address of a BMC.
    pub(crate) fn address(number: usize) -> String {
        format!("https://bmc-{number}.test")
    }

    /// The BMC at an address.
    pub(crate) fn at(address: &str) -> Option<usize> {
        address.strip_prefix("https://bmc-")?.split('.').next()?.parse().ok()
    }

    /// Whether it does not answer.
    pub(crate) fn is_down(&self) -> bool {
        self.down_until.is_some_and(|until| Instant::now() < until)
    }
}

/// A machine.
pub(crate) struct Machine {
    /// Who it is.
    pub serial: String,
    /// Its disk.
    pub disk: Disk,
    /// Whether it has power.
    pub on: bool,
    /// Counts its starts.
    pub boots: u32,
    /// Cancelled when what runs on it ends.
    pub life: CancellationToken,
    /// Runs its own system.
    pub runs_system: bool,
    /// The last task medium that it saw, as JSON of task and recipe.
    pub last_task: Option<(Vec<u8>, Vec<u8>)>,
    /// Does nothing at its next start.
    pub hangs_next: bool,
    /// Starts from the last task medium that it saw, whatever is in its slots.
    pub stale_next: bool,
    /// So many of the next installs fail.
    pub fails_next: u32,
    /// Somebody changed its disk by hand since it was written last.
    pub tampered: bool,
    /// What it writes at the moment.
    pub writes: Option<Writing>,
}

/// What a machine writes.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    /// The job.
    pub job: String,
    /// Since when.
    pub since: Instant,
    /// The side whose controller permitted it.
    pub side: usize,
}

/// A disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Who it is.
    pub serial: String,
    /// What is on it.
    pub content: Content,
    /// Since when that is on it.
    pub since: Duration,
    /// What the last install left behind.
    pub stamp: Option<Stamp>,
}

/// What is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Blank,
    /// Somebody's data.
    Foreign,
    /// An install that did not come to its end.
    Half,
    /// A system that Shoal installed: the letter of its image.
    System(char),
}

impl Disk {
    /// Something else is on it.
    pub(crate) fn becomes(&mut self, content: Content, stamp: Option<Stamp>, now: Duration) {
        (self.content, self.stamp, self.since) = (content, stamp, now);
    }
}

impl Machine {
    /// Takes the power away from what runs on it.
    pub(crate) fn switch_off(&mut self) {
        self.life.cancel();
        self.writes = None;
        self.on = false;
        self.runs_system = false;
    }
}
