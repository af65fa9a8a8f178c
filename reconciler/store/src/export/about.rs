// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an export says of itself, and what was found in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shoal_schema::{LedgerId, Sha256};

use crate::{Reader, Table, ledger};

use super::ExportError;

/// What an export is of. A field that is not known is left alone: later programs may say more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// When it was made.
    pub made_at: Timestamp,
    /// The program that made it, and its version.
    pub made_by: String,
    /// The fleet's name, where it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<String>,
    /// The format of the database that it is of.
    pub format: u64,
    /// Which database; nothing where it never had a ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerId>,
    /// How far it had come.
    #[serde(default)]
    pub counter: u64,
}

impl About {
    /// What an export of this snapshot is of.
    pub fn of(
        snapshot: &dyn Reader,
        format: u64,
        made_at: Timestamp,
        made_by: &str,
        fleet: Option<String>,
    ) -> Result<Self, ExportError> {
        let ledger = ledger::read(snapshot)?;
        Ok(Self {
            made_at,
            made_by: made_by.to_owned(),
            fleet,
            format,
            counter: ledger.as_ref().map_or(0, |ledger| ledger.counter),
            ledger: ledger.map(|ledger| ledger.id),
        })
    }
}

impl About {
    /// What a file with it is called where nobody says: fleet, or ledger, and date.
    pub fn file_name(&self) -> String {
        let of = match (&self.fleet, &self.ledger) {
            (Some(fleet), _) => fleet.clone(),
            (None, Some(ledger)) => ledger.short().to_owned(),
            (None, None) => "database".to_owned(),
        };
        // A name from elsewhere leads nowhere.
        let of: String = of
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' })
            .take(60)
            .collect();
        format!("shoal-{of}-{}.backup", self.made_at.strftime("%Y%m%dT%H%M%SZ"))
    }
}

/// What a whole export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What it is of.
    pub about: About,
    /// Entries of each table that has any.
    pub tables: Vec<(Table, u64)>,
    /// All entries.
    pub entries: u64,
    /// Its length.
    pub bytes: u64,
    /// The digest that it ends with.
    pub digest: Sha256,
}

impl Contents {
    /// Entries of a table.
    pub fn count(&self, table: Table) -> u64 {
        self.tables.iter().find(|(of, _)| *of == table).map_or(0, |(_, count)| *count)
    }
}
