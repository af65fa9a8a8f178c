// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal secret keygen`: a new key pair.

use std::path::{Path, PathBuf};

use shoal_secrets::KeyPair;

use crate::error::{CliError, Outcome};
use crate::host::{Context, write_private_new};

/// Make a key pair: the private key into a file, the public one printed
///
/// The public key goes below recipients in shoal.yaml. The private one is as age-keygen writes it
/// and never belongs into the repository.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal secret keygen --out ~/.config/shoal/age.key
  shoal secret keygen --out - | ssh controller 'umask 077; cat > /etc/shoal/age.key'")]
pub(crate) struct Args {
    /// File for the private key, readable by you alone; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let pair = KeyPair::generate();
        let file = pair.key_file(&context.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        if self.out == Path::new("-") {
            context.data(file.expose())?;
            context.say(&format!("public key: {}", pair.public));
            return Ok(0);
        }
        if let Some(parent) = self.out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| {
                CliError::user("file.write", format!("cannot make the directory {}", parent.display()))
                    .because(error)
            })?;
        }
        write_private_new(&self.out, &file)?;
        context.data(&format!("{}\n", pair.public))?;
        context.say(&format!("wrote the private key to {}; keep a copy in a safe place", self.out.display()));
        Ok(0)
    }
}
