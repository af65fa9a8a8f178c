// SPDX-License-Identifier: AGPL-3.0-or-later
//! Digests as text, and of bytes.

use shoal_oci::{Algorithm, Digest, DigestError, Hasher, referrers_tag};

/// The input as a digest's text and as content.
///
/// # Panics
///
/// Where text is read as a digest that is none, where a digest is not written as it was read, or where
/// the digest of content depends on how the content is cut.
pub fn oci_digests(input: &[u8]) -> bool {
    content(input);
    std::str::from_utf8(input).is_ok_and(text)
}

fn text(text: &str) -> bool {
    let read = Digest::parse(text);
    let hex = |hex: &str| hex.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let known = |name: &str, digits: usize| {
        text.strip_prefix(name).is_some_and(|rest| rest.len() == digits && hex(rest))
    };
    assert_eq!(read.is_ok(), known("sha256:", 64) || known("sha512:", 128), "{text:?}");
    match read {
        Ok(digest) => {
            whole(&digest, text);
            true
        }
        Err(DigestError::Unsupported(name)) => {
            assert!(text.starts_with(&name) && name.len() <= 64);
            let (algorithm, encoded) =
                text.split_once(':').expect("a digest of another algorithm has a colon");
            assert!(!matches!(algorithm, "sha256" | "sha512") && !encoded.is_empty());
            let plain = |c: char| c.is_ascii_alphanumeric() || "+._-:=".contains(c);
            assert!(text.chars().all(plain), "{text:?} is not even the form of a digest");
            assert_eq!(Algorithm::parse(algorithm), Err(DigestError::Unsupported(name)));
            false
        }
        Err(DigestError::Malformed) => false,
    }
}

fn content(bytes: &[u8]) {
    let size = bytes.first().map_or(1, |byte| usize::from(*byte % 64) + 1);
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = Digest::of(algorithm, bytes);
        whole(&digest, &digest.to_string());
        let mut hasher = Hasher::new(algorithm);
        let mut copy = hasher.clone();
        for chunk in bytes.chunks(size) {
            hasher.update(chunk);
            hasher.update(b"");
            copy = hasher.clone();
        }
        assert_eq!(hasher.finish(), digest);
        copy.update(b"more");
        assert_ne!(copy.finish(), digest);
    }
}

/// What holds of a digest that is one.
fn whole(digest: &Digest, text: &str) {
    assert_eq!(digest.as_str(), text);
    assert_eq!(Digest::parse(text).as_ref(), Ok(digest));
    assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
    assert_eq!(digest.hex().len(), digest.algorithm().hex_len());
    let json = serde_json::to_string(digest).expect("a digest is a JSON string");
    assert_eq!(&serde_json::from_str::<Digest>(&json).expect("it was just written"), digest);
    let tag = referrers_tag(digest);
    assert_eq!(tag.as_str().split_once('-'), Some((digest.algorithm().as_str(), &digest.hex()[..64])));
}
