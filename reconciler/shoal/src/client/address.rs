// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the controller is, and who we are there.

use std::path::PathBuf;

use shoal_schema::SecretString;
use shoal_tls::{Pin, Trust};
use url::{Host, Url};

use super::https::Https;
use super::socket::Socket;
use super::{Client, Way};
use crate::error::CliError;
use crate::host::{Context, read_private, read_text};
use crate::settings::DEFAULT_SOCKET;

/// Which controller to talk to.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which controller")]
pub(crate) struct ConnectArgs {
    /// Unix socket of the controller on this machine (or `SHOAL_SOCKET`; /run/shoal/shoal.sock)
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    socket: Option<PathBuf>,
    /// Address of a controller elsewhere (or `SHOAL_URL`); the account is USER:PASSWORD in `SHOAL_TOKEN`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with USER:PASSWORD (or `SHOAL_TOKEN_FILE`); - for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the CAs that may have signed the controller's certificate (or `SHOAL_CA`)
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    ca: Option<PathBuf>,
    /// SHA-256 of the controller's public key, 64 hex digits (or `SHOAL_PIN`)
    #[arg(long, value_name = "HEX")]
    pin: Option<String>,
}

impl ConnectArgs {
    /// The controller that flags or environment name; the one on this machine without them.
    pub(crate) fn client(&self, context: &Context) -> Result<Client, CliError> {
        let env = context.env();
        let url = match (&self.url, &self.socket) {
            (Some(url), _) => Some(url.clone()),
            // A flag weighs more than the environment.
            (None, Some(_)) => None,
            (None, None) => env.get("SHOAL_URL")?,
        };
        let Some(url) = url else {
            let path = self.socket.clone().or_else(|| env.path("SHOAL_SOCKET"));
            let path = path.unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET));
            return Ok(Client { way: Way::Socket(Socket::new(path)) });
        };
        let url = parse_url(&url)?;
        let account = self.account(context)?;
        if account.is_some() && url.scheme() == "http" && !is_loopback(&url) {
            return Err(CliError::user(
                "controller.plain",
                format!("the password is not sent to {url}: the connection is not encrypted"),
            )
            .hint("use https://"));
        }
        let https = Https::new(url, account, self.trust(context)?)?;
        Ok(Client { way: Way::Https(Box::new(https)) })
    }

    /// Whether a flag names one.
    pub(crate) fn is_given(&self) -> bool {
        self.url.is_some() || self.socket.is_some()
    }

    fn account(&self, context: &Context) -> Result<Option<(String, SecretString)>, CliError> {
        let env = context.env();
        let text = match self.token_file.clone().or_else(|| env.path("SHOAL_TOKEN_FILE")) {
            Some(file) => Some(read_private(&file, "the account")?),
            None => env.get("SHOAL_TOKEN")?.map(SecretString::new),
        };
        let Some(text) = text else { return Ok(None) };
        match text.expose().trim().split_once(':') {
            Some((user, password)) if !user.is_empty() => {
                Ok(Some((user.to_owned(), SecretString::new(password.to_owned()))))
            }
            _ => Err(CliError::user("controller.token", "the account is not of the form USER:PASSWORD")
                .hint("set SHOAL_TOKEN, or name a file with --token-file")),
        }
    }

    fn trust(&self, context: &Context) -> Result<Trust, CliError> {
        let env = context.env();
        let pin = match (&self.pin, &self.ca) {
            (Some(pin), _) => Some(pin.clone()),
            (None, Some(_)) => None,
            (None, None) => env.get("SHOAL_PIN")?,
        };
        if let Some(pin) = pin {
            return Pin::parse(&pin).map(|pin| Trust::Pins(vec![pin])).map_err(|_| {
                CliError::user("controller.pin", "the pin is not 64 hex digits")
                    .hint("the controller logs its own at start")
            });
        }
        match self.ca.clone().or_else(|| env.path("SHOAL_CA")) {
            Some(path) => Ok(Trust::Ca(read_text(&path, 1 << 20)?)),
            None => Ok(Trust::System),
        }
    }
}

fn parse_url(text: &str) -> Result<Url, CliError> {
    let wrong = |why: &str| {
        CliError::user("controller.url", format!("the controller's address cannot be used: {why}"))
            .hint("https://HOST[:PORT], with the account in SHOAL_TOKEN")
    };
    let url: Url = text.parse().map_err(|_| wrong("it is no URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(wrong("it is neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an account does not belong into an address"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(wrong("it has a path"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port_and_shows_no_password() {
        for good in ["https://shoal.example.org", "https://10.0.0.1:8443/", "http://[::1]:8080"] {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        for bad in ["", "shoal", "ftp://x", "https://u:s3cret@h", "https://h/api", "https://h?x=1"] {
            let error = parse_url(bad).err().unwrap_or_else(|| panic!("{bad} was taken")).render(false);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
