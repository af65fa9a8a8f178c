// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading `WWW-Authenticate` (RFC 9110, 11.6.1): one or more challenges with parameters.

/// What a server wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `Basic`, `Bearer` …, as it was written.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter by its name in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The challenges of one header value. What cannot be read ends the list.
pub(crate) fn parse(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return found;
        }
        let after = after.trim_start_matches([' ', '\t']);
        // `name=` is a parameter of the challenge before; a word alone begins a challenge.
        let parameter = after.strip_prefix('=').filter(|_| !found.is_empty());
        let Some(text) = parameter else {
            found.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
            rest = after;
            continue;
        };
        let Some((text, after)) = self::value(text.trim_start_matches([' ', '\t'])) else { return found };
        if let Some(challenge) = found.last_mut() {
            challenge.parameters.push((word.to_owned(), text));
        }
        rest = after;
    }
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A word or a quoted string, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return Some((word.to_owned(), rest));
    };
    let mut out = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((out, &quoted[at + 1..])),
            '\\' => out.push(characters.next()?.1),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bearer_challenge_is_read() {
        let read =
            parse(r#"Bearer realm="https://t.example/token",service="r, \"x\"", scope=repository:a/b:pull"#);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].scheme, "Bearer");
        assert_eq!(read[0].get("Realm"), Some("https://t.example/token"));
        assert_eq!(read[0].get("service"), Some("r, \"x\""));
        assert_eq!(read[0].get("scope"), Some("repository:a/b:pull"));
        assert_eq!(read[0].get("error"), None);
    }

    #[test]
    fn two_challenges_in_one_value_are_two() {
        let read = parse(r#"Basic realm="a", Bearer realm="b",scope="c""#);
        let schemes: Vec<_> = read.iter().map(|one| (one.scheme.as_str(), one.get("realm"))).collect();
        assert_eq!(schemes, [("Basic", Some("a")), ("Bearer", Some("b"))]);
    }

    #[test]
    fn an_open_quote_gives_nothing_after_it() {
        let read = parse(r#"Basic realm="a"#);
        assert_eq!(read[0].get("realm"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_sends_makes_it_panic_or_loop(text in ".{0,200}") {
            prop_assert!(parse(&text).len() <= text.len());
        }
    }
}
