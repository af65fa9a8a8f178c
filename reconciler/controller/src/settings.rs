// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the controller is told at start, already checked. The binary fills it from flags,
//! environment and files; in here nothing reads any of them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shoal_core::job::Budgets;
use shoal_git::RemoteUrl;
use shoal_schema::SecretString;

/// What the controller is told at start.
pub struct Settings {
    /// Where Git is, or a plain directory.
    pub source: Source,
    /// The one database file.
    pub db_path: PathBuf,
    /// Where the mirror, keys and certificates are kept.
    pub storage_root: PathBuf,
    /// The API: plain on loopback, TLS elsewhere.
    pub api: Listener,
    /// A second API listener that speaks TLS, for hosts, where the first is plain.
    pub api_tls: Option<SocketAddr>,
    /// Media for BMCs, plain HTTP.
    pub media: Option<SocketAddr>,
    /// Media for BMCs over TLS.
    pub media_tls: Option<SocketAddr>,
    /// The API as hosts reach it, where the Fleet does not say.
    pub callback_url: Option<String>,
    /// The media listeners as BMCs reach them, where the Fleet does not say.
    pub media_urls: Vec<String>,
    /// Unix socket of the CLI.
    pub socket: Option<PathBuf>,
    /// Who may use the API.
    pub auth: Auth,
    /// The maintenance ISO.
    pub maintenance_iso: PathBuf,
    /// Static files below `/static/`.
    pub static_dir: Option<PathBuf>,
    /// The registry of OCI images below `/v2/` of the API's listeners.
    pub registry: Option<RegistrySettings>,
    /// age private keys of the controller.
    pub identities: Option<SecretString>,
    /// Derives capabilities and tokens; drawn and kept below `storage_root` where it is not given.
    pub signing_secret: Option<SecretString>,
    /// Accepted beside it during a rotation.
    pub old_signing_secret: Option<SecretString>,
    /// Machines in flight; 0 drains.
    pub worker_concurrency: u32,
    /// BMC calls in flight in all.
    pub bmc_concurrency: usize,
    /// How long a BMC may take to answer one request.
    pub redfish_timeout: Duration,
    /// Tries of one BMC request.
    pub redfish_retries: u32,
    /// Pauses and budgets of BMC effects are divided by this, for worlds where time runs faster.
    pub time_divisor: u64,
    /// Budgets of jobs.
    pub budgets: Budgets,
    /// Git is asked so often, ± 20 %.
    pub poll: Duration,
    /// Every BMC is looked at so often, ± 20 %.
    pub sweep: Duration,
    /// Completed jobs are kept so long.
    pub job_retention: Duration,
    /// Version of Shoal.
    pub version: &'static str,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// The registry, inside the controller or alone.
#[derive(Clone)]
pub struct RegistrySettings {
    /// The directory that holds the images.
    pub storage: PathBuf,
    /// `HOST[:PORT]` in image references that mean this registry, beside the callback addresses.
    pub hosts: Vec<String>,
    /// Reads accounts and policy; called at start and on SIGHUP. The error is for people.
    pub rules: Arc<dyn Fn() -> Result<RegistryRules, String> + Send + Sync>,
}

/// Who may do what in the registry.
pub struct RegistryRules {
    /// Accounts; nothing where everybody is let in.
    pub users: Option<shoal_registry::Users>,
    /// Everything else.
    pub policy: shoal_registry::Policy,
}

/// Where the inventory is.
pub enum Source {
    /// A Git repository.
    Git {
        /// Its address.
        url: RemoteUrl,
        /// The watched branch; the remote's HEAD where nothing is said.
        branch: Option<String>,
        /// To read with, and to write status with.
        credential: shoal_git::Credential,
    },
    /// A plain directory; status goes to files below `storage_root`.
    Directory(PathBuf),
}

/// A listener of the API.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How it speaks.
    pub tls: TlsMode,
}

/// How a listener speaks.
#[derive(Clone, Debug)]
pub enum TlsMode {
    /// Plain HTTP.
    Off,
    /// TLS with a certificate of the controller's own making; known by its key's pin.
    Own,
    /// TLS with these files, read again on SIGHUP.
    Files {
        /// Certificate chain, PEM.
        cert: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
    },
}

/// Who may use the API.
#[derive(Clone)]
pub enum Auth {
    /// Everybody who reaches it.
    None,
    /// Accounts.
    Basic(Vec<Account>),
}

/// An account of the API.
#[derive(Clone)]
pub struct Account {
    /// Name.
    pub user: String,
    /// Argon2id or bcrypt hash of the password.
    pub hash: String,
    /// What it may do.
    pub role: Role,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Reader,
    /// Everything.
    Admin,
}

/// The wall clock, handed in.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> jiff::Timestamp;
}

/// Settings that contradict each other or are not safe.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Open to the network without protection.
    #[error("the API would listen on {addr} {without}; the loopback address is the default for a reason")]
    Unprotected {
        /// Where.
        addr: SocketAddr,
        /// Without what.
        without: &'static str,
    },
}

impl Settings {
    /// Refuses to listen on more than loopback without TLS and authentication, unless told aloud.
    pub fn check_exposure(&self, insecure_aloud: bool) -> Result<(), SettingsError> {
        let addr = self.api.addr;
        if insecure_aloud {
            return Ok(());
        }
        if !addr.ip().is_loopback() && matches!(self.api.tls, TlsMode::Off) {
            return Err(SettingsError::Unprotected { addr, without: "without TLS" });
        }
        let exposed = [Some(addr), self.api_tls].into_iter().flatten().find(|a| !a.ip().is_loopback());
        match (&self.auth, exposed) {
            (Auth::None, Some(addr)) => {
                Err(SettingsError::Unprotected { addr, without: "without authentication" })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    struct Never;

    impl Clock for Never {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    pub(crate) fn settings(api: &str, tls: TlsMode, api_tls: Option<&str>, auth: Auth) -> Settings {
        Settings {
            source: Source::Directory(PathBuf::new()),
            db_path: PathBuf::new(),
            storage_root: PathBuf::new(),
            api: Listener { addr: api.parse().unwrap(), tls },
            api_tls: api_tls.map(|addr| addr.parse().unwrap()),
            media: None,
            media_tls: None,
            callback_url: None,
            media_urls: Vec::new(),
            socket: None,
            auth,
            maintenance_iso: PathBuf::new(),
            static_dir: None,
            registry: None,
            identities: None,
            signing_secret: None,
            old_signing_secret: None,
            worker_concurrency: 1,
            bmc_concurrency: 1,
            redfish_timeout: Duration::ZERO,
            redfish_retries: 1,
            time_divisor: 1,
            budgets: Budgets::default(),
            poll: Duration::ZERO,
            sweep: Duration::ZERO,
            job_retention: Duration::ZERO,
            version: "0",
            clock: Arc::new(Never),
        }
    }

    #[test]
    fn nothing_but_loopback_is_listened_on_without_tls_and_accounts_unless_told_aloud() {
        let accounts = || {
            let hash = "x".to_owned();
            Auth::Basic(vec![Account { user: "ops".to_owned(), hash, role: Role::Admin }])
        };
        let (inside, outside) = ("127.0.0.1:8080", "0.0.0.0:8443");
        for (name, settings, safe) in [
            ("loopback, plain", settings(inside, TlsMode::Off, None, Auth::None), true),
            ("IPv6 loopback", settings("[::1]:8080", TlsMode::Off, None, Auth::None), true),
            ("open, plain", settings(outside, TlsMode::Off, None, accounts()), false),
            ("open, without accounts", settings(outside, TlsMode::Own, None, Auth::None), false),
            ("open, with both", settings(outside, TlsMode::Own, None, accounts()), true),
            ("TLS beside it open", settings(inside, TlsMode::Off, Some(outside), Auth::None), false),
            ("TLS beside it, accounts", settings(inside, TlsMode::Off, Some(outside), accounts()), true),
            ("any IPv6 address", settings("[::]:8080", TlsMode::Off, None, accounts()), false),
        ] {
            assert_eq!(settings.check_exposure(false).is_ok(), safe, "{name}");
            assert!(settings.check_exposure(true).is_ok(), "{name}, told aloud");
        }
    }
}
