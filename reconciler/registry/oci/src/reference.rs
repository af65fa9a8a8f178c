// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a manifest is asked for by: a tag or a digest (distribution-spec, Pulling manifests).

use std::fmt;
use std::str::FromStr;

use crate::{Digest, DigestError, NameError, Tag};

/// Why text is neither a tag nor a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has no colon, so it would be a tag, and is none.
    #[error(transparent)]
    Tag(#[from] NameError),
    /// It has a colon, so it would be a digest, and is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// A tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

// === impl Reference ===

impl Reference {
    /// Reads a tag or a digest. A tag cannot contain the colon that every digest has.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            Ok(Self::Digest(Digest::parse(text)?))
        } else {
            Ok(Self::Tag(Tag::parse(text)?))
        }
    }

    /// The tag or digest as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

/// The tag under which clients keep a manifest's referrers on registries that cannot list them
/// (distribution-spec, Referrers Tag Schema): algorithm, `-`, the first 64 digits.
pub fn referrers_tag(digest: &Digest) -> Tag {
    let text = format!("{}-{}", digest.algorithm(), &digest.hex()[..64]);
    Tag::parse(&text).expect("an algorithm's name, a dash and 64 hex digits are a tag")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn a_colon_makes_a_digest_and_its_absence_a_tag() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(Reference::parse(digest.as_str()), Ok(Reference::Digest(digest)));
        assert_eq!(Reference::parse("latest"), Ok(Reference::Tag(Tag::parse("latest").unwrap())));
        assert_eq!(Reference::parse("a:b"), Err(DigestError::Unsupported("a".to_owned()).into()));
        assert_eq!(Reference::parse("sha256:ab"), Err(DigestError::Malformed.into()));
        assert_eq!(Reference::parse(".a"), Err(NameError::Tag.into()));
    }

    #[test]
    fn the_referrers_tag_has_64_digits_whatever_the_algorithm() {
        let digest = Digest::of(Algorithm::Sha512, b"");
        assert_eq!(referrers_tag(&digest).as_str(), format!("sha512-{}", &digest.hex()[..64]));
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(referrers_tag(&digest).as_str(), digest.as_str().replace(':', "-"));
    }
}
