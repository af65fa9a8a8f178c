// SPDX-License-Identifier: AGPL-3.0-or-later
//! Accounts with hashed passwords, by the Basic scheme (RFC 7617).
//!
//! Guarantees: a name that does not exist takes as long as a wrong password for the account whose hash
//! takes the longest: where all are made alike, names cannot be told apart by time. After 5 wrong
//! passwords within 60 s an address has to wait, and many at once are no way around that, nor are the
//! many addresses of one IPv6 network. A password that was right is not hashed again for 300 s. Hashing
//! blocks none of the runtime's threads, and takes 2 of the others at most.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::PasswordVerifier as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// After so many wrong passwords from one address
const WRONG_ALLOWED: u32 = 5;
/// within this time it has to wait.
const WRONG_WINDOW: Duration = Duration::from_secs(60);
/// A password that was right is not hashed again for so long.
const REMEMBER: Duration = Duration::from_secs(300);

/// So many passwords are hashed at once; the others wait, in the order in which they came.
const HASHED_AT_ONCE: usize = 2;
/// Roughly what one of an argon2 hash's KiB costs, per pass, and one of bcrypt's 2^cost rounds: µs. Only
/// for which of two hashes takes longer.
const ARGON2_KIB: u64 = 1;
const BCRYPT_ROUND: u64 = 50;

/// Somebody who may log in.
#[derive(Clone)]
pub struct Account<T> {
    /// Name; without a colon.
    pub user: String,
    /// Argon2 or bcrypt hash of the password, in the form that begins with `$`.
    pub hash: String,
    /// What whoever logs in is given: a role, a name, …
    pub grants: T,
}

/// Name and password, as a request has them. Never shown.
#[derive(Clone)]
pub struct Credentials {
    /// Name.
    pub user: Zeroizing<String>,
    /// Password.
    pub password: Zeroizing<String>,
}

/// Nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no account with this name and password.
    #[error("name and password of an account are needed")]
    Wrong,
    /// The address, or another one of its IPv6 network, was wrong too often.
    #[error("too many wrong passwords from this address; wait {seconds} s")]
    Wait {
        /// Whole seconds after which it may try again, at least 1: for `Retry-After`.
        seconds: u64,
    },
}

/// Accounts, passwords that were right, and addresses that were wrong.
pub struct Logins<T> {
    accounts: Arc<[Account<T>]>,
    hashing: Arc<Semaphore>,
    right: Mutex<HashMap<[u8; 32], (T, Instant)>>,
    wrong: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    turns: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<()>>>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Name and password out of `Authorization: Basic`, where the request has them.
pub fn basic(headers: &HeaderMap) -> Option<Credentials> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(value.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credentials { user: Zeroizing::new(user.to_owned()), password: Zeroizing::new(password.to_owned()) })
}

impl<T: Clone + Send + Sync + 'static> Logins<T> {
    /// For these accounts.
    pub fn new(accounts: Vec<Account<T>>) -> Self {
        Self {
            accounts: accounts.into(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            right: Mutex::default(),
            wrong: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// What the account with this name and password grants. `peer` is the address that asks; without one
    /// (a Unix socket) nothing is counted.
    pub async fn check(&self, peer: Option<IpAddr>, credentials: &Credentials) -> Result<T, Refused> {
        let key = key(credentials);
        if let Some(granted) = self.remembered(&key) {
            return Ok(granted);
        }
        // A client with many connections sends the same password over all of them at once: it is
        // checked, and counted, once.
        let turn = self.turn(key);
        let _turn = turn.lock().await;
        if let Some(granted) = self.remembered(&key) {
            return Ok(granted);
        }
        // Counted as wrong until it proves right: many at once are no way around the limit.
        let peer = peer.map(network);
        if let Some(peer) = peer {
            self.guess(peer)?;
        }
        let (accounts, credentials) = (Arc::clone(&self.accounts), credentials.clone());
        let checked = self.hashed(move || verify(&accounts, &credentials)).await;
        let Some(granted) = checked.flatten() else { return Err(Refused::Wrong) };
        self.remember(key, granted.clone());
        if let Some(peer) = peer {
            self.was_right(peer);
        }
        Ok(granted)
    }

    /// What `work`, which hashes a password, comes to. Whoever guesses with many requests occupies no more
    /// than a few threads; a request that is given up gives its place to the next when the work is over,
    /// not before.
    async fn hashed<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Option<R> {
        let place = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        let work = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Whoever checks these credentials has it.
    fn turn(&self, key: [u8; 32]) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key).or_default())
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<T> {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(key).filter(|(_, at)| at.elapsed() < REMEMBER).map(|(granted, _)| granted.clone())
    }

    fn remember(&self, key: [u8; 32], granted: T) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.retain(|_, (_, at)| at.elapsed() < REMEMBER);
        right.insert(key, (granted, Instant::now()));
    }

    /// One more password from this address, or how long it has to wait.
    fn guess(&self, peer: IpAddr) -> Result<(), Refused> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|_, (_, since)| since.elapsed() < WRONG_WINDOW);
        let (count, since) = wrong.entry(peer).or_insert((0, Instant::now()));
        if *count >= WRONG_ALLOWED {
            let left = WRONG_WINDOW.saturating_sub(since.elapsed());
            // Rounded up: whoever comes back after that is heard.
            return Err(Refused::Wait { seconds: left.as_millis().div_ceil(1000).max(1) as u64 });
        }
        *count += 1;
        Ok(())
    }

    /// The last one from this address was no wrong one.
    fn was_right(&self, peer: IpAddr) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = wrong.get_mut(&peer) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Those who are counted as one: an IPv4 address, in whichever form, or an IPv6 /64, which is what one
/// machine is given and can take any address of.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// By what a right password is remembered: not by itself.
fn key(credentials: &Credentials) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(credentials.user.as_bytes());
    hasher.update(b":");
    hasher.update(credentials.password.as_bytes());
    hasher.finalize().into()
}

/// One hash is tried, whatever the name: that of the account, or the one that takes the longest where
/// there is no such account, so that a quick answer tells nothing about a name that does not exist.
fn verify<T: Clone>(accounts: &[Account<T>], credentials: &Credentials) -> Option<T> {
    let named = accounts.iter().find(|account| account.user == *credentials.user);
    let tried = named.or_else(|| dearest(accounts))?;
    let right = fits(&tried.hash, &credentials.password);
    named.filter(|_| right).map(|account| account.grants.clone())
}

/// The account whose hash takes the longest.
fn dearest<T>(accounts: &[Account<T>]) -> Option<&Account<T>> {
    accounts.iter().max_by_key(|account| cost(&account.hash))
}

/// How long a hash takes, in rough µs; 0 where it is none.
fn cost(hash: &str) -> u64 {
    if hash.starts_with("$argon2") {
        let parsed = argon2::PasswordHash::new(hash).ok();
        let params = parsed.and_then(|parsed| argon2::Params::try_from(&parsed).ok());
        return params.map_or(0, |params| {
            u64::from(params.m_cost()) * u64::from(params.t_cost()).saturating_mul(ARGON2_KIB)
        });
    }
    // $2b$12$…: 2^12 rounds.
    let rounds = hash.split('$').nth(2).and_then(|cost| 1_u64.checked_shl(cost.parse().ok()?));
    rounds.map_or(0, |rounds| rounds.saturating_mul(BCRYPT_ROUND))
}

fn fits(hash: &str, password: &str) -> bool {
    if hash.starts_with("$argon2") {
        return argon2::PasswordHash::new(hash).is_ok_and(|parsed| {
            argon2::Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
        });
    }
    bcrypt::verify(password, hash).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn given(user: &str, password: &str) -> Credentials {
        Credentials { user: Zeroizing::new(user.to_owned()), password: Zeroizing::new(password.to_owned()) }
    }

    fn logins() -> Logins<&'static str> {
        use argon2::PasswordHasher as _;
        let salt = argon2::password_hash::SaltString::from_b64("c2FsdHNhbHRzYWx0").unwrap();
        let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cheap);
        let account = |user: &str, hash: String, grants| Account { user: user.to_owned(), hash, grants };
        Logins::new(vec![
            account("ada", bcrypt::hash("right", 4).unwrap(), "bcrypt"),
            account("bob", argon.hash_password(b"also right", &salt).unwrap().to_string(), "argon2"),
        ])
    }

    #[tokio::test]
    async fn an_account_is_known_by_name_and_password_together() {
        let logins = logins();
        assert_eq!(logins.check(None, &given("ada", "right")).await, Ok("bcrypt"));
        assert_eq!(logins.check(None, &given("bob", "also right")).await, Ok("argon2"));
        for (user, password) in [("ada", "also right"), ("bob", "right"), ("eve", "right"), ("ada", "")] {
            assert_eq!(logins.check(None, &given(user, password)).await, Err(Refused::Wrong), "{user}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_guesses_has_to_wait_and_is_told_how_long() {
        let logins = logins();
        for _ in 0..WRONG_ALLOWED {
            assert_eq!(logins.check(Some(HERE), &given("ada", "x")).await, Err(Refused::Wrong));
        }
        tokio::time::advance(Duration::from_millis(20_500)).await;
        let refused = logins.check(Some(HERE), &given("ada", "right")).await;
        assert_eq!(refused, Err(Refused::Wait { seconds: 40 }), "also with the right one");
        assert_eq!(logins.check(Some(THERE), &given("bob", "x")).await, Err(Refused::Wrong), "another one");
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(logins.check(Some(HERE), &given("ada", "right")).await, Ok("bcrypt"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_that_was_right_is_not_counted_and_is_remembered_for_a_while() {
        let logins = logins();
        for _ in 0..=WRONG_ALLOWED {
            logins.right.lock().unwrap().clear();
            assert_eq!(logins.check(Some(HERE), &given("ada", "right")).await, Ok("bcrypt"));
        }
        for _ in 0..WRONG_ALLOWED {
            assert_eq!(logins.check(Some(HERE), &given("ada", "x")).await, Err(Refused::Wrong));
        }
        assert_eq!(logins.check(Some(HERE), &given("ada", "right")).await, Ok("bcrypt"), "remembered");
        tokio::time::advance(REMEMBER).await;
        assert_eq!(logins.remembered(&key(&given("ada", "right"))), None, "not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn all_the_addresses_of_an_ipv6_network_wait_together() {
        let logins = logins();
        let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for guess in 0..WRONG_ALLOWED {
            let peer = at(&format!("2001:db8:1:2:{guess:x}::1"));
            assert_eq!(logins.check(peer, &given("ada", "x")).await, Err(Refused::Wrong));
        }
        let refused = logins.check(at("2001:db8:1:2:ffff::9"), &given("ada", "right")).await;
        assert!(matches!(refused, Err(Refused::Wait { .. })));
        assert_eq!(logins.check(at("2001:db8:1:3::1"), &given("bob", "x")).await, Err(Refused::Wrong));

        // An IPv4 address is one, in whichever form, and its neighbours are others.
        for guess in 0..WRONG_ALLOWED {
            let peer = if guess % 2 == 0 { at("::ffff:192.0.2.1") } else { Some(HERE) };
            assert_eq!(logins.check(peer, &given("ada", "x")).await, Err(Refused::Wrong));
        }
        assert!(matches!(logins.check(Some(HERE), &given("ada", "x")).await, Err(Refused::Wait { .. })));
        assert_eq!(logins.check(at("::ffff:192.0.2.2"), &given("ada", "x")).await, Err(Refused::Wrong));
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_waits_until_few_enough_others_are_hashed() {
        let logins = logins();
        let others = logins.hashing.acquire_many(HASHED_AT_ONCE as u32).await.unwrap();
        // While something is hashed the clock does not go on by itself.
        let ada = given("ada", "right");
        let checked = tokio::time::timeout(WRONG_WINDOW, logins.check(None, &ada)).await;
        assert!(checked.is_err(), "hashed though there was no place");
        drop(others);
        assert_eq!(logins.check(None, &ada).await, Ok("bcrypt"));
        assert_eq!(logins.hashing.available_permits(), HASHED_AT_ONCE);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_keeps_its_place_until_its_hash_is_done() {
        let logins = Arc::new(logins());
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let asked = tokio::spawn({
            let logins = Arc::clone(&logins);
            async move {
                let work = move || (begun.send(()), is_done.recv());
                logins.hashed(work).await.is_some()
            }
        });
        begins.await.unwrap();
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(logins.hashing.available_permits(), HASHED_AT_ONCE - 1);
        done.send(()).unwrap();
        assert!(logins.hashing.acquire_many(HASHED_AT_ONCE as u32).await.is_ok());
    }

    #[test]
    fn a_name_that_does_not_exist_is_tried_against_the_hash_that_takes_the_longest() {
        let ascending = [
            "no hash",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
            "$2b$04$c2FsdHNhbHRzYWx0c2Fsd.",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
            "$2b$10$c2FsdHNhbHRzYWx0c2Fsd.",
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
            "$2y$12$c2FsdHNhbHRzYWx0c2Fsd.",
        ];
        let account = |hash: &&str| Account { user: "x".to_owned(), hash: (*hash).to_owned(), grants: () };
        let mut accounts: Vec<_> = ascending.iter().map(account).collect();
        for expected in ascending.iter().rev() {
            accounts.rotate_left(1);
            assert_eq!(dearest(&accounts).unwrap().hash, *expected);
            accounts.retain(|account| account.hash != *expected);
        }
        assert!(dearest(&accounts).is_none());
        assert_eq!(cost("$2b$99$"), 0, "no such cost");
    }

    #[test]
    fn the_basic_header_is_read_and_its_password_is_never_shown() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            basic(&headers)
        };
        // "ada:s3cret:word"
        let found = read("bAsIc YWRhOnMzY3JldDp3b3Jk").unwrap();
        assert_eq!((found.user.as_str(), found.password.as_str()), ("ada", "s3cret:word"));
        assert!(!format!("{found:?}").contains("s3cret"));
        for bad in ["", "Basic", "Basic !!!", "Basic YWRh", "Bearer YWRhOng=", "Basic /w=="] {
            assert!(read(bad).is_none(), "{bad}");
        }
        assert!(basic(&HeaderMap::new()).is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_with_many_connections_is_checked_once_and_never_told_to_wait() {
        let hash = bcrypt::hash("right", 4).unwrap();
        let logins = Arc::new(Logins::new(vec![Account { user: "ada".to_owned(), hash, grants: 7 }]));
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..8 * WRONG_ALLOWED {
            let logins = Arc::clone(&logins);
            asked.spawn(async move { logins.check(Some(HERE), &given("ada", "right")).await.ok() });
        }
        assert!(asked.join_all().await.into_iter().all(|granted| granted == Some(7)));
        assert!(logins.turns.lock().unwrap().len() <= 1);
    }

    #[tokio::test]
    async fn the_password_of_one_account_opens_no_other_and_no_name_that_does_not_exist() {
        let account = |user: &str, password: &str| Account {
            user: user.to_owned(),
            hash: bcrypt::hash(password, 4).unwrap(),
            grants: user.to_owned(),
        };
        let logins = Logins::new(vec![account("ada", "first"), account("bob", "second")]);
        for (user, password) in [("bob", "first"), ("ada", "second"), ("eve", "first"), ("", "first")] {
            assert!(logins.check(None, &given(user, password)).await.is_err(), "{user}");
        }
        assert_eq!(logins.check(None, &given("bob", "second")).await.ok().as_deref(), Some("bob"));
    }
}
