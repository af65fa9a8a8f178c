// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding many byte strings in one pass.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

/// The shortest pattern: four bytes find their candidates, and shorter secrets would be found
/// everywhere.
pub(crate) const MIN_PATTERN: usize = 4;

/// Patterns with a label each.
pub(crate) struct Patterns<L> {
    all: Vec<(Zeroizing<Vec<u8>>, L)>,
    by_start: HashMap<[u8; MIN_PATTERN], Vec<usize>>,
    /// Which first two bytes any pattern has: most places are passed over with one look.
    starts: Vec<bool>,
}

impl<L> Default for Patterns<L> {
    fn default() -> Self {
        Self { all: Vec::new(), by_start: HashMap::new(), starts: vec![false; 1 << 16] }
    }
}

impl<L: Copy> Patterns<L> {
    /// Adds a pattern; one that is too short is left out.
    pub(crate) fn add(&mut self, pattern: Vec<u8>, label: L) {
        let Some(start) = pattern.first_chunk::<MIN_PATTERN>() else { return };
        self.starts[pair(start[0], start[1])] = true;
        self.by_start.entry(*start).or_default().push(self.all.len());
        self.all.push((Zeroizing::new(pattern), label));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every place of every pattern, by start.
    pub(crate) fn find(&self, haystack: &[u8]) -> Vec<(Range<usize>, L)> {
        let mut found = Vec::new();
        for (at, window) in haystack.windows(MIN_PATTERN).enumerate() {
            if !self.starts[pair(window[0], window[1])] {
                continue;
            }
            let Some(start) = window.first_chunk::<MIN_PATTERN>() else { continue };
            for index in self.by_start.get(start).into_iter().flatten() {
                let (pattern, label) = &self.all[*index];
                if haystack[at..].starts_with(pattern) {
                    found.push((at..at + pattern.len(), *label));
                }
            }
        }
        found
    }
}

fn pair(first: u8, second: u8) -> usize {
    (usize::from(first) << 8) | usize::from(second)
}
