// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/v2/<name>/blobs/uploads/…`: pushing blobs (distribution-spec, Pushing blobs): in one request, in two, or
//! in chunks; resumed after whatever went wrong; mounted from another repository; cancelled.
//!
//! Guarantees: 201 is answered once the blob is durable; what arrived of an upload that broke off stays, and
//! its status says how much; an upload whose digest is wrong is gone.

use std::sync::Arc;

use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use shoal_oci::{Algorithm, ContentRange, Digest, ErrorCode, RepositoryName};
use shoal_registry_storage::{Storage, UploadId, UploadLimits};
use tokio::sync::OwnedSemaphorePermit;

use super::{Answer, Ask, blocking};
use crate::audit;
use crate::body::{RequestBody, Sink, receive};
use crate::policy::{Policy, Right};
use crate::respond::{self, Rejection, UPLOAD_UUID};
use crate::room::Claim;

/// Seconds after which a client that found no turn may ask again.
const COME_BACK: u64 = 10;

/// So many uploads may be under way or left in the middle.
const OPEN: UploadLimits = UploadLimits { all: 1000, each: 64 };

/// An upload of a repository, as requests name it.
struct Session {
    repository: RepositoryName,
    id: UploadId,
}

/// Begins an upload; or takes the whole blob at once; or mounts one from another repository.
pub(super) async fn post(ask: &Ask, repository: RepositoryName, body: RequestBody) -> Answer {
    if let Some(digest) = ask.query("mount") {
        let digest = digest_of(&digest)?;
        if let Some(response) = mount(ask, &repository, &digest).await? {
            return Ok(response);
        }
        return begin(ask, repository, digest.algorithm()).await;
    }
    if let Some(digest) = ask.query("digest") {
        let digest = digest_of(&digest)?;
        return single(ask, repository, &digest, body).await;
    }
    let algorithm = match ask.query("digest-algorithm") {
        None => Algorithm::Sha256,
        Some(name) => Algorithm::parse(&name).map_err(|error| {
            Rejection::bad(ErrorCode::DigestInvalid, format!("digest-algorithm={name}: {error}"))
        })?,
    };
    begin(ask, repository, algorithm).await
}

/// How much arrived.
pub(super) async fn status(ask: &Ask, repository: RepositoryName, id: &str) -> Answer {
    let session = Session::parse(repository, id)?;
    let received = session.received(ask).await?;
    Ok(session.progress(StatusCode::NO_CONTENT, received))
}

/// A chunk, or everything as a stream of unknown length.
pub(super) async fn patch(ask: &Ask, repository: RepositoryName, id: &str, body: RequestBody) -> Answer {
    let session = Session::parse(repository, id)?;
    let sink = session.append(ask, body).await?;
    Ok(session.progress(StatusCode::ACCEPTED, sink.writer.received()))
}

/// The end of an upload, with or without the last chunk.
pub(super) async fn put(ask: &Ask, repository: RepositoryName, id: &str, body: RequestBody) -> Answer {
    let session = Session::parse(repository, id)?;
    let Some(digest) = ask.query("digest") else {
        let message = "the end of an upload needs its digest: add ?digest=sha256:… to the upload's location";
        return Err(Rejection::bad(ErrorCode::DigestInvalid, message));
    };
    let digest = digest_of(&digest)?;
    let sink = session.append(ask, body).await?;
    finish(ask, &session.repository, sink, &digest).await
}

/// Forgets an upload (distribution-spec, Cancel a blob upload).
pub(super) async fn cancel(ask: &Ask, repository: RepositoryName, id: &str) -> Answer {
    let session = Session::parse(repository, id)?;
    let (repo, id) = (session.repository.clone(), session.id);
    if !ask.storage(move |storage| storage.cancel(&repo, id)).await? {
        return Err(session.unknown());
    }
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

async fn begin(ask: &Ask, repository: RepositoryName, algorithm: Algorithm) -> Answer {
    let repo = repository.clone();
    let id = claimed(ask, &repository, 0, 0, move |storage, _| open(storage, &repo, algorithm)).await?;
    Ok(Session { repository, id }.progress(StatusCode::ACCEPTED, 0))
}

/// Begins an upload unless there are too many.
fn open(storage: &Storage, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId, Rejection> {
    storage.begin_within(repository, algorithm, OPEN)?.ok_or_else(|| {
        let message = format!(
            "too many uploads were begun and not ended, {} in one repository or {} in all: end or cancel some of \
             them, or wait until they expire",
            OPEN.each, OPEN.all
        );
        Rejection::too_many(message, COME_BACK)
    })
}

/// A whole blob in one POST. Nobody learns the location of its upload, so nothing is kept of it if it fails.
async fn single(ask: &Ask, repository: RepositoryName, digest: &Digest, body: RequestBody) -> Answer {
    let _turn = turn(ask, body.is_empty()).await?;
    let (repo, algorithm, length) = (repository.clone(), digest.algorithm(), body.length());
    let (id, sink) = claimed(ask, &repository, 0, length.unwrap_or(0), move |storage, claim| {
        let id = open(storage, &repo, algorithm)?;
        Ok((id, Sink { writer: storage.writer(&repo, id)?, claim }))
    })
    .await?;
    let done = match stream(ask, body, sink, length).await {
        Ok(sink) => finish(ask, &repository, sink, digest).await,
        Err(rejection) => Err(rejection),
    };
    if done.is_err() {
        let storage = ask.registry.storage.clone();
        let cancelled = blocking(move || storage.cancel(&repository, id)).await;
        if let Err(rejection) = cancelled {
            tracing::debug!(why = rejection.message(), "the rest of a failed upload stays until it expires");
        }
    }
    done
}

/// Makes a blob of another repository one of this one. Nothing where there is none that the caller may pull:
/// then the client uploads it, and learns nothing about what other repositories have.
async fn mount(
    ask: &Ask,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Response>, Rejection> {
    let from = match ask.query("from") {
        None => None,
        Some(from) => match RepositoryName::parse(&from) {
            Ok(from) if ask.registry.access.may(&ask.caller, Right::Pull, &from) => Some(from),
            _ => return Ok(None),
        },
    };
    let (to, source, wanted) = (repository.clone(), from.clone(), digest.clone());
    let (registry, caller) = (Arc::clone(&ask.registry), ask.caller.clone());
    let mut policy = Policy::clone(&ask.policy);
    let mounted = blocking(move || {
        let storage = &registry.storage;
        if storage.blob_size(&to, &wanted)?.is_some() {
            return Ok(true);
        }
        let visible = |name: &RepositoryName| registry.access.may(&caller, Right::Pull, name);
        let Some(size) = storage.mountable(source.as_ref(), &wanted, &visible)? else { return Ok(false) };
        // Content counts once for each quota, however many of its repositories have it.
        let quotas = std::mem::take(&mut policy.quotas);
        for quota in quotas.into_iter().filter(|quota| quota.repositories.matches(&to)) {
            let counts = |name: &RepositoryName| quota.repositories.matches(name);
            if storage.mountable(None, &wanted, &counts)?.is_none() {
                policy.quotas.push(quota);
            }
        }
        let _claim = registry.room.claim(storage, &policy, &to, size, 0)?;
        Ok::<_, Rejection>(storage.mount(&to, source.as_ref(), &wanted, &visible)?)
    })
    .await?;
    if !mounted {
        return Ok(None);
    }
    audit::mount(&ask.who(), repository, from.as_ref(), digest);
    Ok(Some(respond::created(&respond::blob_location(repository, digest), digest)))
}

/// Checks the digest and keeps the blob: durable when this returns.
async fn finish(ask: &Ask, repository: &RepositoryName, sink: Sink, digest: &Digest) -> Answer {
    let wanted = digest.clone();
    let size = blocking(move || {
        let Sink { writer, mut claim } = sink;
        claim.settle()?;
        writer.finish(&wanted).map_err(Rejection::from)
    })
    .await?;
    audit::push(&ask.who(), repository, digest, size);
    Ok(respond::created(&respond::blob_location(repository, digest), digest))
}

/// Receives a body into an upload.
async fn stream(ask: &Ask, body: RequestBody, sink: Sink, length: Option<u64>) -> Result<Sink, Rejection> {
    if body.is_empty() && length.is_none_or(|length| length == 0) {
        return Ok(sink);
    }
    let _inflight = ask.registry.metrics.upload_begun();
    Ok(receive(body, sink, length, &ask.registry.metrics).await?)
}

/// Does something that blocks, with room claimed in a repository.
async fn claimed<T: Send + 'static>(
    ask: &Ask,
    repository: &RepositoryName,
    bytes: u64,
    expected: u64,
    work: impl FnOnce(&Storage, Claim) -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    let (registry, policy, repository) =
        (Arc::clone(&ask.registry), Arc::clone(&ask.policy), repository.clone());
    blocking(move || {
        let claim = registry.room.claim(&registry.storage, &policy, &repository, bytes, expected)?;
        work(&registry.storage, claim)
    })
    .await
}

/// Waits for a turn to receive a body. It is not read meanwhile.
async fn turn(ask: &Ask, empty: bool) -> Result<Option<OwnedSemaphorePermit>, Rejection> {
    if empty {
        return Ok(None);
    }
    match tokio::time::timeout(ask.registry.patience.turn, ask.registry.turns().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        _ => {
            let message = format!("{} uploads are under way, no more at once: try again", ask.policy.uploads);
            Err(Rejection::too_many(message, COME_BACK))
        }
    }
}

/// The range that a chunk says it has, checked against the length of the body.
fn chunk(headers: &HeaderMap, body: &RequestBody) -> Result<Option<ContentRange>, Rejection> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let range = ContentRange::parse(value.to_str().unwrap_or_default()).map_err(|error| {
        Rejection::bad(ErrorCode::BlobUploadInvalid, format!("the Content-Range is {error}"))
    })?;
    match body.length() {
        Some(length) if length != range.len() => {
            let message = format!(
                "the Content-Range has {} bytes and the Content-Length is {length}: make them the same",
                range.len()
            );
            Err(Rejection::bad(ErrorCode::SizeInvalid, message))
        }
        _ => Ok(Some(range)),
    }
}

fn digest_of(text: &str) -> Result<Digest, Rejection> {
    Digest::parse(text).map_err(|error| {
        Rejection::bad(ErrorCode::DigestInvalid, format!("{text} is not a digest of a blob: {error}"))
    })
}

// === impl Session ===

impl Session {
    fn parse(repository: RepositoryName, id: &str) -> Result<Self, Rejection> {
        match UploadId::parse(id) {
            Some(id) => Ok(Self { repository, id }),
            None => Err(Rejection::not_found(
                ErrorCode::BlobUploadUnknown,
                "there is no such upload in this repository: start a new one",
            )),
        }
    }

    async fn received(&self, ask: &Ask) -> Result<u64, Rejection> {
        let (repository, id) = (self.repository.clone(), self.id);
        ask.storage(move |storage| storage.upload(&repository, id)).await?.ok_or_else(|| self.unknown())
    }

    /// Appends a request's body. The upload is as it was where the range does not follow what is there.
    async fn append(&self, ask: &Ask, body: RequestBody) -> Result<Sink, Rejection> {
        let range = chunk(&ask.head.headers, &body)?;
        if range.is_some() {
            self.in_order(range, self.received(ask).await?)?;
        }
        let _turn = turn(ask, body.is_empty()).await?;
        let (repository, id) = (self.repository.clone(), self.id);
        let storage = ask.registry.storage.clone();
        let writer = blocking(move || storage.writer(&repository, id)).await?;
        self.in_order(range, writer.received())?;
        let length = range.map(|range| range.len()).or(body.length());
        let (received, expected) = (writer.received(), length.unwrap_or(0));
        let sink =
            claimed(ask, &self.repository, received, expected, move |_, claim| Ok(Sink { writer, claim }));
        stream(ask, body, sink.await?, length).await
    }

    /// Whether a chunk begins where the bytes that are there end (distribution-spec, Pushing a blob in chunks).
    fn in_order(&self, range: Option<ContentRange>, received: u64) -> Result<(), Rejection> {
        let Some(range) = range.filter(|range| range.first != received) else { return Ok(()) };
        let message = format!(
            "the chunk begins at byte {} and the upload has {received} bytes: go on at byte {received}",
            range.first
        );
        let mut rejection =
            Rejection::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid, message)
                .with_detail(json!({"received": received}));
        for (name, value) in self.headers(received) {
            rejection = rejection.with_header(name, value);
        }
        Err(rejection)
    }

    /// How far it is.
    fn progress(&self, status: StatusCode, received: u64) -> Response {
        let mut response = respond::empty(status);
        response.headers_mut().extend(self.headers(received));
        response
    }

    /// Where to go on and what is there. `0-0` where nothing is, like Docker's registry: the form has no word
    /// for nothing.
    fn headers(&self, received: u64) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let location = format!("/v2/{}/blobs/uploads/{}", self.repository, self.id);
        let range = format!("0-{}", received.saturating_sub(1));
        let id = self.id.to_string();
        [(header::LOCATION, location), (header::RANGE, range), (UPLOAD_UUID, id)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
    }

    fn unknown(&self) -> Rejection {
        let message = format!("there is no upload {} in this repository: start a new one", self.id);
        Rejection::not_found(ErrorCode::BlobUploadUnknown, message)
    }
}
