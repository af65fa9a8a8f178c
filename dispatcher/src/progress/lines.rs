// SPDX-License-Identifier: AGPL-3.0-or-later
//! What steps append to `progress.jsonl`, a line of JSON at a time.

use serde::{Deserialize, Serialize};

/// The longest line that is looked at, in bytes; a step writes a tenth of it.
const LINE_LIMIT: usize = 2048;

/// Where a step stands. Steps write it, and the dispatcher reads it: one shape for both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The step.
    pub step: String,
    /// Compressed bytes that came so far.
    pub bytes: u64,
    /// Compressed bytes in all; 0 where nobody said.
    pub total: u64,
    /// Bytes that were written so far.
    pub written: u64,
    /// Compressed bytes a second since the line before.
    pub rate: u64,
    /// The step is done.
    pub done: bool,
}

/// Takes the file piece by piece and keeps its newest line; what is no line is passed by.
#[derive(Debug, Default)]
pub struct Lines {
    newest: Option<Line>,
    begun: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// The next piece, cut anywhere.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.push(&rest[..end]);
            rest = &rest[end + 1..];
            if !self.too_long
                && let Ok(line) = serde_json::from_slice(&self.begun)
            {
                self.newest = Some(line);
            }
            self.begun.clear();
            self.too_long = false;
        }
        self.push(rest);
    }

    fn push(&mut self, piece: &[u8]) {
        self.too_long |= self.begun.len() + piece.len() > LINE_LIMIT;
        if !self.too_long {
            self.begun.extend_from_slice(piece);
        }
    }

    /// The newest line so far.
    pub fn newest(&self) -> Option<&Line> {
        self.newest.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: u64) -> String {
        format!(
            "{{\"step\":\"image-linux\",\"bytes\":{bytes},\"total\":9,\"written\":0,\"rate\":1,\"done\":false}}\n"
        )
    }

    #[test]
    fn the_newest_whole_line_counts_wherever_the_pieces_are_cut() {
        let file = format!("{}{}{}", text(1), text(2), text(3));
        for size in [1, 2, 7, 50, 500] {
            let mut lines = Lines::default();
            for piece in file.as_bytes().chunks(size) {
                lines.feed(piece);
            }
            assert_eq!(lines.newest().map(|line| line.bytes), Some(3));
            lines.feed(&text(4).as_bytes()[..20]);
            assert_eq!(lines.newest().map(|line| line.bytes), Some(3), "half a line is none");
        }
    }

    #[test]
    fn garbage_is_passed_by_and_never_piles_up() {
        let mut lines = Lines::default();
        lines.feed(text(1).as_bytes());
        for garbage in ["\n", "{}\n", "null\n", "{\"step\":7}\n", "\u{0}\u{1b}\n"] {
            lines.feed(garbage.as_bytes());
        }
        for _ in 0..100 {
            lines.feed(&[b'['; 1000]);
        }
        assert!(lines.begun.len() <= LINE_LIMIT);
        assert_eq!(lines.newest().map(|line| line.bytes), Some(1));
        lines.feed(b"\n");
        lines.feed(text(2).as_bytes());
        assert_eq!(lines.newest().map(|line| line.bytes), Some(2));
    }
}
