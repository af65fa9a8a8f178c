// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every setting of `shoal run`, by the name that the environment has for it. Flags, the
//! configuration file and the reference are made from this table.

/// A setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the environment and in the configuration file.
    pub(crate) name: &'static str,
    /// Its flag, without dashes. A secret has none: arguments can be read by everybody.
    pub(crate) flag: Option<&'static str>,
    /// What stands for its value in help.
    pub(crate) value: &'static str,
    /// What counts where nobody says anything, for people.
    pub(crate) default: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    /// Under which heading it stands.
    pub(crate) group: Group,
    /// For demonstrations and tests; in no help.
    pub(crate) hidden: bool,
}

/// The headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Where the inventory is, and the keys to it.
    Inventory,
    /// What is listened on.
    Listeners,
    /// Who may do what.
    Accounts,
    /// Files and directories.
    Storage,
    /// OCI images that the controller serves itself.
    Registry,
    /// How work is done.
    Work,
    /// What is said.
    Logs,
    /// Names that the original had and that mean nothing, or nothing yet, here.
    Former,
}

impl Group {
    /// In order.
    pub(crate) const ALL: [Self; 8] = [
        Self::Inventory,
        Self::Listeners,
        Self::Accounts,
        Self::Storage,
        Self::Registry,
        Self::Work,
        Self::Logs,
        Self::Former,
    ];

    /// For people.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Inventory => "Inventory",
            Self::Listeners => "Listeners",
            Self::Accounts => "Accounts",
            Self::Storage => "Files",
            Self::Registry => "Registry",
            Self::Work => "Work",
            Self::Logs => "Logs",
            Self::Former => "Accepted, and of no effect here",
        }
    }
}

/// A setting with a flag.
const fn flagged(
    group: Group,
    name: &'static str,
    flag: &'static str,
    value: &'static str,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { name, flag: Some(flag), value, default, about, group, hidden: false }
}

/// A setting that no argument may carry: a secret, or a name that means nothing.
const fn unflagged(
    group: Group,
    name: &'static str,
    value: &'static str,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { name, flag: None, value, default, about, group, hidden: false }
}

use Group::{Accounts, Former, Inventory, Listeners, Logs, Registry, Storage, Work};

/// Every setting.
pub(crate) const SETTINGS: &[Setting] = &[
    flagged(
        Inventory,
        "SHOAL_REPO",
        "repo",
        "DIR|URL",
        "",
        "The inventory: address or directory of a Git repository, or a plain directory; required",
    ),
    flagged(Inventory, "SHOAL_BRANCH", "branch", "NAME", "the remote's HEAD", "The branch that is watched"),
    flagged(Inventory, "SHOAL_GIT_USER", "git-user", "NAME", "git", "The user name beside the token"),
    flagged(
        Inventory,
        "SHOAL_GIT_TOKEN_FILE",
        "git-token-file",
        "FILE",
        "",
        "File with the token for an https:// repository; it must be allowed to push the status branch",
    ),
    flagged(
        Inventory,
        "SHOAL_GIT_SSH_KEY_FILE",
        "git-ssh-key-file",
        "FILE",
        "the SSH agent",
        "File with the private key for an ssh:// repository",
    ),
    flagged(
        Inventory,
        "SHOAL_AGE_KEY_FILE",
        "age-key-file",
        "FILE",
        "",
        "File with the controller's age private keys; without it no Secret can be opened",
    ),
    flagged(
        Inventory,
        "POLL_INTERVAL",
        "poll-interval",
        "TIME",
        "60s",
        "Git is asked so often, give or take 20 %",
    ),
    flagged(
        Listeners,
        "CONTROLLER_HTTP_ADDR",
        "http-addr",
        "ADDR",
        "127.0.0.1:8080",
        "The API; other than loopback it needs TLS and accounts",
    ),
    flagged(
        Listeners,
        "CONTROLLER_HTTPS_ADDR",
        "https-addr",
        "ADDR",
        "off",
        "The API over TLS beside a plain one, with a certificate of the controller's own making",
    ),
    flagged(Listeners, "MEDIA_ADDR", "media-addr", "ADDR", "off", "Media for BMCs over HTTP"),
    flagged(Listeners, "MEDIA_TLS_ADDR", "media-tls-addr", "ADDR", "off", "Media for BMCs over HTTPS"),
    flagged(
        Listeners,
        "CALLBACK_URL",
        "callback-url",
        "URL",
        "the API's listener",
        "The API as machines reach it, where the Fleet does not say",
    ),
    flagged(
        Listeners,
        "MEDIA_URLS",
        "media-urls",
        "URL,URL",
        "the media listeners",
        "The media listeners as BMCs reach them, where the Fleet does not say",
    ),
    flagged(
        Listeners,
        "TLS_MODE",
        "tls-mode",
        "MODE",
        "files or off",
        "How CONTROLLER_HTTP_ADDR speaks: off, own (a certificate of the controller's own making) or files",
    ),
    flagged(
        Listeners,
        "TLS_CERT_FILE",
        "tls-cert-file",
        "FILE",
        "",
        "Certificate chain, PEM; read again on SIGHUP",
    ),
    flagged(Listeners, "TLS_KEY_FILE", "tls-key-file", "FILE", "", "Private key of the certificate, PEM"),
    flagged(
        Listeners,
        "SHOAL_SOCKET",
        "socket",
        "PATH",
        super::DEFAULT_SOCKET,
        "Unix socket of the command line; off for none",
    ),
    flagged(
        Listeners,
        "INSECURE_LISTEN",
        "insecure-listen",
        "BOOL",
        "false",
        "Listen beyond loopback without TLS or without accounts all the same",
    ),
    flagged(
        Accounts,
        "AUTH_MODE",
        "auth-mode",
        "MODE",
        "basic where there is an account, else none",
        "Who may use the API over the network: basic or none",
    ),
    flagged(Accounts, "BASIC_USER", "basic-user", "NAME", "", "The account that may do everything"),
    unflagged(Accounts, "BASIC_PASS_HASH", "HASH", "", "Argon2id or bcrypt hash of its password"),
    flagged(Accounts, "READER_USER", "reader-user", "NAME", "", "An account that may only look"),
    unflagged(Accounts, "READER_PASS_HASH", "HASH", "", "Argon2id or bcrypt hash of its password"),
    flagged(
        Storage,
        "STORAGE_ROOT",
        "storage-root",
        "DIR",
        "/var/lib/shoal",
        "Mirror, keys and certificates",
    ),
    flagged(Storage, "DB_PATH", "db-path", "FILE", "STORAGE_ROOT/db/shoal.redb", "The database"),
    flagged(
        Storage,
        "STATIC_DIR",
        "static-dir",
        "DIR",
        "STORAGE_ROOT/static, where it is there",
        "Files that are served below /static/",
    ),
    flagged(
        Storage,
        "MAINTENANCE_ISO_URL",
        "maintenance-iso",
        "FILE|URL",
        "",
        "The maintenance ISO: a path, a file:// address, or an address whose /static/isos/NAME is in STATIC_DIR; required",
    ),
    flagged(
        Registry,
        "ENABLE_REGISTRY",
        "registry",
        "BOOL",
        "false",
        "Serve OCI images below /v2/ of the API's listeners",
    ),
    flagged(
        Registry,
        "REGISTRY_STORAGE",
        "registry-storage",
        "DIR",
        "oci below STORAGE_ROOT",
        "Where images are kept: an OCI image layout that skopeo can open",
    ),
    flagged(
        Registry,
        "REGISTRY_AUTH_MODE",
        "registry-auth-mode",
        "MODE",
        "basic with a users file, else none",
        "none or basic; machines get a token of their job in either",
    ),
    flagged(
        Registry,
        "REGISTRY_USERS_FILE",
        "registry-users-file",
        "FILE",
        "",
        "Accounts as htpasswd writes them, bcrypt or Argon2id; read again on SIGHUP",
    ),
    flagged(
        Registry,
        "REGISTRY_POLICY_FILE",
        "registry-policy-file",
        "FILE",
        "",
        "Who may push and pull where, retention, immutable tags, quotas; read again on SIGHUP",
    ),
    flagged(
        Registry,
        "REGISTRY_HOSTS",
        "registry-hosts",
        "HOST[:PORT],…",
        "host and port of the callback addresses",
        "Names under which images in the inventory mean this registry",
    ),
    flagged(
        Work,
        "WORKER_CONCURRENCY",
        "worker-concurrency",
        "N",
        "16",
        "Machines in flight, 0 to 10000; 0 starts no new job",
    ),
    flagged(Work, "BMC_CONCURRENCY", "bmc-concurrency", "N", "256", "BMC calls at once in all, 1 to 10000"),
    flagged(
        Work,
        "REDFISH_TIMEOUT",
        "redfish-timeout",
        "TIME",
        "30s",
        "How long a BMC may take to answer one request, 1s to 10m",
    ),
    flagged(Work, "REDFISH_RETRIES", "redfish-retries", "N", "5", "Tries of one BMC request, 1 to 20"),
    flagged(
        Work,
        "SWEEP_INTERVAL",
        "sweep-interval",
        "TIME",
        "3m",
        "Every BMC is looked at so often, give or take 20 %",
    ),
    flagged(
        Work,
        "JOB_STUCK_TIMEOUT",
        "job-stuck-timeout",
        "TIME",
        "4h",
        "A job that takes longer fails, unless its machine has its permit",
    ),
    flagged(
        Work,
        "JOB_RETENTION_DAYS",
        "job-retention-days",
        "N",
        "14",
        "Completed jobs are kept so long, 1 to 3650",
    ),
    unflagged(
        Work,
        "SIGNED_URL_SECRET",
        "TEXT",
        "drawn at the first start, kept below STORAGE_ROOT",
        "Derives capabilities of media and tokens of jobs; at least 16 characters",
    ),
    unflagged(Work, "SIGNED_URL_SECRET_OLD", "TEXT", "", "Accepted beside it during a rotation"),
    Setting {
        name: "TIME_DIVISOR",
        flag: Some("time-divisor"),
        value: "N",
        default: "1",
        about: "Budgets, pauses and intervals are divided by this, for worlds where time runs faster",
        group: Work,
        hidden: true,
    },
    flagged(
        Logs,
        "LOG_LEVEL",
        "log-level",
        "LEVEL",
        "info",
        "error, warn, info, debug or trace; or by part: info,shoal_redfish=debug",
    ),
    flagged(
        Logs,
        "LOG_FORMAT",
        "log-format",
        "FORMAT",
        "text on a terminal, else json",
        "How logs are written to standard error: text or json",
    ),
    unflagged(
        Former,
        "TASK_ISO_DIR",
        "DIR",
        "",
        "Task media are built when they are asked for and never kept on disk",
    ),
    unflagged(Former, "WEBHOOK_SECRET", "TEXT", "", "Every job has a token of its own"),
    unflagged(Former, "WEBHOOK_SECRET_OLD", "TEXT", "", "Every job has a token of its own"),
    unflagged(
        Former,
        "JOB_LEASE_TTL",
        "TIME",
        "",
        "The lock of the database proves that another controller is dead; jobs are taken over at once",
    ),
    unflagged(
        Former,
        "REDFISH_INSECURE",
        "BOOL",
        "",
        "Refused when true: say it of single BMCs, in spec.bmc.tls",
    ),
    unflagged(
        Former,
        "ESXI_INSTALLER_URL",
        "URL",
        "",
        "Installing ESXi is not in this version; the planner says so",
    ),
];

/// Settings whose value is a secret; each may stand in a file instead, named by `NAME_FILE`.
pub(crate) const SECRETS: [&str; 4] =
    ["BASIC_PASS_HASH", "READER_PASS_HASH", "SIGNED_URL_SECRET", "SIGNED_URL_SECRET_OLD"];

/// Variables of the other commands, which a person may have set when the controller starts.
pub(crate) const OF_OTHER_COMMANDS: [&str; 6] =
    ["SHOAL_URL", "SHOAL_TOKEN", "SHOAL_TOKEN_FILE", "SHOAL_CA", "SHOAL_PIN", "SHOAL_AGE_KEY"];

/// Where a test listens to a controller that is no release. No setting: a release refuses it like any unknown name.
pub(crate) const WATCHER: &str = "SHOAL_WATCHER";

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The setting whose value a file holds: `BASIC_PASS_HASH` for `BASIC_PASS_HASH_FILE`.
pub(crate) fn secret_of(file_name: &str) -> Option<&'static str> {
    let name = file_name.strip_suffix("_FILE")?;
    SECRETS.iter().find(|secret| **secret == name).copied()
}

/// Whether a name means something to `shoal run`.
pub(crate) fn is_known(name: &str) -> bool {
    find(name).is_some() || secret_of(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_flags_are_there_once_and_secrets_have_no_flag() {
        let names: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), SETTINGS.len());
        let flags: Vec<&str> = SETTINGS.iter().filter_map(|setting| setting.flag).collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
        for secret in SECRETS {
            assert!(find(secret).is_some_and(|setting| setting.flag.is_none()), "{secret}");
            assert!(is_known(&format!("{secret}_FILE")));
        }
    }

    #[test]
    fn every_name_of_the_original_is_known() {
        for name in [
            "CONTROLLER_HTTP_ADDR",
            "TLS_CERT_FILE",
            "TLS_KEY_FILE",
            "AUTH_MODE",
            "BASIC_USER",
            "BASIC_PASS_HASH",
            "DB_PATH",
            "STORAGE_ROOT",
            "TASK_ISO_DIR",
            "STATIC_DIR",
            "MAINTENANCE_ISO_URL",
            "ESXI_INSTALLER_URL",
            "ENABLE_REGISTRY",
            "REGISTRY_STORAGE",
            "REGISTRY_AUTH_MODE",
            "REGISTRY_USERS_FILE",
            "WORKER_CONCURRENCY",
            "REDFISH_TIMEOUT",
            "REDFISH_RETRIES",
            "JOB_LEASE_TTL",
            "JOB_STUCK_TIMEOUT",
            "WEBHOOK_SECRET",
            "SIGNED_URL_SECRET",
            "JOB_RETENTION_DAYS",
            "LOG_LEVEL",
        ] {
            assert!(is_known(name), "{name}");
        }
    }
}
