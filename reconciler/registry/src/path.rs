// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which resource a path names (distribution-spec, Endpoints).
//!
//! Repository names contain slashes, and may contain the very words that separate them from the rest
//! (`a/blobs/uploads` is a valid name). So a path is read from its end, where the form is fixed. A segment
//! that still holds a slash after percent-decoding names nothing: what a proxy in front saw as one segment
//! must not become two here.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What a request is about. The parts are as the client wrote them, percent-decoded, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/blobs/<digest>`
    Blob { name: String, digest: String },
    /// `/v2/<name>/blobs/uploads/`
    Uploads { name: String },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload { name: String, id: String },
    /// `/v2/<name>/manifests/<reference>`
    Manifest { name: String, reference: String },
    /// `/v2/<name>/tags/list`
    Tags { name: String },
    /// `/v2/<name>/referrers/<digest>`
    Referrers { name: String, digest: String },
}

impl Route {
    /// Reads a path. Nothing where it is not one of the endpoints.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => return Some(Self::Base),
            None => return None,
        };
        let segments = rest.split('/').map(decoded).collect::<Option<Vec<_>>>()?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let owned = |text: &str| text.to_owned();
        Some(match segments.as_slice() {
            [""] => Self::Base,
            ["_catalog"] => Self::Catalog,
            [name @ .., "tags", "list"] if !name.is_empty() => Self::Tags { name: name.join("/") },
            [name @ .., "manifests", reference] if !name.is_empty() && !reference.is_empty() => {
                Self::Manifest { name: name.join("/"), reference: owned(reference) }
            }
            [name @ .., "referrers", digest] if !name.is_empty() && !digest.is_empty() => {
                Self::Referrers { name: name.join("/"), digest: owned(digest) }
            }
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] if !name.is_empty() => {
                Self::Uploads { name: name.join("/") }
            }
            [name @ .., "blobs", "uploads", id] if !name.is_empty() => {
                Self::Upload { name: name.join("/"), id: owned(id) }
            }
            [name @ .., "blobs", digest] if !name.is_empty() && !digest.is_empty() => {
                Self::Blob { name: name.join("/"), digest: owned(digest) }
            }
            _ => return None,
        })
    }

    /// The repository as the client wrote it.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Manifest { name, .. }
            | Self::Tags { name }
            | Self::Referrers { name, .. } => Some(name),
        }
    }

    /// The fixed name of the route in metrics and logs.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Blob { .. } => "blob",
            Self::Uploads { .. } => "uploads",
            Self::Upload { .. } => "upload",
            Self::Manifest { .. } => "manifest",
            Self::Tags { .. } => "tags",
            Self::Referrers { .. } => "referrers",
        }
    }

    /// What may be asked of it, as an `Allow` header says it.
    pub(crate) fn allowed(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags { .. } | Self::Referrers { .. } => "GET, HEAD",
            Self::Blob { .. } => "GET, HEAD, DELETE",
            Self::Uploads { .. } => "POST",
            Self::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
            Self::Manifest { .. } => "GET, HEAD, PUT, DELETE",
        }
    }
}

/// One segment in the clear; nothing where it is no text or would become several.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    (!text.contains('/')).then_some(text)
}

/// The values of one key of a query, in order, percent-decoded (`+` is a blank, as forms write it).
pub(crate) fn query_values(query: Option<&str>, key: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// The first value of one key of a query.
pub(crate) fn query_value(query: Option<&str>, key: &str) -> Option<String> {
    query_values(query, key).into_iter().next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(of: &str) -> String {
        of.to_owned()
    }

    #[test]
    fn every_endpoint_is_recognised() {
        for (path, route) in [
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/b/blobs/sha256:00", Route::Blob { name: text("a/b"), digest: text("sha256:00") }),
            ("/v2/a/blobs/sha256%3A00", Route::Blob { name: text("a"), digest: text("sha256:00") }),
            ("/v2/a/blobs/uploads", Route::Uploads { name: text("a") }),
            ("/v2/a/blobs/uploads/", Route::Uploads { name: text("a") }),
            ("/v2/a/blobs/uploads/x", Route::Upload { name: text("a"), id: text("x") }),
            ("/v2/a/manifests/v1", Route::Manifest { name: text("a"), reference: text("v1") }),
            ("/v2/a/tags/list", Route::Tags { name: text("a") }),
            ("/v2/a/referrers/d", Route::Referrers { name: text("a"), digest: text("d") }),
        ] {
            assert_eq!(Route::parse(path), Some(route), "{path}");
        }
    }

    #[test]
    fn names_may_hold_the_words_that_end_a_path() {
        for (path, name) in [
            ("/v2/a/blobs/uploads/manifests/v1", "a/blobs/uploads"),
            ("/v2/manifests/manifests/v1", "manifests"),
            ("/v2/blobs/uploads/tags/list", "blobs/uploads"),
            ("/v2/a/tags/list/tags/list", "a/tags/list"),
            ("/v2/a/blobs/uploads/blobs/uploads/", "a/blobs/uploads"),
        ] {
            assert_eq!(Route::parse(path).and_then(|route| route.name().map(text)).as_deref(), Some(name));
        }
    }

    #[test]
    fn anything_else_is_no_endpoint() {
        for path in [
            "",
            "/",
            "/v3/",
            "/v20",
            "/v2/a",
            "/v2/tags/list",
            "/v2/a/tags",
            "/v2/a/tags/list/",
            "/v2/a/manifests/",
            "/v2/a/blobs/",
            "/v2/a%2Fb/manifests/v1",
            "/v2/a/manifests/..%2F..%2Fx",
            "/v2/a/manifests/%ff",
            "/v2/_catalog/",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    #[test]
    fn values_of_a_query_come_in_order_and_in_the_clear() {
        let query = Some("tag=a&n=1&tag=b%2Bc&last=");
        assert_eq!(query_values(query, "tag"), ["a", "b+c"]);
        assert_eq!(query_value(query, "last").as_deref(), Some(""));
        assert_eq!(query_value(None, "n"), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_fail(path in "\\PC*") {
            let _ = Route::parse(&path);
            let _ = Route::parse(&format!("/v2/{path}"));
        }

        #[test]
        fn a_path_made_of_its_parts_is_read_back(
            name in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}", reference in "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}",
        ) {
            let route = Route::parse(&format!("/v2/{name}/manifests/{reference}"));
            prop_assert_eq!(route, Some(Route::Manifest { name, reference }));
        }
    }
}
