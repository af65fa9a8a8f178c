// SPDX-License-Identifier: AGPL-3.0-or-later
//! From settings to a controller that runs, until it is told to stop.

use std::error::Error;
use std::io;
use std::path::Path;

use serde::Serialize;
use shoal_controller::settings::Settings;
use shoal_controller::startup::StartupError;
use shoal_controller::{Addresses, Running};
use shoal_store::{EngineError, OpenError};
use shoal_tls::OwnCertificate;

use crate::error::{CliError, Outcome};
use crate::host::{Context, Signals, Told};

/// Where the controller listens, for `--print-addresses`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    api: Option<std::net::SocketAddr>,
    api_tls: Option<std::net::SocketAddr>,
    media: Option<std::net::SocketAddr>,
    media_tls: Option<std::net::SocketAddr>,
    socket: Option<std::path::PathBuf>,
    /// SHA-256 of the public key of the controller's own certificate: `--pin` of other commands.
    pin: String,
    pid: u32,
}

/// Starts a controller and waits until it stops.
pub(super) fn until_stopped(context: &Context, settings: Settings, print: bool) -> Outcome {
    // Before the first effect: from here on a signal ends nothing by itself.
    let signals = Signals::listen(context)?;
    let socket = settings.socket.clone();
    let keys = settings.storage_root.join("keys");
    let database = settings.db_path.clone();
    let running =
        context.wait(shoal_controller::start(settings)).map_err(|error| not_started(error, &database))?;
    let pin =
        OwnCertificate::kept(&keys).map_err(|error| not_started(error.into(), &database))?.pin().to_string();
    tracing::info!(
        pin,
        api = show(running.addresses.api),
        api_tls = show(running.addresses.api_tls),
        media = show(running.addresses.media),
        media_tls = show(running.addresses.media_tls),
        socket = socket.as_ref().map(|path| path.display().to_string()),
        "listening"
    );
    if print {
        let line = printed(&running.addresses, socket, pin)?;
        context.data(&format!("{line}\n"))?;
    }
    context.wait(run(running, signals))
}

async fn run(running: Running, mut signals: Signals) -> Outcome {
    let stopping = running.stopping();
    let told = loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop(code) => break Some(code),
                Told::Reload => {
                    tracing::info!("reading certificates and accounts again, and asking Git now");
                    running.reload();
                }
            },
            () = stopping.cancelled() => break None,
        }
    };
    if told.is_some() {
        tracing::info!("stopping: what is under way finishes; a second signal ends at once");
    }
    tokio::select! {
        () = running.stop() => {}
        code = signals.stop() => return Ok(code),
    }
    match told {
        Some(_) => {
            tracing::info!("stopped");
            Ok(0)
        }
        None => Err(CliError::hardware("run.stopped", "the controller cannot go on; its log says why")),
    }
}

fn printed(
    addresses: &Addresses,
    socket: Option<std::path::PathBuf>,
    pin: String,
) -> Result<String, CliError> {
    let printed = Printed {
        api: addresses.api,
        api_tls: addresses.api_tls,
        media: addresses.media,
        media_tls: addresses.media_tls,
        socket,
        pin,
        pid: std::process::id(),
    };
    serde_json::to_string(&printed)
        .map_err(|error| CliError::internal("json", "cannot write the addresses as JSON").because(error))
}

fn show(address: Option<std::net::SocketAddr>) -> Option<String> {
    address.map(|address| address.to_string())
}

fn not_started(error: StartupError, database: &Path) -> CliError {
    if is_full(&error) {
        let place = database.display();
        let hint = format!("the disk is full: make room for {place} and beside it, then start it again");
        let message = error.to_string();
        return CliError::hardware("run.not-started", message).because(error).hint(hint);
    }
    let hint = match &error {
        StartupError::Listen(_) => Some("is another controller running here? may this user listen there?"),
        StartupError::Directory { .. } => {
            Some("may this user write there? STORAGE_ROOT and DB_PATH say where")
        }
        StartupError::Open(OpenError::Locked { .. }) => {
            Some("only one controller can have a database open at a time")
        }
        StartupError::Open(OpenError::Backup { .. }) => {
            Some("make room beside the database, or move it to a larger disk and set DB_PATH")
        }
        StartupError::Shelf(_) => Some("MAINTENANCE_ISO_URL names the file"),
        _ => None,
    };
    let message = error.to_string();
    CliError::hardware("run.not-started", message).because(error).maybe_hint(hint)
}

/// Whether it is for want of room.
fn is_full(error: &StartupError) -> bool {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        let of_store = error.downcast_ref::<EngineError>().is_some_and(EngineError::is_disk_full);
        let of_system = error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        });
        if of_store || of_system {
            return true;
        }
        cause = error.source();
    }
    false
}
