// SPDX-License-Identifier: AGPL-3.0-or-later
//! Digests: what content is called by (image-spec, Digests).
//!
//! Two algorithms are known, the two that the specification registers: sha256 and sha512.

use sha2::Digest as _;

use crate::string_form::string_form;

/// The most characters of an unknown algorithm's name that an error repeats.
const NAMED: usize = 64;

/// Why text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// It has not the form of a digest, or not the length of its algorithm.
    #[error("not a digest: write `sha256:` and 64 lower-case hex digits, or `sha512:` and 128")]
    Malformed,
    /// It is a digest, by an algorithm that is not supported; its name is cut to 64 characters.
    #[error("digest algorithm `{0}` is not supported; use sha256 or sha512")]
    Unsupported(String),
}

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

string_form!(Algorithm, DigestError, "^(sha256|sha512)$");

// === impl Algorithm ===

impl Algorithm {
    /// Reads an algorithm's name.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other if is_algorithm(other) => {
                Err(DigestError::Unsupported(other.chars().take(NAMED).collect()))
            }
            _ => Err(DigestError::Malformed),
        }
    }

    /// The algorithm's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hex digits its digests have.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Whether text is an algorithm's name: `[a-z0-9]+([+._-][a-z0-9]+)*`.
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// A digest, `sha256:…` or `sha512:…` with lower-case hex digits. Safe as a file name and in URLs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    text: Box<str>,
}

string_form!(Digest, DigestError, "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$");

// === impl Digest ===

impl Digest {
    /// Reads a digest.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (algorithm, encoded) = text.split_once(':').ok_or(DigestError::Malformed)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-');
        if encoded.is_empty() || !encoded.bytes().all(plain) {
            return Err(DigestError::Malformed);
        }
        let algorithm = Algorithm::parse(algorithm)?;
        let hex = encoded.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex || encoded.len() != algorithm.hex_len() {
            return Err(DigestError::Malformed);
        }
        Ok(Self { algorithm, text: text.into() })
    }

    /// The digest of some bytes.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hex digits alone.
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Computes a digest of bytes as they come. A clone goes on from the same place.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

// === impl Hasher ===

impl Hasher {
    /// Begins with no bytes.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => written(Algorithm::Sha256, &state.finalize()),
            State::Sha512(state) => written(Algorithm::Sha512, &state.finalize()),
        }
    }
}

/// A digest's text from its bytes.
fn written(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(algorithm.as_str().len() + 1 + algorithm.hex_len());
    text.push_str(algorithm.as_str());
    text.push(':');
    for byte in bytes {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Digest { algorithm, text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of no bytes, as FIPS 180-4's examples and every tool have them.
    const EMPTY_256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const EMPTY_512: &str = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";

    #[test]
    fn the_digests_of_nothing_are_the_known_ones() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").as_str(), EMPTY_256);
        assert_eq!(Digest::of(Algorithm::Sha512, b"").as_str(), EMPTY_512);
    }

    #[test]
    fn a_digest_is_read_and_taken_apart() {
        for text in [EMPTY_256, EMPTY_512] {
            let digest = Digest::parse(text).unwrap();
            assert_eq!(digest.to_string(), text);
            assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
            assert_eq!(digest.hex().len(), digest.algorithm().hex_len());
            let json = serde_json::to_string(&digest).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        }
    }

    #[test]
    fn other_algorithms_are_told_apart_from_what_is_no_digest() {
        for (text, algorithm) in
            [("md5:abc", "md5"), ("blake3:00", "blake3"), ("sha256+b64u:LCa0_x=", "sha256+b64u")]
        {
            assert_eq!(Digest::parse(text), Err(DigestError::Unsupported(algorithm.to_owned())));
        }
        let (short, upper) = (&EMPTY_256[..70], EMPTY_256.replace('e', "E"));
        let long = format!("{EMPTY_256}0");
        for text in [
            "",
            "sha256",
            "sha256:",
            ":abc",
            "+:a",
            "a+:b",
            "SHA256:ab",
            "md5:",
            "md5:a/b",
            short,
            &upper,
            &long,
        ] {
            assert_eq!(Digest::parse(text), Err(DigestError::Malformed), "{text:?}");
        }
        assert_eq!(Digest::parse(&EMPTY_512.replace("sha512", "sha256")), Err(DigestError::Malformed));
    }

    #[test]
    fn an_algorithm_is_read_by_its_name() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Ok(algorithm));
        }
        assert_eq!(Algorithm::parse("md5"), Err(DigestError::Unsupported("md5".to_owned())));
        assert_eq!(Algorithm::parse("sha 256"), Err(DigestError::Malformed));
    }

    #[test]
    fn a_hasher_that_was_copied_goes_on_from_the_same_place() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut first = Hasher::new(algorithm);
            first.update(b"ab");
            let mut second = first.clone();
            first.update(b"c");
            second.update(b"d");
            assert_eq!(first.finish(), Digest::of(algorithm, b"abc"));
            assert_eq!(second.finish(), Digest::of(algorithm, b"abd"));
        }
    }
}
