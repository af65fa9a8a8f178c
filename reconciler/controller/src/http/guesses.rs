// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines that come with a wrong token: after too many from one source the answer is 429.
//!
//! Guarantees: a right token is never refused, whatever else came from the same source: a thousand
//! machines may stand behind one address. What is remembered is bounded.
//! Assumptions: whether a token is right was found out before, which costs a hash.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After so many wrong tokens from one source
const WRONG_ALLOWED: u32 = 30;
/// within this time the next ones are told to wait.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are remembered; beyond them the oldest ones are forgotten.
const MOST_SOURCES: usize = 4096;

/// Wrong tokens by source.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<HashMap<IpAddr, (u32, Instant)>>);

/// Too many from this source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// Seconds after which it may try again, at least 1.
    pub(crate) seconds: u64,
}

impl Guesses {
    /// Notes a wrong token. Without a source, which is so on the local socket, nothing is counted.
    pub(crate) fn wrong(&self, source: Option<IpAddr>) -> Result<(), TooMany> {
        let Some(source) = source.map(network) else { return Ok(()) };
        let now = Instant::now();
        let mut by = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if by.len() >= MOST_SOURCES && !by.contains_key(&source) {
            by.retain(|_, (_, since)| now.duration_since(*since) < WINDOW);
            if by.len() >= MOST_SOURCES
                && let Some(oldest) = by.iter().min_by_key(|(_, (_, since))| *since).map(|(ip, _)| *ip)
            {
                by.remove(&oldest);
            }
        }
        let (count, since) = by.entry(source).or_insert((0, now));
        let passed = now.duration_since(*since);
        if passed >= WINDOW {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        if *count <= WRONG_ALLOWED {
            return Ok(());
        }
        let left = WINDOW.saturating_sub(now.duration_since(*since));
        Err(TooMany { seconds: left.as_millis().div_ceil(1000).max(1) as u64 })
    }
}

/// Whoever has an IPv6 network has all of its addresses.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_wrong_too_often_waits_for_the_rest_of_a_minute_and_its_neighbours_do_not() {
        let guesses = Guesses::default();
        for _ in 0..WRONG_ALLOWED {
            assert_eq!(guesses.wrong(Some(at("192.0.2.1"))), Ok(()));
        }
        tokio::time::advance(Duration::from_millis(20_500)).await;
        assert_eq!(guesses.wrong(Some(at("192.0.2.1"))), Err(TooMany { seconds: 40 }));
        assert_eq!(guesses.wrong(Some(at("::ffff:192.0.2.1"))), Err(TooMany { seconds: 40 }), "the same one");
        assert_eq!(guesses.wrong(Some(at("192.0.2.2"))), Ok(()));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(guesses.wrong(Some(at("192.0.2.1"))), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_is_one_source_and_the_local_socket_is_none() {
        let guesses = Guesses::default();
        for host in 0..WRONG_ALLOWED {
            assert_eq!(guesses.wrong(Some(at(&format!("2001:db8::{host:x}")))), Ok(()));
        }
        assert!(guesses.wrong(Some(at("2001:db8::ffff"))).is_err());
        assert_eq!(guesses.wrong(Some(at("2001:db8:0:1::1"))), Ok(()));
        for _ in 0..=WRONG_ALLOWED {
            assert_eq!(guesses.wrong(None), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_sources_are_not_remembered_for_ever() {
        let guesses = Guesses::default();
        for bits in 0..(MOST_SOURCES as u32 + 500) {
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(guesses.wrong(Some(IpAddr::V4(bits.into()))), Ok(()));
        }
        let by = guesses.0.lock().unwrap();
        assert_eq!(by.len(), MOST_SOURCES);
        assert!(!by.contains_key(&IpAddr::V4(0.into())), "the oldest one went");
    }
}
