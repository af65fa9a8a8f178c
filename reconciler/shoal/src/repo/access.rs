// SPDX-License-Identifier: AGPL-3.0-or-later
//! How we prove who we are to a remote. Never an argument's value: a file, or the SSH agent.

use std::path::PathBuf;

use shoal_git::{Credential, Token};

use crate::error::CliError;
use crate::host::{Context, read_private};

/// Access to a remote repository.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct GitAccess {
    /// File with the token for an https:// repository (or `SHOAL_GIT_TOKEN_FILE`)
    #[arg(long, value_name = "FILE")]
    git_token_file: Option<PathBuf>,
}

impl GitAccess {
    /// The credential for an address: the token for HTTPS, the agent for SSH.
    pub(crate) fn credential(&self, context: &Context, address: &str) -> Result<Credential, CliError> {
        let https = address.starts_with("https://") || address.starts_with("http://");
        let local = address.starts_with("file://");
        if !https && !local {
            return Ok(Credential::SshAgent { username: None });
        }
        let file = self.git_token_file.clone().or_else(|| context.env().path("SHOAL_GIT_TOKEN_FILE"));
        let Some(file) = file.filter(|_| https) else { return Ok(Credential::None) };
        let username = context.env().get("SHOAL_GIT_USER")?.unwrap_or_else(|| "git".to_owned());
        let token = read_private(&file, "the token for Git")?;
        Ok(Credential::UserPass { username, password: Token::new(token.expose().trim().to_owned()) })
    }
}
