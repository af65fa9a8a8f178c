// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/<name>/blobs/<digest>`: pulling, looking and deleting (distribution-spec, Pulling blobs).

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use shoal_http::conditional::{self, judge};
use shoal_oci::{Digest, ErrorCode, RepositoryName};
use shoal_registry_storage::Keep;

use super::{Answer, Ask, deleted};
use crate::audit;
use crate::respond::{self, CONTENT_DIGEST, Rejection};

/// The blob, or the part of it that was asked for.
pub(super) async fn get(ask: &Ask, repository: RepositoryName, digest: &str) -> Answer {
    let digest = known(digest)?;
    let wanted = digest.clone();
    let octets = HeaderValue::from_static("application/octet-stream");
    if ask.head.method == Method::HEAD {
        let found = ask.storage(move |storage| storage.blob_size(&repository, &wanted)).await?;
        let size = found.ok_or_else(|| unknown(digest.as_str()))?;
        let (mut response, _) = conditional(ask, size, &digest)?;
        response.headers_mut().insert(header::CONTENT_TYPE, octets);
        return Ok(response);
    }
    let found = ask.storage(move |storage| storage.blob(&repository, &wanted)).await?;
    let blob = found.ok_or_else(|| unknown(digest.as_str()))?;
    let (mut response, part) = conditional(ask, blob.size(), &digest)?;
    response.headers_mut().insert(header::CONTENT_TYPE, octets);
    if let Some((first, count)) = part {
        let body = ask.body(blob, first, count).await?;
        *response.body_mut() = Body::new(body);
    }
    Ok(response)
}

/// Takes the blob out of the repository. Others that have it keep it.
pub(super) async fn delete(ask: &Ask, repository: RepositoryName, digest: &str) -> Answer {
    let digest = known(digest)?;
    let (repo, wanted) = (repository.clone(), digest.clone());
    let (roots, immutable) = (ask.roots()?, ask.policy.is_immutable(&repository));
    let deletion = ask.storage(move |storage| {
        let keep = Keep { roots: &roots, immutable: &|_| immutable };
        storage.delete_blob_unless(&repo, &wanted, keep)
    });
    if !deleted(&digest, deletion.await?)? {
        return Err(unknown(digest.as_str()));
    }
    audit::delete(&ask.who(), &repository, &digest);
    Ok(respond::empty(StatusCode::ACCEPTED))
}

/// The head of an answer to a GET or HEAD of content with a digest: conditions and ranges judged. With it
/// the offset and the number of bytes that belong in the body of a GET; none where it has none.
pub(super) fn conditional(
    ask: &Ask,
    size: u64,
    digest: &Digest,
) -> Result<(Response, Option<(u64, u64)>), Rejection> {
    let etag = format!("\"{digest}\"");
    let headers = &ask.head.headers;
    let mut answer = judge(&ask.head.method, headers, size, &etag);
    let whole = ask.head.method == Method::GET && answer.status == StatusCode::OK;
    if whole && is_backwards(headers) && !headers.contains_key(header::IF_RANGE) {
        answer = conditional::Answer { status: StatusCode::RANGE_NOT_SATISFIABLE, first: 0, count: 0 };
    }
    let content_range = answer.content_range(size);
    if answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
        let message = format!("the range is outside of the {size} bytes that there are");
        let mut rejection = Rejection::new(answer.status, ErrorCode::SizeInvalid, message);
        if let Some(Ok(range)) = content_range.map(|range| HeaderValue::from_str(&range)) {
            rejection = rejection.with_header(header::CONTENT_RANGE, range);
        }
        return Err(rejection);
    }
    let mut response = respond::empty(answer.status);
    respond::set(&mut response, CONTENT_DIGEST, digest.as_str());
    respond::set(&mut response, header::ETAG, &etag);
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if answer.status == StatusCode::NOT_MODIFIED {
        return Ok((response, None));
    }
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(answer.count));
    if let Some(range) = content_range {
        respond::set(&mut response, header::CONTENT_RANGE, &range);
    }
    Ok((response, Some((answer.first, answer.count))))
}

/// Whether one range ends before it begins. Nothing is meant by that, and RFC 9110 (section 14.2) leaves
/// open what to do; the distribution specification's suite wants to hear of it.
fn is_backwards(headers: &HeaderMap) -> bool {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let ends =
        range.and_then(|text| text.trim().strip_prefix("bytes=")).and_then(|text| text.split_once('-'));
    let Some((Ok(first), Ok(last))) = ends.map(|(first, last)| (first.parse::<u64>(), last.parse::<u64>()))
    else {
        return false;
    };
    last < first
}

/// What is not a digest that this registry can have is not there.
fn known(digest: &str) -> Result<Digest, Rejection> {
    Digest::parse(digest).map_err(|error| {
        Rejection::not_found(ErrorCode::BlobUnknown, format!("there is no blob {digest}: {error}"))
    })
}

fn unknown(digest: &str) -> Rejection {
    Rejection::not_found(ErrorCode::BlobUnknown, format!("there is no blob {digest} in this repository"))
}
