// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal schema`: JSON Schemas, for editors and for other tools.

use std::path::PathBuf;

use crate::docs::schemas::{DOCUMENTS, file_name, find, text};
use crate::error::{CliError, Outcome};
use crate::host::{Context, write_whole};
use crate::output::Table;

/// Print the JSON Schema of a kind of document
///
/// Without a kind: lists them. Editors with a YAML language server complete and check while you
/// type when the first line of a file names the schema, as 'shoal init' writes it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal schema
  shoal schema server
  shoal schema --all .shoal/schemas       refreshes what 'shoal init' wrote")]
pub(crate) struct Args {
    /// The kind, such as Server; upper or lower case
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// Write every schema into a directory
    #[arg(long, value_name = "DIR", conflicts_with = "kind")]
    all: Option<PathBuf>,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        if let Some(dir) = &self.all {
            write_all(dir)?;
            context.say(&format!("wrote {} schemas to {}", DOCUMENTS.len(), dir.display()));
            return Ok(0);
        }
        let Some(kind) = &self.kind else {
            let mut table = Table::new(&["kind", "what it describes"]);
            for document in DOCUMENTS {
                table.row([document.name, document.about]);
            }
            context.data(&table.render())?;
            return Ok(0);
        };
        let document = find(kind).ok_or_else(|| {
            let names: Vec<&str> = DOCUMENTS.iter().map(|document| document.name).collect();
            CliError::user("schema.unknown", format!("there is no kind {kind}"))
                .hint(format!("the kinds are {}", names.join(", ")))
        })?;
        context.data(&text(document))?;
        Ok(0)
    }
}

/// Writes every schema, one file each.
pub(super) fn write_all(dir: &std::path::Path) -> Result<(), CliError> {
    std::fs::create_dir_all(dir).map_err(|error| {
        CliError::user("file.write", format!("cannot make the directory {}", dir.display())).because(error)
    })?;
    for document in DOCUMENTS {
        write_whole(&dir.join(file_name(document)), text(document).as_bytes())?;
    }
    Ok(())
}
