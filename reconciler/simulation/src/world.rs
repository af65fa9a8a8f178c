// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything outside the controller, in one place, behind one lock that is never held across an await.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoal_controller::settings::Clock;
use shoal_core::job::Phase;
use shoal_git::CommitId;
use shoal_store::MemoryStore;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backup::Backup;
use crate::controllers::Incarnation;
use crate::dice::Dice;
use crate::git::Remote;
use crate::hardware::{Bmc, Machine};
use crate::journal::{ActiveJobs, JobSeen, Waiting};
use crate::oracle::Oracle;
use crate::people::Wanted;

/// The world.
pub(crate) struct World {
    state: Mutex<State>,
    /// The remote repository; behind a lock of its own, since mirrors hold it.
    pub remote: Arc<Mutex<Remote>>,
    /// Rings when an event is due.
    pub bell: Notify,
    began: Instant,
    trace: bool,
}

/// What the world is like now.
pub(crate) struct State {
    /// What chance has in store.
    pub dice: Dice,
    /// How far the wall clock is ahead, in milliseconds.
    pub clock_ahead: i64,
    /// BMCs, by number.
    pub bmcs: Vec<Bmc>,
    /// Machines, by number.
    pub machines: Vec<Machine>,
    /// Every start of a controller so far.
    pub incarnations: Vec<Incarnation>,
    /// What people want.
    pub wanted: Wanted,
    /// What stood in Git at each commit.
    pub commits: BTreeMap<CommitId, Wanted>,
    /// The branch was rewritten at some time.
    pub rewritten: bool,
    /// The database of the controller that should be there.
    pub store: Arc<MemoryStore>,
    /// The last backup of it.
    pub backup: Option<Backup>,
    /// Jobs that are not over, as they stand in the database of each side.
    pub jobs: [ActiveJobs; 2],
    /// Events that wait for a job to be somewhere.
    pub waiting: Vec<Waiting>,
    /// Those of them whose time has come, with the job.
    pub due: VecDeque<(Waiting, JobSeen)>,
    /// How often an event met a job in a phase.
    pub cells: BTreeMap<(String, Phase), u64>,
    /// What must hold.
    pub oracle: Oracle,
    /// What goes wrong now.
    pub faults: Faults,
    /// The power of the controller goes after so many more of its effects.
    pub crash_after: Option<u32>,
    /// Git cannot be reached.
    pub git_down: bool,
    /// What happened, counted.
    pub events: u64,
    /// What happened, by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// What happened, in words, where it is kept.
    pub story: Vec<String>,
}

/// What goes wrong now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// In so many of a hundred calls between machines and controllers.
    pub network: u64,
    /// In so many of a hundred calls of BMCs.
    pub bmc: u64,
    /// The disk under the database is full.
    pub disk_full: bool,
}

impl World {
    /// A world in which nothing happened yet.
    pub(crate) fn new(seed: u64, trace: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                dice: Dice::new(seed),
                clock_ahead: 0,
                bmcs: Vec::new(),
                machines: Vec::new(),
                incarnations: Vec::new(),
                wanted: Wanted::default(),
                commits: BTreeMap::new(),
                rewritten: false,
                store: Arc::new(MemoryStore::new()),
                backup: None,
                jobs: Default::default(),
                waiting: Vec::new(),
                due: VecDeque::new(),
                cells: BTreeMap::new(),
                oracle: Oracle::default(),
                faults: Faults::default(),
                crash_after: None,
                git_down: false,
                events: 0,
                kinds: BTreeMap::new(),
                story: Vec::new(),
            }),
            remote: Arc::default(),
            bell: Notify::new(),
            began: Instant::now(),
            trace,
        })
    }

    /// Looks at the world, or changes it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state);
        if state.oracle.violation.is_some() {
            // Whatever follows tells nothing more.
            self.bell.notify_one();
        }
        result
    }

    /// The remote repository.
    pub(crate) fn git<T>(&self, act: impl FnOnce(&mut Remote) -> T) -> T {
        act(&mut self.remote.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Time that really passed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What clocks show.
    pub(crate) fn now(self: &Arc<Self>) -> jiff::Timestamp {
        WorldClock(Arc::clone(self)).now()
    }

    /// Something happened.
    pub(crate) fn say(&self, kind: &'static str, what: impl FnOnce() -> String) {
        let text = self.trace.then(|| {
            let ms = self.elapsed().as_millis();
            format!("{:>8}.{:03} {kind}: {}", ms / 1000, ms % 1000, what())
        });
        self.with(|state| {
            state.events += 1;
            *state.kinds.entry(kind).or_default() += 1;
            state.story.extend(text);
        });
    }

    /// Whether the power of a controller goes here. Once it is gone, nothing it does has an effect.
    pub(crate) fn loses_power(&self, incarnation: usize, place: &'static str) -> bool {
        let cut = self.with(|state| {
            let power = state.incarnations[incarnation].power.clone();
            if power.is_cancelled() {
                return None;
            }
            if state.incarnations[incarnation].side == 0 {
                match &mut state.crash_after {
                    Some(0) => state.crash_after = None,
                    Some(left) => {
                        *left -= 1;
                        return Some(None);
                    }
                    None => return Some(None),
                }
                return Some(Some(power));
            }
            Some(None)
        });
        match cut {
            None => true,
            Some(None) => false,
            Some(Some(power)) => {
                self.say("crash", || place.to_owned());
                power.cancel();
                true
            }
        }
    }
}

/// The wall clock of the world.
pub(crate) struct WorldClock(pub Arc<World>);

impl Clock for WorldClock {
    fn now(&self) -> jiff::Timestamp {
        let ahead = self.0.with(|state| state.clock_ahead);
        let ms = self.0.elapsed().as_millis() as i64 + ahead;
        jiff::Timestamp::from_millisecond(START_MS + ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// When every simulation begins: 2026-01-05T08:00:00Z.
const START_MS: i64 = 1_767_600_000_000;
