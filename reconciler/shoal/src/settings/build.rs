// SPDX-License-Identifier: AGPL-3.0-or-later
//! From values to what the controller is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shoal_controller::settings::{
    Account, Auth, Clock, Listener, Role, Settings, SettingsError, Source, TlsMode,
};
use shoal_core::job::Budgets;
use shoal_git::{CloneView, Credential, GitError, RemoteUrl, Token};
use shoal_schema::SecretString;
use shoal_secrets::Identities;

use super::layers::{Faults, Layers};
use super::value::Values;
use super::{DEFAULT_SOCKET, iso, notes};
use crate::VERSION;
use crate::error::CliError;
use crate::host::read_private;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What the controller is told, and what its operator should hear.
pub(crate) struct Built {
    /// For the controller.
    pub(crate) settings: Settings,
    /// For the log, at start.
    pub(crate) notes: Vec<String>,
}

/// Reads every setting. All that is wrong is said at once.
pub(crate) fn build(layers: &Layers, clock: Arc<dyn Clock>, mut faults: Faults) -> Result<Built, CliError> {
    let mut values = Values { layers, faults: &mut faults };
    let mut notes = Vec::new();
    notes::former(&mut values, &mut notes);
    let storage_root = values.path("STORAGE_ROOT").unwrap_or_else(|| PathBuf::from("/var/lib/shoal"));
    let static_dir = static_dir(&mut values, &storage_root);
    let maintenance_iso = iso::find(&mut values, static_dir.as_deref());
    let source = source(&mut values);
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let api = Listener { addr: values.address("CONTROLLER_HTTP_ADDR", loopback), tls: tls(&mut values) };
    let auth = auth(&mut values, &mut notes);
    let divisor: u64 = values.number("TIME_DIVISOR", 1, 1..=10_000);
    let stuck = values.duration("JOB_STUCK_TIMEOUT", 4 * 3600 * SECOND, 60 * SECOND..=30 * DAY);
    let budgets = Budgets { stuck_ms: stuck.as_millis() as u64, ..Budgets::default() };
    let media = values.maybe_address("MEDIA_ADDR");
    let media_tls = values.maybe_address("MEDIA_TLS_ADDR");
    if media.is_none() && media_tls.is_none() {
        notes.push("neither MEDIA_ADDR nor MEDIA_TLS_ADDR is set: no BMC can fetch a medium".to_owned());
    }
    let worker_concurrency = values.number("WORKER_CONCURRENCY", 16, 0..=10_000);
    if worker_concurrency == 0 {
        notes.push("WORKER_CONCURRENCY is 0: draining, no new job starts".to_owned());
    }
    let fast = u32::try_from(divisor).unwrap_or(u32::MAX);
    let settings = Settings {
        db_path: values.path("DB_PATH").unwrap_or_else(|| storage_root.join("db/shoal.redb")),
        api,
        api_tls: values.maybe_address("CONTROLLER_HTTPS_ADDR"),
        media,
        media_tls,
        callback_url: callback_url(&mut values),
        media_urls: values.urls("MEDIA_URLS"),
        socket: socket(&values),
        auth,
        identities: identities(&mut values, &mut notes),
        signing_secret: signing_secret(&mut values, "SIGNED_URL_SECRET"),
        old_signing_secret: signing_secret(&mut values, "SIGNED_URL_SECRET_OLD"),
        worker_concurrency,
        bmc_concurrency: values.number("BMC_CONCURRENCY", 256, 1..=10_000),
        redfish_timeout: values.duration("REDFISH_TIMEOUT", 30 * SECOND, SECOND..=600 * SECOND),
        redfish_retries: values.number("REDFISH_RETRIES", 5, 1..=20),
        time_divisor: divisor,
        budgets: budgets.divided(divisor),
        poll: values.duration("POLL_INTERVAL", 60 * SECOND / fast, SECOND / 10..=DAY),
        sweep: values.duration("SWEEP_INTERVAL", 180 * SECOND / fast, SECOND / 10..=DAY),
        job_retention: DAY * values.number::<u32>("JOB_RETENTION_DAYS", 14, 1..=3650),
        version: VERSION,
        clock,
        // What is missing was noted; nothing is started without it.
        source: source.unwrap_or_else(|| Source::Directory(PathBuf::new())),
        maintenance_iso: maintenance_iso.unwrap_or_default(),
        static_dir,
        storage_root,
    };
    let aloud = values.boolean("INSECURE_LISTEN");
    exposure(&settings, aloud, &mut values, &mut notes);
    faults.check()?;
    Ok(Built { settings, notes })
}

fn exposure(settings: &Settings, aloud: bool, values: &mut Values<'_>, notes: &mut Vec<String>) {
    match settings.check_exposure(aloud) {
        Err(error @ SettingsError::Unprotected { .. }) => values.faults.add(format!(
            "{error}; set TLS_CERT_FILE and TLS_KEY_FILE (or TLS_MODE=own) and BASIC_USER, \
             or say --insecure-listen"
        )),
        Ok(()) if aloud && settings.check_exposure(false).is_err() => {
            notes.push("listening beyond loopback without TLS or without accounts, as told".to_owned());
        }
        Ok(()) => {}
    }
}

fn source(values: &mut Values<'_>) -> Option<Source> {
    let Some(given) = values.layers.get("SHOAL_REPO").cloned() else {
        values.missing("SHOAL_REPO", "the address or directory of the inventory's repository");
        return None;
    };
    let text = given.text.trim();
    let url = match RemoteUrl::parse(text) {
        Ok(url) => url,
        Err(error) => {
            // The error's own text is masked; what was given may hold a token.
            values.faults.add(format!("SHOAL_REPO ({}): {error}", given.origin));
            return None;
        }
    };
    let branch = values.text("SHOAL_BRANCH");
    if let Some(path) = url.local_path() {
        if !path.is_dir() {
            values.wrong("SHOAL_REPO", given, "there is no such directory");
            return None;
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        return match is_repository(&path) {
            Ok(true) => {
                Some(Source::Git { url: RemoteUrl::local(&path), branch, credential: Credential::None })
            }
            Ok(false) => {
                if branch.is_some() {
                    let why = format!("{} is no git repository, so there is no branch", path.display());
                    values.faults.add(format!("SHOAL_BRANCH: {why}"));
                }
                Some(Source::Directory(path))
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                values.faults.add(format!("SHOAL_REPO ({}): {error}{hint}", given.origin));
                None
            }
        };
    }
    let credential = credential(values, text)?;
    Some(Source::Git { url, branch, credential })
}

/// Whether a directory is the top of a repository; one inside of a repository is a plain directory.
fn is_repository(path: &Path) -> Result<bool, GitError> {
    match CloneView::discover(path) {
        Ok(clone) => Ok(match (clone.root().canonicalize(), path.canonicalize()) {
            (Ok(root), Ok(path)) => root == path,
            _ => false,
        }),
        Err(GitError::NotARepository { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn credential(values: &mut Values<'_>, address: &str) -> Option<Credential> {
    let token = values.layers.get("SHOAL_GIT_TOKEN_FILE").cloned();
    let key = values.path("SHOAL_GIT_SSH_KEY_FILE");
    if address.starts_with("https://") || address.starts_with("http://") {
        let Some(token) = token else { return Some(Credential::None) };
        let username = values.text("SHOAL_GIT_USER").unwrap_or_else(|| "git".to_owned());
        return match read_private(Path::new(token.text.trim()), "the token for Git") {
            Ok(text) => {
                let password = Token::new(text.expose().trim().to_owned());
                Some(Credential::UserPass { username, password })
            }
            Err(error) => {
                values.faults.add(format!("SHOAL_GIT_TOKEN_FILE ({}): {}", token.origin, error.one_line()));
                None
            }
        };
    }
    let Some(private_key) = key else { return Some(Credential::SshAgent { username: None }) };
    if !private_key.is_file() {
        let message = format!("SHOAL_GIT_SSH_KEY_FILE: there is no file {}", private_key.display());
        values.faults.add(message);
        return None;
    }
    Some(Credential::SshKeyFile { username: None, private_key, passphrase: None })
}

fn tls(values: &mut Values<'_>) -> TlsMode {
    let files = (values.path("TLS_CERT_FILE"), values.path("TLS_KEY_FILE"));
    let mode = values.word("TLS_MODE", &["off", "own", "files"]);
    match (mode, files) {
        (None | Some("files"), (Some(cert), Some(key))) => {
            for path in [&cert, &key] {
                if !path.is_file() {
                    values
                        .faults
                        .add(format!("TLS_CERT_FILE, TLS_KEY_FILE: there is no file {}", path.display()));
                }
            }
            TlsMode::Files { cert, key }
        }
        (None | Some("off"), (None, None)) => TlsMode::Off,
        (Some("own"), (None, None)) => TlsMode::Own,
        (Some(mode @ ("off" | "own")), _) => {
            values.faults.add(format!("TLS_MODE is {mode}, and TLS_CERT_FILE or TLS_KEY_FILE is set"));
            TlsMode::Off
        }
        (_, _) => {
            values.faults.add("TLS_CERT_FILE and TLS_KEY_FILE belong together: one of them is not set");
            TlsMode::Off
        }
    }
}

fn auth(values: &mut Values<'_>, notes: &mut Vec<String>) -> Auth {
    let given = values.layers.get("AUTH_MODE").cloned();
    if given.as_ref().is_some_and(|given| given.text.trim().eq_ignore_ascii_case("jwt")) {
        values.faults.add("AUTH_MODE=jwt is not in this version; use basic");
        return Auth::None;
    }
    let mode = values.word("AUTH_MODE", &["none", "basic"]);
    let mut accounts = Vec::new();
    for (user_name, hash_name, role) in
        [("BASIC_USER", "BASIC_PASS_HASH", Role::Admin), ("READER_USER", "READER_PASS_HASH", Role::Reader)]
    {
        match (values.text(user_name), values.secret(hash_name)) {
            (None, None) => {}
            (Some(user), Some(hash)) => {
                if user.contains(':') {
                    values.faults.add(format!("{user_name}: a colon cannot be part of an account's name"));
                }
                if !is_hash(hash.expose()) {
                    values.faults.add(format!(
                        "{hash_name} is neither an Argon2id hash ($argon2id$...) nor a bcrypt hash ($2b$...)"
                    ));
                }
                accounts.push(Account { user, hash: hash.expose().to_owned(), role });
            }
            _ => values
                .faults
                .add(format!("{user_name} and {hash_name} belong together: one of them is not set")),
        }
    }
    if let [first, second] = accounts.as_slice()
        && first.user == second.user
    {
        values.faults.add("BASIC_USER and READER_USER are the same account");
    }
    match (mode, accounts.is_empty()) {
        (Some("none"), false) => {
            values.faults.add("AUTH_MODE is none, and an account is set");
            Auth::None
        }
        (Some("basic"), true) => {
            values.faults.add("AUTH_MODE is basic, and no account is set: BASIC_USER and BASIC_PASS_HASH");
            Auth::None
        }
        (_, false) => Auth::Basic(accounts),
        (None, true) => {
            notes.push("no account is set: whoever reaches the API's listener may do everything".to_owned());
            Auth::None
        }
        (Some(_), true) => Auth::None,
    }
}

/// Argon2id and bcrypt, by how their hashes begin.
fn is_hash(text: &str) -> bool {
    ["$argon2id$", "$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) && text.len() >= 50
}

fn static_dir(values: &mut Values<'_>, storage_root: &Path) -> Option<PathBuf> {
    match values.layers.get("STATIC_DIR").cloned() {
        Some(given) => {
            let dir = PathBuf::from(given.text.trim());
            if !dir.is_dir() {
                values.wrong("STATIC_DIR", given, "there is no such directory");
            }
            Some(dir)
        }
        None => Some(storage_root.join("static")).filter(|dir| dir.is_dir()),
    }
}

fn callback_url(values: &mut Values<'_>) -> Option<String> {
    let mut urls = values.urls("CALLBACK_URL");
    if urls.len() > 1 {
        values.faults.add("CALLBACK_URL is one address; several by label stand in the Fleet");
    }
    urls.pop()
}

fn socket(values: &Values<'_>) -> Option<PathBuf> {
    match values.path("SHOAL_SOCKET") {
        Some(path) if path == Path::new("off") => None,
        Some(path) => Some(path),
        None => Some(PathBuf::from(DEFAULT_SOCKET)),
    }
}

fn identities(values: &mut Values<'_>, notes: &mut Vec<String>) -> Option<SecretString> {
    let Some(given) = values.layers.get("SHOAL_AGE_KEY_FILE").cloned() else {
        notes.push(
            "SHOAL_AGE_KEY_FILE is not set: no Secret can be opened, and no BMC logged in to".to_owned(),
        );
        return None;
    };
    let read = read_private(Path::new(given.text.trim()), "the age private keys")
        .and_then(|text| Identities::parse(&text).map(|_| text).map_err(Into::into));
    match read {
        Ok(text) => Some(text),
        Err(error) => {
            values.faults.add(format!("SHOAL_AGE_KEY_FILE ({}): {}", given.origin, error.one_line()));
            None
        }
    }
}

fn signing_secret(values: &mut Values<'_>, name: &'static str) -> Option<SecretString> {
    let secret = values.secret(name)?;
    if secret.expose().len() < 16 {
        values.faults.add(format!("{name} is too short: at least 16 characters, better 32 random bytes"));
    }
    if name == "SIGNED_URL_SECRET_OLD"
        && !values.is_set("SIGNED_URL_SECRET")
        && !values.is_set("SIGNED_URL_SECRET_FILE")
    {
        values.faults.add("SIGNED_URL_SECRET_OLD is set, and SIGNED_URL_SECRET is not");
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::host::Env;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    /// A directory with a maintenance ISO, and the two settings without which nothing starts.
    struct World {
        dir: tempfile::TempDir,
        pairs: Vec<(String, String)>,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("fleet")).unwrap();
            std::fs::write(dir.path().join("m.iso"), "x").unwrap();
            let path = |name: &str| dir.path().join(name).display().to_string();
            let pairs = vec![
                ("SHOAL_REPO".to_owned(), path("fleet")),
                ("MAINTENANCE_ISO_URL".to_owned(), path("m.iso")),
                ("STORAGE_ROOT".to_owned(), path("state")),
            ];
            Self { dir, pairs }
        }

        fn with(mut self, name: &str, value: &str) -> Self {
            self.pairs.retain(|(known, _)| known != name);
            self.pairs.push((name.to_owned(), value.to_owned()));
            self
        }

        fn build(&self) -> Result<Built, String> {
            let env = self.pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let mut faults = Faults::default();
            let layers = Layers::read(&BTreeMap::new(), &Env::new(env), None, &mut faults)
                .map_err(|error| error.render(false))?;
            build(&layers, Arc::new(Fixed), faults).map_err(|error| {
                assert_eq!(error.exit_code(), 78);
                error.render(false)
            })
        }

        #[track_caller]
        fn is_refused(&self, words: &str) -> String {
            let error = self.build().err().unwrap_or_else(|| panic!("taken: {:?}", self.pairs));
            assert!(error.contains(words), "{words:?} is not in {error}");
            error
        }
    }

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo";

    #[test]
    fn with_the_two_that_are_required_everything_else_has_a_safe_default() {
        let world = World::new();
        let Built { settings, notes } = world.build().unwrap();
        assert_eq!(settings.api.addr, "127.0.0.1:8080".parse().unwrap());
        assert!(matches!(settings.api.tls, TlsMode::Off) && matches!(settings.auth, Auth::None));
        assert!(settings.api_tls.is_none() && settings.media.is_none() && settings.static_dir.is_none());
        assert_eq!(settings.db_path, world.dir.path().join("state/db/shoal.redb"));
        assert_eq!(settings.socket.as_deref(), Some(Path::new("/run/shoal/shoal.sock")));
        assert_eq!(
            (settings.worker_concurrency, settings.redfish_retries, settings.bmc_concurrency),
            (16, 5, 256)
        );
        assert_eq!(settings.budgets, Budgets::default());
        assert_eq!(settings.job_retention, 14 * DAY);
        assert!(matches!(settings.source, Source::Directory(_)));
        assert!(notes.iter().any(|note| note.contains("SHOAL_AGE_KEY_FILE")), "{notes:?}");
    }

    #[test]
    fn what_is_required_is_named_with_what_is_allowed() {
        let world = World { pairs: Vec::new(), ..World::new() };
        let error = world.is_refused("2 settings are wrong");
        assert!(error.contains("MAINTENANCE_ISO_URL is not set") && error.contains("SHOAL_REPO is not set"));
    }

    #[test]
    fn every_wrong_value_is_refused_with_its_name_and_what_is_allowed() {
        for (name, value, words) in [
            (
                "WORKER_CONCURRENCY",
                "many",
                "WORKER_CONCURRENCY=many (the environment): expected a whole number from 0 to 10000",
            ),
            ("WORKER_CONCURRENCY", "-1", "expected a whole number"),
            ("REDFISH_TIMEOUT", "30", "such as 500ms, 30s"),
            ("REDFISH_TIMEOUT", "2h", "expected 1s to 10m"),
            ("REDFISH_RETRIES", "0", "from 1 to 20"),
            ("JOB_RETENTION_DAYS", "0", "from 1 to 3650"),
            ("JOB_STUCK_TIMEOUT", "1s", "expected 1m to 30d"),
            ("JOB_LEASE_TTL", "soon", "expected a duration"),
            ("CONTROLLER_HTTP_ADDR", "8080", "expected ADDRESS:PORT"),
            ("MEDIA_ADDR", "yes", "or off"),
            ("CALLBACK_URL", "shoal.example.org", "expected http:// or https://"),
            ("MEDIA_URLS", "http://a,https://u:c4n4ry@b", "without path or account"),
            ("AUTH_MODE", "ldap", "expected none or basic"),
            ("AUTH_MODE", "jwt", "not in this version"),
            ("AUTH_MODE", "basic", "no account is set"),
            ("BASIC_USER", "ada", "BASIC_PASS_HASH belong together"),
            ("TLS_MODE", "mtls", "expected off or own or files"),
            ("TLS_MODE", "files", "belong together"),
            ("TLS_CERT_FILE", "/nonexistent", "belong together"),
            ("STATIC_DIR", "/nonexistent", "no such directory"),
            ("MAINTENANCE_ISO_URL", "/nonexistent.iso", "there is no file"),
            ("MAINTENANCE_ISO_URL", "ftp://x/y", "expected a path"),
            ("SHOAL_REPO", "/nonexistent", "no such directory"),
            ("SHOAL_REPO", "git://host/x", "no authentication"),
            ("SHOAL_BRANCH", "main", "no git repository"),
            ("SHOAL_AGE_KEY_FILE", "/nonexistent", "SHOAL_AGE_KEY_FILE (the environment): cannot read"),
            ("ENABLE_REGISTRY", "true", "not in this version"),
            ("ENABLE_REGISTRY", "maybe", "expected true or false"),
            ("REDFISH_INSECURE", "true", "spec.bmc.tls"),
            ("SIGNED_URL_SECRET", "c4n4ry", "too short"),
            ("SIGNED_URL_SECRET_OLD", "c4n4ry-c4n4ry-c4n4ry", "SIGNED_URL_SECRET is not"),
            ("INSECURE_LISTEN", "loud", "expected true or false"),
            ("TIME_DIVISOR", "0", "from 1 to 10000"),
            ("SHOAL_NONSENSE", "x", "SHOAL_NONSENSE (the environment) is not a setting"),
        ] {
            let error = World::new().with(name, value).is_refused(words);
            assert!(!error.contains("c4n4ry"), "{error}");
        }
    }

    #[test]
    fn beyond_loopback_it_starts_only_with_tls_and_accounts_or_told_aloud() {
        let open = || World::new().with("CONTROLLER_HTTP_ADDR", ":8080");
        open().is_refused("without TLS");
        open().with("TLS_MODE", "own").is_refused("without authentication");
        let safe = open().with("TLS_MODE", "own").with("BASIC_USER", "ada").with("BASIC_PASS_HASH", HASH);
        let Auth::Basic(accounts) = safe.build().unwrap().settings.auth else { panic!("no accounts") };
        assert!(accounts[0].user == "ada" && accounts[0].role == Role::Admin);
        let loud = open().with("INSECURE_LISTEN", "true").build().unwrap();
        assert!(loud.notes.iter().any(|note| note.contains("as told")), "{:?}", loud.notes);
        World::new().with("CONTROLLER_HTTPS_ADDR", "0.0.0.0:8443").is_refused("without authentication");
    }

    #[test]
    fn former_names_are_taken_and_said_to_have_no_effect() {
        let world = World::new()
            .with("TASK_ISO_DIR", "/var/lib/shoal/tasks")
            .with("WEBHOOK_SECRET", "c4n4ry")
            .with("JOB_LEASE_TTL", "10m")
            .with("ENABLE_REGISTRY", "false");
        let notes = world.build().unwrap().notes.join("\n");
        assert!(
            notes.contains("TASK_ISO_DIR has no effect") && notes.contains("never kept on disk"),
            "{notes}"
        );
        assert!(notes.contains("a token of its own") && !notes.contains("c4n4ry"), "{notes}");
    }

    #[test]
    fn a_secret_may_stand_in_a_file_that_only_its_owner_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::new();
        let path = world.dir.path().join("secret");
        std::fs::write(&path, "a-long-enough-secret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let shown = path.display().to_string();
        let world = world.with("SIGNED_URL_SECRET_FILE", &shown);
        let secret = world.build().unwrap().settings.signing_secret.unwrap();
        assert_eq!(secret.expose(), "a-long-enough-secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        world.is_refused("everybody can read it");
        World::new()
            .with("SIGNED_URL_SECRET_FILE", &shown)
            .with("SIGNED_URL_SECRET", "another-long-secret")
            .is_refused("both set");
    }

    #[test]
    fn in_a_faster_world_budgets_and_intervals_shrink_unless_they_are_given() {
        let settings =
            World::new().with("TIME_DIVISOR", "30").with("POLL_INTERVAL", "5s").build().unwrap().settings;
        assert_eq!((settings.poll, settings.sweep), (5 * SECOND, 6 * SECOND));
        assert_eq!(settings.budgets, Budgets::default().divided(30));
    }
}
