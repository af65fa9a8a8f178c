// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happens in a run: a fleet, and events at their times, drawn from the seed alone.

use std::time::Duration;

use shoal_core::job::Phase;

use crate::dice::Dice;
use crate::event::{EVENTS, Event};
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
    pub events: Vec<Planned>,
}

/// An event and when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Not before this time.
    pub at: Duration,
    /// Not before a job gets there; then it happens to that job's server.
    pub phase: Option<Phase>,
    /// What happens.
    pub event: Event,
    /// What follows: each waits for the one before, and for the same machine's job to get somewhere.
    pub then: Vec<(Option<Phase>, Event)>,
}

impl Planned {
    /// An event that nothing follows.
    pub fn new(at: Duration, phase: Option<Phase>, event: Event) -> Self {
        Self { at, phase, event, then: Vec::new() }
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5ce0_a210);
        let servers = 5 + dice.index(4);
        let horizon = 30 + dice.below(90);
        let count = 5 + dice.below(12);
        let mut events: Vec<Planned> = (0..count)
            .map(|_| {
                let at = Duration::from_millis(dice.below(horizon * 60_000));
                // The short moments of a job's life would hardly ever be met by the clock.
                let phase = dice.percent(50).then(|| Phase::ALL[dice.index(Phase::ALL.len() - 1)]);
                Planned::new(at, phase, draw_event(&mut dice))
            })
            .collect();
        // Without any agreement nothing much would happen.
        for _ in 0..3 {
            let at = Duration::from_millis(dice.below(horizon * 60_000));
            events.push(Planned::new(at, None, Event::Approve(0)));
        }
        let from = Duration::from_millis(dice.below(horizon * 60_000));
        let mut chain = draw_chain(&mut dice).into_iter();
        if let Some((phase, event)) = chain.next() {
            events.push(Planned { at: from, phase, event, then: chain.collect() });
        }
        events.push(draw_cell(seed, horizon));
        events.sort_by_key(|planned| planned.at);
        Self { seed, servers, blank_only: dice.percent(60), foreign: dice.below(60), events }
    }

    /// With these of its events alone, by their places.
    #[must_use]
    pub fn only(&self, places: &[usize]) -> Self {
        let events = places.iter().filter_map(|place| self.events.get(*place).cloned()).collect();
        Self { events, ..self.clone() }
    }
}

/// One event at one place of a job's life, which go round with the seed: so that every event meets every place.
fn draw_cell(seed: u64, horizon: u64) -> Planned {
    let mut dice = Dice::new(seed ^ 0x0ce1_1000);
    let cell = usize::try_from(seed % (EVENTS.len() * Phase::ALL.len()) as u64).unwrap_or_default();
    let (kind, phase) = (EVENTS[cell / Phase::ALL.len()], Phase::ALL[cell % Phase::ALL.len()]);
    let mut draws = std::iter::repeat_with(|| draw_event(&mut dice)).take(100_000);
    let event = draws.find(|event| event.name() == kind).expect("every kind is drawn now and then");
    let at = Duration::from_millis(dice.below(horizon * 30_000));
    Planned::new(at, (phase != Phase::Complete).then_some(phase), event)
}

/// What goes wrong only where several things come together, which chance alone seldom lets happen.
fn draw_chain(dice: &mut Dice) -> Vec<(Option<Phase>, Event)> {
    let n = dice.roll() >> 1;
    let before_power = [Phase::PowerOff, Phase::Eject, Phase::InsertBoot, Phase::InsertTask, Phase::Override];
    let before_power = before_power[dice.index(before_power.len())];
    match dice.below(10) {
        // Every attempt fails, and somebody says retry.
        0 => vec![
            (Some(Phase::AwaitPermit), Event::StepFails(n | 128 | 64)),
            (Some(Phase::CleanOverride), Event::Retry(n)),
            (None, Event::Approve(0)),
        ],
        // Versions back and forth, agreed to each time but the last.
        1 => [0, 64, 0, 64, 0]
            .into_iter()
            .flat_map(|version| {
                [(None, Event::Version(n % 64 + version)), (Some(Phase::CleanOverride), Event::Approve(0))]
            })
            .collect(),
        // Another machine behind the BMC, while media go in or just before it starts.
        2 => {
            let when = if n.is_multiple_of(2) { before_power } else { Phase::PowerOn };
            vec![(Some(when), Event::Swap(n, dice.roll()))]
        }
        // A second attempt, and a machine that starts from the medium of the first.
        3 => {
            vec![(Some(Phase::AwaitResult), Event::Reboot(n)), (Some(Phase::Override), Event::StaleMedium(n))]
        }
        // Git goes away under a job, and what it wants goes with it.
        4 => vec![
            (Some(before_power), Event::GitDown(Duration::from_secs(2400 + n % 2))),
            (None, Event::BmcDown(n, Duration::from_secs(1100))),
            (None, Event::Version(n)),
        ],
        // The past comes back.
        5 => {
            let again = || if n.is_multiple_of(2) { Event::RestoreBackup } else { Event::CopyBack };
            vec![
                (None, Event::Backup),
                (Some(Phase::CleanOverride), again()),
                (Some(Phase::CleanPower), again()),
            ]
        }
        // The power of the controller goes while machines write.
        6 => vec![(Some(Phase::AwaitResult), Event::Crash), (Some(Phase::AwaitResult), Event::Crash)],
        // The database is gone while a machine writes, and somebody agrees to whatever waits.
        7 => vec![
            (Some(Phase::AwaitResult), Event::LoseDatabase),
            (None, Event::Wait(Duration::from_secs(300))),
            (None, Event::Approve(0)),
        ],
        // A job whose machine is given another name, or leaves Git and comes back.
        8 => vec![
            (Some(before_power), Event::Remove(n)),
            (None, Event::Add(n)),
            (None, Event::Wait(Duration::from_secs(120))),
            (None, Event::Approve(0)),
        ],
        _ => Vec::new(),
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
        59 => Event::RestoreBackup,
        60 => Event::CopyBack,
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
