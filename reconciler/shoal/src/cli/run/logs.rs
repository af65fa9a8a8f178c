// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the controller says, to standard error: for people on a terminal, as JSON elsewhere.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use super::json::Flat;
use crate::error::CliError;
use crate::settings::{Faults, Layers};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// How logs are written.
pub(crate) struct Logs {
    filter: EnvFilter,
    json: bool,
}

/// Reads `LOG_LEVEL` and `LOG_FORMAT`.
pub(crate) fn choose(layers: &Layers, terminal: bool, faults: &mut Faults) -> Option<Logs> {
    let json = match layers.get("LOG_FORMAT") {
        None => !terminal,
        Some(given) => match given.text.trim() {
            "json" => true,
            "text" => false,
            _ => {
                faults.add(format!("LOG_FORMAT ({}): expected text or json", given.origin));
                return None;
            }
        },
    };
    let level = layers.get("LOG_LEVEL");
    let text = level.map_or_else(|| "info".to_owned(), |given| given.text.trim().to_ascii_lowercase());
    // Every part is a level, or PART=LEVEL: a typo would otherwise be a part of its own.
    let is_level = |text: &str| LEVELS.contains(&text);
    let fits =
        text.split(',').all(|part| is_level(part.split_once('=').map_or(part, |(_, level)| level).trim()));
    match EnvFilter::try_new(&text) {
        Ok(filter) if fits => Some(Logs { filter, json }),
        _ => {
            let origin = level.map(|given| given.origin.to_string()).unwrap_or_default();
            faults.add(format!(
                "LOG_LEVEL ({origin}): expected {}, or by part such as info,shoal_redfish=debug",
                LEVELS.join(", ")
            ));
            None
        }
    }
}

impl Logs {
    /// Writes from here on.
    pub(crate) fn begin(self, colour: bool) -> Result<(), CliError> {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(self.filter)
            .with_writer(std::io::stderr)
            .with_ansi(colour && !self.json);
        let begun = if self.json {
            let flat = Flat { now: jiff::Timestamp::now };
            builder.fmt_fields(JsonFields::new()).event_format(flat).try_init()
        } else {
            builder.try_init()
        };
        begun.map_err(|error| CliError::internal("logs", "cannot begin to log").because(error))
    }
}
