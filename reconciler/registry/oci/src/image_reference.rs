// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where an artifact is: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.
//!
//! The host is always written; there is no registry that stands in where it is missing. Neither a tag
//! nor a digest is filled in.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::{Digest, DigestError, NameError, Reference, RepositoryName, Tag};

/// Why text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// There is no slash, so no host.
    #[error("write HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]: the registry's host is missing")]
    NoRegistry,
    /// The part before the first slash is no host.
    #[error(
        "the registry is not HOST or HOST:PORT: write a host name, an IPv4 address or [IPv6], without a scheme"
    )]
    Registry,
    /// The repository is no repository name.
    #[error("the repository of the reference")]
    Repository(#[source] NameError),
    /// The tag is none.
    #[error("the tag of the reference")]
    Tag(#[source] NameError),
    /// The digest is none.
    #[error("the digest of the reference")]
    Digest(#[source] DigestError),
}

/// Where an artifact is. Where both a tag and a digest are there, the digest counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// `HOST` or `HOST:PORT`, as it was written.
    pub registry: String,
    /// The repository there.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Option<Tag>,
    /// The digest.
    pub digest: Option<Digest>,
}

// === impl ImageReference ===

impl ImageReference {
    /// Reads `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.
    pub fn parse(text: &str) -> Result<Self, ImageReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(ImageReferenceError::Digest)?)),
            None => (text, None),
        };
        let (registry, rest) = rest.split_once('/').ok_or(ImageReferenceError::NoRegistry)?;
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(Tag::parse(tag).map_err(ImageReferenceError::Tag)?)),
            None => (rest, None),
        };
        if !is_registry(registry) {
            return Err(ImageReferenceError::Registry);
        }
        let repository = RepositoryName::parse(repository).map_err(ImageReferenceError::Repository)?;
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }

    /// What to ask the registry for: the digest where there is one, else the tag.
    pub fn reference(&self) -> Option<Reference> {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Some(Reference::Digest(digest.clone())),
            (None, Some(tag)) => Some(Reference::Tag(tag.clone())),
            (None, None) => None,
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        Self::parse(text)
    }
}

/// Whether text is a host, with or without a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            match after.strip_prefix(':') {
                None if after.is_empty() => return true,
                None => return false,
                Some(port) => (None, Some(port)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    host.is_none_or(is_host) && port.is_none_or(is_port)
}

/// Whether text is a host name or an IPv4 address: labels of letters, digits and inner dashes
/// (RFC 1123), 253 characters in all.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether text is a port that one can connect to.
fn is_port(text: &str) -> bool {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits && text.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn every_part_of_a_reference_is_read_and_written_back() {
        for registry in
            ["localhost", "r", "registry.example.org", "10.0.0.1:5000", "[::1]", "[fe80::1]:443", "A-1.b:80"]
        {
            for tag in ["", ":24.04"] {
                for digest in [String::new(), format!("@{DIGEST}")] {
                    let text = format!("{registry}/os-images/debian{tag}{digest}");
                    let read = ImageReference::parse(&text).expect(&text);
                    assert_eq!(read.to_string(), text);
                    assert_eq!(read.registry, registry);
                    assert_eq!(read.repository.as_str(), "os-images/debian");
                    assert_eq!(read.tag.is_some(), !tag.is_empty());
                    assert_eq!(read.digest.is_some(), !digest.is_empty());
                }
            }
        }
    }

    #[test]
    fn the_digest_counts_where_there_is_a_tag_as_well() {
        let read = |text: String| ImageReference::parse(&text).unwrap().reference();
        assert_eq!(read(format!("h/r:t@{DIGEST}")), Some(Digest::parse(DIGEST).unwrap().into()));
        assert_eq!(read("h/r:t".to_owned()), Some(Tag::parse("t").unwrap().into()));
        assert_eq!(read("h/r".to_owned()), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        use ImageReferenceError as E;
        for (text, error) in [
            ("debian", E::NoRegistry),
            ("debian:12", E::NoRegistry),
            ("", E::NoRegistry),
            ("/r", E::Registry),
            ("https://h/r", E::Registry),
            ("h:/r", E::Registry),
            ("h:0/r", E::Registry),
            ("h:65536/r", E::Registry),
            ("h:+1/r", E::Registry),
            ("h:1:2/r", E::Registry),
            ("[::1/r", E::Registry),
            ("[::1]5/r", E::Registry),
            ("[a]/r", E::Registry),
            ("-h/r", E::Registry),
            ("h..x/r", E::Registry),
            ("h_x/r", E::Registry),
            ("user:pass@h/r", E::Digest(DigestError::Malformed)),
            ("h/", E::Repository(NameError::Repository)),
            ("h/R", E::Repository(NameError::Repository)),
            ("h/r:", E::Tag(NameError::Tag)),
            ("h/r:a:b", E::Tag(NameError::Tag)),
            ("h/r@", E::Digest(DigestError::Malformed)),
            ("h/r@md5:ab", E::Digest(DigestError::Unsupported("md5".to_owned()))),
            ("h/r@sha256:ab@sha256:ab", E::Digest(DigestError::Malformed)),
        ] {
            assert_eq!(ImageReference::parse(text), Err(error), "{text:?}");
        }
    }
}
