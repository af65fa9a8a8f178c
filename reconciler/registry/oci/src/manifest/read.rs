// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads manifests: one pass over the document that leaves its fields as text, then each field.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_DESCRIPTORS, Manifest, ManifestError, ManifestKind};
use crate::string_form::quoted;
use crate::{Descriptor, media_type};

/// The most characters of an error of the JSON reader.
const ERROR: usize = 400;

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
    let text =
        std::str::from_utf8(bytes).map_err(|error| ManifestError::Json(serde_json::Error::custom(error)))?;
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(ManifestError::Json(serde_json::Error::custom("it does not begin with `{`")));
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
    parsed(value).map_err(|source| ManifestError::Field { field: name, source })
}

/// A descriptor; none where it is absent or `null`.
fn one(name: &'static str, value: Option<&RawValue>) -> Result<Option<Descriptor>, ManifestError> {
    let Some(value) = value else { return Ok(None) };
    parsed(value).map_err(|source| ManifestError::Descriptor { place: name.to_owned(), source })
}

/// A list of descriptors, each of which must be one.
fn many(name: &'static str, value: Option<&RawValue>) -> Result<Vec<Descriptor>, ManifestError> {
    let list: Option<List<'_>> = field(name, value)?;
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.more {
        return Err(ManifestError::TooMany { field: name });
    }
    let item = |(index, item): (usize, &RawValue)| {
        parsed(item).map_err(|source| ManifestError::Descriptor { place: format!("{name}[{index}]"), source })
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
    Ok(list.items.into_iter().filter_map(|item| parsed(item).ok()).collect())
}

/// A field's value. An error that repeats a long text of the document is cut.
fn parsed<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(value.get()).map_err(|error| {
        let text = error.to_string();
        match text.char_indices().nth(ERROR) {
            Some((end, _)) => serde_json::Error::custom(format_args!("{}…", &text[..end])),
            None => error,
        }
    })
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
