// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets in an inventory's directory: where they stand, and their text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_core::desired::fleet_spec;
use shoal_core::inventory::{Inventory, Located};
use shoal_schema::kinds::{Metadata, Recipient, Secret, SecretSpec};

use crate::error::{CliError, exit};
use crate::host::{Context, write_whole};
use crate::output::yaml::scalar;
use crate::repo::Repository;

/// Where the inventory is.
#[derive(clap::Args)]
pub(super) struct PlaceArgs {
    /// The inventory's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

/// An inventory with secrets in it.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) inventory: Inventory,
}

impl PlaceArgs {
    /// Reads the files as they lie in the directory.
    pub(super) fn open(&self, context: &Context) -> Result<Place, CliError> {
        let repository = Repository::local(&self.repo)?;
        if repository.clone_view().is_some_and(shoal_git::CloneView::is_bare) {
            return Err(CliError::user("worktree", "a bare repository has no files to work on")
                .hint("run it in a clone with a work tree"));
        }
        let inventory = repository.load_files(context)?.inventory;
        Ok(Place { root: repository.root(), inventory })
    }
}

impl Place {
    /// The Secret of this name.
    pub(super) fn find(&self, name: &str) -> Result<Arc<Located<Secret>>, CliError> {
        if let Some(secret) = self.inventory.secrets.get(name) {
            return Ok(Arc::clone(secret));
        }
        let broken = self.inventory.broken.contains(&("Secret", name.to_owned()));
        if broken {
            return Err(CliError::user("secret.broken", format!("the secret {name} cannot be read"))
                .hint("'shoal validate' says why")
                .exit(exit::INVALID));
        }
        let names: Vec<&str> = self.inventory.secrets.keys().map(String::as_str).collect();
        let failed = CliError::user("secret.unknown", format!("there is no secret {name}"));
        Err(if names.is_empty() {
            failed.hint("make one with 'shoal secret new NAME'")
        } else {
            failed.hint(format!("there are {}", names.join(", ")))
        })
    }

    /// Who can read secrets, as the Fleet says.
    pub(super) fn recipients(&self) -> Vec<Recipient> {
        fleet_spec(&self.inventory).recipients
    }

    /// Writes a Secret to its file, which holds nothing else.
    pub(super) fn write(&self, file: &str, metadata: &Metadata, spec: &SecretSpec) -> Result<(), CliError> {
        let text = file_text(metadata, spec)?;
        let path = self.root.join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| {
                CliError::user("file.write", format!("cannot make the directory {}", parent.display()))
                    .because(error)
            })?;
        }
        write_whole(&path, text.as_bytes())
    }

    /// Whether something stands in a file that could not be read as a document.
    pub(super) fn has_unreadable_parts(&self, file: &str) -> bool {
        self.inventory.problems.iter().any(|problem| {
            let unreadable = ["yaml.", "document.", "schema.", "file.", "name."];
            problem.place.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                && unreadable.iter().any(|prefix| problem.code.starts_with(prefix))
        })
    }

    /// How many documents a file holds: what is written replaces the whole file.
    pub(super) fn documents_in(&self, file: &str) -> usize {
        self.inventory.secrets.values().filter(|secret| secret.file.as_ref() == file).count()
    }
}

/// The file of a new Secret.
pub(super) fn file_of(name: &str) -> String {
    format!("secrets/{name}.yaml")
}

/// Whether a name can be a path below `secrets/`, as the schema has it.
pub(super) fn check_name(name: &str) -> Result<(), CliError> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if name.len() <= 128 && Path::new(name).is_relative() && name.split('/').all(part) {
        return Ok(());
    }
    Err(CliError::user("secret.name", format!("`{}` cannot be the name of a secret", name.escape_debug()))
        .hint("lower-case letters, digits, '-', '.', '_', and '/' between parts: bmc/rack-a"))
}

fn file_text(metadata: &Metadata, spec: &SecretSpec) -> Result<String, CliError> {
    let mut text =
        format!("apiVersion: shoal.dev/v1\nkind: Secret\nmetadata:\n  name: {}\n", scalar(&metadata.name));
    if !metadata.labels.is_empty() {
        text.push_str("  labels:\n");
        for (key, value) in metadata.labels.iter() {
            text.push_str(&format!("    {}: {}\n", scalar(key), scalar(value)));
        }
    }
    if let Some(description) = &metadata.description {
        text.push_str(&format!("  description: {}\n", scalar(description)));
    }
    text.push_str("spec:\n  recipients:\n");
    for recipient in &spec.recipients {
        text.push_str(&format!("    - {}\n", scalar(recipient)));
    }
    text.push_str(&format!("  recipientsDigest: {}\n  age: |\n", spec.recipients_digest));
    for line in spec.age.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    match yaml_serde::from_str::<Secret>(&text) {
        Ok(read) if read.metadata == *metadata && read.spec == *spec => Ok(text),
        Ok(_) => Err(CliError::internal("secret.text", "the secret does not read back as it was meant")),
        Err(error) => Err(CliError::internal("secret.text", "the secret does not read back").because(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_its_directory() {
        for name in ["bmc/rack-a", "hosts.root", "a", "a_b/c.d"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "A", ".git/x", "a b", "a\u{1b}[31m"] {
            let error = check_name(name).err().unwrap_or_else(|| panic!("{name} was taken"));
            assert!(!error.render(false).contains('\u{1b}'));
        }
    }
}
