// SPDX-License-Identifier: AGPL-3.0-or-later
//! Private keys of whoever is at the command line: a file, the environment, or standard input.

use std::path::PathBuf;

use shoal_schema::SecretString;
use shoal_secrets::Identities;

use crate::error::CliError;
use crate::host::{Context, read_private};

/// Where private keys are.
#[derive(clap::Args)]
pub(crate) struct KeyArgs {
    /// File with private keys (or `SHOAL_AGE_KEY_FILE`, or the key itself in `SHOAL_AGE_KEY`); - for standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The keys, or nothing where none were given.
    pub(crate) fn read(&self, context: &Context) -> Result<Option<Identities>, CliError> {
        let file = self.key_file.clone().or_else(|| context.env().path("SHOAL_AGE_KEY_FILE"));
        let text = match file {
            Some(file) => read_private(&file, "a private key")?,
            None => match context.env().get("SHOAL_AGE_KEY")? {
                Some(text) => SecretString::new(text),
                None => return Ok(None),
            },
        };
        Ok(Some(Identities::parse(&text)?))
    }

    /// Keys without which nothing can be done.
    pub(crate) fn require(&self, context: &Context) -> Result<Identities, CliError> {
        self.read(context)?.ok_or_else(|| {
            CliError::user("secret.no-key", "a private key is needed")
                .hint("name its file with --key-file or SHOAL_AGE_KEY_FILE")
        })
    }
}
