// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a backup holds, for people and for scripts; and what is wrong with one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use indicatif::HumanBytes;
use serde::Serialize;
use shoal_store::Table;
use shoal_store::export::{Contents, ExportError};

use crate::error::CliError;

/// As JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    file: String,
    made_at: jiff::Timestamp,
    made_by: &'a str,
    fleet: Option<&'a str>,
    format: u64,
    ledger: Option<String>,
    counter: u64,
    entries: u64,
    bytes: u64,
    digest: String,
    tables: BTreeMap<&'static str, u64>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(file: &Path, contents: &'a Contents) -> Self {
        let about = &contents.about;
        Self {
            file: file.display().to_string(),
            made_at: about.made_at,
            made_by: &about.made_by,
            fleet: about.fleet.as_deref(),
            format: about.format,
            ledger: about.ledger.as_ref().map(ToString::to_string),
            counter: about.counter,
            entries: contents.entries,
            bytes: contents.bytes,
            digest: contents.digest.to_string(),
            tables: contents.tables.iter().map(|(table, count)| (table.name(), *count)).collect(),
        }
    }
}

/// In one line.
pub(super) fn short(contents: &Contents) -> String {
    format!(
        "{}, {} servers, {} jobs",
        HumanBytes(contents.bytes),
        contents.count(Table::Records),
        contents.count(Table::Jobs)
    )
}

/// In a few lines.
pub(crate) fn human(contents: &Contents) -> String {
    let about = &contents.about;
    let mut out = String::new();
    let fleet = about.fleet.as_deref().unwrap_or("not known: it was taken from a database at rest");
    let ledger = about.ledger.as_ref().map_or("none", |ledger| ledger.short());
    let _ = writeln!(out, "fleet    {fleet}");
    let _ = writeln!(out, "taken    {} by {}", about.made_at, about.made_by);
    let _ = writeln!(out, "ledger   {ledger}, counter {}, format {}", about.counter, about.format);
    let _ = writeln!(out, "holds    {}", short(contents));
    let _ = writeln!(out, "digest   {}", contents.digest);
    out
}

/// Every table that has entries.
pub(super) fn tables(contents: &Contents) -> String {
    let mut out = String::new();
    for (table, count) in &contents.tables {
        let _ = writeln!(out, "  {:<20} {count}", table.name());
    }
    out
}

/// A file that is no whole backup.
pub(crate) fn unusable(file: &Path, error: ExportError) -> CliError {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let code = match &error {
        ExportError::Io(..) => {
            return CliError::user("file.read", format!("cannot read {name}")).because(error);
        }
        ExportError::Newer | ExportError::UnknownTable(_) => "backup.newer",
        ExportError::Empty | ExportError::NotAnExport => "backup.other",
        _ => "backup.damaged",
    };
    let failed = CliError::user(code, format!("{name} cannot be used as a backup: {error}"));
    match &error {
        ExportError::Damaged(_) => failed.hint("take another backup; nothing of this one can be trusted"),
        _ => failed,
    }
}
