// SPDX-License-Identifier: AGPL-3.0-or-later
//! When each BMC is looked at next.
//!
//! # Guarantees
//! * One look at a time per server, spread by jitter, so that no two controllers and no two servers keep
//!   step.
//! * A BMC that fails again and again is looked at less and less often, up to [`LONGEST_PAUSE`], and as
//!   often as ever once it has answered.
//! * BMCs that failed last take turns among themselves ([`Pool::Silent`]): however many of them there are,
//!   they take no place from one that answers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row before the pause grows: by then it is known to be unreachable, and ten minutes
/// have passed at the usual pace.
const PATIENCE: u32 = 4;
/// The longest pause between two looks, where the interval itself is not longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The first looks of many are this far apart on average.
const FIRST_APART: Duration = Duration::from_millis(20);

/// Who takes turns with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pool {
    /// Those that answered last, or were never asked.
    Answering,
    /// Those that failed last.
    Silent,
}

/// Numbers in `0.0..1.0`.
pub(crate) type Jitter = Box<dyn Fn() -> f64 + Send + Sync>;

/// When each server is looked at next, and what is under way.
pub struct Schedule {
    turns: Mutex<Turns>,
    busy: Mutex<HashSet<String>>,
    jitter: Jitter,
}

#[derive(Clone, Copy)]
struct Turn {
    /// Nothing: at once.
    at: Option<Instant>,
    failures: u32,
    under_way: bool,
}

impl Turn {
    fn pool(&self) -> Pool {
        if self.failures == 0 { Pool::Answering } else { Pool::Silent }
    }
}

/// Whose turn is when. Who comes next is known without looking at everybody: it is asked after every look.
#[derive(Default)]
struct Turns {
    by_server: HashMap<String, Turn>,
    /// Who is not under way, by pool and time.
    waiting: BTreeSet<(Pool, Option<Instant>, String)>,
}

impl Turns {
    fn set(&mut self, server: &str, turn: Turn) {
        self.remove(server);
        if !turn.under_way {
            self.waiting.insert((turn.pool(), turn.at, server.to_owned()));
        }
        self.by_server.insert(server.to_owned(), turn);
    }

    fn remove(&mut self, server: &str) {
        if let Some(turn) = self.by_server.remove(server) {
            self.waiting.remove(&(turn.pool(), turn.at, server.to_owned()));
        }
    }

    /// Whose turn it is, the one that waits longest first.
    fn due(&self, pool: Pool) -> impl Iterator<Item = &String> {
        let now = Instant::now();
        let of_pool = self.waiting.range((pool, None, String::new())..);
        let due = of_pool.take_while(move |(of, at, _)| *of == pool && at.is_none_or(|at| at <= now));
        due.map(|(_, _, server)| server)
    }
}

/// One thing at a time is done to a server.
pub(crate) struct Claim<'a> {
    schedule: &'a Schedule,
    server: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.schedule.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.server);
    }
}

/// Something else is under way.
pub(crate) struct Busy;

impl Schedule {
    pub(crate) fn new(jitter: Jitter) -> Self {
        Self { turns: Mutex::default(), busy: Mutex::default(), jitter }
    }

    pub(crate) fn claim(&self, server: &str) -> Result<Claim<'_>, Busy> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(server.to_owned()) {
            Ok(Claim { schedule: self, server: server.to_owned() })
        } else {
            Err(Busy)
        }
    }

    /// Looks at a server at the next opportunity.
    pub(crate) fn soon(&self, server: &str) {
        let mut turns = self.lock();
        let known = turns.by_server.get(server).copied();
        let turn = known.unwrap_or(Turn { at: None, failures: 0, under_way: false });
        turns.set(server, Turn { at: None, ..turn });
    }

    /// Exactly these servers are looked at, each with its failures in a row so far. The first look comes
    /// soon, but not for all at once.
    pub(crate) fn keep(&self, servers: &[(String, u32)], interval: Duration) {
        let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let first = interval.min(FIRST_APART.saturating_mul(count));
        let now = Instant::now();
        let mut turns = self.lock();
        for (name, failures) in servers {
            if !turns.by_server.contains_key(name) {
                let at = Some(now + first.mul_f64((self.jitter)()));
                turns.set(name, Turn { at, failures: *failures, under_way: false });
            }
        }
        if turns.by_server.len() > servers.len() {
            let known: HashSet<&String> = servers.iter().map(|(name, _)| name).collect();
            let gone: Vec<String> =
                turns.by_server.keys().filter(|name| !known.contains(name)).cloned().collect();
            for name in &gone {
                turns.remove(name);
            }
        }
    }

    /// How many servers of this pool wait for their turn, as far as there are places.
    pub(crate) fn due(&self, pool: Pool, places: usize) -> usize {
        self.lock().due(pool).take(places).count()
    }

    /// At most `places` servers of this pool whose turn it is, the one that waits longest first. They
    /// are under way until [`Schedule::looked`].
    pub(crate) fn take(&self, pool: Pool, places: usize) -> Vec<String> {
        let mut turns = self.lock();
        let taken: Vec<String> = turns.due(pool).take(places).cloned().collect();
        let now = Some(Instant::now());
        for name in &taken {
            if let Some(turn) = turns.by_server.get(name).copied() {
                turns.set(name, Turn { at: now, under_way: true, ..turn });
            }
        }
        taken
    }

    /// A look is over; the next one follows after a pause. Whoever asked for one meanwhile gets it.
    pub(crate) fn looked(&self, server: &str, result: Looked, interval: Duration) {
        let mut turns = self.lock();
        let Some(mut turn) = turns.by_server.get(server).copied() else { return };
        turn.under_way = false;
        match result {
            Looked::Answered => turn.failures = 0,
            Looked::Failed => turn.failures = turn.failures.saturating_add(1),
            Looked::NotAsked => {}
        }
        if turn.at.is_some() {
            let pause = pause(interval, turn.failures);
            turn.at = Some(Instant::now() + pause.mul_f64(0.8 + 0.4 * (self.jitter)()));
        }
        turns.set(server, turn);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The BMC answered.
    Answered,
    /// It did not, or not as it should.
    Failed,
    /// Something else is under way, or it is not to be asked.
    NotAsked,
}

/// The pause after so many failures in a row, before jitter.
fn pause(interval: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(PATIENCE).min(16);
    interval.saturating_mul(1 << doublings).min(LONGEST_PAUSE.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(180);

    fn named(count: usize) -> Vec<(String, u32)> {
        (0..count).map(|n| (format!("web-{n:02}"), 0)).collect()
    }

    /// Seconds until the next look, by trying each.
    async fn seconds_to(schedule: &Schedule, pool: Pool) -> u64 {
        let start = Instant::now();
        while schedule.take(pool, 1).is_empty() {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn looks_follow_each_other_after_the_interval_and_its_jitter() {
        for (jitter, seconds) in [(0.0, 144), (0.5, 180), (1.0, 216)] {
            let schedule = Schedule::new(Box::new(move || jitter));
            schedule.keep(&named(1), INTERVAL);
            assert!(seconds_to(&schedule, Pool::Answering).await <= 1, "the first one is soon");
            schedule.looked("web-00", Looked::Answered, INTERVAL);
            assert_eq!(seconds_to(&schedule, Pool::Answering).await, seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_looks_of_a_fleet_are_spread() {
        let schedule = Schedule::new(Box::new(|| 0.5));
        schedule.keep(&named(10_000), INTERVAL);
        assert!(schedule.take(Pool::Answering, 1).is_empty(), "not all at once");
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(schedule.take(Pool::Answering, usize::MAX).len(), 10_000, "half of the interval");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_looked_at_less_and_less_often_and_as_often_as_ever_once_it_answers() {
        let schedule = Schedule::new(Box::new(|| 0.5));
        schedule.keep(&named(1), INTERVAL);
        seconds_to(&schedule, Pool::Answering).await;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            schedule.looked("web-00", Looked::Failed, INTERVAL);
            pauses.push(seconds_to(&schedule, Pool::Silent).await);
        }
        assert_eq!(pauses, [180, 180, 180, 180, 360, 720, 900, 900]);
        schedule.looked("web-00", Looked::NotAsked, INTERVAL);
        assert_eq!(seconds_to(&schedule, Pool::Silent).await, 900);
        schedule.looked("web-00", Looked::Answered, INTERVAL);
        assert_eq!(seconds_to(&schedule, Pool::Answering).await, 180);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_longer_than_the_longest_pause_stays_as_it_is() {
        assert_eq!(pause(Duration::from_secs(7200), 30), Duration::from_secs(7200));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_fail_take_no_turn_of_those_that_answer() {
        let schedule = Schedule::new(Box::new(|| 0.0));
        schedule.keep(&named(100), INTERVAL);
        let all = schedule.take(Pool::Answering, usize::MAX);
        assert_eq!(all.len(), 100);
        for (at, name) in all.iter().enumerate() {
            let result = if at < 99 { Looked::Failed } else { Looked::Answered };
            schedule.looked(name, result, INTERVAL);
        }
        tokio::time::advance(INTERVAL).await;
        assert_eq!(schedule.take(Pool::Answering, 64), [all[99].clone()]);
        assert_eq!(schedule.take(Pool::Silent, 16).len(), 16, "and they have turns of their own");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_before_a_restart_is_known_to_fail() {
        let schedule = Schedule::new(Box::new(|| 0.0));
        schedule.keep(&[("web-00".to_owned(), 7), ("web-01".to_owned(), 0)], INTERVAL);
        assert_eq!(schedule.take(Pool::Silent, 9), ["web-00"]);
        assert_eq!(schedule.take(Pool::Answering, 9), ["web-01"]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_asked_for_comes_first_and_is_never_looked_at_twice_at_once() {
        let schedule = Schedule::new(Box::new(|| 0.0));
        schedule.keep(&named(3), INTERVAL);
        schedule.soon("web-02");
        assert_eq!(schedule.take(Pool::Answering, 1), ["web-02"]);
        schedule.soon("web-02");
        assert_eq!(schedule.take(Pool::Answering, 9), ["web-00", "web-01"]);
        schedule.looked("web-02", Looked::Answered, INTERVAL);
        assert_eq!(schedule.take(Pool::Answering, 9), ["web-02"], "asked for while it was under way");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_left_is_forgotten() {
        let schedule = Schedule::new(Box::new(|| 0.0));
        schedule.keep(&named(3), INTERVAL);
        schedule.keep(&named(1), INTERVAL);
        assert_eq!(schedule.take(Pool::Answering, 9), ["web-00"]);
        // As many as before, but others.
        schedule.keep(&[("db-00".to_owned(), 0)], INTERVAL);
        assert_eq!(schedule.take(Pool::Answering, 9), ["db-00"]);
    }
}
