// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names of repositories and tags (distribution-spec, Pulling manifests).
//!
//! A name that was read is safe as a relative path: no component is empty, starts with a dot or an
//! underscore, or contains anything but lower-case letters, digits, `.`, `_` and `-`. A tag is safe
//! as a file name.

use crate::string_form::string_form;

/// The most bytes of a repository's name. The specification only reports that clients have limits;
/// 255 is what Docker's reference library and most registries hold to.
const MAX_REPOSITORY: usize = 255;

/// The most characters of a tag (distribution-spec, Pulling manifests).
const MAX_TAG: usize = 128;

/// Why a name is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name of a repository has other characters or another form.
    #[error(
        "not a repository name: use lower-case letters and digits in parts joined by `/`, and inside a part \
         `.`, `_`, `__` or `-` between them"
    )]
    Repository,
    /// The name of a repository is too long.
    #[error("a repository name of {bytes} bytes; shorten it to {MAX_REPOSITORY}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A tag has other characters or is too long.
    #[error(
        "not a tag: use at most {MAX_TAG} letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`"
    )]
    Tag,
}

/// The name of a repository, such as `os-images/debian`: at most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Box<str>);

string_form!(
    RepositoryName,
    NameError,
    r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$"
);

// === impl RepositoryName ===

impl RepositoryName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_REPOSITORY {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        if !text.split('/').all(is_component) {
            return Err(NameError::Repository);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a part between slashes is one: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(part: &str) -> bool {
    let alphanumeric = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let mut rest = part.as_bytes();
    loop {
        let word = rest.iter().take_while(|byte| alphanumeric(byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let separator = rest.iter().take_while(|byte| !alphanumeric(byte)).count();
        let fits = match &rest[..separator] {
            b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|byte| *byte == b'-'),
        };
        if !fits {
            return false;
        }
        rest = &rest[separator..];
    }
}

/// A tag, such as `24.04-lts`: at most 128 characters. Ordered by ASCII, as tag lists are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

string_form!(Tag, NameError, r"^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$");

// === impl Tag ===

impl Tag {
    /// Reads a tag.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let first = text.bytes().next().is_some_and(word);
        let rest = text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
        if first && rest && text.len() <= MAX_TAG { Ok(Self(text.into())) } else { Err(NameError::Tag) }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_specification_allows_are_read() {
        for text in ["a", "0", "a/b/c", "os-images/debian", "a.b_c__d-e---f", "library/a1", "a--b"] {
            assert_eq!(RepositoryName::parse(text).expect(text).as_str(), text);
        }
        assert!(RepositoryName::parse(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn names_that_the_specification_does_not_allow_are_refused() {
        for text in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a._b", "a-_b", ".a", "a.", "_a", "a_", "-a",
            "a-", "a b", "a/..", "a/../b", "ä", "a\0", "a\n", "a:b", "a@b", "a\\b", "a.-b", "a/_blobs",
        ] {
            assert_eq!(RepositoryName::parse(text), Err(NameError::Repository), "{text:?}");
        }
        assert_eq!(RepositoryName::parse(&"a".repeat(256)), Err(NameError::TooLong { bytes: 256 }));
    }

    #[test]
    fn tags_are_read_as_the_specification_says() {
        for text in ["latest", "_", "1.0", "A-b_C.d", "sha256-ab", &"x".repeat(128)] {
            assert_eq!(Tag::parse(text).expect(text).as_str(), text);
        }
        for text in ["", ".a", "-a", "a b", "a/b", "a:b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(Tag::parse(text), Err(NameError::Tag), "{text:?}");
        }
    }

    #[test]
    fn tags_are_ordered_by_ascii() {
        let mut tags: Vec<Tag> = ["a", "Z", "_", "10", "9", "a.b", "a-b"]
            .into_iter()
            .map(|text| Tag::parse(text).unwrap())
            .collect();
        tags.sort();
        let order: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        assert_eq!(order, ["10", "9", "Z", "_", "a", "a-b", "a.b"]);
    }
}
