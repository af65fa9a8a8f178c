// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal validate`: everything that is wrong with an inventory, at once.

mod images;

use shoal_inventory::{Diagnostic, Format, Loaded, Severity, render};

use crate::cli::image::connect::RegistryArgs;
use crate::error::{CliError, Outcome, exit};
use crate::host::Context;
use crate::repo::{GitAccess, Repository};

/// Say everything that is wrong with an inventory
///
/// Reads the files as they lie in the directory, or at a revision with --rev. Needs no key, no
/// network and no controller; with --images, the registries that the images name.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal validate
  shoal validate ../fleet --rev origin/main
  shoal validate --format github          as annotations in GitHub Actions
  shoal validate --format sarif > out.sarif
  shoal validate --images                 are the images in their registries, whole?

Exit codes: 0 valid, 7 not valid, 1 could not be read.")]
pub(crate) struct Args {
    /// The inventory's directory, or the address of its repository
    #[arg(value_name = "DIR|URL", default_value = ".")]
    dir: String,
    /// Read what is committed there: a branch, a tag, a commit, HEAD~1
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// How diagnostics are written: text, json, sarif, github, gitlab
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = format)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Warnings make an inventory invalid too
    #[arg(long)]
    deny_warnings: bool,
    /// Ask the registries whether every image is there with all that it names
    #[arg(long)]
    images: bool,
    #[command(flatten)]
    access: GitAccess,
    #[command(flatten)]
    registry: RegistryArgs,
}

fn format(text: &str) -> Result<Format, String> {
    let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
    text.parse().map_err(|_| format!("expected one of {}", names.join(", ")))
}

impl Args {
    pub(in crate::cli) fn perform(&self, context: &Context) -> Outcome {
        let repository = Repository::open(context, &self.dir, &self.access)?;
        let mut loaded = match (&self.rev, &repository) {
            (None, Repository::Clone(clone)) if !clone.is_bare() => repository.load_files(context)?,
            (rev, _) => repository.load(context, repository.commit(rev.as_deref())?)?,
        };
        if loaded.files == 0 {
            return Err(no_inventory(&self.dir));
        }
        if self.images {
            loaded.diagnostics.extend(images::check(context, &self.registry, &loaded.inventory));
        }
        let format = if self.json { Format::Json } else { self.format };
        context.data(&render(format, &loaded.diagnostics, context.data_colour()))?;
        let (errors, warnings) =
            (count(&loaded.diagnostics, Severity::Error), count(&loaded.diagnostics, Severity::Warning));
        context.say(&summary(&loaded, errors, warnings));
        let invalid = errors > 0 || (self.deny_warnings && warnings > 0);
        // The process ends, and with it all that a fleet takes: nobody waits until it is freed.
        drop(std::thread::Builder::new().spawn(move || drop(loaded)));
        Ok(if invalid { exit::INVALID } else { 0 })
    }
}

/// Nothing at all is more likely a wrong directory than an empty fleet.
fn no_inventory(dir: &str) -> CliError {
    CliError::user("inventory.none", format!("there is no inventory in {dir}: no shoal.yaml, no servers/"))
        .hint("name its directory, or make one with 'shoal init'")
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn summary(loaded: &Loaded, errors: usize, warnings: usize) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {}: {}, {}",
        plural(loaded.files, "file"),
        plural(loaded.inventory.servers.len(), "server"),
        plural(errors, "error"),
        plural(warnings, "warning")
    )
}
