// SPDX-License-Identifier: AGPL-3.0-or-later
//! How a registry is talked to: trust, credentials, patience.

use std::fmt;
use std::time::Duration;

use shoal_schema::SecretString;
use shoal_tls::Trust;

/// Settings of a [`Client`](crate::Client).
pub struct ClientOptions {
    /// Whose certificates are believed; also at the targets of redirects.
    pub trust: Trust,
    /// Whether to speak HTTP without TLS. `None`: only to this machine (loopback), and only where
    /// `trust` is the system's, because pins and authorities of one's own say that TLS is meant.
    pub plain_http: Option<bool>,
    /// The login, if any. It is sent when the registry asks for it, not before.
    pub credentials: Option<Credentials>,
    /// Token servers on other hosts that may see the credentials. The registry's own host always may.
    pub token_hosts: Vec<String>,
    /// The value of `User-Agent`.
    pub user_agent: String,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try.
    pub retries: Retries,
    /// Bytes in one piece of a chunked upload; what is not larger goes in one request.
    pub chunk: u64,
    /// The largest manifest that is read, in bytes.
    pub manifest_limit: u64,
}

impl ClientOptions {
    /// The defaults: no credentials, chunks of 32 MiB, manifests of up to 8 MiB.
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            plain_http: None,
            credentials: None,
            token_hosts: Vec::new(),
            user_agent: concat!("shoal/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            chunk: 32 << 20,
            manifest_limit: 8 << 20,
        }
    }
}

/// A login. It never prints.
#[derive(Clone)]
pub enum Credentials {
    /// A user and a password: for Basic, or for the token server.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A token that the registry takes as it is.
    Bearer(SecretString),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user}, …)"),
            Self::Bearer(_) => write!(f, "Bearer(…)"),
        }
    }
}

/// How long a registry may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a connection is there.
    pub connect: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// Until an upload is acknowledged: the registry may read all of it once more before it answers.
    pub commit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            commit: Duration::from_secs(15 * 60),
        }
    }
}

/// How often something is tried that failed for a passing reason.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// Repetitions without any progress before it is given up.
    pub attempts: u32,
    /// The same where nobody answered at all, and nobody ever did: that is more likely a wrong address.
    pub unanswered: u32,
    /// The wait before the first repetition; it doubles each time.
    pub first_wait: Duration,
    /// The longest wait, also where the registry asks for a longer one (`Retry-After`).
    pub longest_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 5,
            unanswered: 1,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}
