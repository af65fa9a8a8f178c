// SPDX-License-Identifier: AGPL-3.0-or-later
//! The FAILs that are meant, as data, and the comparison with those that are found.

use serde::Deserialize;

use crate::fail::{Fail, Validator};

/// FAILs of one kind that a model is to have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    validator: Validator,
    /// The models that have them.
    profiles: Vec<String>,
    /// The rule; any where it is left out.
    assertion: Option<String>,
    /// A part of where.
    #[serde(default)]
    at: String,
    /// A part of what is said.
    #[serde(default)]
    message: String,
    /// How many of them each model has; where it is left out, as many as it likes, but one.
    count: Option<usize>,
    /// Why the emulated BMC is to be like that.
    reason: String,
}

/// All of them.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Expected(Vec<Expectation>);

impl Expectation {
    fn covers(&self, fail: &Fail) -> bool {
        let rule = self.assertion.as_ref().is_none_or(|assertion| *assertion == fail.assertion);
        rule && fail.at.contains(&self.at) && fail.message.contains(&self.message)
    }
}

impl Expected {
    pub(crate) fn read() -> Self {
        Self::parse(include_str!("expected.yaml"))
    }

    fn parse(text: &str) -> Self {
        let expected: Self = yaml_serde::from_str(text).expect("expectations");
        for expectation in &expected.0 {
            assert!(!expectation.reason.is_empty() && !expectation.profiles.is_empty(), "{expectation:?}");
        }
        expected
    }

    /// What is not as expected: FAILs that nobody expects, and expected ones that are more, fewer or gone.
    pub(crate) fn compare(&self, validator: Validator, profile: &str, fails: &[Fail]) -> Vec<String> {
        let applies = |expectation: &&Expectation| {
            expectation.validator == validator && expectation.profiles.iter().any(|name| name == profile)
        };
        let expected: Vec<&Expectation> = self.0.iter().filter(applies).collect();
        let mut counts = vec![0; expected.len()];
        let mut complaints = Vec::new();
        for fail in fails {
            match expected.iter().position(|expectation| expectation.covers(fail)) {
                Some(index) => counts[index] += 1,
                None => complaints.push(format!(
                    "{profile}: nobody expects {} at {}: {}",
                    fail.assertion, fail.at, fail.message
                )),
            }
        }
        for (expectation, count) in expected.iter().zip(counts) {
            let right = match expectation.count {
                Some(expected) => count == expected,
                None => count > 0,
            };
            if !right {
                complaints.push(format!("{profile}: failed {count} times: {expectation:?}"));
            }
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: &str = "{validator: protocol, profiles: [a], assertion: X, at: /one, count: 1, reason: so}";
    const ANY: &str = "{validator: protocol, profiles: [a], message: no, reason: so}";

    fn compared(expected: &str, fails: &[&str]) -> Vec<String> {
        let expected = Expected::parse(&format!("[{expected}]"));
        let fail = |at: &&str| Fail {
            assertion: "X".to_owned(),
            at: (*at).to_owned(),
            message: "there is no such thing".to_owned(),
        };
        let fails: Vec<Fail> = fails.iter().map(fail).collect();
        assert_eq!(expected.compare(Validator::Service, "a", &[]), [""; 0], "another validator's");
        assert_eq!(expected.compare(Validator::Protocol, "b", &[]), [""; 0], "another model's");
        expected.compare(Validator::Protocol, "a", &fails)
    }

    #[test]
    fn a_fail_that_is_expected_is_no_complaint() {
        assert_eq!(compared(ONCE, &["GET /one"]), [""; 0]);
        assert_eq!(compared(ANY, &["GET /one", "GET /two"]), [""; 0]);
    }

    #[test]
    fn a_fail_that_nobody_expects_is_a_complaint() {
        let complaints = compared(ONCE, &["GET /one", "GET /two"]);
        assert_eq!(complaints, ["a: nobody expects X at GET /two: there is no such thing"]);
    }

    #[test]
    fn a_fail_that_is_gone_or_comes_too_often_is_a_complaint() {
        let (none, twice): (&[&str], &[&str]) = (&[], &["GET /one", "POST /one"]);
        for (expected, fails) in [(ONCE, none), (ONCE, twice), (ANY, none)] {
            let complaints = compared(expected, fails);
            let start = format!("a: failed {} times", fails.len());
            assert!(complaints.len() == 1 && complaints[0].starts_with(&start), "{complaints:?}");
        }
    }
}
