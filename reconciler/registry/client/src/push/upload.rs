// SPDX-License-Identifier: AGPL-3.0-or-later
//! An upload in flight (distribution-spec, Pushing Blobs: in chunks, and monolithically).
//!
//! # Expected flow
//!
//! POST opens a session; PATCH sends chunk after chunk; PUT with the digest closes it. A blob of one
//! chunk goes in the PUT itself.
//!
//! # Guarantees
//!
//! After a break the registry is asked how much it has, and the upload goes on from there. A registry
//! that cannot say gets everything once more in a new session; one that does not do chunks gets the
//! blob in one PUT. Both are bounded. A session that is given up is cancelled.

use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use shoal_oci::{Algorithm, ContentRange, Digest, RepositoryName};
use url::Url;

use crate::call::{Call, Payload, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation, Place, is_passing};
use crate::progress::{ProgressUpdate, SharedProgress, Stage};
use crate::push::blob::BlobOutcome;
use crate::retry::Budget;
use crate::source::BlobSource;

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// A registry that does not even answer a cancellation is left alone soon.
const CANCEL: Duration = Duration::from_secs(5);

pub(super) struct Upload<'a> {
    client: &'a Client,
    repository: &'a RepositoryName,
    digest: &'a Digest,
    source: &'a BlobSource,
    progress: &'a SharedProgress,
    place: Place,
    scopes: Vec<String>,
    budget: Budget,
}

struct Session {
    location: Url,
    /// Bytes in a chunk.
    chunk: u64,
}

/// How an attempt ended that was not refused.
enum Ended {
    /// The registry has the blob.
    Stored,
    /// The session is lost; a new one may do better.
    Lost(ClientError),
    /// The registry does not do chunks as it should.
    NoChunks,
}

// === impl Upload ===

impl<'a> Upload<'a> {
    pub(super) fn new(
        client: &'a Client,
        repository: &'a RepositoryName,
        digest: &'a Digest,
        source: &'a BlobSource,
        progress: &'a SharedProgress,
    ) -> Self {
        let place = client.blob_place(Operation::PushBlob, repository, digest);
        let (scopes, budget) = (vec![scope(repository, "pull,push")], client.budget());
        Self { client, repository, digest, source, progress, place, scopes, budget }
    }

    /// Until the registry has the blob, or it is given up.
    pub(super) async fn run(mut self, from: Option<&RepositoryName>) -> Result<BlobOutcome, ClientError> {
        let Some(mut session) = self.begin(from).await? else { return Ok(BlobOutcome::Mounted) };
        let mut whole = self.source.size() <= session.chunk;
        loop {
            let ended = if whole { self.whole(&session).await } else { self.in_chunks(&mut session).await };
            let go_on = match ended {
                Ok(Ended::Stored) => return Ok(BlobOutcome::Uploaded),
                Ok(Ended::NoChunks) => {
                    tracing::info!(
                        registry = self.client.registry(),
                        "the registry does not take chunks; the blob is sent in one piece"
                    );
                    whole = true;
                    Ok(())
                }
                Ok(Ended::Lost(error)) => {
                    self.tell(Stage::Waiting, 0);
                    self.budget.lost(error).await
                }
                Err(error) => Err(error),
            };
            self.cancel(&session).await;
            go_on?;
            match self.begin(None).await? {
                Some(new) => session = new,
                None => return Ok(BlobOutcome::Mounted),
            }
        }
    }

    /// Opens a session; `None`: the registry mounted the blob instead.
    async fn begin(&self, from: Option<&RepositoryName>) -> Result<Option<Session>, ClientError> {
        let mut url = self.client.url(&format!("{}/blobs/uploads/", self.repository));
        let mut scopes = self.scopes.clone();
        if let Some(from) = from {
            url.query_pairs_mut()
                .append_pair("mount", self.digest.as_str())
                .append_pair("from", from.as_str());
            scopes.push(scope(from, "pull"));
        }
        if self.digest.algorithm() != Algorithm::Sha256 {
            url.query_pairs_mut().append_pair("digest-algorithm", self.digest.algorithm().as_str());
        }
        let call = Call::new(&self.place, Method::POST, url.clone(), scopes);
        let answer = self.client.expect(&call, &[StatusCode::ACCEPTED, StatusCode::CREATED]).await;
        let answer = match answer {
            // Not being allowed to read the other repository is no reason not to upload.
            Err(ClientError::Refused { status: 400..=404, .. }) if from.is_some() => {
                return Box::pin(self.begin(None)).await;
            }
            answer => answer?,
        };
        if answer.status() == StatusCode::CREATED && from.is_some() {
            return Ok(None);
        }
        let location = self.client.location(&self.place, &url, &answer)?;
        let smallest = answer.headers().get("oci-chunk-min-length").and_then(|value| value.to_str().ok());
        let smallest = smallest.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok(Some(Session { location, chunk: self.client.inner.chunk.max(smallest) }))
    }

    async fn in_chunks(&mut self, session: &mut Session) -> Result<Ended, ClientError> {
        let total = self.source.size();
        let mut at = 0;
        while at < total {
            let count = session.chunk.min(total - at);
            let error = match self.patch(session, at, count).await {
                Ok(answer) => match answer.status().as_u16() {
                    202 | 201 | 204 => {
                        self.follow(session, &answer)?;
                        match received(answer.headers()) {
                            Some(now) if now > at && now <= at + count => at = now,
                            _ => return Ok(Ended::NoChunks),
                        }
                        self.budget.moved();
                        continue;
                    }
                    405 | 411 | 415 | 501 => return Ok(Ended::NoChunks),
                    404 => return Ok(Ended::Lost(self.client.refusal(&self.place, answer).await)),
                    status => {
                        let error = self.client.refusal(&self.place, answer).await;
                        if !may_go_on(status, error.code()) {
                            return Err(error);
                        }
                        error
                    }
                },
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            self.tell(Stage::Waiting, at);
            let error = self.budget.failed(error).await?;
            match self.status(session).await? {
                Some(now) if now <= at + count => {
                    if now > at {
                        self.budget.moved();
                    }
                    at = now;
                    self.tell(Stage::Uploading, at);
                }
                _ => return Ok(Ended::Lost(error)),
            }
        }
        self.close(session).await
    }

    async fn patch(&self, session: &Session, at: u64, count: u64) -> Result<Response, ClientError> {
        let range = HeaderValue::from_str(&ContentRange { first: at, last: at + count - 1 }.to_string())
            .map_err(|_| ClientError::nonsense(&self.place, "a range that is no header"))?;
        let call = self
            .call(Method::PATCH, session.location.clone())
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_RANGE, range)
            .payload(self.part(at, count));
        self.client.send_once(&call).await
    }

    /// How many bytes the registry has; `None`: it cannot say, or none. Then beginning anew loses nothing,
    /// and `Range: 0-0` need not be guessed about, which some registries give for no byte at all.
    async fn status(&mut self, session: &mut Session) -> Result<Option<u64>, ClientError> {
        let call = self.call(Method::GET, session.location.clone());
        let answer = match self.client.send(&call).await {
            Ok(answer) => answer,
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => return Ok(None),
        };
        if !matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::ACCEPTED) {
            return Ok(None);
        }
        self.follow(session, &answer)?;
        Ok(received(answer.headers()).filter(|count| *count > 1))
    }

    /// Closes a session whose bytes are all there.
    async fn close(&mut self, session: &mut Session) -> Result<Ended, ClientError> {
        let total = self.source.size();
        self.tell(Stage::Committing, total);
        loop {
            let error = match self.put(session, Payload::None).await? {
                Ok(()) => return Ok(Ended::Stored),
                Err(error) => error,
            };
            // The registry may have stored it and the answer was lost.
            if self.is_stored().await {
                return Ok(Ended::Stored);
            }
            if error.status() == Some(404) {
                return Ok(Ended::Lost(error));
            }
            let error = self.budget.failed(error).await?;
            if self.status(session).await? != Some(total) {
                return Ok(Ended::Lost(error));
            }
        }
    }

    /// Sends the whole blob with the closing request.
    async fn whole(&self, session: &Session) -> Result<Ended, ClientError> {
        match self.put(session, self.part(0, self.source.size())).await? {
            Ok(()) => Ok(Ended::Stored),
            Err(_) if self.is_stored().await => Ok(Ended::Stored),
            Err(error) => Ok(Ended::Lost(error)),
        }
    }

    /// The closing request. The inner error is one that a new attempt may mend.
    async fn put(
        &self,
        session: &Session,
        payload: Payload<'_>,
    ) -> Result<Result<(), ClientError>, ClientError> {
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", self.digest.as_str());
        let call = self
            .call(Method::PUT, url)
            .header(CONTENT_TYPE, OCTETS)
            .payload(payload)
            .patience(self.client.inner.timeouts.commit);
        match self.client.send_once(&call).await {
            Ok(answer) if matches!(answer.status().as_u16(), 200 | 201 | 204) => Ok(Ok(())),
            Ok(answer) => {
                let status = answer.status().as_u16();
                let error = self.client.refusal(&self.place, answer).await;
                let again = status == 404 || may_go_on(status, error.code());
                if again { Ok(Err(error)) } else { Err(error) }
            }
            Err(error) if error.is_passing() => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    async fn is_stored(&self) -> bool {
        let there = self.client.head_blob(self.repository, self.digest).await;
        matches!(there, Ok(Some(size)) if size.is_none_or(|size| size == self.source.size()))
    }

    /// Frees what the registry keeps; whether it does is its affair.
    async fn cancel(&self, session: &Session) {
        let call = self.call(Method::DELETE, session.location.clone()).patience(CANCEL);
        if let Err(error) = self.client.send_once(&call).await {
            tracing::debug!(error = %error, "an upload could not be cancelled");
        }
    }

    /// The next request goes to where the last answer says.
    fn follow(&self, session: &mut Session, answer: &Response) -> Result<(), ClientError> {
        if answer.headers().contains_key(LOCATION) {
            session.location = self.client.location(&self.place, &session.location, answer)?;
        }
        Ok(())
    }

    fn call(&self, method: Method, url: Url) -> Call<'_> {
        Call::new(&self.place, method, url, self.scopes.clone())
    }

    fn part(&self, offset: u64, count: u64) -> Payload<'_> {
        Payload::Part { source: self.source, offset, count, digest: self.digest, progress: self.progress }
    }

    fn tell(&self, stage: Stage, done: u64) {
        let total = Some(self.source.size());
        self.progress.update(ProgressUpdate { stage, digest: Some(self.digest), done, total });
    }
}

/// Whether an upload may go on after such an answer, from where the registry says that it is: out of order,
/// still busy with a request that broke (409), fewer bytes than announced, or a passing fault.
fn may_go_on(status: u16, code: Option<&str>) -> bool {
    matches!(status, 409 | 416) || (status == 400 && code == Some("SIZE_INVALID")) || is_passing(status)
}

/// The number of bytes that a `Range` header acknowledges.
fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    // Not as specified, but what some registries write.
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let range = ContentRange::parse(text).ok()?;
    (range.first == 0).then(|| range.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_from_the_beginning_acknowledges_bytes() {
        let of =
            |text: &'static str| received(&HeaderMap::from_iter([(RANGE, HeaderValue::from_static(text))]));
        assert_eq!(of("0-9"), Some(10));
        assert_eq!(of("bytes=0-9"), Some(10));
        assert_eq!(of("5-9"), None);
        assert_eq!(of("0--1"), None);
        assert_eq!(received(&HeaderMap::new()), None);
    }
}
