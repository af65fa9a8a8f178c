// SPDX-License-Identifier: AGPL-3.0-or-later
//! One request to a registry, described so that it can be sent more than once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder};
use shoal_oci::{Digest, RepositoryName};
use url::Url;

use crate::error::Place;
use crate::progress::{ProgressUpdate, SharedProgress, Stage};
use crate::source::BlobSource;

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) place: &'a Place,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// What a token for it must allow.
    pub(crate) scopes: Vec<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) payload: Payload<'a>,
    /// How long nothing may move; `None`: as long as the client says.
    pub(crate) patience: Option<Duration>,
    /// Whether redirects are followed: for GET of blobs and manifests only; what comes is compared with its digest.
    pub(crate) follow: bool,
}

/// What a request carries.
pub(crate) enum Payload<'a> {
    None,
    Bytes(Bytes),
    /// A part of a blob, streamed.
    Part {
        source: &'a BlobSource,
        offset: u64,
        count: u64,
        digest: &'a Digest,
        progress: &'a SharedProgress,
    },
}

/// Counts what moves, so that silence can be told from slowness.
#[derive(Clone, Default)]
pub(crate) struct Activity(Arc<AtomicU64>);

impl Activity {
    fn moved(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Call ===

impl<'a> Call<'a> {
    pub(crate) fn new(place: &'a Place, method: Method, url: Url, scopes: Vec<String>) -> Self {
        Self {
            place,
            method,
            url,
            scopes,
            headers: Vec::new(),
            payload: Payload::None,
            patience: None,
            follow: false,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn following_redirects(mut self) -> Self {
        self.follow = true;
        self
    }

    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Puts headers and body on a request.
    pub(crate) fn fill(&self, mut request: RequestBuilder, activity: &Activity) -> RequestBuilder {
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match &self.payload {
            Payload::None if matches!(self.method, Method::GET | Method::HEAD) => request,
            Payload::None => request.header(CONTENT_LENGTH, 0),
            Payload::Bytes(bytes) => request.body(bytes.clone()),
            Payload::Part { count: 0, .. } => request.header(CONTENT_LENGTH, 0),
            Payload::Part { source, offset, count, digest, progress } => {
                let (activity, digest) = (activity.clone(), (*digest).clone());
                let (progress, total) = (Arc::clone(progress), Some(source.size()));
                let seen = move |done| {
                    activity.moved();
                    let (stage, digest) = (Stage::Uploading, Some(&digest));
                    progress.update(ProgressUpdate { stage, digest, done, total });
                };
                let body = Body::wrap_stream(source.stream(*offset, *count, seen));
                // A stream has no length of its own; with one, HTTP needs no chunked coding.
                request.header(CONTENT_LENGTH, *count).body(body)
            }
        }
    }
}

/// What a token for a repository must allow, in the words of the Docker token specification.
pub(crate) fn scope(repository: &RepositoryName, actions: &str) -> String {
    format!("repository:{repository}:{actions}")
}
