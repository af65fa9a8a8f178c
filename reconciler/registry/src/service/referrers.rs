// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/<name>/referrers/<digest>` (distribution-spec, Listing Referrers).
//!
//! The list is an image index, and registries are only expected to take manifests of 4 MiB: a longer list
//! comes in pages that each stay below that. Where a page begins is said by `last`, the digest before it.

use http::{HeaderValue, StatusCode, header};
use shoal_oci::{Descriptor, Digest, ErrorCode, RepositoryName, media_type};

use super::{Answer, Ask};
use crate::respond::{self, FILTERS_APPLIED, Rejection};

/// The most bytes of descriptors in one page. One that is larger has a page of its own.
const PAGE: usize = (4 << 20) - (64 << 10);

/// What refers to a manifest; an empty list where nothing does.
pub(super) async fn list(ask: &Ask, repository: RepositoryName, digest: &str) -> Answer {
    let subject = Digest::parse(digest).map_err(|error| {
        Rejection::bad(ErrorCode::DigestInvalid, format!("{digest} is not the digest of a manifest: {error}"))
    })?;
    let path = format!("/v2/{repository}/referrers/{subject}");
    let filter = ask.query("artifactType");
    let after = ask.query("last");
    let wanted = filter.clone();
    let (body, next) = ask
        .storage(move |storage| {
            let all = storage.referrers(&repository, &subject, None)?;
            Ok(page(&all, wanted.as_deref(), after.as_deref()))
        })
        .await?;
    let mut response = respond::json(StatusCode::OK, media_type::IMAGE_INDEX, body);
    if filter.is_some() {
        response.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = next {
        let mut query = vec![("last", last.as_str())];
        query.extend(filter.as_deref().map(|filter| ("artifactType", filter)));
        respond::set(&mut response, header::LINK, &respond::next_page(&path, &query));
    }
    Ok(response)
}

/// One page, and the last digest in it where more follows. `all` is in the order of digests.
fn page(all: &[Descriptor], artifact_type: Option<&str>, after: Option<&str>) -> (String, Option<String>) {
    let mut left = all
        .iter()
        .filter(|one| after.is_none_or(|after| one.digest.as_str() > after))
        .filter(|one| artifact_type.is_none_or(|wanted| one.artifact_type.as_deref().unwrap_or("") == wanted))
        .peekable();
    let mut manifests = String::new();
    let mut last = None;
    while let Some(one) = left.peek() {
        // A descriptor is always JSON: its keys are strings.
        let Ok(text) = serde_json::to_string(one) else { break };
        if !manifests.is_empty() {
            if manifests.len() + text.len() > PAGE {
                break;
            }
            manifests.push(',');
        }
        manifests.push_str(&text);
        last = left.next().map(|one| one.digest.to_string());
    }
    let more = left.peek().is_some();
    let index = media_type::IMAGE_INDEX;
    let body = format!(r#"{{"schemaVersion":2,"mediaType":"{index}","manifests":[{manifests}]}}"#);
    (body, last.filter(|_| more))
}
