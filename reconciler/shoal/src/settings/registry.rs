// SPDX-License-Identifier: AGPL-3.0-or-later
//! The registry: inside the controller, and alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_controller::settings::{Listener, RegistryRules, RegistrySettings, TlsMode};
use shoal_registry::{Policy, Users};

use super::access;
use super::layers::{Faults, Layers};
use super::value::Values;
use crate::error::CliError;
use crate::host::read_text;

/// Accounts and policies are a few pages.
const MAX_FILE: u64 = 4 << 20;

/// The registry as `shoal registry serve` runs it.
pub(crate) struct StandAlone {
    /// Where it listens.
    pub(crate) listener: Listener,
    /// What it serves and to whom.
    pub(crate) registry: RegistrySettings,
}

/// The registry inside the controller, where it is wanted. `open` says whether the API can be reached
/// from elsewhere, `aloud` that this may be so without accounts.
pub(super) fn inside(
    values: &mut Values<'_>,
    storage_root: &Path,
    open: bool,
    aloud: bool,
    notes: &mut Vec<String>,
) -> Option<RegistrySettings> {
    if !values.boolean("ENABLE_REGISTRY") {
        for name in ["REGISTRY_STORAGE", "REGISTRY_USERS_FILE", "REGISTRY_POLICY_FILE", "REGISTRY_HOSTS"] {
            if values.is_set(name) {
                notes.push(format!("{name} has no effect: ENABLE_REGISTRY is not true"));
            }
        }
        return None;
    }
    let storage = values.path("REGISTRY_STORAGE").unwrap_or_else(|| storage_root.join("oci"));
    read(values, storage, open, aloud)
}

/// The registry alone.
pub(crate) fn stand_alone(layers: &Layers, mut faults: Faults) -> Result<StandAlone, CliError> {
    let mut values = Values { layers, faults: &mut faults };
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
    let addr = values.address("CONTROLLER_HTTP_ADDR", default);
    let tls = access::tls(&mut values);
    let aloud = values.boolean("INSECURE_LISTEN");
    if !addr.ip().is_loopback() && matches!(tls, TlsMode::Off) && !aloud {
        values.faults.add(format!(
            "the registry would listen on {addr} without TLS; name --tls-cert-file and --tls-key-file, \
             or say --tls-mode own, or --insecure-listen"
        ));
    }
    let storage = values.path("REGISTRY_STORAGE");
    if storage.is_none() {
        values.missing("REGISTRY_STORAGE", "name the directory that holds the images with --storage");
    }
    let registry = read(&mut values, storage.unwrap_or_default(), !addr.ip().is_loopback(), aloud);
    faults.check_for("shoal registry serve")?;
    let registry = registry.ok_or_else(|| CliError::config("settings", "the registry cannot be set up"))?;
    Ok(StandAlone { listener: Listener { addr, tls }, registry })
}

fn read(values: &mut Values<'_>, storage: PathBuf, open: bool, aloud: bool) -> Option<RegistrySettings> {
    if storage.exists() && !storage.is_dir() {
        values.faults.add(format!("REGISTRY_STORAGE: {} is no directory", storage.display()));
    }
    let users = values.path("REGISTRY_USERS_FILE");
    let policy = values.path("REGISTRY_POLICY_FILE");
    let anonymous = match (values.word("REGISTRY_AUTH_MODE", &["none", "basic"]), &users) {
        (Some("none"), Some(_)) => {
            values.faults.add("REGISTRY_AUTH_MODE is none, and REGISTRY_USERS_FILE is set");
            return None;
        }
        (Some("basic"), None) => {
            values.faults.add(
                "REGISTRY_AUTH_MODE is basic, and REGISTRY_USERS_FILE is not set: \
                 make one with 'htpasswd -cB FILE USER'",
            );
            return None;
        }
        (_, users) => users.is_none(),
    };
    if anonymous && open && !aloud {
        values.faults.add(
            "the registry would take images from everybody who reaches it: set REGISTRY_USERS_FILE, \
             or say --insecure-listen",
        );
        return None;
    }
    let rules = move || rules(users.as_deref(), policy.as_deref());
    if let Err(error) = rules() {
        values.faults.add(error.one_line());
        return None;
    }
    Some(RegistrySettings {
        storage,
        hosts: hosts(values),
        rules: Arc::new(move || rules().map_err(|error| error.one_line())),
    })
}

/// Reads accounts and policy.
pub(crate) fn rules(users: Option<&Path>, policy: Option<&Path>) -> Result<RegistryRules, CliError> {
    let users = match users {
        None => None,
        Some(path) => {
            let text = read_text(path, MAX_FILE)?;
            let users = Users::parse(&text).map_err(|error| {
                CliError::config("registry.users", format!("{}: {error}", path.display()))
            })?;
            Some(users)
        }
    };
    let policy = match policy {
        None => Policy::default(),
        Some(path) => {
            let text = read_text(path, MAX_FILE)?;
            let wrong = |why: String| {
                CliError::config("registry.policy", format!("{}: {why}", path.display()))
                    .hint("'shoal schema RegistryPolicy' says what may stand there")
            };
            let value: serde_json::Value =
                yaml_serde::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            Policy::from_value(value).map_err(|error| wrong(error.to_string()))?
        }
    };
    Ok(RegistryRules { users, policy })
}

fn hosts(values: &mut Values<'_>) -> Vec<String> {
    let Some(given) = values.layers.get("REGISTRY_HOSTS").cloned() else { return Vec::new() };
    let hosts: Vec<String> =
        given.text.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect();
    if hosts.iter().any(|host| host.contains(['/', '@', ' '])) {
        values.wrong("REGISTRY_HOSTS", given, "expected HOST or HOST:PORT, separated by commas");
    }
    hosts
}
