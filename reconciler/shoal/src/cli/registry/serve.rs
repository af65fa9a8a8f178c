// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal registry serve`: the registry alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::run::logs;
use crate::error::{CliError, Outcome};
use crate::host::{Context, Signals, Told};

use super::alone::{Alone, AloneError};
use crate::settings::{Faults, Layers, stand_alone};

/// Serve OCI images from a directory
///
/// The whole OCI Distribution Specification 1.1 below /v2/, with accounts, retention, immutable tags,
/// quotas, garbage collection and scrubbing as a policy file says. The directory is an OCI image
/// layout that skopeo opens as it is. Each flag has a name in the environment, as for `shoal run`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal registry serve --storage ./images
  shoal registry serve --storage /var/lib/shoal/oci --listen :5000 --tls-cert-file c.pem \\
            --tls-key-file k.pem --users-file /etc/shoal/registry.htpasswd --policy-file policy.yaml
  htpasswd -cB registry.htpasswd ada       makes a users file

Then: shoal image push debian.tar.zst localhost:5000/os-images/debian:13

SIGTERM and SIGINT: what is under way finishes; uploads go on after the next start. SIGHUP:
accounts, policy and certificates are read again.

Exit codes: 0 stopped as asked, 78 wrong settings, 69 it cannot listen or open the directory.")]
pub(crate) struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000")]
    listen: String,
    /// The directory that holds the images; made where there is none [env: `REGISTRY_STORAGE`]
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// none or basic; basic where there is a users file [env: `REGISTRY_AUTH_MODE`]
    #[arg(long, value_name = "MODE")]
    auth_mode: Option<String>,
    /// Accounts as htpasswd writes them, bcrypt or Argon2id [env: `REGISTRY_USERS_FILE`]
    #[arg(long, value_name = "FILE")]
    users_file: Option<PathBuf>,
    /// Access, retention, immutable tags, quotas, as YAML [env: `REGISTRY_POLICY_FILE`]
    #[arg(long, value_name = "FILE")]
    policy_file: Option<PathBuf>,
    /// off, own or files [env: `TLS_MODE`]
    #[arg(long, value_name = "MODE")]
    tls_mode: Option<String>,
    /// Certificate chain, PEM [env: `TLS_CERT_FILE`]
    #[arg(long, value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Private key, PEM [env: `TLS_KEY_FILE`]
    #[arg(long, value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    /// Listen beyond loopback without TLS or accounts, said aloud
    #[arg(long)]
    insecure_listen: bool,
    /// error, warn, info, debug or trace [env: `LOG_LEVEL`]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json [env: `LOG_FORMAT`]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Print the address that is listened on as one line of JSON, once it is
    #[arg(long)]
    print_addresses: bool,
}

/// For `--print-addresses`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    registry: SocketAddr,
    /// SHA-256 of the public key: `--pin` of other commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    pid: u32,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let mut faults = Faults::default();
        let layers = Layers::read(&self.flags(), context.env(), None, &mut faults)?;
        let logs = logs::choose(&layers, context.terminals().errors, &mut faults);
        let settings = stand_alone(&layers, faults)?;
        if let Some(logs) = logs {
            logs.begin(context.error_colour())?;
        }
        let signals = Signals::listen(context)?;
        let clock = context.clock();
        let alone = context.wait(Alone::start(settings, clock));
        let alone = alone.map_err(not_started)?;
        tracing::info!(address = %alone.address, pin = alone.pin, "listening");
        if self.print_addresses {
            let printed =
                Printed { registry: alone.address, pin: alone.pin.clone(), pid: std::process::id() };
            let line = serde_json::to_string(&printed).map_err(|error| {
                CliError::internal("json", "cannot write the addresses as JSON").because(error)
            })?;
            context.data(&format!("{line}\n"))?;
        }
        context.wait(run(alone, signals))
    }

    /// By the names that the settings have.
    fn flags(&self) -> BTreeMap<&'static str, String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        [
            ("CONTROLLER_HTTP_ADDR", Some(self.listen.clone())),
            ("REGISTRY_STORAGE", path(&self.storage)),
            ("REGISTRY_AUTH_MODE", self.auth_mode.clone()),
            ("REGISTRY_USERS_FILE", path(&self.users_file)),
            ("REGISTRY_POLICY_FILE", path(&self.policy_file)),
            ("TLS_MODE", self.tls_mode.clone()),
            ("TLS_CERT_FILE", path(&self.tls_cert_file)),
            ("TLS_KEY_FILE", path(&self.tls_key_file)),
            ("INSECURE_LISTEN", self.insecure_listen.then(|| "true".to_owned())),
            ("LOG_LEVEL", self.log_level.clone()),
            ("LOG_FORMAT", self.log_format.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

async fn run(alone: Alone, mut signals: Signals) -> Outcome {
    while signals.next().await == Told::Reload {
        tracing::info!("reading accounts, policy and certificates again");
        alone.reload();
    }
    tracing::info!("stopping: what is under way finishes; a second signal ends at once");
    tokio::select! {
        () = alone.stop() => Ok(0),
        code = signals.stop() => Ok(code),
    }
}

fn not_started(error: AloneError) -> CliError {
    CliError::hardware("registry.start", error.to_string()).because(error)
}
