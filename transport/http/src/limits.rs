// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the clients of one TCP listener may take: connections, and time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the clients of one TCP listener may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; the next ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections at once from one address, IPv4 or IPv6; the next ones are closed at once.
    pub per_address: usize,
    /// A connection is cut whose client takes no byte of its answer for so long.
    pub stalled: Duration,
    /// A connection ends when the head of its first request is not there after so long, or that of the
    /// next one so long after the last byte of an answer.
    pub head: Duration,
}

impl Default for Limits {
    /// 4,096 connections, 512 from one address; 60 s for a byte, 30 s for a head.
    fn default() -> Self {
        Self {
            connections: 4096,
            per_address: 512,
            stalled: Duration::from_secs(60),
            head: Duration::from_secs(30),
        }
    }
}

/// How many connections there are from each address; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of its address, until it is dropped.
pub(crate) struct Present {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// One more connection from this address, where there are fewer than `most`.
    pub(crate) fn enter(&self, address: IpAddr, most: usize) -> Option<Present> {
        // On a socket for both, IPv4 addresses come in the clothes of IPv6.
        let address = address.to_canonical();
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.get(&address).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        present.insert(address, count + 1);
        Some(Present { addresses: self.clone(), address })
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut present = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        match present.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(present.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_one_that_ends_makes_room() {
        let addresses = Addresses::default();
        let at = |text: &str| addresses.enter(text.parse().unwrap(), 2);
        let (first, second) = (at("192.0.2.1"), at("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(at("192.0.2.1").is_none() && at("::ffff:192.0.2.1").is_none());
        assert!(at("192.0.2.2").is_some() && at("2001:db8::1").is_some(), "others are not in the way");
        drop(first);
        let third = at("192.0.2.1");
        assert!(third.is_some() && at("192.0.2.1").is_none());
        drop((second, third));
        assert!(addresses.0.lock().unwrap().is_empty(), "nothing is kept of those who left");
    }
}
