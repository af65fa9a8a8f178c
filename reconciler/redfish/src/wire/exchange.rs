// SPDX-License-Identifier: AGPL-3.0-or-later
//! One HTTP request and its answer, within bounds.
//!
//! # Guarantees
//! * Never a proxy from the environment (`Rule::NoProxyOfTheEnvironment`).
//! * The answer's body is cut off at 4 MiB (`Rule::EndlessAnswersAreCutOff`), and the whole exchange
//!   ends at the time limit, so that a slow drip holds nothing up (`Rule::SlowAnswersAreGivenUp`).
//! * Redirects are followed three times at most (`Rule::RedirectsMustEnd`), to the same origin only
//!   (`Rule::RedirectsToOtherHostsAreRefused`), with the same method: some BMCs (iLO4) redirect a path
//!   to the same path with a trailing slash.
//! * Connections are reused within a burst of requests only; several BMCs drop idle ones.
//!   A login opens one of its own (`Rule::LoginsTakeAFreshConnection`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION,
    RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use super::session::Pass;
use super::tls::{Distrust, TlsWatch};
use crate::contract::endpoint::BmcEndpoint;
use crate::contract::error::{Cause, ErrorKind};
use crate::rules::{Rule, Rules};

/// Bytes of a body that are read at most. The largest resource in the recordings has 100 kB.
pub(crate) const LARGEST_BODY: usize = 4 * 1024 * 1024;
const MOST_REDIRECTS: usize = 3;
/// Shorter than any keep-alive limit that was reported.
const REUSE_WITHIN: Duration = Duration::from_secs(2);

/// A request. No `Debug`: a login's body holds the password.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path on the BMC.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) condition: Option<Condition>,
}

/// Under which ETag a request is carried out.
#[derive(Clone)]
pub(crate) enum Condition {
    /// `If-Match`.
    Match(String),
    /// `If-None-Match`.
    NoneMatch(String),
}

/// An answer with any status. No `Debug`: a login's headers hold the token.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body, if it was JSON.
    pub(crate) body: Option<Value>,
}

impl Answer {
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// `ETag`, or the one in the body: BMCs send either. Empty ones do not count.
    pub(crate) fn etag(&self, rules: Rules) -> Option<String> {
        let body = self.body.as_ref().filter(|_| rules.has(Rule::EtagsMayStandInTheBody));
        self.header(ETAG)
            .map(str::to_owned)
            .filter(|etag| !etag.is_empty())
            .or_else(|| crate::model::json::text(body?, "@odata.etag"))
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.header(LOCATION).filter(|location| !location.is_empty())
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        super::retry::retry_after(self.header(RETRY_AFTER), self.header(DATE))
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A failure below HTTP.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) kind: ErrorKind,
    /// The request certainly never reached the BMC.
    pub(crate) unsent: bool,
    /// Trying again may help.
    pub(crate) passing: bool,
}

impl Broken {
    fn lasting(kind: ErrorKind) -> Self {
        Self { kind, unsent: false, passing: false }
    }
}

/// An HTTP client without open connections.
fn client(
    tls: rustls::ClientConfig,
    connect_limit: Duration,
    rules: Rules,
) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder();
    if rules.has(Rule::NoProxyOfTheEnvironment) {
        builder = builder.no_proxy();
    }
    builder
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(connect_limit)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(REUSE_WITHIN)
        .tcp_nodelay(true)
        .user_agent(concat!("shoal/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Makes requests to one origin.
pub(crate) struct Exchange {
    http: RwLock<reqwest::Client>,
    /// Whether a connection may be open.
    used: AtomicBool,
    tls: rustls::ClientConfig,
    connect_limit: Duration,
    origin: Url,
    watch: std::sync::Arc<TlsWatch>,
    limit: Duration,
    rules: Rules,
}

impl Exchange {
    pub(crate) fn new(endpoint: &BmcEndpoint, rules: Rules) -> Result<Self, ErrorKind> {
        let bad = |why: String| ErrorKind::BadEndpoint { why };
        if !matches!(endpoint.url.scheme(), "http" | "https") || !endpoint.url.has_host() {
            return Err(bad("the address must start with https:// or http:// and name a host".to_owned()));
        }
        let (tls, watch) = super::tls::client_config(&endpoint.tls).map_err(bad)?;
        let connect_limit = endpoint.timeouts.connect;
        let http = client(tls.clone(), connect_limit, rules)
            .map_err(|error| bad(format!("the http client cannot be set up: {}", error.without_url())))?;
        let mut origin = endpoint.url.clone();
        origin.set_path("/");
        origin.set_query(None);
        origin.set_fragment(None);
        // Credentials in the address would end up in logs; they are not used.
        let _ = origin.set_username("");
        let _ = origin.set_password(None);
        Ok(Self {
            http: RwLock::new(http),
            used: AtomicBool::new(false),
            tls,
            connect_limit,
            origin,
            watch,
            limit: endpoint.timeouts.request,
            rules,
        })
    }

    /// Leaves connections that are open behind: the next request opens one of its own.
    pub(crate) fn start_afresh(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            return;
        }
        // The same client was set up before. Were it to fail now, the old one is better than none.
        if let Ok(fresh) = client(self.tls.clone(), self.connect_limit, self.rules) {
            *self.http.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }

    pub(crate) fn watch(&self) -> &TlsWatch {
        &self.watch
    }

    /// Host, and port where it is not the usual one.
    pub(crate) fn name(&self) -> String {
        let host = self.origin.host_str().unwrap_or_default();
        match self.origin.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// A link of the BMC as a path on it. Of an absolute one (`Location` headers often are, with
    /// an address of the BMC that we may not reach) only the path counts.
    pub(crate) fn path_of(&self, location: &str) -> Option<String> {
        // An address without a path (`mailto:x`) is none of a BMC's.
        let url = self.origin.join(location).ok().filter(|url| url.path().starts_with('/'))?;
        Some(match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        })
    }

    /// Sends once and reads the whole answer.
    pub(crate) async fn send(
        &self,
        request: &Request,
        pass: Option<&Pass>,
        ask_for_identity: bool,
    ) -> Result<Answer, Broken> {
        let whole = self.follow(request, pass, ask_for_identity);
        if !self.rules.has(Rule::SlowAnswersAreGivenUp) {
            return whole.await;
        }
        tokio::time::timeout(self.limit, whole).await.unwrap_or(Err(Broken {
            kind: ErrorKind::Timeout { after: self.limit },
            unsent: false,
            passing: true,
        }))
    }

    async fn follow(
        &self,
        request: &Request,
        pass: Option<&Pass>,
        ask_for_identity: bool,
    ) -> Result<Answer, Broken> {
        let mut url = self
            .origin
            .join(&request.path)
            .ok()
            .filter(|url| url.origin() == self.origin.origin())
            .ok_or_else(|| Broken::lasting(ErrorKind::BadLink))?;
        let mut method = request.method.clone();
        let most = if self.rules.has(Rule::RedirectsMustEnd) { MOST_REDIRECTS } else { usize::MAX - 1 };
        for _ in 0..=most {
            let answer = self.hop(&method, &url, request, pass, ask_for_identity).await?;
            let redirects = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
            if !redirects || !self.rules.has(Rule::RedirectsOnTheSameHostAreFollowed) {
                return Ok(answer);
            }
            let bad = |why: &str| Broken::lasting(ErrorKind::BadRedirect { why: why.to_owned() });
            let location = answer.location().ok_or_else(|| bad("it names no address"))?;
            url = url.join(location).map_err(|_| bad("it names no address"))?;
            let leaves = url.origin() != self.origin.origin();
            if leaves && self.rules.has(Rule::RedirectsToOtherHostsAreRefused) {
                return Err(bad("it leads to another host"));
            }
            if answer.status == 303 {
                method = Method::GET;
            }
        }
        Err(Broken::lasting(ErrorKind::BadRedirect { why: "it has no end".to_owned() }))
    }

    async fn hop(
        &self,
        method: &Method,
        url: &Url,
        request: &Request,
        pass: Option<&Pass>,
        ask_for_identity: bool,
    ) -> Result<Answer, Broken> {
        self.used.store(true, Ordering::Relaxed);
        let http = self.http.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut builder = http
            .request(method.clone(), url.clone())
            .header(ACCEPT, "application/json")
            .header("OData-Version", "4.0");
        if ask_for_identity {
            builder = builder.header(ACCEPT_ENCODING, "identity");
        }
        match pass {
            Some(Pass::Token(token)) => builder = builder.header("X-Auth-Token", token.clone()),
            Some(Pass::Basic(basic)) => builder = builder.header(AUTHORIZATION, basic.clone()),
            None => {}
        }
        if let Some((name, etag)) = request.condition.as_ref().map(|condition| match condition {
            Condition::Match(etag) => (IF_MATCH, etag),
            Condition::NoneMatch(etag) => (IF_NONE_MATCH, etag),
        }) && let Ok(etag) = HeaderValue::from_str(etag)
        {
            builder = builder.header(name, etag);
        }
        if *method != Method::GET {
            if let Some(body) = &request.body {
                builder = builder.header(CONTENT_TYPE, "application/json").body(body.to_string());
            } else if *method == Method::POST {
                builder = builder.header(http::header::CONTENT_LENGTH, "0");
            }
        }
        let mut response = builder.send().await.map_err(|error| self.broken(error))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let too_large = || Broken::lasting(ErrorKind::AnswerTooLarge { limit: LARGEST_BODY });
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            let is_too_large = body.len() + chunk.len() > LARGEST_BODY;
            if is_too_large && self.rules.has(Rule::EndlessAnswersAreCutOff) {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: serde_json::from_slice(&body).ok() })
    }

    fn broken(&self, error: reqwest::Error) -> Broken {
        // The address could hold a query; the caller names the resource anyway.
        let error = error.without_url();
        let unsent = error.is_connect();
        match self.watch.take_distrust() {
            Some(Distrust::Changed { expected, seen }) => {
                return Broken::lasting(ErrorKind::CertificateChanged { expected, seen });
            }
            Some(Distrust::Untrusted { seen, why }) => {
                return Broken::lasting(ErrorKind::CertificateUntrusted { seen, source: Box::new(why) });
            }
            None => {}
        }
        let kind = if error.is_timeout() && !unsent {
            ErrorKind::Timeout { after: self.limit }
        } else {
            let source: Cause = Box::new(error);
            ErrorKind::Unreachable { source }
        };
        Broken { kind, unsent, passing: true }
    }
}
