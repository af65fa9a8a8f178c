// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is known of BMCs, and what carries each piece of it: habits that hold for all of them, G1 to
//! G29, and rows by maker.
//!
//! The catalogue goes from a rule to what it works around. This goes the other way, so that nothing that
//! is known is forgotten: a test fails where a habit or a row names no rule, or a test that is not there,
//! and where a rule is named by none of them.

mod habits;
mod makers;

pub use habits::HABITS;
pub use makers::MAKERS;

use super::Rule;

/// What carries a piece of what is known.
#[derive(Clone, Copy, Debug)]
pub enum Carrier {
    /// A rule.
    Rule(Rule),
    /// A test, of what is no rule of this client or what needs none.
    Test {
        /// File of the test, below the repository.
        file: &'static str,
        /// Its name.
        test: &'static str,
    },
    /// A choice: what is left alone, and why.
    Choice(&'static str),
}

/// What holds for BMCs of every make.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// The number behind its `G`.
    pub number: u8,
    /// What a client does about it.
    pub about: &'static str,
    /// What carries it.
    pub carried_by: &'static [Carrier],
}

/// What is known of some maker's BMCs.
#[derive(Clone, Copy, Debug)]
pub struct MakerRow {
    /// Who made them.
    pub maker: &'static str,
    /// Which of them: model, firmware, generation.
    pub which: &'static str,
    /// What they do.
    pub does: &'static str,
    /// What carries it.
    pub carried_by: &'static [Carrier],
}

const fn test(file: &'static str, test: &'static str) -> Carrier {
    Carrier::Test { file, test }
}
