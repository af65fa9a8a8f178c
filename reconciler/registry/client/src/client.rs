// SPDX-License-Identifier: AGPL-3.0-or-later
//! A connection to one registry: addresses, logins, repetitions. What is asked for is in the other files.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WARNING};
use reqwest::{Method, Response, StatusCode};
use shoal_oci::{Digest, Reference, RepositoryName};
use shoal_tls::Trust;
use url::{Host, Url};

use crate::auth::Auth;
use crate::call::{Activity, Call};
use crate::error::{Answer, BoxError, ClientError, Operation, Place, clean, is_passing};
use crate::options::{ClientOptions, Retries, Timeouts};
use crate::retry::Budget;

/// The most of an error body that is read.
const ERROR_BODY: usize = 64 << 10;
/// How often a redirect to another redirect is followed.
const REDIRECTS: u32 = 5;
/// The most different warnings of a registry that are told.
const WARNINGS: usize = 100;

/// Talks to one registry. Cheap to clone; clones share connections and logins.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) auth: Auth,
    base: Url,
    registry: String,
    retries: Retries,
    pub(crate) timeouts: Timeouts,
    pub(crate) chunk: u64,
    pub(crate) manifest_limit: u64,
    warned: Mutex<BTreeSet<String>>,
}

// === impl Client ===

impl Client {
    /// A client of a registry, `HOST[:PORT]`. Nothing is sent yet.
    pub fn new(registry: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let base = base(registry, &options)?;
        let plain = base.scheme() == "http";
        let setup = |source: BoxError| ClientError::Setup { registry: registry.to_owned(), source };
        let tls = shoal_tls::client_config(options.trust).or_else(|error| {
            // A machine without any authority can still talk to its own registry without TLS.
            if plain { shoal_tls::client_config(Trust::Pins(Vec::new())) } else { Err(error) }
        });
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.map_err(|error| setup(error.into()))?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.timeouts.connect)
            .user_agent(options.user_agent)
            .build()
            .map_err(|error| setup(error.into()))?;
        let mut token_hosts = options.token_hosts;
        if base.host_str() == Some("registry-1.docker.io") {
            token_hosts.push("auth.docker.io".to_owned());
        }
        let inner = Inner {
            http,
            auth: Auth::new(options.credentials, token_hosts),
            base,
            registry: registry.to_owned(),
            retries: options.retries,
            timeouts: options.timeouts,
            // Two bytes at least: `Range: 0-0` must mean that nothing came (see the upload).
            chunk: options.chunk.max(2),
            manifest_limit: options.manifest_limit,
            warned: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The registry, as it was given.
    pub fn registry(&self) -> &str {
        &self.inner.registry
    }

    /// Whether there is a registry that lets us in (distribution-spec, Determining Support).
    pub async fn ping(&self) -> Result<(), ClientError> {
        let place = self.place(Operation::Reach, None, None);
        let call = Call::new(&place, Method::GET, self.url(""), Vec::new());
        self.expect(&call, &[StatusCode::OK]).await.map(drop)
    }

    pub(crate) fn place(
        &self,
        operation: Operation,
        repository: Option<&RepositoryName>,
        reference: Option<&Reference>,
    ) -> Place {
        Place {
            operation,
            registry: self.inner.registry.clone(),
            repository: repository.cloned(),
            reference: reference.cloned(),
        }
    }

    pub(crate) fn blob_place(&self, operation: Operation, repo: &RepositoryName, digest: &Digest) -> Place {
        self.place(operation, Some(repo), Some(&Reference::Digest(digest.clone())))
    }

    /// An address below `/v2/`. The grammar of names, tags and digests leaves nothing to escape.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.inner.base.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.inner.base.scheme() == "http"
    }

    /// Whether an address is the registry itself, and credentials may go there.
    pub(crate) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.inner.base.origin()
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.inner.retries)
    }

    /// Where a `Location` points to. Leaving TLS is refused.
    pub(crate) fn location(&self, place: &Place, from: &Url, answer: &Response) -> Result<Url, ClientError> {
        let value = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let value = value.ok_or_else(|| ClientError::nonsense(place, "the answer has no Location"))?;
        let url = from
            .join(value)
            .map_err(|_| ClientError::nonsense(place, "the answer's Location is no address"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.is_plain() => Ok(url),
            "http" => {
                let host = url.host_str().unwrap_or_default().to_owned();
                Err(ClientError::Downgrade { place: Box::new(place.clone()), host })
            }
            _ => Err(ClientError::nonsense(place, "the answer's Location is neither http nor https")),
        }
    }

    /// Sends a request until there is an answer that a repetition would not change.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Response, ClientError> {
        let mut budget = self.budget();
        loop {
            let error = match self.send_once(call).await {
                Ok(answer) if is_passing(answer.status().as_u16()) => self.refusal(call.place, answer).await,
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            budget.failed(error).await?;
        }
    }

    /// As [`Self::send`], with any other status than these as an error.
    pub(crate) async fn expect(&self, call: &Call<'_>, ok: &[StatusCode]) -> Result<Response, ClientError> {
        let answer = self.send(call).await?;
        if ok.contains(&answer.status()) { Ok(answer) } else { Err(self.refusal(call.place, answer).await) }
    }

    /// Sends a request once; more than once only to log in, or to follow redirects of what is pulled.
    pub(crate) async fn send_once(&self, call: &Call<'_>) -> Result<Response, ClientError> {
        let mut url = call.url.clone();
        let (mut logged_in, mut redirects) = (false, 0);
        loop {
            let activity = Activity::default();
            let mut request = self.inner.http.request(call.method.clone(), url.clone());
            if self.is_home(&url) {
                request = self.inner.auth.attach(request, &call.scopes);
            }
            let request = call.fill(request, &activity);
            let patience = call.patience.unwrap_or(self.inner.timeouts.idle);
            let answer = match watched(patience, &activity, request.send()).await {
                Some(answer) => answer.map_err(|error| ClientError::transport(call.place, error))?,
                None => return Err(ClientError::stalled(call.place, patience)),
            };
            if self.is_home(&url) {
                self.pass_on_warnings(&answer);
            }
            let status = answer.status();
            if status == StatusCode::UNAUTHORIZED && self.is_home(&url) && !logged_in {
                if self.log_in(call, &answer).await? {
                    logged_in = true;
                    continue;
                }
                return Ok(answer);
            }
            let moved = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if moved && call.follow && redirects < REDIRECTS {
                redirects += 1;
                url = self.location(call.place, &url, &answer)?;
                continue;
            }
            return Ok(answer);
        }
    }

    /// Tells what the registry warns of, each warning once (distribution-spec, Warnings). Nothing else
    /// follows from it.
    fn pass_on_warnings(&self, answer: &Response) {
        let values = answer.headers().get_all(WARNING).iter().filter_map(|value| value.to_str().ok());
        for value in values {
            let text = value.strip_prefix("299 - ").unwrap_or(value).trim_matches('"');
            let Some(text) = clean(text) else { continue };
            let mut warned = self.inner.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.len() < WARNINGS && warned.insert(text.clone()) {
                tracing::warn!(registry = self.inner.registry, warning = text, "the registry warns");
            }
        }
    }

    /// An answer as an error, with what the registry says about it.
    pub(crate) async fn refusal(&self, place: &Place, mut answer: Response) -> ClientError {
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let plain_text = content_type.is_some_and(|text| text.starts_with("text/plain"));
        let body = self.body(place, &mut answer, ERROR_BODY).await.unwrap_or_default();
        let answer = Box::new(Answer { retry_after, ..Answer::read(&body, plain_text) });
        ClientError::Refused { place: Box::new(place.clone()), status, answer }
    }

    /// All of a body that is not larger than the limit.
    pub(crate) async fn body(
        &self,
        place: &Place,
        answer: &mut Response,
        limit: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(place, answer).await? {
            if body.len() + piece.len() > limit {
                return Err(ClientError::TooLarge { place: Box::new(place.clone()), limit: limit as u64 });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The next piece of a body.
    pub(crate) async fn piece(
        &self,
        place: &Place,
        answer: &mut Response,
    ) -> Result<Option<bytes::Bytes>, ClientError> {
        let idle = self.inner.timeouts.idle;
        match tokio::time::timeout(idle, answer.chunk()).await {
            Ok(piece) => piece.map_err(|error| ClientError::transport(place, error)),
            Err(_) => Err(ClientError::stalled(place, idle)),
        }
    }
}

/// Waits for an answer as long as something moves; `None`: nothing did.
async fn watched<T>(patience: Duration, activity: &Activity, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut seen = activity.count();
    loop {
        if let Ok(answer) = tokio::time::timeout(patience, &mut answer).await {
            return Some(answer);
        }
        if activity.count() == seen {
            return None;
        }
        seen = activity.count();
    }
}

/// The registry's root address.
fn base(registry: &str, options: &ClientOptions) -> Result<Url, ClientError> {
    let bad = || ClientError::Address { registry: registry.to_owned() };
    // The name that images of Docker Hub have is not the host that serves them.
    let host =
        if matches!(registry, "docker.io" | "index.docker.io") { "registry-1.docker.io" } else { registry };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/\\?#@".contains(c)) {
        return Err(bad());
    }
    let url = Url::parse(&format!("https://{host}/")).map_err(|_| bad())?;
    let own_trust = !matches!(options.trust, Trust::System);
    let plain = options.plain_http.unwrap_or_else(|| is_loopback(&url) && !own_trust);
    if plain { Url::parse(&format!("http://{host}/")).map_err(|_| bad()) } else { Ok(url) }
}

/// Whether an address is this machine by its name alone.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_of(registry: &str, plain_http: Option<bool>, trust: Trust) -> Option<String> {
        let options = ClientOptions { plain_http, ..ClientOptions::new(trust) };
        base(registry, &options).ok().map(String::from)
    }

    #[test]
    fn plain_http_is_the_default_for_this_machine_only() {
        let system = || Trust::System;
        assert_eq!(base_of("127.0.0.1:5000", None, system()).as_deref(), Some("http://127.0.0.1:5000/"));
        assert_eq!(base_of("localhost:5000", None, system()).as_deref(), Some("http://localhost:5000/"));
        assert_eq!(base_of("[::1]:5000", None, system()).as_deref(), Some("http://[::1]:5000/"));
        assert_eq!(base_of("r.example", None, system()).as_deref(), Some("https://r.example/"));
        assert_eq!(
            base_of("localhost.example", None, system()).as_deref(),
            Some("https://localhost.example/")
        );
        assert_eq!(base_of("r.example", Some(true), system()).as_deref(), Some("http://r.example/"));
        assert_eq!(base_of("127.0.0.1", Some(false), system()).as_deref(), Some("https://127.0.0.1/"));
        let pinned = Trust::Pins(Vec::new());
        assert_eq!(base_of("127.0.0.1:8080", None, pinned).as_deref(), Some("https://127.0.0.1:8080/"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "a/b", "u:p@host", "a b", "host?x", "https://host", "host:port", "host:99999"] {
            assert_eq!(base_of(bad, None, Trust::System), None, "{bad}");
        }
    }

    #[test]
    fn docker_hub_is_served_by_another_host_than_its_images_name() {
        assert_eq!(
            base_of("docker.io", None, Trust::System).as_deref(),
            Some("https://registry-1.docker.io/")
        );
    }
}
