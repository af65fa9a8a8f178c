// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which BMC is checked: one that the command line describes, or a server's in an inventory.

use std::path::Path;

use shoal_core::desired::{BmcTarget, fleet_spec, resolve};
use shoal_core::inventory::Inventory;
use shoal_redfish::{BmcEndpoint, Credentials, IdentityHint, TlsTrust};
use url::Url;
use zeroize::Zeroizing;

use super::super::endpoint::{Account, EndpointArgs, bmc_url};
use super::media_address::media_url;
use crate::cli::secret::KeyArgs;
use crate::error::{CliError, exit};
use crate::host::Context;
use crate::repo::Repository;

/// A BMC to check.
pub(super) struct Subject {
    pub(super) endpoint: BmcEndpoint,
    /// Where the controller would offer media, in its order.
    pub(super) media: Vec<Url>,
    /// What must be in no report.
    pub(super) password: Zeroizing<String>,
}

/// From the command line alone.
pub(super) fn described(context: &Context, url: &str, args: &EndpointArgs) -> Result<Subject, CliError> {
    let url = bmc_url(url)?;
    let trust = args.trust()?.unwrap_or(TlsTrust::SystemRoots);
    let account = args.account(context)?;
    Ok(subject(url, trust, account, args))
}

/// From the files of an inventory as they lie there: what is not in Git yet counts too. What the
/// command line says goes before.
pub(super) fn of_server(
    context: &Context,
    dir: &Path,
    name: &str,
    args: &EndpointArgs,
    keys: &KeyArgs,
) -> Result<Subject, CliError> {
    let inventory = Repository::local(dir)?.load_files(context)?.inventory;
    if !inventory.servers.contains_key(name) {
        let broken = inventory.broken.contains(&("Server", name.to_owned()));
        let failed =
            CliError::user("server.unknown", format!("there is no server {name} in {}", dir.display()));
        return Err(if broken {
            failed.hint("its file cannot be read: 'shoal validate' says why")
        } else {
            failed
        });
    }
    let fleet = fleet_spec(&inventory);
    let desired = resolve(&inventory, &fleet, name).map_err(|error| {
        CliError::user("server.unresolved", error.to_string())
            .hint("'shoal validate' says more, or describe the BMC with --url")
            .exit(exit::INVALID)
    })?;
    let target = &desired.bmc;
    let url = bmc_url(&target.address)?;
    let trust = match args.trust()? {
        Some(trust) => trust,
        None => trust_of(target)?,
    };
    let account = match args.account(context)? {
        Some(account) => account,
        None => account_of(context, &inventory, target, keys)?,
    };
    let mut subject = subject(url, trust, Some(account), args);
    subject.endpoint.system = args.system.clone().or_else(|| target.system.clone());
    subject.endpoint.identity =
        IdentityHint { serial: desired.identity.serial.clone(), uuid: desired.identity.uuid.clone() };
    let fits = fleet
        .media_urls
        .iter()
        .filter(|url| url.labels.iter().all(|(key, value)| desired.labels.get(key) == Some(value)));
    subject.media = fits.map(|url| media_url(&url.url)).collect::<Result<_, _>>()?;
    Ok(subject)
}

fn subject(url: Url, trust: TlsTrust, account: Option<Account>, args: &EndpointArgs) -> Subject {
    let credentials = account.as_ref().map(Account::credentials);
    let credentials = credentials.unwrap_or_else(|| Credentials::new(String::new(), String::new()));
    let endpoint = BmcEndpoint {
        timeouts: args.timeouts(),
        system: args.system.clone(),
        ..BmcEndpoint::new(url, trust, credentials)
    };
    let password = account.map_or_else(|| Zeroizing::new(String::new()), |account| account.password);
    Subject { endpoint, media: Vec::new(), password }
}

/// As the controller reads it.
fn trust_of(target: &BmcTarget) -> Result<TlsTrust, CliError> {
    let Some(tls) = &target.tls else { return Ok(TlsTrust::SystemRoots) };
    Ok(match (&tls.sha256, &tls.ca) {
        _ if tls.insecure => TlsTrust::Insecure,
        // What the controller saw first is in its database; here every look is the first.
        _ if tls.trust_on_first_use => TlsTrust::FirstUse { known: None },
        (Some(pin), _) => TlsTrust::Pinned(pin.parse().map_err(|_| {
            CliError::user("bmc.pin", "the fingerprint in the server's file is not 64 hex digits")
                .exit(exit::INVALID)
        })?),
        (None, Some(ca)) => TlsTrust::CaPem(ca.clone()),
        (None, None) => TlsTrust::SystemRoots,
    })
}

fn account_of(
    context: &Context,
    inventory: &Inventory,
    target: &BmcTarget,
    keys: &KeyArgs,
) -> Result<Account, CliError> {
    let by_hand = "or name the account with --user and --password-env";
    let Some(name) = &target.credentials else {
        return Err(CliError::user("bmc.credentials", "no credentials are set for this BMC")
            .hint("set spec.bmc.credentials.secret")
            .hint(by_hand));
    };
    let secret = inventory.secrets.get(name).ok_or_else(|| {
        CliError::user("secret.unknown", format!("there is no secret {name}"))
            .hint("make it with 'shoal secret new'")
            .hint(by_hand)
    })?;
    let identities = keys.require(context).map_err(|error| error.hint(by_hand))?;
    let opened = shoal_secrets::decrypt(name, &secret.value.spec, &identities)?;
    let value = |key: &str| {
        opened.get(key).map(|value| value.expose().to_owned()).ok_or_else(|| {
            CliError::user("secret.key", format!("the secret {name} has no key {key}"))
                .hint("shoal secret edit adds it")
        })
    };
    Ok(Account { user: value("username")?, password: Zeroizing::new(value("password")?) })
}
