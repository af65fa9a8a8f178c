// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which registry, who we are there, and whose certificate is believed.

use std::path::{Path, PathBuf};

use shoal_oci::{ImageReference, RepositoryName};
use shoal_registry_client::{
    AuthFilePlaces, AuthLookup, Client, ClientError, ClientOptions, Credentials, credentials_from_auth_files,
};
use shoal_schema::SecretString;
use shoal_tls::{Pin, Trust};

use crate::error::CliError;
use crate::host::{Context, read_private, read_text};

/// A file with logins is a page.
const MAX_AUTH_FILE: u64 = 1 << 20;

/// How a registry is talked to.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryArgs {
    /// File with USER:PASSWORD (or `SHOAL_REGISTRY_TOKEN_FILE`, or the text in `SHOAL_REGISTRY_TOKEN`);
    /// without it, what 'podman login' or 'docker login' left
    #[arg(long, value_name = "FILE")]
    login_file: Option<PathBuf>,
    /// File with the CAs that may have signed the registry's certificate (or `SHOAL_REGISTRY_CA`)
    #[arg(long, value_name = "FILE", conflicts_with = "registry_pin")]
    registry_ca: Option<PathBuf>,
    /// SHA-256 of the registry's public key, 64 hex digits (or `SHOAL_REGISTRY_PIN`)
    #[arg(long, value_name = "HEX")]
    registry_pin: Option<String>,
    /// Speak HTTP without TLS; on this machine that is tried anyway
    #[arg(long)]
    plain_http: bool,
}

impl RegistryArgs {
    /// A client for a registry, with a login for that repository where one is known.
    pub(crate) fn client(
        &self,
        context: &Context,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Result<Client, CliError> {
        let mut options = ClientOptions::new(self.trust(context)?);
        options.plain_http = self.plain_http.then_some(true);
        options.credentials = self.credentials(context, registry, repository)?;
        options.user_agent = format!("shoal/{}", crate::VERSION);
        Client::new(registry, options).map_err(failed)
    }

    fn credentials(
        &self,
        context: &Context,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<Credentials>, CliError> {
        let env = context.env();
        let text = match self.login_file.clone().or_else(|| env.path("SHOAL_REGISTRY_TOKEN_FILE")) {
            Some(file) => Some(read_private(&file, "the login")?),
            None => env.get("SHOAL_REGISTRY_TOKEN")?.map(SecretString::new),
        };
        if let Some(text) = text {
            return match text.expose().trim().split_once(':') {
                Some((user, password)) if !user.is_empty() => Ok(Some(Credentials::Password {
                    user: user.to_owned(),
                    password: SecretString::new(password.to_owned()),
                })),
                _ => Err(CliError::user("registry.login", "the login is not of the form USER:PASSWORD")
                    .hint("set SHOAL_REGISTRY_TOKEN, or name a file with --login-file")),
            };
        }
        let (file, runtime, home) =
            (env.path("REGISTRY_AUTH_FILE"), env.path("XDG_RUNTIME_DIR"), env.path("HOME"));
        let places = AuthFilePlaces {
            registry_auth_file: file.as_deref(),
            runtime_dir: runtime.as_deref(),
            home: home.as_deref(),
        };
        let files = auth_files(places.paths(), file.as_deref())?;
        let repository = repository.map(RepositoryName::as_str);
        let lookup = credentials_from_auth_files(registry, repository, &files)
            .map_err(|error| CliError::user("registry.login", error.to_string()))?;
        if let Some(hint) = lookup.hint() {
            context.warn(&hint);
        }
        Ok(match lookup {
            AuthLookup::Found { credentials, .. } => Some(credentials),
            AuthLookup::OnlyHelper { .. } | AuthLookup::Nothing => None,
        })
    }

    fn trust(&self, context: &Context) -> Result<Trust, CliError> {
        let env = context.env();
        let pin = match (&self.registry_pin, &self.registry_ca) {
            (Some(pin), _) => Some(pin.clone()),
            (None, Some(_)) => None,
            (None, None) => env.get("SHOAL_REGISTRY_PIN")?,
        };
        if let Some(pin) = pin {
            let pin = Pin::parse(&pin).map_err(|_| {
                CliError::user("registry.pin", "the pin is not 64 hex digits")
                    .hint("the registry logs its own at start")
            })?;
            return Ok(Trust::Pins(vec![pin]));
        }
        match self.registry_ca.clone().or_else(|| env.path("SHOAL_REGISTRY_CA")) {
            Some(path) => Ok(Trust::Ca(read_text(&path, 1 << 20)?)),
            None => Ok(Trust::System),
        }
    }
}

/// The files that are there. One that was named has to be.
fn auth_files(paths: Vec<PathBuf>, named: Option<&Path>) -> Result<Vec<(PathBuf, SecretString)>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if named.is_none() && !path.is_file() {
            continue;
        }
        let text = read_text(&path, MAX_AUTH_FILE)?;
        files.push((path, SecretString::new(text)));
    }
    Ok(files)
}

/// An image's reference, with a tag or a digest.
pub(crate) fn reference(text: &str) -> Result<ImageReference, CliError> {
    let reference = ImageReference::parse(text).map_err(|error| {
        CliError::user("image.reference", format!("{text} is no image: {error}"))
            .hint("HOST[:PORT]/REPOSITORY:TAG, such as localhost:5000/os-images/debian:13")
    })?;
    if reference.tag.is_none() && reference.digest.is_none() {
        return Err(CliError::user("image.reference", format!("{text} has neither a tag nor a digest"))
            .hint(format!("HOST[:PORT]/REPOSITORY:TAG, such as {text}:1")));
    }
    Ok(reference)
}

/// An error of a registry for people.
pub(crate) fn failed(error: ClientError) -> CliError {
    let hint = error.hint();
    let message = error.to_string();
    // A file that is no image, an address that is none: nothing that a registry did.
    let own = matches!(error, ClientError::Image(_) | ClientError::Address { .. } | ClientError::File { .. });
    let failed = if own || error.status().is_some_and(|status| status < 500) {
        CliError::user("registry.refused", message)
    } else {
        CliError::hardware("registry.failed", message)
    };
    failed.because(error).maybe_hint(hint)
}
