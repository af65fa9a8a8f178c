// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal secret new`: values into Git.

use std::collections::BTreeMap;
use std::path::PathBuf;

use shoal_schema::SecretString;
use shoal_schema::kinds::{Labels, Metadata, Recipient};
use shoal_secrets::{encrypt, parse_values};

use super::editor;
use super::place::{Place, PlaceArgs, check_name, file_of};
use crate::error::{CliError, Outcome};
use crate::host::{Context, read_private};

/// What an editor starts with.
const BLANK: &str = "# one `key: value` a line, `key: |` for several lines\n";

/// Encrypt values for the fleet's recipients
///
/// Opens your editor, or reads `key: value` lines from a file or standard input. Needs no private
/// key. BMC accounts have the keys username and password.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal secret new bmc/rack-a
  shoal secret new hosts/root --recipient controller --recipient ada
  shoal secret new bmc/rack-a --from values.yaml")]
pub(crate) struct Args {
    /// Its name: bmc/rack-a is kept in secrets/bmc/rack-a.yaml
    #[arg(value_name = "NAME")]
    name: String,
    /// File with `key: value` lines; - for standard input; your editor without it
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Who can read it, by the names in shoal.yaml; everybody there without it
    #[arg(long = "recipient", value_name = "NAME")]
    recipients: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        check_name(&self.name)?;
        let place = self.place.open(context)?;
        let file = file_of(&self.name);
        let exists = place.inventory.secrets.contains_key(&self.name) || place.root.join(&file).exists();
        if exists {
            return Err(CliError::user(
                "secret.exists",
                format!("the secret {} is there already", self.name),
            )
            .hint(format!("shoal secret edit {}", self.name)));
        }
        let recipients = self.recipients(&place)?;
        let data = self.values(context)?;
        if data.is_empty() {
            return Err(CliError::user("secret.empty", "no value was given; nothing was written"));
        }
        let spec = encrypt(&self.name, &data, &recipients)?;
        let metadata = Metadata { name: self.name.clone(), labels: Labels::default(), description: None };
        place.write(&file, &metadata, &spec)?;
        context.data(&format!("{file}\n"))?;
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        let readers = spec.recipients.join(", ");
        context.say(&format!("encrypted {} for {readers}; commit the file", keys.join(", ")));
        Ok(0)
    }

    fn values(&self, context: &Context) -> Result<BTreeMap<String, SecretString>, CliError> {
        let text = match &self.from {
            Some(path) => read_private(path, "the secret's values")?,
            None => editor::edit(context, &self.name, &SecretString::new(BLANK.to_owned()))?,
        };
        Ok(parse_values(&self.name, &text)?)
    }

    fn recipients(&self, place: &Place) -> Result<Vec<Recipient>, CliError> {
        let all = place.recipients();
        if all.is_empty() {
            return Err(CliError::user(
                "secret.no-recipients",
                "shoal.yaml lists no recipients: nobody could read it",
            )
            .hint("make a key with 'shoal secret keygen', and put the public one below spec.recipients"));
        }
        if self.recipients.is_empty() {
            return Ok(all);
        }
        let names: Vec<&str> = all.iter().map(|recipient| recipient.name.as_str()).collect();
        self.recipients
            .iter()
            .map(|name| {
                all.iter().find(|recipient| recipient.name == *name).cloned().ok_or_else(|| {
                    CliError::user("secret.recipient", format!("shoal.yaml lists no recipient {name}"))
                        .hint(format!("it lists {}", names.join(", ")))
                })
            })
            .collect()
    }
}
