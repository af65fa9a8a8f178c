// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content that a number makes, and how it is pushed by hand.

use serde_json::{Value, json};
use shoal_oci::{Algorithm, Digest, media_type};

use crate::http::{Answer, Http};

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// So many bytes.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        out.extend_from_slice(&random.next().to_le_bytes());
    }
    out.truncate(length);
    out
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// An image of one layer and the empty configuration.
pub(crate) fn manifest(layer: &[u8], title: &str) -> Vec<u8> {
    let empty = b"{}";
    let value = json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_MANIFEST,
        "artifactType": "application/vnd.example.test",
        "config": {"mediaType": media_type::EMPTY_JSON, "digest": digest(empty).to_string(), "size": 2},
        "layers": [{
            "mediaType": "application/octet-stream",
            "digest": digest(layer).to_string(),
            "size": layer.len(),
        }],
        "annotations": {"org.opencontainers.image.title": title},
    });
    serde_json::to_vec(&value).expect("JSON")
}

/// The path of content.
pub(crate) fn blob_path(repository: &str, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

pub(crate) fn manifest_path(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

impl Http {
    /// A blob in one request.
    #[track_caller]
    pub(crate) fn push_blob(&self, repository: &str, content: &[u8]) -> Answer {
        self.send(
            "POST",
            &format!("/v2/{repository}/blobs/uploads/?digest={}", digest(content)),
            &[],
            content,
        )
    }

    /// A manifest by its tag, or by its digest.
    #[track_caller]
    pub(crate) fn push_manifest(&self, repository: &str, reference: &str, content: &[u8]) -> Answer {
        let headers = [("Content-Type", media_type::IMAGE_MANIFEST)];
        self.send("PUT", &manifest_path(repository, reference), &headers, content)
    }

    /// An image of one layer, whole: the manifest's digest.
    #[track_caller]
    pub(crate) fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> Digest {
        self.push_blob(repository, layer).is(201);
        self.push_blob(repository, b"{}").is(201);
        let manifest = manifest(layer, tag);
        self.push_manifest(repository, tag, &manifest).is(201);
        digest(&manifest)
    }

    /// Begins an upload: its location.
    #[track_caller]
    pub(crate) fn begin_upload(&self, repository: &str) -> String {
        let answer = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"").is(202);
        answer.the("location").to_owned()
    }

    /// Bytes of an upload that arrived, as the registry says; nothing where there is no such upload.
    #[track_caller]
    pub(crate) fn received(&self, location: &str) -> Option<u64> {
        let answer = self.get(location);
        if answer.status == 404 {
            return None;
        }
        let answer = answer.is(204);
        let (first, last) = answer.the("range").split_once('-').expect("a range");
        assert_eq!(first, "0");
        // `0-0` is what registries say of nothing as well as of one byte.
        Some(match last.parse::<u64>().expect("a number") {
            0 => 0,
            last => last + 1,
        })
    }

    /// The rest of an upload, from where the registry says that it is, and its end.
    #[track_caller]
    pub(crate) fn resume(&self, location: &str, content: &[u8]) -> Answer {
        let at = usize::try_from(self.received(location).expect("the upload is there")).expect("a length");
        assert!(at <= content.len(), "{at} bytes of {}", content.len());
        if at < content.len() {
            let range = format!("{at}-{}", content.len() - 1);
            self.send("PATCH", location, &[("Content-Range", &range)], &content[at..]).is(202);
        }
        self.send("PUT", &format!("{location}?digest={}", digest(content)), &[], b"")
    }

    /// The blob is there, with these bytes and no others.
    #[track_caller]
    pub(crate) fn has_blob(&self, repository: &str, content: &[u8]) {
        let wanted = digest(content);
        let answer = self.get(&blob_path(repository, &wanted)).is(200);
        assert_eq!(answer.the("docker-content-digest"), wanted.to_string());
        assert!(answer.body == content, "{wanted} in {repository} has other bytes");
    }

    /// The manifest is there, with these bytes and no others.
    #[track_caller]
    pub(crate) fn has_manifest(&self, repository: &str, reference: &str, content: &[u8]) {
        let answer = self.get(&manifest_path(repository, reference)).is(200);
        assert_eq!(answer.the("docker-content-digest"), digest(content).to_string());
        assert!(answer.body == content, "{repository}:{reference} has other bytes: {}", answer.text());
    }

    /// The tags of a repository; none where it is not known.
    #[track_caller]
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.get(&format!("/v2/{repository}/tags/list"));
        if answer.status == 404 {
            return Vec::new();
        }
        let list: Value = answer.is(200).json();
        let tags = list["tags"].as_array().expect("a list").iter();
        tags.map(|tag| tag.as_str().expect("text").to_owned()).collect()
    }
}
