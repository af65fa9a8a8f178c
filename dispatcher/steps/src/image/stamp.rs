// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mark of an installed image. It is written last, so that whatever was cut short counts as not installed.

use serde::{Deserialize, Serialize};

use super::pull::Found;

/// Where it stands in the new root and, below `shoal/`, on the ESP of a raw image.
pub const IMAGE_STAMP: &str = "etc/shoal/image.json";

/// The same on an ESP.
pub const IMAGE_STAMP_ON_ESP: &str = "shoal/image.json";

/// Which image was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageStamp {
    /// The manifest, or index, that the plan pinned.
    pub image: String,
    /// The blob that was unpacked.
    pub layer: String,
    /// Bytes that were written.
    pub bytes: u64,
}

impl ImageStamp {
    /// Of what was pulled.
    pub fn new(found: &Found, bytes: u64) -> Self {
        Self { image: found.manifest.to_string(), layer: found.layer.digest.to_string(), bytes }
    }

    /// Whether `content` is the stamp of this image.
    pub fn is_of(content: Option<&[u8]>, image: &str) -> bool {
        let stamp: Option<Self> = content.and_then(|content| serde_json::from_slice(content).ok());
        stamp.is_some_and(|stamp| stamp.image == image)
    }

    /// As it is written.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_of_one_image_and_half_of_one_is_of_none() {
        let stamp = ImageStamp { image: "sha256:a".into(), layer: "sha256:b".into(), bytes: 7 };
        let bytes = stamp.bytes();
        assert!(ImageStamp::is_of(Some(&bytes), "sha256:a"));
        assert!(!ImageStamp::is_of(Some(&bytes), "sha256:b"));
        assert!(!ImageStamp::is_of(Some(&bytes[..bytes.len() / 2]), "sha256:a"));
        assert!(!ImageStamp::is_of(None, "sha256:a"));
    }
}
