// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happens in a run: a fleet, and events at their times, drawn from the seed alone.
//!
//! An event names no thing that may not exist when it comes: a number stands for one of those that are there then. So
//! that any part of a list of events is a list of events, and a failing run can be made smaller.

use std::time::Duration;

use crate::dice::Dice;
use crate::hardware::Lie;

/// A run before it begins.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Servers in Git at the start.
    pub servers: usize,
    /// Blank disks need no approval.
    pub blank_only: bool,
    /// How many of the disks hold somebody's data, of a hundred.
    pub foreign: u64,
    /// What happens, in the order of time.
    pub events: Vec<(Duration, Event)>,
}

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
    /// Git cannot be reached for a time.
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
    /// Its database is what it was at the last backup.
    RestoreBackup,
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
}

impl Scenario {
    /// The scenario of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5ce0_a210);
        let servers = 5 + dice.index(4);
        let horizon = 30 + dice.below(90);
        let count = 5 + dice.below(14);
        let mut events: Vec<(Duration, Event)> = (0..count)
            .map(|_| (Duration::from_millis(dice.below(horizon * 60_000)), draw_event(&mut dice)))
            .collect();
        // Without any agreement nothing much would happen.
        for _ in 0..3 {
            let at = Duration::from_millis(dice.below(horizon * 60_000));
            events.push((at, Event::Approve(0)));
        }
        events.sort_by_key(|(at, _)| *at);
        Self { seed, servers, blank_only: dice.percent(60), foreign: dice.below(60), events }
    }
}

fn draw_event(dice: &mut Dice) -> Event {
    let n = dice.roll() >> 1;
    let minutes = |dice: &mut Dice, most: u64| Duration::from_secs(30 + dice.below(most * 60));
    match dice.below(100) {
        0..=8 => Event::Version(n),
        9..=10 => Event::Add(n),
        11..=12 => Event::Remove(n),
        13 => Event::Rename(n),
        14..=15 => Event::Suspend(n),
        16 => Event::Protect(n),
        17..=18 => Event::Reinstall(n),
        19..=20 => Event::Power(n),
        21 => Event::Break(n),
        22 => Event::FirstInstall,
        23..=30 => Event::Approve(n),
        31 => Event::Adopt(n),
        32 => Event::DropApprovals,
        33..=34 => Event::Revert(n),
        35..=36 => Event::ForcePush(n),
        37..=38 => Event::Accept,
        39..=40 => Event::GitDown(minutes(dice, 40)),
        41 => Event::GitAnswerLost,
        42 => Event::StatusStale(n),
        43..=47 => Event::Crash,
        48..=56 => Event::CrashAfter(dice.below(60) as u32),
        57 => Event::Stop,
        58 => Event::LoseDatabase,
        59..=60 => Event::RestoreBackup,
        61..=62 => Event::Backup,
        63 => Event::SecondController(dice.percent(50)),
        64 => Event::EndSecond,
        65 => Event::DiskFull(minutes(dice, 20)),
        66..=67 => Event::Hang(n),
        68..=70 => Event::Reboot(n),
        71..=72 => Event::PowerCut(n),
        73 => Event::SwitchOn(n),
        74..=75 => Event::StaleMedium(n),
        76..=77 => Event::StepFails(n),
        78..=79 => Event::Swap(n, dice.roll()),
        80 => Event::NewDisk(n),
        81 => Event::ByHand(n),
        82..=83 => Event::BmcDown(n, minutes(dice, 60)),
        84..=85 => {
            let lies = [Lie::Insert, Lie::Eject, Lie::Override, Lie::PowerOn];
            Event::BmcLies(n, dice.percent(70).then(|| lies[dice.index(lies.len())]))
        }
        86..=87 => Event::BmcFaults(dice.below(30)),
        88..=91 => Event::NetworkFaults(dice.below(60)),
        92..=93 => Event::ClockJump(dice.below(200_000) as i64 - 100_000),
        94 => Event::Cancel(n),
        95..=96 => Event::Retry(n),
        97..=98 => Event::Pause(dice.percent(40)),
        _ => Event::Takeover,
    }
}
