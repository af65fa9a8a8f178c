// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc inspect`: what Shoal makes of a BMC.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use clap::Subcommand;
use shoal_redfish::{
    Bmc as _, BmcEndpoint, Credentials, Discovered, Error, ErrorKind, Fingerprint, InsertVia, Lane,
    RedfishBmc, Timeouts, TlsTrust, Unobserved, Wiring,
};
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use crate::error::{CliError, Kind, Outcome};
use crate::host::{Context, read_private};
use crate::output::{Table, parse_duration};

/// Look at a BMC
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: BmcCommand,
}

#[derive(Subcommand)]
enum BmcCommand {
    Inspect(Inspect),
}

/// Print what Shoal makes of a BMC; changes nothing on it
///
/// Vendor, identity, boot override, virtual media, and how a medium would be brought to the
/// machine. The same code as the controller's.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal bmc inspect --url https://10.0.0.12 --user root --password-env BMC_PASSWORD
  shoal bmc inspect --url https://10.0.0.12 --user root --password-file - --pin 5f:1c:... --json

Exit codes: 0 understood, 69 the BMC does not answer as it should, 1 error.")]
struct Inspect {
    /// Scheme and host of the BMC
    #[arg(long, value_name = "URL")]
    url: String,
    /// Account on the BMC
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
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
    system: Option<String>,
    /// How long one request may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: std::time::Duration,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Not a parser of clap's: that one repeats what was typed, and somebody types a password into it.
fn bmc_url(text: &str) -> Result<Url, CliError> {
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

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            BmcCommand::Inspect(inspect) => inspect.perform(context),
        }
    }
}

impl Inspect {
    fn perform(&self, context: &Context) -> Outcome {
        let url = bmc_url(&self.url)?;
        let endpoint = BmcEndpoint {
            timeouts: Timeouts { request: self.timeout, ..Timeouts::default() },
            system: self.system.clone(),
            ..BmcEndpoint::new(url.clone(), self.trust()?, self.credentials(context)?)
        };
        let progress = context.progress(format!("asking {url}"));
        let (discovered, certificate) = context.wait(inspect(&endpoint)).map_err(failed)?;
        drop(progress);
        if self.json {
            context.json(&discovered)?;
        } else {
            context.data(&text(&discovered, certificate))?;
            for warning in &discovered.warnings {
                context.warn(warning);
            }
        }
        Ok(0)
    }

    fn trust(&self) -> Result<TlsTrust, CliError> {
        Ok(match (&self.pin, &self.ca) {
            _ if self.insecure => TlsTrust::Insecure,
            (Some(pin), _) => TlsTrust::Pinned(*pin),
            (None, Some(path)) => TlsTrust::CaPem(crate::host::read_text(path, 1 << 20)?),
            (None, None) => TlsTrust::SystemRoots,
        })
    }

    fn credentials(&self, context: &Context) -> Result<Credentials, CliError> {
        let Some(user) = &self.user else {
            return Ok(Credentials::new(String::new(), String::new()));
        };
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
        Ok(Credentials::new(user.clone(), password))
    }
}

async fn inspect(endpoint: &BmcEndpoint) -> Result<(Discovered, Option<Fingerprint>), Error> {
    let wiring = Wiring {
        jitter: Arc::new(jitter),
        correlation: Arc::new(AtomicU64::new(1)),
        observer: Arc::new(Unobserved),
        lane: Arc::new(Lane::default()),
        limit: Arc::new(Semaphore::new(1)),
    };
    let bmc = RedfishBmc::connect(endpoint, wiring).await?;
    let found = (bmc.discovered().clone(), bmc.certificate());
    // The session ends by itself where the BMC does not let us; what was found is found.
    let _ = bmc.close().await;
    Ok(found)
}

/// A number in `0.0..1.0`; without randomness a fixed one, which only makes pauses regular.
fn jitter() -> f64 {
    let mut bytes = [0_u8; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_be_bytes(bytes)) / 65_536.0,
        Err(_) => 0.5,
    }
}

fn failed(error: Error) -> CliError {
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

fn text(found: &Discovered, certificate: Option<Fingerprint>) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let list = |values: &[String]| {
        if values.is_empty() { "not listed".to_owned() } else { values.join(", ") }
    };
    let mut facts = Table::new(&[]);
    facts.row(["vendor", &found.vendor]);
    facts.row(["model", &or_none(&found.model)]);
    facts.row(["firmware", &or_none(&found.firmware)]);
    facts.row(["serial", &or_none(&found.serial)]);
    facts.row(["sku", &or_none(&found.sku)]);
    facts.row(["uuid", &or_none(&found.uuid)]);
    facts.row(["system", &found.system]);
    facts.row(["managers", &list(&found.managers)]);
    facts.row(["power", &found.power]);
    facts.row(["boot targets", &list(&found.boot.targets)]);
    facts.row(["boot modes", &list(&found.boot.modes)]);
    facts.row(["boots our medium by", found.boot.chosen.as_deref().unwrap_or("no target that we know")]);
    facts.row(["route for media", &found.rung.to_string()]);
    if let Some(certificate) = certificate {
        facts.row(["certificate", &certificate.to_string()]);
    }
    let mut out = facts.render();
    if !found.media.is_empty() {
        let mut media = Table::new(&["slot", "kind", "insert", "inserted", "use"]);
        for slot in &found.media {
            let insert = match slot.insert {
                InsertVia::Action => "action",
                InsertVia::Patch => "patch",
                InsertVia::Oem => "oem",
                InsertVia::None => "none",
            };
            let used = match (&found.boot_slot, &found.task_slot) {
                (Some(boot), _) if *boot == slot.uri => "boot medium",
                (_, Some(task)) if *task == slot.uri => "task medium",
                _ => "",
            };
            let inserted = match (&slot.image, slot.inserted) {
                (Some(image), true) => image.to_string(),
                (None, true) => "yes".to_owned(),
                (_, false) => "no".to_owned(),
            };
            media.row([&*slot.uri, &slot.kind, insert, &inserted, used]);
        }
        out.push('\n');
        out.push_str(&media.render());
    }
    out
}
