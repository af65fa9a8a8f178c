// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which notification is tried next, and when.
//!
//! # Guarantees
//! * Oldest first, as long as each is taken.
//! * One that the receiver refuses holds up no other: it is tried again by itself, later and later.
//! * While the receiver cannot be reached, nobody else is tried in vain: all wait for it, in order.
//! * A message is tried so many times at most, and then given up.
//! * One that was taken, or given up, and cannot be removed from the database is not sent again: only its removal is
//!   tried again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

/// Tries of one message before it is given up: about a day.
const TRIES: u32 = 30;
/// The first pause; doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The key of a message.
type Key = Vec<u8>;

/// What was tried so far. Forgotten at a restart, after which everything is tried at once.
#[derive(Default)]
pub(crate) struct Backlog {
    refused: HashMap<Key, Pause>,
    receiver: Option<Pause>,
    /// What nobody waits for any more and still stands in the database, and when its removal is tried again.
    over: HashMap<Key, Instant>,
}

#[derive(Clone, Copy)]
struct Pause {
    tries: u32,
    until: Instant,
}

impl Pause {
    fn after(earlier: Option<Self>, now: Instant) -> Self {
        let tries = earlier.map_or(0, |earlier| earlier.tries) + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
        Self { tries, until: now + pause }
    }
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This message is tried.
    Try(Key),
    /// This message is removed, and not tried.
    Remove(Key),
    /// Nothing before then; nothing at all where there is no message.
    Wait(Option<Instant>),
}

/// How a try ended that was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The receiver does not want this message.
    Refused,
    /// The receiver cannot be reached, or takes nothing at the moment.
    Away,
}

impl Backlog {
    /// The message that is tried next, out of those that there are, oldest first.
    pub(crate) fn next(&mut self, keys: &[Key], now: Instant) -> Next {
        if self.refused.len() > keys.len() {
            let known: HashSet<&Key> = keys.iter().collect();
            self.refused.retain(|key, _| known.contains(key));
        }
        if self.over.len() > keys.len() {
            let known: HashSet<&Key> = keys.iter().collect();
            self.over.retain(|key, _| known.contains(key));
        }
        if keys.is_empty() {
            return Next::Wait(None);
        }
        if let Some(key) = keys.iter().find(|key| self.over.get(*key).is_some_and(|until| *until <= now)) {
            return Next::Remove(key.clone());
        }
        let removal = keys.iter().filter_map(|key| self.over.get(key)).copied().min();
        if let Some(away) = self.receiver.filter(|away| away.until > now) {
            return Next::Wait(Some(removal.map_or(away.until, |until| until.min(away.until))));
        }
        let mut left = keys.iter().filter(|key| !self.over.contains_key(*key));
        let ready = left.find(|key| self.refused.get(*key).is_none_or(|pause| pause.until <= now));
        match ready {
            Some(key) => Next::Try(key.clone()),
            None => {
                let again = keys.iter().filter_map(|key| self.refused.get(key)).map(|pause| pause.until);
                Next::Wait(again.chain(removal).min())
            }
        }
    }

    /// A message was taken.
    pub(crate) fn taken(&mut self, key: &[u8]) {
        self.refused.remove(key);
        self.receiver = None;
    }

    /// A message that nobody waits for any more could not be removed.
    pub(crate) fn stays(&mut self, key: &[u8], now: Instant) {
        self.over.insert(key.to_vec(), now + FIRST_PAUSE);
    }

    /// A message was removed.
    pub(crate) fn removed(&mut self, key: &[u8]) {
        self.over.remove(key);
    }

    /// A message was not taken. True where it is given up.
    pub(crate) fn failed(&mut self, key: &[u8], failed: Failed, now: Instant) -> bool {
        let pause = match failed {
            Failed::Refused => {
                // It answers, after all.
                self.receiver = None;
                let pause = Pause::after(self.refused.get(key).copied(), now);
                self.refused.insert(key.to_vec(), pause);
                pause
            }
            Failed::Away => {
                let pause = Pause::after(self.receiver, now);
                self.receiver = Some(pause);
                pause
            }
        };
        let given_up = pause.tries >= TRIES;
        if given_up {
            self.refused.remove(key);
            self.receiver = None;
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<Key> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    fn tries(name: &str) -> Next {
        Next::Try(name.as_bytes().to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_refused_holds_up_no_other_and_comes_again_by_itself() {
        let (mut backlog, all) = (Backlog::default(), keys(&["1", "2"]));
        let start = Instant::now();
        assert_eq!(backlog.next(&all, start), tries("1"));
        assert!(!backlog.failed(b"1", Failed::Refused, start));
        assert_eq!(backlog.next(&all, start), tries("2"));
        backlog.taken(b"2");
        let left = keys(&["1"]);
        let again = start + FIRST_PAUSE;
        assert_eq!(backlog.next(&left, start), Next::Wait(Some(again)));
        assert_eq!(backlog.next(&left, again), tries("1"));
        assert!(!backlog.failed(b"1", Failed::Refused, again));
        assert_eq!(backlog.next(&left, again), Next::Wait(Some(again + FIRST_PAUSE * 2)));
        assert_eq!(backlog.next(&keys(&["1", "3"]), again), tries("3"), "a new one is not held up either");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_was_taken_and_cannot_be_removed_is_not_sent_again() {
        let (mut backlog, all) = (Backlog::default(), keys(&["1", "2"]));
        let start = Instant::now();
        backlog.taken(b"1");
        backlog.stays(b"1", start);
        assert_eq!(backlog.next(&all, start), tries("2"), "it holds up no other");
        let left = keys(&["1"]);
        let again = start + FIRST_PAUSE;
        assert_eq!(backlog.next(&left, start), Next::Wait(Some(again)));
        backlog.failed(b"2", Failed::Away, start);
        assert_eq!(backlog.next(&all, start), Next::Wait(Some(again)));
        assert_eq!(backlog.next(&left, again), Next::Remove(b"1".to_vec()));
        backlog.stays(b"1", again);
        assert_eq!(backlog.next(&left, again), Next::Wait(Some(again + FIRST_PAUSE)), "not at once again");
        backlog.removed(b"1");
        assert!(backlog.over.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_receiver_is_away_all_wait_and_keep_their_order() {
        let (mut backlog, all) = (Backlog::default(), keys(&["1", "2"]));
        let start = Instant::now();
        assert!(!backlog.failed(b"1", Failed::Away, start));
        assert_eq!(backlog.next(&all, start), Next::Wait(Some(start + FIRST_PAUSE)));
        assert_eq!(backlog.next(&all, start + FIRST_PAUSE), tries("1"));
        backlog.taken(b"1");
        assert_eq!(backlog.next(&keys(&["2"]), start + FIRST_PAUSE), tries("2"), "at once");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_an_hour_and_a_message_is_given_up_at_last() {
        for failed in [Failed::Refused, Failed::Away] {
            let (mut backlog, all) = (Backlog::default(), keys(&["1"]));
            let start = Instant::now();
            let mut now = start;
            let mut count = 1;
            while !backlog.failed(b"1", failed, now) {
                count += 1;
                let Next::Wait(Some(until)) = backlog.next(&all, now) else { panic!("no pause") };
                assert!(until - now <= LONGEST_PAUSE);
                now = until;
            }
            assert_eq!(count, TRIES);
            assert!(now - start > Duration::from_secs(18 * 3600), "{:?}", now - start);
            assert_eq!(backlog.next(&all, now), tries("1"), "nothing is left of it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_message_nothing_is_waited_for_and_nothing_is_remembered() {
        let mut backlog = Backlog::default();
        backlog.failed(b"1", Failed::Refused, Instant::now());
        assert_eq!(backlog.next(&[], Instant::now()), Next::Wait(None));
        assert!(backlog.refused.is_empty());
    }
}
