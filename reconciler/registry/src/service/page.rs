// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lists that come in pages: `n`, `last` and `Link` (distribution-spec, Listing Tags).

use shoal_oci::ErrorCode;

use super::Ask;
use crate::respond::{self, Rejection};

/// The most entries of one answer: 10,000 names of 255 bytes are less than 4 MiB.
const MOST: usize = 10_000;

/// Which part of a list is asked for.
pub(super) struct Page {
    /// How many entries, where the client said so.
    asked: Option<usize>,
    /// Entries after this one.
    pub(super) last: Option<String>,
}

impl Page {
    /// Reads `n` and `last`.
    pub(super) fn of(ask: &Ask) -> Result<Self, Rejection> {
        let asked = match ask.query("n").filter(|n| !n.is_empty()) {
            None => None,
            Some(n) if n.bytes().all(|b| b.is_ascii_digit()) => Some(n.parse().unwrap_or(usize::MAX)),
            Some(n) => {
                let message = format!("n is {n}: give how many entries you want, a whole number from 0 on");
                return Err(Rejection::bad(ErrorCode::Unsupported, message));
            }
        };
        Ok(Self { asked, last: ask.query("last").filter(|last| !last.is_empty()) })
    }

    /// How many entries the answer may have.
    pub(super) fn limit(&self) -> usize {
        self.asked.unwrap_or(MOST).min(MOST)
    }

    /// The `Link` to what follows `last`, where more follows. None after an empty page: it would lead back
    /// to itself.
    pub(super) fn link(&self, path: &str, last: Option<&str>, more: bool) -> Option<String> {
        let last = last.filter(|_| more)?;
        let n = self.limit().to_string();
        Some(respond::next_page(path, &[("n", n.as_str()), ("last", last)]))
    }
}
