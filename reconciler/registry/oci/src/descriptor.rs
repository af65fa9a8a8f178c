// SPDX-License-Identifier: AGPL-3.0-or-later
//! Descriptors: content by type, digest and size (image-spec, Content Descriptors).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::Digest;

/// Content by type, digest and size. Unknown fields are ignored; `null` is as good as absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// What an artifact is for, where the content is a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// Where else the content can be had.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Notes for people and programs.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What the content runs on, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Value>,
    /// The content itself in base64, as it was written; not checked and not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

// === impl Descriptor ===

impl Descriptor {
    /// Type, digest and size, and nothing else.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            artifact_type: None,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            data: None,
        }
    }
}

/// Reads `null`, which Go's writers give for what is empty, as the default.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, media_type};

    fn digest() -> Digest {
        Digest::of(Algorithm::Sha256, b"")
    }

    #[test]
    fn a_descriptor_is_read_and_written_back() {
        let text = format!(
            r#"{{"mediaType":"a/b","artifactType":"c/d","digest":"{}","size":7,"urls":["u"],"annotations":{{"k":"v"}},"platform":{{"os":"linux"}},"data":"e30="}}"#,
            digest()
        );
        let read: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn null_and_unknown_fields_are_as_good_as_absent() {
        let text = format!(
            r#"{{"mediaType":"a/b","digest":"{}","size":7,"urls":null,"annotations":null,"platform":null,"data":null,"artifactType":null,"x":[1]}}"#,
            digest()
        );
        assert_eq!(serde_json::from_str::<Descriptor>(&text).unwrap(), Descriptor::new("a/b", digest(), 7));
    }

    #[test]
    fn only_whole_sizes_that_a_number_holds_are_sizes() {
        let read = |size: &str| {
            serde_json::from_str::<Descriptor>(&format!(
                r#"{{"mediaType":"{}","digest":"{}","size":{size}}}"#,
                media_type::LAYER_TAR,
                digest()
            ))
        };
        assert_eq!(read("18446744073709551615").unwrap().size, u64::MAX);
        for size in ["-1", "-0", "1.0", "1e3", "18446744073709551616", "\"1\"", "null"] {
            assert!(read(size).is_err(), "{size}");
        }
    }
}
