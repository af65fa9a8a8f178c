// SPDX-License-Identifier: AGPL-3.0-or-later
//! Settings, right and wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use shoal_controller::settings::{Auth, Clock, Role, Source, TlsMode};
use shoal_core::job::Budgets;

use super::build::{DAY, SECOND};
use super::{Built, Faults, Layers, build};
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
fn the_registry_is_open_to_others_only_with_accounts_and_says_every_fault_of_its_files() {
    let wanted = || World::new().with("ENABLE_REGISTRY", "true");
    let world = wanted();
    let registry = world.build().unwrap().settings.registry.expect("a registry");
    assert_eq!(registry.storage, world.dir.path().join("state/oci"));
    assert!(registry.hosts.is_empty() && (registry.rules)().is_ok_and(|rules| rules.users.is_none()));
    assert!(World::new().build().unwrap().settings.registry.is_none(), "not unless it is wanted");
    let open = || wanted().with("CONTROLLER_HTTPS_ADDR", "0.0.0.0:8443").with("BASIC_USER", "ada");
    open().with("BASIC_PASS_HASH", HASH).is_refused("set REGISTRY_USERS_FILE");
    for (name, value, words) in [
        ("REGISTRY_AUTH_MODE", "basic", "REGISTRY_USERS_FILE is not set"),
        ("REGISTRY_AUTH_MODE", "ldap", "expected none or basic"),
        ("REGISTRY_USERS_FILE", "/nonexistent", "/nonexistent"),
        ("REGISTRY_POLICY_FILE", "/nonexistent", "/nonexistent"),
        ("REGISTRY_HOSTS", "https://registry.example.org", "expected HOST or HOST:PORT"),
        ("REGISTRY_STORAGE", "/dev/null", "is no directory"),
    ] {
        wanted().with(name, value).is_refused(words);
    }
    let unused = World::new().with("REGISTRY_HOSTS", "a").build().unwrap().notes.join("\n");
    assert!(unused.contains("REGISTRY_HOSTS has no effect"), "{unused}");
}

#[test]
fn former_names_are_taken_and_said_to_have_no_effect() {
    let world = World::new()
        .with("TASK_ISO_DIR", "/var/lib/shoal/tasks")
        .with("WEBHOOK_SECRET", "c4n4ry")
        .with("JOB_LEASE_TTL", "10m")
        .with("ENABLE_REGISTRY", "false");
    let notes = world.build().unwrap().notes.join("\n");
    assert!(notes.contains("TASK_ISO_DIR has no effect") && notes.contains("never kept on disk"), "{notes}");
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
