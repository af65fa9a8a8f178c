// SPDX-License-Identifier: AGPL-3.0-or-later
//! What BMCs do that a client must cope with: one rule for each, in one list.
//!
//! A [`Rule`] is named after what it works around, and says in its comment where that is known
//! from. Rules that hold for every BMC are always on. Those of one maker are on where [`decide()`]
//! says so, once, from what discovery saw; operations ask [`Rules::has`] and never the maker.
//!
//! All of it comes from recordings, other projects' sources and reports, none from our own
//! hardware: a rule that is wrong must fail soft, since every write is read back anyway.
//!
//! # Guarantees
//! A rule is switched off by tests only (`RedfishBmc::connect_without`), and in a build for tests
//! only: in a release nothing can be switched off, since some rules keep credentials and machines safe.

mod catalogue;
mod decide;
mod known;
pub(crate) mod messages;
pub(crate) mod vendor;

pub use catalogue::{Proof, Rule, RuleFacts};
pub(crate) use decide::{Seen, decide, service_tag_is_the_sku};
pub use known::{Carrier, HABITS, Habit, MAKERS, MakerRow};

/// Words of the set.
const WORDS: usize = 4;
const BITS: usize = u64::BITS as usize;

/// A set of rules that are on: a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules([u64; WORDS]);

const _: () = assert!(Rule::ALL.len() <= WORDS * BITS, "more rules than bits: add a word");

impl Rules {
    /// Those that hold for every BMC.
    pub fn general() -> Self {
        Rule::ALL
            .iter()
            .filter(|rule| !rule.facts().of_one_maker)
            .fold(Self([0; WORDS]), |rules, rule| rules.with(*rule))
    }

    /// Whether a rule is on.
    pub const fn has(self, rule: Rule) -> bool {
        let (word, bit) = Self::place(rule);
        self.0[word] & bit != 0
    }

    /// Whether one of these rules is on.
    pub(crate) fn any(self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.has(*rule))
    }

    /// With one more.
    #[must_use]
    pub const fn with(mut self, rule: Rule) -> Self {
        let (word, bit) = Self::place(rule);
        self.0[word] |= bit;
        self
    }

    /// Without these, for tests. A rule that has no switch stays, and in a release all of them.
    #[must_use]
    pub fn without(mut self, off: &[Rule]) -> Self {
        let has_a_switch = |rule: &&Rule| cfg!(debug_assertions) && rule.facts().proof == Proof::Scenario;
        for rule in off.iter().filter(has_a_switch) {
            let (word, bit) = Self::place(*rule);
            self.0[word] &= !bit;
        }
        self
    }

    /// In the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.iter().copied().filter(move |rule| self.has(*rule))
    }

    /// A second image at the same time fails, or nobody knows of one that did not.
    pub(crate) fn one_image_at_a_time(self) -> bool {
        self.any(&[Rule::OldIdracFailsTheSecondImage, Rule::OldSupermicroHasOneImage])
    }

    /// `http` images are refused.
    pub(crate) fn images_need_https(self) -> bool {
        self.any(&[
            Rule::OpenBmcTakesHttpsOnly,
            Rule::FujitsuTakesHttpsOnly,
            Rule::XfusionTakesHttpsOnly,
            Rule::HuaweiTakesNoHttp,
        ])
    }

    /// Every change of the boot override carries target, enabled and mode.
    pub(crate) fn override_needs_all_three(self) -> bool {
        self.any(&[Rule::AmiWantsTheWholeOverride, Rule::SupermicroForgetsTheMode])
    }

    const fn place(rule: Rule) -> (usize, u64) {
        (rule as usize / BITS, 1 << (rule as usize % BITS))
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_on_until_it_is_switched_off_and_some_have_no_switch() {
        let all = Rules::general();
        assert!(all.has(Rule::EmptySlotsAreEjectedAllTheSame));
        assert!(
            !all.without(&[Rule::EmptySlotsAreEjectedAllTheSame]).has(Rule::EmptySlotsAreEjectedAllTheSame)
        );
        assert!(!all.has(Rule::SupermicroForgetsTheMode));
        assert_eq!(all.without(&[Rule::OffBeforeMediaAreEjected]), all);
    }

    #[test]
    fn each_rule_has_a_bit_of_its_own() {
        let none = Rules([0; WORDS]);
        for rule in Rule::ALL {
            assert_eq!(none.with(*rule).iter().collect::<Vec<_>>(), [*rule]);
        }
    }
}
