// SPDX-License-Identifier: AGPL-3.0-or-later
//! Accounts as `htpasswd` writes them: one `USER:HASH` a line, `#` begins a comment.
//!
//! Guarantees: only hashes are taken that are slow to guess (bcrypt, Argon2id); every line that cannot
//! be taken is reported by its number with the command that makes a right one; no hash is ever shown.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use shoal_http::login::Account;
use zeroize::Zeroizing;

use crate::policy::{ANONYMOUS, EVERYONE, JOB_USER};

/// The largest cost of bcrypt that is taken: 2^15 rounds take seconds, and every login waits for them.
const MAX_COST: u32 = 15;

/// Accounts and the hashes of their passwords.
#[derive(Clone, Default)]
pub struct Users {
    accounts: BTreeMap<String, Zeroizing<String>>,
}

/// A users file that cannot be taken, with every line that is wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry's users file cannot be used:{}", listed(.lines))]
pub struct UsersError {
    /// Line numbers, from 1, and what is wrong there.
    pub lines: Vec<(usize, LineFault)>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// It is not `USER:HASH`.
    #[error("expected USER:HASH, as `htpasswd -nBC 10 USER` prints it")]
    Form,
    /// The name cannot be an account's.
    #[error("an account cannot be called `{0}`: the registry gives that name a meaning of its own")]
    Reserved(String),
    /// There is a line with this name above.
    #[error("{0} has a line above already: remove one of them")]
    Twice(String),
    /// The hash is too easy to guess from, or unknown.
    #[error(
        "the password of {user} is kept as {found}, which is not taken; replace the line with what `htpasswd -nBC 10 {user}` prints"
    )]
    Scheme {
        /// The account.
        user: String,
        /// What the hash seems to be.
        found: &'static str,
    },
    /// It begins like a good hash and is none.
    #[error(
        "the {kind} hash of {user} is cut short or damaged; replace the line with what `htpasswd -nBC 10 {user}` prints"
    )]
    Damaged {
        /// The account.
        user: String,
        /// `bcrypt` or `Argon2id`.
        kind: &'static str,
    },
    /// A login would take too long.
    #[error(
        "the bcrypt hash of {user} has cost {cost}, and {MAX_COST} is the most that is taken; make another with `htpasswd -nBC 10 {user}`"
    )]
    Cost {
        /// The account.
        user: String,
        /// Its cost.
        cost: u32,
    },
}

// === impl Users ===

impl Users {
    /// Reads the text of a users file.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let (mut accounts, mut lines) = (BTreeMap::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match account(line) {
                Ok((user, _)) if accounts.contains_key(user) => {
                    lines.push((at + 1, LineFault::Twice(user.to_owned())));
                }
                Ok((user, hash)) => {
                    accounts.insert(user.to_owned(), Zeroizing::new(hash.to_owned()));
                }
                Err(fault) => lines.push((at + 1, fault)),
            }
        }
        if lines.is_empty() { Ok(Self { accounts }) } else { Err(UsersError { lines }) }
    }

    /// Names of the accounts, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Whether there is no account at all: nobody could log in.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    pub(super) fn accounts(&self) -> Vec<Account<String>> {
        let each = self.accounts.iter();
        each.map(|(user, hash)| Account { user: user.clone(), hash: hash.to_string(), grants: user.clone() })
            .collect()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.accounts.keys()).finish()
    }
}

/// Name and hash of a line.
fn account(line: &str) -> Result<(&str, &str), LineFault> {
    let (user, hash) = line.split_once(':').ok_or(LineFault::Form)?;
    if user.is_empty() || user.chars().any(char::is_control) {
        return Err(LineFault::Form);
    }
    if [EVERYONE, ANONYMOUS, JOB_USER].contains(&user) {
        return Err(LineFault::Reserved(user.to_owned()));
    }
    let owner = || user.to_owned();
    if let Some(rest) = ["$2y$", "$2b$", "$2a$"].iter().find_map(|scheme| hash.strip_prefix(scheme)) {
        let cost = bcrypt_cost(rest).ok_or_else(|| LineFault::Damaged { user: owner(), kind: "bcrypt" })?;
        if cost > MAX_COST {
            return Err(LineFault::Cost { user: owner(), cost });
        }
        return Ok((user, hash));
    }
    if hash.starts_with("$argon2id$") {
        return match argon2::PasswordHash::new(hash) {
            Ok(parsed) if parsed.hash.is_some() && argon2::Params::try_from(&parsed).is_ok() => {
                Ok((user, hash))
            }
            _ => Err(LineFault::Damaged { user: owner(), kind: "Argon2id" }),
        };
    }
    Err(LineFault::Scheme { user: owner(), found: scheme(hash) })
}

fn listed(lines: &[(usize, LineFault)]) -> String {
    lines.iter().fold(String::new(), |mut text, (line, fault)| {
        let _ = write!(text, "\n  line {line}: {fault}");
        text
    })
}

/// The cost of a bcrypt hash from behind its scheme: two digits, `$`, 53 characters of its base64.
fn bcrypt_cost(rest: &str) -> Option<u32> {
    let (cost, body) = rest.split_once('$')?;
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    let whole = cost.len() == 2 && body.len() == 53 && body.bytes().all(base64);
    cost.parse().ok().filter(|cost| whole && (4..=31).contains(cost))
}

fn scheme(hash: &str) -> &'static str {
    let known = [
        ("$apr1$", "an MD5 hash"),
        ("$1$", "an MD5 hash"),
        ("{SHA}", "a SHA-1 hash"),
        ("{SSHA}", "a SHA-1 hash"),
        ("$5$", "a crypt hash (SHA-256)"),
        ("$6$", "a crypt hash (SHA-512)"),
        ("$y$", "a yescrypt hash"),
        ("$2x$", "a bcrypt hash of a faulty version ($2x$)"),
        ("$argon2", "an Argon2 hash of another kind than Argon2id"),
    ];
    let found = known.iter().find(|(prefix, _)| hash.starts_with(prefix)).map(|(_, name)| *name);
    found.unwrap_or("plain text or an unknown hash")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the password `secret`, by `htpasswd -nbB`.
    const BCRYPT: &str = "$2y$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu";
    const ARGON: &str =
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$2F0M3r0dXdWkBoZxQh9dFJ7vQ0nJ0w7yhQk4zY2l8nU";

    fn faults(text: &str) -> Vec<(usize, LineFault)> {
        Users::parse(text).unwrap_err().lines
    }

    #[test]
    fn accounts_with_good_hashes_are_read() {
        let text =
            format!("# people\nada:{BCRYPT}\n\n  bob:{ARGON}  \r\neve:{}\n", BCRYPT.replace("2y", "2b"));
        let users = Users::parse(&text).unwrap();
        assert_eq!(users.names().collect::<Vec<_>>(), ["ada", "bob", "eve"]);
        assert!(Users::parse("# nobody\n").unwrap().is_empty());
    }

    #[test]
    fn other_schemes_are_refused_with_their_line_and_what_makes_a_right_one() {
        for (hash, name) in [
            ("$apr1$AbCdEfGh$0123456789012345678901", "MD5"),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
            ("$6$salt$hash", "crypt"),
            ("rqXexS6ZhobKA", "plain text"),
            ("hunter2", "plain text"),
            ("", "plain text"),
            ("$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "another kind"),
            ("$2x$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu", "faulty"),
        ] {
            let text = format!("ada:{BCRYPT}\n\nci:{hash}\n");
            let error = Users::parse(&text).unwrap_err().to_string();
            assert!(error.contains("line 3: ") && error.contains(name), "{error}");
            assert!(error.contains("`htpasswd -nBC 10 ci`"), "{error}");
            assert!(hash.is_empty() || !error.contains(hash), "the hash is shown: {error}");
        }
    }

    #[test]
    fn every_line_that_is_wrong_is_reported() {
        let text = format!("ada\njob:{BCRYPT}\nada:{BCRYPT}\nada:{ARGON}\n:{BCRYPT}\n*:{BCRYPT}\n");
        assert_eq!(
            faults(&text),
            [
                (1, LineFault::Form),
                (2, LineFault::Reserved("job".to_owned())),
                (4, LineFault::Twice("ada".to_owned())),
                (5, LineFault::Form),
                (6, LineFault::Reserved("*".to_owned())),
            ]
        );
    }

    #[test]
    fn a_hash_that_could_never_fit_is_no_account() {
        for hash in [
            &BCRYPT[..59],
            "$2y$05$",
            "$2y$5$x",
            "$2y$99$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
            "$argon2id$x",
        ] {
            assert!(matches!(faults(&format!("ci:{hash}"))[0].1, LineFault::Damaged { .. }), "{hash}");
        }
        let slow = BCRYPT.replace("$05$", "$16$");
        assert_eq!(faults(&format!("ci:{slow}")), [(1, LineFault::Cost { user: "ci".to_owned(), cost: 16 })]);
    }

    #[test]
    fn no_hash_is_ever_shown() {
        let users = Users::parse(&format!("ada:{BCRYPT}")).unwrap();
        assert_eq!(format!("{users:?}"), "{\"ada\"}");
    }
}
