// SPDX-License-Identifier: AGPL-3.0-or-later
//! Manifests.

use std::error::Error;

use serde_json::Value;
use shoal_oci::{Descriptor, Manifest, ManifestKind, media_type};

/// The input as a manifest: its first line is what it is sent as, the rest the document.
///
/// # Panics
///
/// Where a manifest is read other than a plain JSON reader sees it, where it holds more than its
/// document, where it depends on white space or on parameters of the type, or where an error repeats
/// a document.
pub fn manifests(input: &[u8]) -> bool {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let Ok(kind) = std::str::from_utf8(&input[..end]) else { return false };
    let bytes = input.get(end + 1..).unwrap_or_default();
    let manifest = match Manifest::read(kind, bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(error.to_string().len() + cause.len() < 5_000, "the error repeats the document: {error}");
            return false;
        }
    };
    let text = std::str::from_utf8(bytes).expect("what was read is text");
    assert!(text.trim_start().starts_with('{'), "only objects are manifests");
    holds_together(&manifest);
    assert!(weight(&manifest) <= bytes.len(), "it holds more than the document");
    let other_way = Manifest::read(&format!(" {} ; a=b", kind.split(';').next().unwrap_or_default()), bytes);
    assert_eq!(other_way.expect("parameters do not matter"), manifest);
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        same_as(&manifest, &document);
        let again =
            Manifest::read(kind, document.to_string().as_bytes()).expect("white space does not matter");
        rewritten(plain(manifest.clone()), plain(again));
    }
    descriptors(&manifest).for_each(written_as_read);
    referrer(&manifest);
    true
}

fn descriptors(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    manifest.all_blobs().chain(manifest.children()).chain(&manifest.subject)
}

fn holds_together(manifest: &Manifest) {
    let all: Vec<&Descriptor> = manifest.all_blobs().collect();
    let needed: Vec<&Descriptor> = manifest.blobs().collect();
    assert!(needed.iter().all(|blob| all.contains(blob)));
    let left_out = all.iter().filter(|blob| !needed.contains(blob));
    for blob in left_out {
        let kind = blob.media_type.to_ascii_lowercase();
        assert!(kind.contains(".nondistributable.") || kind.contains(".foreign."), "{kind} must be there");
        assert!(!blob.urls.is_empty());
    }
    assert!(manifest.media_type.as_deref().is_none_or(media_type::is_valid));
    assert_eq!(manifest.kind, manifest.media_type.as_deref().map_or(ManifestKind::Other, ManifestKind::of));
    assert_ne!(manifest.artifact_type.as_deref(), Some(""));
    match manifest.kind {
        ManifestKind::Image => assert!(manifest.config.is_some() && manifest.manifests.is_empty()),
        ManifestKind::Index => assert!(all.is_empty()),
        ManifestKind::Other => {}
    }
}

/// The bytes of all text that a manifest holds, but for the type that it was sent as.
fn weight(manifest: &Manifest) -> usize {
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    };
    let one = |descriptor: &Descriptor| {
        descriptor.media_type.len()
            + descriptor.digest.as_str().len()
            + descriptor.urls.iter().map(String::len).sum::<usize>()
            + pairs(&descriptor.annotations)
            + descriptor.artifact_type.as_ref().map_or(0, String::len)
            + descriptor.data.as_ref().map_or(0, String::len)
    };
    descriptors(manifest).map(one).sum::<usize>()
        + pairs(&manifest.annotations)
        + manifest.artifact_type.as_ref().map_or(0, String::len)
}

/// Compares with what a reader that knows nothing of manifests sees.
fn same_as(manifest: &Manifest, document: &Value) {
    let lists = |names: &[&str]| {
        let items = names.iter().filter_map(|name| document[name].as_array()).flatten();
        items.cloned().collect::<Vec<Value>>()
    };
    let body = document["mediaType"].as_str().map(media_type::essence).unwrap_or_default();
    if let Some(media_type) = &manifest.media_type {
        assert!(
            body.is_empty() || media_type.eq_ignore_ascii_case(body),
            "{body} was taken for {media_type}"
        );
    }
    if manifest.kind == ManifestKind::Other {
        return same_where_it_fits(manifest, document, &lists(&["layers", "blobs"]));
    }
    let optional = |value: &Value| (!value.is_null()).then(|| value.clone());
    assert_eq!(manifest.config.as_ref().map(facts), optional(&document["config"]).as_ref().map(seen));
    assert_eq!(manifest.subject.as_ref().map(facts), optional(&document["subject"]).as_ref().map(seen));
    let many = |descriptors: &[Descriptor]| descriptors.iter().map(facts).collect::<Vec<Facts>>();
    assert_eq!(many(&manifest.layers), lists(&["layers"]).iter().map(seen).collect::<Vec<_>>());
    assert_eq!(many(&manifest.manifests), lists(&["manifests"]).iter().map(seen).collect::<Vec<_>>());
    let annotations = document["annotations"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(manifest.annotations.len(), annotations);
}

/// Of an unknown document each descriptor must be somewhere in it, in order.
fn same_where_it_fits(manifest: &Manifest, document: &Value, layers: &[Value]) {
    let mut candidates = layers.iter().map(seen);
    for layer in &manifest.layers {
        assert!(candidates.any(|seen| seen == facts(layer)), "{layer:?} is not in the document");
    }
    if let Some(config) = &manifest.config {
        assert_eq!(facts(config), seen(&document["config"]));
    }
    if let Some(subject) = &manifest.subject {
        assert_eq!(facts(subject), seen(&document["subject"]));
    }
}

/// Type, digest, size and how many annotations and addresses.
type Facts = (Option<String>, Option<String>, Option<u64>, usize, usize);

fn facts(descriptor: &Descriptor) -> Facts {
    (
        Some(descriptor.media_type.clone()),
        Some(descriptor.digest.to_string()),
        Some(descriptor.size),
        descriptor.annotations.len(),
        descriptor.urls.len(),
    )
}

fn seen(value: &Value) -> Facts {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let annotations = value["annotations"].as_object().map_or(0, serde_json::Map::len);
    (
        text("mediaType"),
        text("digest"),
        value["size"].as_u64(),
        annotations,
        value["urls"].as_array().map_or(0, Vec::len),
    )
}

/// Without what is kept as it was written: floating point numbers there may change in their last digit.
fn plain(mut manifest: Manifest) -> Manifest {
    let lists = manifest.layers.iter_mut().chain(&mut manifest.manifests);
    for descriptor in lists.chain(&mut manifest.config).chain(&mut manifest.subject) {
        descriptor.platform = None;
    }
    manifest
}

/// Compares with what is read of the document as a plain JSON reader writes it again. Of a key that a
/// descriptor has twice one is left then, so that an unknown document may name more than before.
fn rewritten(before: Manifest, after: Manifest) {
    if before.kind != ManifestKind::Other {
        assert_eq!(before, after);
        return;
    }
    let all: Vec<&Descriptor> = descriptors(&after).collect();
    assert!(descriptors(&before).all(|descriptor| all.contains(&descriptor)), "{before:?} became {after:?}");
    assert_eq!((before.media_type, before.artifact_type), (after.media_type, after.artifact_type));
    assert_eq!(before.annotations, after.annotations);
}

fn written_as_read(descriptor: &Descriptor) {
    let descriptor = Descriptor { platform: None, ..descriptor.clone() };
    let json = serde_json::to_string(&descriptor).expect("a descriptor is JSON");
    assert_eq!(serde_json::from_str::<Descriptor>(&json).expect("it was just written"), descriptor);
}

/// distribution-spec, Listing Referrers.
fn referrer(manifest: &Manifest) {
    let Some(subject) = &manifest.subject else { return };
    let listed = manifest.referrer(&subject.digest, "a/b", 7);
    assert_eq!((&listed.digest, listed.size, listed.media_type.as_str()), (&subject.digest, 7, "a/b"));
    assert_eq!(listed.annotations, manifest.annotations);
    let wanted = match (&manifest.artifact_type, manifest.kind) {
        (Some(artifact_type), _) => Some(artifact_type.as_str()),
        (None, ManifestKind::Image) => manifest.config.as_ref().map(|config| config.media_type.as_str()),
        (None, _) => None,
    };
    assert_eq!(listed.artifact_type.as_deref(), wanted);
}
