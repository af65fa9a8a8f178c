// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads manifests: one pass over the document that leaves its fields as text, then each field.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_DESCRIPTORS, Manifest, ManifestError, ManifestKind};
use crate::string_form::quoted;
use crate::{Descriptor, media_type};

/// The fields that count, as they were written. A field that is there twice is an error: readers do
/// not agree on which one counts.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a JSON object")]
struct Document<'a> {
    #[serde(borrow, default)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    media_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
    #[serde(borrow, default)]
    layers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    blobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    manifests: Option<&'a RawValue>,
    #[serde(borrow, default)]
    subject: Option<&'a RawValue>,
    #[serde(borrow, default)]
    artifact_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

/// A list whose items are left as text; longer than allowed it is cut and says so.
struct List<'a> {
    items: Vec<&'a RawValue>,
    more: bool,
}

pub(super) fn read(content_type: &str, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let document = parse(bytes)?;
    let header = media_type::essence(content_type);
    let body: Option<String> = field("mediaType", document.media_type).or_else(|error| {
        // Whoever says nothing else must say what it is; whoever does need not.
        if ManifestKind::of(header) == ManifestKind::Other && !header.is_empty() {
            Ok(None)
        } else {
            Err(error)
        }
    })?;
    let body = body.as_deref().map(media_type::essence).filter(|body| !body.is_empty());
    if let Some(body) = body
        && !header.is_empty()
        && !media_type::same(body, header)
    {
        return Err(ManifestError::Contradiction { header: quoted(header), body: quoted(body) });
    }
    let media_type = Some(header).filter(|header| !header.is_empty()).or(body);
    if let Some(media_type) = media_type
        && !media_type::is_valid(media_type)
    {
        return Err(ManifestError::MediaType(quoted(media_type)));
    }
    let kind = media_type.map_or(ManifestKind::Other, ManifestKind::of);
    let media_type = media_type.map(str::to_owned);
    match kind {
        ManifestKind::Image | ManifestKind::Index => strict(kind, media_type, &document),
        ManifestKind::Other => lenient(media_type, &document),
    }
}

/// The document's fields. A JSON array would do for serde, and is no object.
fn parse(bytes: &[u8]) -> Result<Document<'_>, ManifestError> {
    // Skipped fields are not looked into, so that this is the place where text is seen to be text.
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ManifestError::Json(<serde_json::Error as serde::de::Error>::custom(error)))?;
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(ManifestError::Json(serde::de::Error::custom("it does not begin with `{`")));
    }
    serde_json::from_str(text).map_err(ManifestError::Json)
}

/// Reads an image or an index: everything must be well-formed.
fn strict(
    kind: ManifestKind,
    media_type: Option<String>,
    document: &Document<'_>,
) -> Result<Manifest, ManifestError> {
    if let Some(version) = document.schema_version
        && version.get() != "2"
    {
        return Err(ManifestError::SchemaVersion(quoted(version.get())));
    }
    let config = one("config", document.config)?;
    let layers = many("layers", document.layers)?;
    let manifests = many("manifests", document.manifests)?;
    let foreign = match kind {
        ManifestKind::Image => [("manifests", !manifests.is_empty())].into_iter().find(|(_, there)| *there),
        _ => [("config", config.is_some()), ("layers", !layers.is_empty())]
            .into_iter()
            .find(|(_, there)| *there),
    };
    if let Some((field, _)) = foreign {
        return Err(ManifestError::Ambiguous { media_type: media_type.unwrap_or_default(), field });
    }
    if kind == ManifestKind::Image && config.is_none() {
        return Err(ManifestError::NoConfig);
    }
    let artifact_type: Option<String> = field("artifactType", document.artifact_type)?;
    Ok(Manifest {
        media_type,
        kind,
        config,
        layers,
        manifests,
        subject: one("subject", document.subject)?,
        artifact_type: artifact_type.filter(|text| !text.is_empty()),
        annotations: field("annotations", document.annotations)?.unwrap_or_default(),
    })
}

/// Reads anything else: what has the form of a descriptor is taken.
fn lenient(media_type: Option<String>, document: &Document<'_>) -> Result<Manifest, ManifestError> {
    let mut layers = some("layers", document.layers)?;
    layers.extend(some("blobs", document.blobs)?);
    let artifact_type: Option<String> = field("artifactType", document.artifact_type).unwrap_or_default();
    Ok(Manifest {
        media_type,
        kind: ManifestKind::Other,
        config: one("config", document.config).unwrap_or_default(),
        layers,
        manifests: some("manifests", document.manifests)?,
        subject: one("subject", document.subject).unwrap_or_default(),
        artifact_type: artifact_type.filter(|text| !text.is_empty()),
        annotations: field("annotations", document.annotations).unwrap_or_default().unwrap_or_default(),
    })
}

/// A field that is no descriptor; none where it is absent or `null`.
fn field<'a, T: Deserialize<'a>>(
    name: &'static str,
    value: Option<&'a RawValue>,
) -> Result<Option<T>, ManifestError> {
    let Some(value) = value else { return Ok(None) };
    serde_json::from_str(value.get()).map_err(|source| ManifestError::Field { field: name, source })
}

/// A descriptor; none where it is absent or `null`.
fn one(name: &'static str, value: Option<&RawValue>) -> Result<Option<Descriptor>, ManifestError> {
    let Some(value) = value else { return Ok(None) };
    serde_json::from_str(value.get())
        .map_err(|source| ManifestError::Descriptor { place: name.to_owned(), source })
}

/// A list of descriptors, each of which must be one.
fn many(name: &'static str, value: Option<&RawValue>) -> Result<Vec<Descriptor>, ManifestError> {
    let list: Option<List<'_>> = field(name, value)?;
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.more {
        return Err(ManifestError::TooMany { field: name });
    }
    let item = |(index, item): (usize, &RawValue)| {
        serde_json::from_str(item.get())
            .map_err(|source| ManifestError::Descriptor { place: format!("{name}[{index}]"), source })
    };
    list.items.into_iter().enumerate().map(item).collect()
}

/// What of a list has the form of a descriptor. Too many are an error all the same.
fn some(name: &'static str, value: Option<&RawValue>) -> Result<Vec<Descriptor>, ManifestError> {
    let list: Option<List<'_>> = field(name, value).unwrap_or_default();
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.more {
        return Err(ManifestError::TooMany { field: name });
    }
    Ok(list.items.into_iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect())
}

// === impl List ===

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;

        impl<'de> Visitor<'de> for Items {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<'de>, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_DESCRIPTORS {
                    let Some(item) = seq.next_element()? else { return Ok(List { items, more: false }) };
                    items.push(item);
                }
                let more = seq.next_element::<IgnoredAny>()?.is_some();
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(List { items, more })
            }
        }

        deserializer.deserialize_seq(Items)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::media_type::{DOCKER_LIST, DOCKER_MANIFEST, IMAGE_INDEX, IMAGE_MANIFEST};
    use crate::{Algorithm, Digest};

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
        for kind in
            [IMAGE_MANIFEST, DOCKER_MANIFEST, "Application/vnd.oci.image.manifest.v1+JSON; charset=utf-8"]
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
        let usual =
            with(descriptor(media_type::LAYER_TAR, "one"), "urls", json!(["https://example.org/one"]));
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
        assert!(matches!(
            read(IMAGE_MANIFEST, &both),
            Err(ManifestError::Ambiguous { field: "manifests", .. })
        ));
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
        assert!(
            manifest.config.is_none() && manifest.manifests.is_empty() && manifest.artifact_type.is_none()
        );
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
        assert!(matches!(
            Manifest::read(IMAGE_INDEX, deep.as_bytes()),
            Err(ManifestError::Descriptor { .. })
        ));
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
        let index = json!({"manifests": [], "subject": subject});
        assert_eq!(referrer(IMAGE_INDEX, &index).artifact_type, None);
        let named = referrer(IMAGE_INDEX, &with(index, "artifactType", json!("a/b")));
        assert_eq!(named.artifact_type.as_deref(), Some("a/b"));
    }
}
