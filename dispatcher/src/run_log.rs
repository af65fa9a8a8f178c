// SPDX-License-Identifier: AGPL-3.0-or-later
//! What one run did, kept in memory so that its end can travel with a failure report.
//!
//! Every line also goes to `tracing`. Lines never hold secrets; what leaves the machine is redacted all the same,
//! because messages of other libraries stand in it.

use std::collections::VecDeque;
use std::fmt::Display;

/// Lines kept. A run writes a few dozen; waiting for a controller adds one per try.
const KEPT: usize = 400;

/// The lines of one run, oldest first.
#[derive(Clone, Debug, Default)]
pub struct RunLog {
    lines: VecDeque<String>,
}

impl RunLog {
    /// Notes something that went as expected.
    pub fn note(&mut self, what: &'static str, detail: impl Display) {
        tracing::info!(%detail, "{what}");
        self.push(what, &detail);
    }

    /// Notes something worth a look.
    pub fn warn(&mut self, what: &'static str, detail: impl Display) {
        tracing::warn!(%detail, "{what}");
        self.push(what, &detail);
    }

    fn push(&mut self, what: &str, detail: &dyn Display) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{what}: {detail}"));
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines().collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_first() {
        let mut log = RunLog::default();
        for number in 0..=KEPT {
            log.note("try", number);
        }
        assert_eq!(log.lines().count(), KEPT);
        assert_eq!(log.lines().next(), Some("try: 1"));
    }
}
