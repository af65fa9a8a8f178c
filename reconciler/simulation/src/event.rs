// SPDX-License-Identifier: AGPL-3.0-or-later
//! What may happen.
//!
//! An event names no thing that may not exist when it comes: a number stands for one of those that are there then. So
//! that any part of a list of events is a list of events, and a failing run can be made smaller.

use std::time::Duration;

use crate::hardware::Lie;

/// Something happens. Numbers choose among what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A server gets another version.
    Version(u64),
    /// A server is added.
    Add(u64),
    /// A server is removed.
    Remove(u64),
    /// A server gets another name.
    Rename(u64),
    /// A server is suspended, or no longer.
    Suspend(u64),
    /// A server is protected, or no longer.
    Protect(u64),
    /// A server is to be installed again.
    Reinstall(u64),
    /// A server's power is to be something else.
    Power(u64),
    /// A file becomes unreadable, or readable again.
    Break(u64),
    /// Another rule for first installs.
    FirstInstall,
    /// Somebody agrees to what waits for it: one entry, or all.
    Approve(u64),
    /// Somebody agrees to record a machine as it is.
    Adopt(u64),
    /// All approvals go out of Git.
    DropApprovals,
    /// What stood in Git some commits ago stands there again.
    Revert(u64),
    /// The branch is rewritten to what it was some commits ago.
    ForcePush(u64),
    /// A rewritten branch is accepted.
    Accept,
    /// Git cannot be reached for a time, or where that is an odd number of seconds, its watched branch cannot.
    GitDown(Duration),
    /// The next push of status arrives, and nobody hears of it.
    GitAnswerLost,
    /// The status branch is what it was some commits ago.
    StatusStale(u64),
    /// The controller loses its power.
    Crash,
    /// It loses its power after so many more of its effects.
    CrashAfter(u32),
    /// It is stopped as it should be.
    Stop,
    /// Its database is gone.
    LoseDatabase,
    /// Its database is made anew out of the last backup, as `shoal restore` does it.
    RestoreBackup,
    /// The file of its database is what it was at the last backup, and nobody says so.
    CopyBack,
    /// A backup is taken.
    Backup,
    /// Somebody starts a second controller: on a copy of the database, or on an empty one.
    SecondController(bool),
    /// The second controller ends.
    EndSecond,
    /// The disk under the database is full for a time.
    DiskFull(Duration),
    /// A machine hangs at its next start.
    Hang(u64),
    /// A machine starts again by itself.
    Reboot(u64),
    /// A machine loses its power.
    PowerCut(u64),
    /// Somebody switches a machine on.
    SwitchOn(u64),
    /// A machine starts from the last task medium that it saw.
    StaleMedium(u64),
    /// The next install step of a machine fails.
    StepFails(u64),
    /// Two machines change places behind their BMCs.
    Swap(u64, u64),
    /// A machine gets a new disk.
    NewDisk(u64),
    /// Somebody installs something by hand.
    ByHand(u64),
    /// A BMC does not answer for a time.
    BmcDown(u64, Duration),
    /// A BMC says what is not so, until told otherwise.
    BmcLies(u64, Option<Lie>),
    /// So many of a hundred BMC calls fail from now on.
    BmcFaults(u64),
    /// So many of a hundred calls of machines fail from now on.
    NetworkFaults(u64),
    /// The wall clock jumps, by seconds.
    ClockJump(i64),
    /// An operator cancels a job.
    Cancel(u64),
    /// An operator says retry.
    Retry(u64),
    /// An operator pauses everything, or lets it go on.
    Pause(bool),
    /// An operator takes over.
    Takeover,
    /// Nothing, for so long: between two links of a chain.
    Wait(Duration),
}

/// The kinds of events, as [`Event::name`] has them.
pub const EVENTS: &[&str] = &[
    "Version",
    "Add",
    "Remove",
    "Rename",
    "Suspend",
    "Protect",
    "Reinstall",
    "Power",
    "Break",
    "FirstInstall",
    "Approve",
    "Adopt",
    "DropApprovals",
    "Revert",
    "ForcePush",
    "Accept",
    "GitDown",
    "GitAnswerLost",
    "StatusStale",
    "Crash",
    "CrashAfter",
    "Stop",
    "LoseDatabase",
    "RestoreBackup",
    "CopyBack",
    "Backup",
    "SecondController",
    "EndSecond",
    "DiskFull",
    "Hang",
    "Reboot",
    "PowerCut",
    "SwitchOn",
    "StaleMedium",
    "StepFails",
    "Swap",
    "NewDisk",
    "ByHand",
    "BmcDown",
    "BmcLies",
    "BmcFaults",
    "NetworkFaults",
    "ClockJump",
    "Cancel",
    "Retry",
    "Pause",
    "Takeover",
];

/// Whom an event means something to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// All.
    Everybody,
    /// The server of this number in Git.
    Server(usize),
    /// The machine of this number, or the BMC before it.
    Machine(usize),
}

impl Event {
    /// Its kind.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split('(').next().unwrap_or_default().to_owned()
    }

    /// Whom it means something to, among so many servers in Git and machines.
    pub(crate) fn whom(&self, servers: usize, machines: usize) -> Whom {
        match self.clone().target() {
            Some(Target::Server(n)) if servers > 0 => Whom::Server(*n as usize % servers),
            Some(Target::Machine(n)) if machines > 0 => Whom::Machine(*n as usize % machines),
            _ => Whom::Everybody,
        }
    }

    /// The same event for another server or machine, each given as its place among how many.
    pub(crate) fn aimed(mut self, server: Option<(usize, usize)>, machine: Option<(usize, usize)>) -> Self {
        let aim = match self.target() {
            Some(Target::Server(n)) => server.map(|aim| (n, aim)),
            Some(Target::Machine(n)) => machine.map(|aim| (n, aim)),
            None => None,
        };
        if let Some((n, (place, count))) = aim {
            *n = *n - *n % count as u64 + place as u64;
        }
        self
    }

    fn target(&mut self) -> Option<Target<'_>> {
        match self {
            Self::Version(n)
            | Self::Remove(n)
            | Self::Rename(n)
            | Self::Suspend(n)
            | Self::Protect(n)
            | Self::Reinstall(n)
            | Self::Power(n)
            | Self::Break(n)
            | Self::Cancel(n)
            | Self::Retry(n) => Some(Target::Server(n)),
            Self::Hang(n)
            | Self::Reboot(n)
            | Self::PowerCut(n)
            | Self::SwitchOn(n)
            | Self::StaleMedium(n)
            | Self::StepFails(n)
            | Self::Swap(n, _)
            | Self::NewDisk(n)
            | Self::ByHand(n)
            | Self::BmcDown(n, _)
            | Self::BmcLies(n, _) => Some(Target::Machine(n)),
            _ => None,
        }
    }
}

/// The number that chooses.
enum Target<'a> {
    Server(&'a mut u64),
    Machine(&'a mut u64),
}
