// SPDX-License-Identifier: AGPL-3.0-or-later
//! From values to what the controller is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shoal_controller::settings::{Clock, Listener, Settings, SettingsError, Source};
use shoal_core::job::Budgets;

use super::layers::{Faults, Layers};
use super::value::Values;
use super::{DEFAULT_SOCKET, access, iso, notes, registry, source};
use crate::VERSION;
use crate::error::CliError;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

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
    let storage_root = storage_root(&values);
    let static_dir = static_dir(&mut values, &storage_root);
    let maintenance_iso = iso::find(&mut values, static_dir.as_deref());
    let source = source::source(&mut values);
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let api =
        Listener { addr: values.address("CONTROLLER_HTTP_ADDR", loopback), tls: access::tls(&mut values) };
    let auth = access::auth(&mut values, &mut notes);
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
    let api_tls = values.maybe_address("CONTROLLER_HTTPS_ADDR");
    let aloud = values.boolean("INSECURE_LISTEN");
    let open = [Some(api.addr), api_tls].into_iter().flatten().any(|addr| !addr.ip().is_loopback());
    let registry = registry::inside(&mut values, &storage_root, open, aloud, &mut notes);
    let settings = Settings {
        db_path: db_path(&values),
        api,
        api_tls,
        registry,
        media,
        media_tls,
        callback_url: callback_url(&mut values),
        media_urls: values.urls("MEDIA_URLS"),
        socket: socket(&values),
        auth,
        identities: access::identities(&mut values, &mut notes),
        signing_secret: access::signing_secret(&mut values, "SIGNED_URL_SECRET"),
        old_signing_secret: access::signing_secret(&mut values, "SIGNED_URL_SECRET_OLD"),
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
    exposure(&settings, aloud, &mut values, &mut notes);
    faults.check()?;
    Ok(Built { settings, notes })
}

/// Where a controller with these settings has its database.
pub(crate) fn database(layers: &Layers, mut faults: Faults) -> Result<PathBuf, CliError> {
    let path = db_path(&Values { layers, faults: &mut faults });
    faults.check()?;
    Ok(path)
}

fn storage_root(values: &Values<'_>) -> PathBuf {
    values.path("STORAGE_ROOT").unwrap_or_else(|| PathBuf::from("/var/lib/shoal"))
}

fn db_path(values: &Values<'_>) -> PathBuf {
    values.path("DB_PATH").unwrap_or_else(|| storage_root(values).join("db/shoal.redb"))
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
