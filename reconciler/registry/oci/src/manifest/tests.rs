// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is read of manifests, and what is refused.

use serde_json::{Value, json};

use super::*;
use crate::Algorithm;
use crate::media_type::{DOCKER_LIST, DOCKER_MANIFEST, IMAGE_INDEX, IMAGE_MANIFEST};

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn descriptor(media_type: &str, content: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "config": descriptor(media_type::IMAGE_CONFIG, "config"),
        "layers": [descriptor(media_type::LAYER_TAR, "one"), descriptor(media_type::LAYER_TAR, "two")],
    })
}

fn with(mut document: Value, field: &str, value: Value) -> Value {
    document[field] = value;
    document
}

fn read(content_type: &str, document: &Value) -> Result<Manifest, ManifestError> {
    Manifest::read(content_type, document.to_string().as_bytes())
}

fn digests<'a>(of: impl IntoIterator<Item = &'a Descriptor>) -> Vec<&'a Digest> {
    of.into_iter().map(|descriptor| &descriptor.digest).collect()
}

#[test]
fn an_image_names_its_configuration_and_its_layers_in_order() {
    for kind in [IMAGE_MANIFEST, DOCKER_MANIFEST, "Application/vnd.oci.image.manifest.v1+JSON; charset=utf-8"]
    {
        let manifest = read(kind, &image()).unwrap();
        assert_eq!(manifest.kind, ManifestKind::Image);
        assert_eq!(manifest.media_type.as_deref(), Some(media_type::essence(kind)));
        assert_eq!(digests(manifest.blobs()), [&digest("config"), &digest("one"), &digest("two")]);
        assert!(manifest.children().is_empty());
    }
}

#[test]
fn an_index_names_its_manifests() {
    let index = json!({"schemaVersion": 2, "manifests": [descriptor(IMAGE_MANIFEST, "a")]});
    for kind in [IMAGE_INDEX, DOCKER_LIST] {
        let manifest = read(kind, &index).unwrap();
        assert_eq!(manifest.kind, ManifestKind::Index);
        assert_eq!(digests(manifest.children()), [&digest("a")]);
        assert_eq!(manifest.blobs().count(), 0);
    }
    assert!(read(IMAGE_INDEX, &json!({"manifests": null})).unwrap().children().is_empty());
}

#[test]
fn layers_that_are_elsewhere_need_not_be_there_and_are_kept_where_they_are() {
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let there = with(descriptor(foreign, "one"), "urls", json!(["https://example.org/one"]));
    let document = with(image(), "layers", json!([there, descriptor(foreign, "two")]));
    let manifest = read(IMAGE_MANIFEST, &document).unwrap();
    assert_eq!(digests(manifest.blobs()), [&digest("config"), &digest("two")]);
    assert_eq!(manifest.all_blobs().count(), 3);
    let usual = with(descriptor(media_type::LAYER_TAR, "one"), "urls", json!(["https://example.org/one"]));
    let manifest = read(IMAGE_MANIFEST, &with(image(), "layers", json!([usual]))).unwrap();
    assert_eq!(manifest.blobs().count(), 2, "urls alone do not excuse a layer");
}

#[test]
fn without_a_content_type_the_document_says_what_it_is() {
    let manifest = read("", &with(image(), "mediaType", json!(IMAGE_MANIFEST))).unwrap();
    assert_eq!(manifest.kind, ManifestKind::Image);
    assert_eq!(manifest.media_type.as_deref(), Some(IMAGE_MANIFEST));
    let manifest = read(" ;", &image()).unwrap();
    assert_eq!((manifest.kind, manifest.media_type), (ManifestKind::Other, None));
}

#[test]
fn a_document_that_says_it_is_something_else_is_refused() {
    let document = with(image(), "mediaType", json!(IMAGE_MANIFEST));
    assert!(read(IMAGE_MANIFEST, &document).is_ok());
    for other in [IMAGE_INDEX, DOCKER_MANIFEST, "application/json"] {
        assert!(matches!(read(other, &document), Err(ManifestError::Contradiction { .. })), "{other}");
    }
    assert!(matches!(
        read(IMAGE_MANIFEST, &with(image(), "mediaType", json!(1))),
        Err(ManifestError::Field { field: "mediaType", .. })
    ));
}

#[test]
fn a_type_that_does_not_fit_in_a_header_is_refused() {
    assert!(matches!(read("a/b c", &json!({})), Err(ManifestError::MediaType(_))));
    assert!(matches!(read("", &json!({"mediaType": "a/b\r\nX: y"})), Err(ManifestError::MediaType(_))));
}

#[test]
fn a_document_that_could_be_an_image_and_an_index_is_refused() {
    let both = with(image(), "manifests", json!([descriptor(IMAGE_MANIFEST, "a")]));
    assert!(matches!(read(IMAGE_MANIFEST, &both), Err(ManifestError::Ambiguous { field: "manifests", .. })));
    assert!(matches!(read(IMAGE_INDEX, &both), Err(ManifestError::Ambiguous { field: "config", .. })));
    let layers = json!({"layers": [descriptor(media_type::LAYER_TAR, "a")]});
    assert!(matches!(read(IMAGE_INDEX, &layers), Err(ManifestError::Ambiguous { field: "layers", .. })));
    let empty = with(with(image(), "manifests", json!([])), "subject", Value::Null);
    assert!(read(IMAGE_MANIFEST, &empty).is_ok(), "empty lists are no sign of the other kind");
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let text = r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
    assert!(matches!(Manifest::read(IMAGE_INDEX, text.as_bytes()), Err(ManifestError::Json(_))));
}

#[test]
fn an_image_without_a_configuration_or_of_another_version_is_refused() {
    assert!(matches!(read(IMAGE_MANIFEST, &json!({"layers": []})), Err(ManifestError::NoConfig)));
    for version in [json!(1), json!("2"), json!(2.0)] {
        let document = with(image(), "schemaVersion", version);
        assert!(matches!(read(IMAGE_MANIFEST, &document), Err(ManifestError::SchemaVersion(_))));
    }
}

#[test]
fn a_digest_by_an_unknown_algorithm_is_refused_by_name() {
    let layer = json!({"mediaType": "a/b", "digest": "md5:d41d8cd98f00b204e9800998ecf8427e", "size": 0});
    let document = with(image(), "layers", json!([descriptor("a/b", "one"), layer]));
    let error = read(IMAGE_MANIFEST, &document).unwrap_err();
    let ManifestError::Descriptor { place, source } = &error else { panic!("{error:?}") };
    assert_eq!(place, "layers[1]");
    assert!(source.to_string().contains("md5:d41d8cd98f00b204e9800998ecf8427e"), "{source}");
    assert!(source.to_string().contains("not supported"), "{source}");
}

#[test]
fn every_malformed_descriptor_of_an_image_is_an_error() {
    let wrong = json!({"mediaType": "a/b", "digest": digest("a"), "size": -1});
    for (field, value, place) in [
        ("config", wrong.clone(), "config"),
        ("layers", json!([wrong]), "layers[0]"),
        ("layers", json!([null]), "layers[0]"),
        ("subject", wrong.clone(), "subject"),
        ("subject", json!({}), "subject"),
    ] {
        let error = read(IMAGE_MANIFEST, &with(image(), field, value)).unwrap_err();
        assert!(matches!(&error, ManifestError::Descriptor { place: p, .. } if p == place), "{error:?}");
    }
    for (field, value) in
        [("layers", json!({})), ("annotations", json!({"a": 1})), ("artifactType", json!(1))]
    {
        let error = read(IMAGE_MANIFEST, &with(image(), field, value)).unwrap_err();
        assert!(matches!(&error, ManifestError::Field { field: f, .. } if *f == field), "{error:?}");
    }
}

#[test]
fn of_another_document_what_is_well_formed_is_read() {
    let document = json!({
        "schemaVersion": "any",
        "config": {"digest": 1},
        "layers": [descriptor("a/b", "one"), {"digest": "md5:00"}, 7],
        "blobs": [descriptor("a/b", "blob")],
        "manifests": {"not": "a list"},
        "subject": descriptor(IMAGE_MANIFEST, "subject"),
        "artifactType": 7,
        "annotations": {"a": 1},
    });
    let manifest = read("application/vnd.example+json", &document).unwrap();
    assert_eq!(manifest.kind, ManifestKind::Other);
    assert_eq!(digests(manifest.blobs()), [&digest("one"), &digest("blob")]);
    assert_eq!(digests(&manifest.subject), [&digest("subject")]);
    assert!(manifest.config.is_none() && manifest.manifests.is_empty() && manifest.artifact_type.is_none());
}

#[test]
fn what_is_no_json_object_is_refused() {
    for bytes in
        [&b""[..], b"[]", b"null", b"1", b"\"a\"", b"{", b"{}{}", b"\xef\xbb\xbf{}", b"{\"x\":\"\xff\"}"]
    {
        for kind in [IMAGE_MANIFEST, IMAGE_INDEX, "application/json", ""] {
            assert!(matches!(Manifest::read(kind, bytes), Err(ManifestError::Json(_))), "{bytes:?}");
        }
    }
}

#[test]
fn depth_and_length_have_bounds() {
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    assert!(Manifest::read("a/b", deep.as_bytes()).is_ok(), "what is not looked at costs nothing");
    let platform = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let item = descriptor("a/b", "a").to_string().replace('}', &format!(",\"platform\":{platform}}}"));
    let deep = format!("{{\"manifests\":[{item}]}}");
    assert!(matches!(Manifest::read(IMAGE_INDEX, deep.as_bytes()), Err(ManifestError::Descriptor { .. })));
    let long = format!("{{\"manifests\":[{}1]}}", "1,".repeat(MAX_DESCRIPTORS));
    for kind in [IMAGE_INDEX, "a/b"] {
        let error = Manifest::read(kind, long.as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::TooMany { field: "manifests" }), "{error:?}");
    }
}

#[test]
fn a_referrer_has_the_artifact_type_of_the_specification() {
    let subject = descriptor(IMAGE_MANIFEST, "subject");
    let image = with(with(image(), "subject", subject.clone()), "annotations", json!({"k": "v"}));
    let referrer = |kind: &str, document: &Value| {
        read(kind, document).unwrap().referrer(&digest("itself"), media_type::essence(kind), 7)
    };
    let plain = referrer(IMAGE_MANIFEST, &image);
    assert_eq!((&plain.digest, plain.size), (&digest("itself"), 7));
    assert_eq!(plain.media_type, IMAGE_MANIFEST);
    assert_eq!(plain.annotations["k"], "v");
    assert_eq!(plain.artifact_type.as_deref(), Some(media_type::IMAGE_CONFIG));
    let empty = referrer(IMAGE_MANIFEST, &with(image.clone(), "artifactType", json!("")));
    assert_eq!(empty, plain);
    let named = referrer(IMAGE_MANIFEST, &with(image, "artifactType", json!("a/b")));
    assert_eq!(named.artifact_type.as_deref(), Some("a/b"));
    let other = with(json!({"subject": subject}), "config", descriptor("c/d", "config"));
    assert_eq!(referrer("a/b", &other).artifact_type, None, "what a configuration means there is not known");
    let index = json!({"manifests": [], "subject": subject});
    assert_eq!(referrer(IMAGE_INDEX, &index).artifact_type, None);
    let named = referrer(IMAGE_INDEX, &with(index, "artifactType", json!("a/b")));
    assert_eq!(named.artifact_type.as_deref(), Some("a/b"));
}

#[test]
fn an_error_does_not_repeat_a_document() {
    let long = "ä".repeat(100_000);
    let descriptor = |field: &str| with(descriptor("a/b", "one"), field, json!(long));
    for document in [
        with(image(), "mediaType", json!(long)),
        with(image(), "schemaVersion", json!(long)),
        with(image(), "annotations", json!(long)),
        with(image(), "layers", json!(long)),
        with(image(), "config", descriptor("digest")),
        with(
            image(),
            "config",
            with(descriptor("digest"), "digest", json!(format!("{}:0", "a".repeat(100_000)))),
        ),
        with(image(), "layers", json!([descriptor("size")])),
    ] {
        let error = read(IMAGE_MANIFEST, &document).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(error.to_string().len() + cause.len() < 2_000, "{error}: {cause}");
    }
}
