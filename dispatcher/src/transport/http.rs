// SPDX-License-Identifier: AGPL-3.0-or-later
//! HTTP/1.1 over pinned TLS, or plain on loopback.
//!
//! Guarantees: no proxy, no redirect (either would hand the token to someone else), no cookie; connecting and
//! every call end in bounded time; the answer is bounded.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, redirect};
use shoal_schema::wire::progress::ProgressBody;
use shoal_schema::{JobId, SecretString};
use shoal_tls::{PinMismatch, Trust, client_config};
use url::Url;
use zeroize::Zeroizing;

use super::{ANSWER_LIMIT, Answer, Call, Route, Transport, TransportError};
use crate::endpoint::Endpoint;
use crate::progress::Listener;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a report: the controller only writes it down.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// For progress: what comes later is old news anyway.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// For a permit: before it answers, the controller fetches Git and waits up to 10 s for that.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The controller over HTTP.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client,
    base: Url,
}

impl HttpTransport {
    /// Makes a client for this controller. Nothing is sent yet.
    pub fn new(endpoint: &Endpoint) -> Result<Self, TransportError> {
        // Without pins the address is plain HTTP on loopback, and no TLS is believed.
        let tls = client_config(Trust::Pins(endpoint.pins().to_vec()))
            .map_err(|error| TransportError::Setup(Box::new(error)))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            // A call every few seconds at most: a kept connection would only be a dead one.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("shoal-dispatcher/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TransportError::Setup(Box::new(error)))?;
        Ok(Self { client, base: endpoint.base().clone() })
    }
}

/// The full address of a route. Names are percent-encoded into one segment each.
pub fn route_url(base: &Url, route: &Route) -> Url {
    let mut url = base.clone();
    {
        let mut path = url.path_segments_mut().expect("http and https URLs have a path");
        match route {
            Route::Permit(job) => path.pop_if_empty().extend(["api", "v1", "jobs", job.as_str(), "permit"]),
            Route::Webhook(machine) => path.pop_if_empty().extend(["api", "v1", "status-webhook", machine]),
        };
    }
    url
}

/// Where the progress of a job goes.
fn progress_url(base: &Url, job: &JobId) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("http and https URLs have a path").pop_if_empty().extend([
        "api",
        "v1",
        "jobs",
        job.as_str(),
        "progress",
    ]);
    url
}

#[async_trait]
impl Transport for HttpTransport {
    async fn post(&self, call: &Call) -> Result<Answer, TransportError> {
        let request = self.client.post(route_url(&self.base, &call.route));
        let request = match call.route {
            Route::Permit(_) => request.bearer_auth(call.token.expose()).timeout(PERMIT_TIMEOUT),
            Route::Webhook(_) => {
                request.header("x-webhook-secret", call.token.expose()).timeout(WEBHOOK_TIMEOUT)
            }
        };
        send(request, call.body.clone()).await
    }
}

#[async_trait]
impl Listener for HttpTransport {
    async fn hear(
        &self,
        job: &JobId,
        token: &SecretString,
        body: &ProgressBody,
    ) -> Result<Answer, TransportError> {
        let body = serde_json::to_vec(body).map_err(|error| TransportError::Broken(Box::new(error)))?;
        let request = self.client.post(progress_url(&self.base, job));
        send(request.bearer_auth(token.expose()).timeout(PROGRESS_TIMEOUT), body).await
    }
}

/// Sends a request whose address, credential and time limit are set.
async fn send(request: RequestBuilder, body: Vec<u8>) -> Result<Answer, TransportError> {
    let request = request.header("content-type", "application/json").body(body);
    let mut response = request.send().await.map_err(classify)?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(TransportError::TooLarge { limit: ANSWER_LIMIT });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, retry_after, body })
}

fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    if error.is_timeout() {
        TransportError::TimedOut
    } else if PinMismatch::is_behind(&error) {
        TransportError::Pin
    } else {
        TransportError::Broken(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_with_odd_characters_stays_one_segment() {
        let base: Url = "http://127.0.0.1:1".parse().expect("a URL");
        let url = route_url(&base, &Route::Webhook("A/B ../?#%".to_owned()));
        assert_eq!(url.as_str(), "http://127.0.0.1:1/api/v1/status-webhook/A%2FB%20..%2F%3F%23%25");
        let url = route_url(&base, &Route::Permit(JobId::from_bytes([0xab; 16])));
        assert_eq!(url.path(), format!("/api/v1/jobs/{}/permit", "ab".repeat(16)));
        let url = progress_url(&base, &JobId::from_bytes([0xab; 16]));
        assert_eq!(url.path(), format!("/api/v1/jobs/{}/progress", "ab".repeat(16)));
    }
}
