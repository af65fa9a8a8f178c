// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal backup verify`: whether a backup is whole, and what it holds.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_store::FORMAT;
use shoal_store::export::ExportError;

use super::contents::{Shown, human, tables, unusable};
use super::tee::{NotCopied, copy};
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::output::clean;

/// Say whether a backup is whole, and what it holds
///
/// All of it is read, nothing is changed. The digest tells damage; that nobody made the file up, only its place and
/// its owner can tell. Exit code 1: it cannot be restored by this program.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal backup verify shoal-prod-20260301T120000Z.backup
  ssh vault cat shoal.backup | shoal backup verify - --json | jq .tables")]
pub(super) struct Args {
    /// The backup; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let input = open(&self.file)?;
        let moved = Arc::default();
        let progress = context.transfer(format!("reading {}", self.file.display()), &moved);
        let read = copy(input, io::sink(), moved);
        drop(progress);
        let (contents, _) = read.map_err(|error| match error {
            NotCopied::Read(error) => unusable(&self.file, error),
            NotCopied::Write(error) => unusable(&self.file, ExportError::Io("read", error)),
        })?;
        if self.json {
            context.json(&Shown::new(&self.file, &contents))?;
        } else {
            context.data(&clean(&format!("{}{}", human(&contents), tables(&contents))))?;
        }
        if contents.about.format > FORMAT {
            let message = format!(
                "it is whole, and of a database of format {}; this program knows formats up to {FORMAT}",
                contents.about.format
            );
            return Err(CliError::user("backup.newer", message)
                .hint(format!("restore it with {}, or a newer one", contents.about.made_by)));
        }
        Ok(0)
    }
}

/// A file to be read from its beginning to its end, or standard input.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>, CliError> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| ExportError::Io("open", error));
    let opened = opened.map_err(|error| unusable(file, error))?;
    if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(CliError::user("file.read", format!("{} is a directory", file.display()))
            .hint("name one of the backups in it"));
    }
    Ok(Box::new(BufReader::with_capacity(256 << 10, opened)))
}
