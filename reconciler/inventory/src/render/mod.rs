// SPDX-License-Identifier: AGPL-3.0-or-later
//! Diagnostics for people, editors and forges.
//!
//! Guarantees: the order is kept; one diagnostic is one item; nothing in a message can end or
//! forge an item of the format.

mod github;
mod gitlab;
mod json;
mod sarif;
mod text;

use std::fmt;
use std::str::FromStr;

use crate::Diagnostic;

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: place, message, source line with a caret, hint.
    #[default]
    Text,
    /// One JSON object: `diagnostics` and `summary`.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// A Code Quality report of GitLab.
    Gitlab,
}

impl Format {
    /// Every format, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("text", Self::Text),
        ("json", Self::Json),
        ("sarif", Self::Sarif),
        ("github", Self::Github),
        ("gitlab", Self::Gitlab),
    ];
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, format)| format == self).map_or("text", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, format)| *format)
            .ok_or_else(|| UnknownFormat { name: text.to_owned() })
    }
}

/// There is no such format.
#[derive(Debug, thiserror::Error)]
#[error("unknown format `{name}`: use text, json, sarif, github or gitlab")]
pub struct UnknownFormat {
    name: String,
}

/// Writes diagnostics down. `colour` counts for text only.
pub fn render(format: Format, diagnostics: &[Diagnostic], colour: bool) -> String {
    match format {
        Format::Text => text::render(diagnostics, colour),
        Format::Json => json::render(diagnostics),
        Format::Sarif => sarif::render(diagnostics),
        Format::Github => github::render(diagnostics),
        Format::Gitlab => gitlab::render(diagnostics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_back_from_its_name() {
        for (name, format) in Format::ALL {
            assert_eq!(name.parse::<Format>().unwrap(), format);
            assert_eq!(format.to_string(), name);
        }
        assert!("xml".parse::<Format>().is_err());
    }
}
