// SPDX-License-Identifier: AGPL-3.0-or-later
//! Descriptors and manifests.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use shoal_oci::{Descriptor, Manifest, ManifestKind, media_type};

use crate::names::a_digest;

const TYPES: [&str; 7] = [
    media_type::IMAGE_MANIFEST,
    media_type::IMAGE_INDEX,
    media_type::DOCKER_MANIFEST,
    media_type::DOCKER_LIST,
    media_type::LAYER_TAR,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/json",
];

const FIELDS: [&str; 16] = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "blobs",
    "manifests",
    "subject",
    "artifactType",
    "annotations",
    "digest",
    "size",
    "urls",
    "platform",
    "data",
    "",
    "x",
];

fn a_type() -> impl Strategy<Value = String> {
    prop::sample::select(TYPES.to_vec()).prop_map(str::to_owned)
}

fn a_descriptor() -> impl Strategy<Value = Descriptor> {
    let map = prop::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    let platform = prop::option::of(any::<String>().prop_map(|os| json!({"os": os})));
    let urls = prop::collection::vec(any::<String>(), 0..2);
    (a_type(), a_digest(), any::<u64>(), map, urls, prop::option::of(any::<String>()), platform).prop_map(
        |(media_type, digest, size, annotations, urls, artifact_type, platform)| Descriptor {
            annotations,
            urls,
            artifact_type,
            platform,
            ..Descriptor::new(media_type, digest, size)
        },
    )
}

/// JSON of every form, with the keys that count and values that are often what they should be.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(2)),
        any::<String>().prop_map(Value::from),
        a_type().prop_map(Value::from),
        a_digest().prop_map(|digest| Value::from(digest.as_str())),
        a_descriptor().prop_map(|descriptor| json!(descriptor)),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let key = prop_oneof![4 => prop::sample::select(FIELDS.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..9).prop_map(|entries| Value::from(Map::from_iter(entries))),
        ]
    })
}

/// What holds of every manifest that was read.
fn check(manifest: &Manifest) {
    let all: Vec<&Descriptor> = manifest.all_blobs().collect();
    assert_eq!(all.len(), usize::from(manifest.config.is_some()) + manifest.layers.len());
    assert!(manifest.blobs().all(|blob| all.contains(&blob)));
    assert_eq!(manifest.children(), manifest.manifests);
    assert_ne!(manifest.artifact_type.as_deref(), Some(""));
    assert!(manifest.media_type.as_deref().is_none_or(media_type::is_valid));
    match manifest.kind {
        ManifestKind::Image => assert!(manifest.config.is_some() && manifest.manifests.is_empty()),
        ManifestKind::Index => assert!(all.is_empty()),
        ManifestKind::Other => {}
    }
}

proptest! {
    #[test]
    fn a_descriptor_is_read_as_it_was_written(descriptor in a_descriptor()) {
        let json = serde_json::to_string(&descriptor).unwrap();
        prop_assert_eq!(serde_json::from_str::<Descriptor>(&json).unwrap(), descriptor);
    }

    #[test]
    fn no_json_makes_the_reader_panic_and_what_it_reads_holds_together(document in any_json(), kind in a_type()) {
        let bytes = document.to_string();
        for content_type in ["", &kind] {
            if let Ok(manifest) = Manifest::read(content_type, bytes.as_bytes()) {
                check(&manifest);
                prop_assert!(document.is_object());
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>(), kind in "\\PC{0,20}") {
        if let Ok(manifest) = Manifest::read(&kind, &bytes) {
            check(&manifest);
        }
    }

    #[test]
    fn an_image_is_read_as_it_was_written(
        config in a_descriptor(),
        layers in prop::collection::vec(a_descriptor(), 0..4),
        subject in prop::option::of(a_descriptor()),
        annotations in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
        unknown in any_json(),
    ) {
        let document = json!({
            "schemaVersion": 2, "config": config, "layers": layers, "subject": subject,
            "annotations": annotations, "x-unknown": unknown,
        });
        let manifest = Manifest::read(media_type::IMAGE_MANIFEST, document.to_string().as_bytes()).unwrap();
        check(&manifest);
        prop_assert_eq!(manifest.config.as_ref(), Some(&config));
        prop_assert_eq!(&manifest.layers, &layers);
        prop_assert_eq!(&manifest.subject, &subject);
        prop_assert_eq!(&manifest.annotations, &annotations);
        let foreign = |blob: &Descriptor| blob.media_type.contains("nondistributable") && !blob.urls.is_empty();
        let left_out = std::iter::once(&config).chain(&layers).filter(|blob| foreign(blob)).count();
        prop_assert_eq!(manifest.blobs().count() + left_out, layers.len() + 1);
        let referrer = manifest.referrer(&config.digest, "a/b", 1);
        prop_assert_eq!(referrer.artifact_type.as_deref(), Some(config.media_type.as_str()));
    }

    #[test]
    fn every_document_names_the_same_whatever_unknown_type_it_is_sent_as(
        document in any_json(), one in "[a-z]{1,8}/[a-z]{1,8}", other in "[a-z]{1,8}/[a-z]{1,8}"
    ) {
        let mut document = document;
        if let Some(fields) = document.as_object_mut() {
            fields.remove("mediaType");
        }
        let bytes = document.to_string();
        let read = |kind: &str| Manifest::read(kind, bytes.as_bytes()).ok().map(|manifest| Manifest { media_type: None, ..manifest });
        prop_assert_eq!(read(&one), read(&other));
    }
}
