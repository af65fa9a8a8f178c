// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is known of BMCs is carried by something that is there, and every rule by something that is known.

use std::collections::BTreeSet;
use std::path::Path;

use shoal_redfish::{Carrier, HABITS, MAKERS, Rule};

/// Where each piece stands, with what carries it.
fn all() -> impl Iterator<Item = (String, &'static [Carrier])> {
    let habits = HABITS.iter().map(|habit| (format!("G{}", habit.number), habit.carried_by));
    habits.chain(MAKERS.iter().map(|row| (format!("{} {}", row.maker, row.which), row.carried_by)))
}

#[test]
fn the_habits_are_g1_to_g29_each_once_and_the_makers_are_in_order() {
    let numbers: Vec<u8> = HABITS.iter().map(|habit| habit.number).collect();
    assert_eq!(numbers, (1..=29).collect::<Vec<_>>());
    assert!(MAKERS.is_sorted_by_key(|row| row.maker.to_lowercase()));
    for row in MAKERS {
        assert!(!row.which.is_empty() && !row.does.is_empty(), "{row:?}");
    }
}

#[test]
fn each_is_carried_by_a_rule_a_test_that_exists_or_a_choice_that_is_explained() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (what, carried_by) in all() {
        assert!(!carried_by.is_empty(), "{what} is carried by nothing");
        for carrier in carried_by {
            match carrier {
                Carrier::Rule(_) => {}
                Carrier::Choice(why) => assert!(why.contains(' '), "{what}: {why}"),
                Carrier::Test { file, test } => {
                    let text = std::fs::read_to_string(repository.join(file)).unwrap_or_default();
                    // Models have their tests in a list.
                    let is_there =
                        text.contains(&format!("fn {test}(")) || text.contains(&format!(" {test} "));
                    assert!(is_there, "{what}: {file} has no test {test}");
                }
            }
        }
    }
    // What holds for all is never left alone.
    for habit in HABITS {
        let carries = |carrier: &Carrier| !matches!(carrier, Carrier::Choice(_));
        assert!(habit.carried_by.iter().any(carries), "G{} is only a choice", habit.number);
    }
}

#[test]
fn every_rule_is_there_for_something_that_is_known() {
    let rules = |carried_by: &'static [Carrier]| {
        carried_by.iter().filter_map(|carrier| match carrier {
            Carrier::Rule(rule) => Some(*rule),
            Carrier::Test { .. } | Carrier::Choice(_) => None,
        })
    };
    let known: BTreeSet<Rule> = all().flat_map(|(_, carried_by)| rules(carried_by)).collect();
    let of_makers: BTreeSet<Rule> = MAKERS.iter().flat_map(|row| rules(row.carried_by)).collect();
    for rule in Rule::ALL {
        assert!(known.contains(rule), "{rule:?} is in no habit and in no row");
        let is_of_one_maker = rule.facts().of_one_maker;
        assert!(!is_of_one_maker || of_makers.contains(rule), "{rule:?} is of one maker and in no row");
    }
}
