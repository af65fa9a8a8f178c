// SPDX-License-Identifier: AGPL-3.0-or-later
//! Regular expressions, the naive way: all the places where a match that begins here may end. Slow,
//! and plainly right; shares nothing with the readers under test.

use std::collections::BTreeSet;

type Ends = BTreeSet<usize>;

/// An expression.
pub(crate) enum Expression {
    /// One character of these; `x-y` is a span.
    One(&'static str),
    /// One after the other.
    Then(Vec<Expression>),
    /// Any of these.
    Either(Vec<Expression>),
    /// So many of it, and no more than so many.
    Times(Box<Expression>, usize, usize),
}

use Expression::{Either, One, Then, Times};

impl Expression {
    /// Whether the whole text fits.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.ends(&text, 0).contains(&text.len())
    }

    fn ends(&self, text: &[char], at: usize) -> Ends {
        match self {
            One(set) => text.get(at).filter(|c| in_set(set, **c)).map(|_| at + 1).into_iter().collect(),
            Then(parts) => {
                let step = |ends: Ends, part: &Expression| {
                    ends.into_iter().flat_map(|end| part.ends(text, end)).collect()
                };
                parts.iter().fold(Ends::from([at]), step)
            }
            Either(parts) => parts.iter().flat_map(|part| part.ends(text, at)).collect(),
            Times(part, least, most) => {
                let mut all = Ends::new();
                let mut now = Ends::from([at]);
                for count in 0..=*most {
                    if count >= *least {
                        all.extend(&now);
                    }
                    now = now.into_iter().flat_map(|end| part.ends(text, end)).collect();
                    if now.is_empty() {
                        break;
                    }
                }
                all
            }
        }
    }
}

fn in_set(set: &str, c: char) -> bool {
    let set: Vec<char> = set.chars().collect();
    let mut at = 0;
    while at < set.len() {
        if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
            if (set[at]..=set[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else {
            if set[at] == c {
                return true;
            }
            at += 1;
        }
    }
    false
}

fn plus(part: Expression) -> Expression {
    Times(Box::new(part), 1, usize::MAX)
}

fn star(part: Expression) -> Expression {
    Times(Box::new(part), 0, usize::MAX)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
pub(crate) fn repository() -> Expression {
    let word = || plus(One("a-z0-9"));
    let separator = || Either(vec![One("."), One("_"), Then(vec![One("_"), One("_")]), plus(One("-"))]);
    let component = || Then(vec![word(), star(Then(vec![separator(), word()]))]);
    Then(vec![component(), star(Then(vec![One("/"), component()]))])
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
pub(crate) fn tag() -> Expression {
    Then(vec![One("a-zA-Z0-9_"), Times(Box::new(One("a-zA-Z0-9._-")), 0, 127)])
}

/// image-spec, Digests: `component ([+._-] component)* : [a-zA-Z0-9=_-]+`, `component` being `[a-z0-9]+`.
pub(crate) fn digest() -> Expression {
    let component = || plus(One("a-z0-9"));
    let algorithm = Then(vec![component(), star(Then(vec![One("+._-"), component()]))]);
    Then(vec![algorithm, One(":"), plus(One("a-zA-Z0-9=_-"))])
}

/// `[0-9]+-[0-9]+`
pub(crate) fn range() -> Expression {
    Then(vec![plus(One("0-9")), One("-"), plus(One("0-9"))])
}
