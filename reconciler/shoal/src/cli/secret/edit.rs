// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal secret edit`: values out of Git, through an editor, and back.

use std::io::{BufRead as _, stdin};

use shoal_secrets::{Edited, Editing};

use super::editor;
use super::keys::KeyArgs;
use super::place::PlaceArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Change a Secret's values in your editor
///
/// The clear text is in a file that only you can read, in memory where there is any, and wiped
/// afterwards. Nothing is rewritten when you change nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal secret edit bmc/rack-a --key-file ~/.config/shoal/age.key
  SHOAL_AGE_KEY_FILE=~/.config/shoal/age.key EDITOR=nano shoal secret edit bmc/rack-a")]
pub(crate) struct Args {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let place = self.place.open(context)?;
        let secret = place.find(&self.name)?;
        if place.documents_in(&secret.file) > 1 {
            let message = format!("{} holds several secrets, and would be written as one", secret.file);
            return Err(
                CliError::user("secret.shared-file", message).hint("give each secret a file of its own")
            );
        }
        if place.has_unreadable_parts(&secret.file) {
            let message = format!("{} has errors, and what cannot be read would be lost", secret.file);
            return Err(CliError::user("secret.shared-file", message).hint("'shoal validate' shows them"));
        }
        let identities = self.keys.require(context)?;
        let recipients = place.recipients();
        let editing = Editing::begin(&self.name, &secret.value.spec, &identities)?;
        let mut text = editing.text();
        loop {
            text = editor::edit(context, &self.name, &text)?;
            match editing.finish(&text, &recipients) {
                Ok(Edited::Unchanged) => {
                    context.say("nothing changed");
                    return Ok(0);
                }
                Ok(Edited::Changed(spec)) => {
                    place.write(&secret.file, &secret.value.metadata, &spec)?;
                    context.data(&format!("{}\n", secret.file))?;
                    context.say(&format!("encrypted for {}; commit the file", spec.recipients.join(", ")));
                    return Ok(0);
                }
                // What was typed is not lost: the editor opens again with it.
                Err(error) if context.terminals().input => {
                    context.say(&error.to_string());
                    context.say("press enter to edit it again, or ctrl-c to leave everything as it was");
                    let mut line = String::new();
                    if stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
