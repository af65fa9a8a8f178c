// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which repositories a rule speaks about: one of them, all below a prefix, or all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shoal_oci::RepositoryName;

/// The longest pattern in bytes: as long as the longest name.
const MAX_PATTERN: usize = 255;

/// A set of repositories: `os-images/debian` is that one, `os-images/*` all below it at any depth,
/// `*` all. A star stands at the end only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
}

/// The text is not a pattern of repository names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a repository pattern; write a repository such as os-images/debian, \
     a prefix such as os-images/*, or * for all"
)]
pub struct PatternError {
    /// What was given.
    pub text: String,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let good = match text.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => prefix.strip_suffix('/').is_some_and(|path| RepositoryName::parse(path).is_ok()),
            None => RepositoryName::parse(text).is_ok(),
        };
        if good && text.len() <= MAX_PATTERN {
            Ok(Self { text: text.to_owned() })
        } else {
            Err(PatternError { text: text.to_owned() })
        }
    }

    /// The pattern that lets every repository through.
    pub fn all() -> Self {
        Self { text: "*".to_owned() }
    }

    /// Whether the repository is in the set.
    pub fn matches(&self, repository: &RepositoryName) -> bool {
        match self.text.strip_suffix('*') {
            Some(prefix) => repository.as_str().starts_with(prefix),
            None => repository.as_str() == self.text,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, repository: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&RepositoryName::parse(repository).unwrap())
    }

    #[test]
    fn a_prefix_takes_what_is_below_it_and_nothing_beside_it() {
        assert!(matches("tools/*", "tools/a"));
        assert!(matches("tools/*", "tools/a/b"));
        assert!(!matches("tools/*", "tools"));
        assert!(!matches("tools/*", "tools-old/a"));
    }

    #[test]
    fn an_exact_name_takes_only_itself_and_a_star_takes_all() {
        assert!(matches("tools/a", "tools/a"));
        assert!(!matches("tools/a", "tools/ab"));
        assert!(!matches("tools/a", "tools/a/b"));
        assert!(matches("*", "a"));
        assert!(Pattern::all().matches(&RepositoryName::parse("x/y").unwrap()));
    }

    #[test]
    fn what_no_repository_can_be_called_is_refused() {
        for text in ["", "a*b", "**", "Tools/*", "../*", "/x", "a/", "*/a", "a b", "os-*", "/*"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
