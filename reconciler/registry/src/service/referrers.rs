// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/<name>/referrers/<digest>` (distribution-spec, Listing Referrers).
//!
//! The list is an image index, and registries are only expected to take manifests of 4 MiB: a longer list
//! comes in pages that each stay below that. Where a page begins is said by `last`, the digest before it.

use std::ops::ControlFlow;

use http::{HeaderValue, StatusCode, header};
use shoal_oci::{Digest, ErrorCode, RepositoryName, media_type};
use shoal_registry_storage::{Storage, StorageError};

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
        .storage(move |storage| page(storage, &repository, &subject, wanted.as_deref(), after.as_deref()))
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

/// One page, and the last digest in it where more follows. Of what does not fit one descriptor is read.
fn page(
    storage: &Storage,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    after: Option<&str>,
) -> Result<(String, Option<String>), StorageError> {
    let (mut manifests, mut last, mut more) = (String::new(), None, false);
    storage.each_referrer(repository, subject, after, &mut |one| {
        if artifact_type.is_some_and(|wanted| one.artifact_type.as_deref().unwrap_or("") != wanted) {
            return ControlFlow::Continue(());
        }
        // A descriptor is always JSON: its keys are strings.
        let Ok(text) = serde_json::to_string(&one) else { return ControlFlow::Continue(()) };
        if !manifests.is_empty() {
            if manifests.len() + text.len() > PAGE {
                more = true;
                return ControlFlow::Break(());
            }
            manifests.push(',');
        }
        manifests.push_str(&text);
        last = Some(one.digest.to_string());
        ControlFlow::Continue(())
    })?;
    let index = media_type::IMAGE_INDEX;
    let body = format!(r#"{{"schemaVersion":2,"mediaType":"{index}","manifests":[{manifests}]}}"#);
    Ok((body, last.filter(|_| more)))
}
