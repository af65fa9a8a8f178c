// SPDX-License-Identifier: AGPL-3.0-or-later
//! How a BMC is reached: the arguments that commands share, and what becomes of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Args;
use shoal_redfish::{
    CallObserver, Credentials, Error, ErrorKind, Fingerprint, Lane, Timeouts, TlsTrust, Wiring,
};
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use crate::error::{CliError, Kind};
use crate::host::{Context, read_private, read_text};
use crate::output::parse_duration;

/// Account, trust and patience.
#[derive(Args)]
pub(super) struct EndpointArgs {
    /// Account on the BMC
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Environment variable that holds the password
    #[arg(long, value_name = "VAR", requires = "user")]
    password_env: Option<String>,
    /// File that holds the password; - for standard input
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// Accept any certificate: whoever is in between can read the password
    #[arg(long, group = "trust")]
    insecure: bool,
    /// Accept only the certificate with this SHA-256 fingerprint
    #[arg(long, value_name = "SHA256", group = "trust", value_parser = fingerprint)]
    pin: Option<Fingerprint>,
    /// Accept only certificates that these CAs signed
    #[arg(long, value_name = "FILE", group = "trust")]
    ca: Option<PathBuf>,
    /// Which system, where several stand behind the BMC
    #[arg(long, value_name = "ID")]
    pub(super) system: Option<String>,
    /// How long one request may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
}

/// An account on a BMC. It has no `Debug`.
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

impl Account {
    /// What the client takes.
    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(self.user.clone(), self.password.clone())
    }
}

impl EndpointArgs {
    /// Whose certificate is believed; nothing where no flag says so.
    pub(super) fn trust(&self) -> Result<Option<TlsTrust>, CliError> {
        Ok(match (&self.pin, &self.ca) {
            _ if self.insecure => Some(TlsTrust::Insecure),
            (Some(pin), _) => Some(TlsTrust::Pinned(*pin)),
            (None, Some(path)) => Some(TlsTrust::CaPem(read_text(path, 1 << 20)?)),
            (None, None) => None,
        })
    }

    /// The account; nothing where no flag names one.
    pub(super) fn account(&self, context: &Context) -> Result<Option<Account>, CliError> {
        let Some(user) = &self.user else { return Ok(None) };
        let password = match (&self.password_env, &self.password_file) {
            (Some(name), _) => context.env().get(name)?.map(Zeroizing::new).ok_or_else(|| {
                CliError::user("bmc.password", format!("the environment variable {name} is not set"))
            })?,
            (None, Some(path)) => {
                let text = read_private(path, "the BMC's password")?;
                Zeroizing::new(text.expose().trim_end_matches(['\n', '\r']).to_owned())
            }
            (None, None) => {
                return Err(CliError::user("bmc.password", "the account's password is missing")
                    .hint("name where it is with --password-env or --password-file"));
            }
        };
        Ok(Some(Account { user: user.clone(), password }))
    }

    /// How long one request may take.
    pub(super) fn timeouts(&self) -> Timeouts {
        Timeouts { request: self.timeout, ..Timeouts::default() }
    }
}

/// For a client that is alone in its process.
pub(super) fn wiring(observer: Arc<dyn CallObserver>) -> Wiring {
    Wiring {
        jitter: Arc::new(jitter),
        correlation: Arc::new(AtomicU64::new(1)),
        observer,
        lane: Arc::new(Lane::default()),
        limit: Arc::new(Semaphore::new(1)),
    }
}

/// Not a parser of clap's: that one repeats what was typed, and somebody types a password into it.
pub(super) fn bmc_url(text: &str) -> Result<Url, CliError> {
    let wrong = |why: &str| {
        CliError::user("bmc.url", format!("the BMC's address cannot be used: {why}"))
            .hint("https://HOST[:PORT], with the account in --user and --password-env")
    };
    let url: Url = text.parse().map_err(|_| wrong("it is no URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it is neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an account does not belong into an address"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(wrong("it has a path, and Redfish is always below /redfish/v1/"));
    }
    Ok(url)
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse().map_err(|_| "expected 64 hex digits, with or without colons".to_owned())
}

/// A number in `0.0..1.0`; without randomness a fixed one, which only makes pauses regular.
fn jitter() -> f64 {
    let mut bytes = [0_u8; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_be_bytes(bytes)) / 65_536.0,
        Err(_) => 0.5,
    }
}

pub(super) fn failed(error: Error) -> CliError {
    let kind = match error.kind() {
        ErrorKind::BadEndpoint { .. }
        | ErrorKind::CredentialsRejected
        | ErrorKind::NoSuchSystem { .. }
        | ErrorKind::AmbiguousSystem { .. } => Kind::User,
        _ => Kind::Hardware,
    };
    let (code, hint) = (format!("bmc.{}", error.kind().label()), error.hint());
    let message = error.to_string();
    CliError::new(kind, code, message).because(error).hint(hint)
}
