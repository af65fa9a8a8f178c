// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal secret verify`: can everybody read what they should?

use serde::Serialize;
use shoal_secrets::verify;

use super::keys::KeyArgs;
use super::place::PlaceArgs;
use crate::error::{Outcome, exit};
use crate::host::Context;
use crate::output::Table;

/// Check that Secrets are whole and for the right people
///
/// Without a key: recipients and structure. With one: the content is opened, and the name inside it
/// compared, so that a file copied under another name is found.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal secret verify
  shoal secret verify bmc/rack-a --key-file controller.key

Exit codes: 0 all is well, 7 something is wrong, 1 error.")]
pub(crate) struct Args {
    /// Which; all of them without it
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Checked {
    name: String,
    file: String,
    recipients: Vec<String>,
    /// The content was opened.
    opened: bool,
    problems: Vec<String>,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let place = self.place.open(context)?;
        let identities = self.keys.read(context)?;
        let recipients = place.recipients();
        let names: Vec<String> = if self.names.is_empty() {
            place.inventory.secrets.keys().cloned().collect()
        } else {
            self.names.clone()
        };
        let mut all = Vec::new();
        for name in names {
            let secret = place.find(&name)?;
            let spec = &secret.value.spec;
            let problems = verify(&name, spec, &recipients, identities.as_ref());
            all.push(Checked {
                file: secret.file.to_string(),
                recipients: spec.recipients.clone(),
                opened: identities.is_some(),
                problems: problems.iter().map(ToString::to_string).collect(),
                name,
            });
        }
        let mut broken: Vec<&str> = Vec::new();
        if self.names.is_empty() {
            let kinds = place.inventory.broken.iter().filter(|(kind, _)| *kind == "Secret");
            broken.extend(kinds.map(|(_, name)| name.as_str()));
        }
        if self.json {
            context.json(&all)?;
        } else if !all.is_empty() {
            let mut table = Table::new(&["secret", "readable by", "state"]);
            for checked in &all {
                let state = match (checked.problems.is_empty(), checked.opened) {
                    (false, _) => "wrong",
                    (true, true) => "opened, well",
                    (true, false) => "well, as far as can be seen without a key",
                };
                table.row([&*checked.name, &checked.recipients.join(", "), state]);
            }
            context.data(&table.render())?;
        }
        for problem in all.iter().flat_map(|checked| &checked.problems) {
            context.say(&format!("error: {problem}"));
        }
        for name in &broken {
            context.say(&format!("error: the secret {name} cannot be read; 'shoal validate' says why"));
        }
        let wrong = !broken.is_empty() || all.iter().any(|checked| !checked.problems.is_empty());
        Ok(if wrong { exit::INVALID } else { 0 })
    }
}
