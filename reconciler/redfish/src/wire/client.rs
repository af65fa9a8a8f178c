// SPDX-License-Identifier: AGPL-3.0-or-later
//! Requests with login, retries, one at a time, observed.
//!
//! # Guarantees
//! * One exchange at a time per [`Lane`], and per permit of the global limit.
//! * A 401 leads to one new login and one replay, then to `CredentialsRejected`, after which
//!   this client never tries the credentials again.
//! * A session that was opened is closed: by `close`, or, when the client is dropped inside a
//!   runtime, by a task that makes one best effort.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use http::Method;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::exchange::{Answer, Broken, Exchange, Request};
use super::lane::Lane;
use super::message::Messages;
use super::redact::{Scrubber, redact_resource};
use super::refusal::Refusal;
use super::retry::{Replay, pause};
use super::session::{self, Login, Pass};
use super::tls::Fingerprint;
use crate::contract::credentials::Credentials;
use crate::contract::endpoint::{BmcEndpoint, RetryPolicy};
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::{CallObserver, CallRecord, Op};

/// What the caller hands in: everything that is shared, random or counted.
#[derive(Clone)]
pub struct Wiring {
    /// Jitter for pauses: numbers in `0.0..1.0`.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Counter for correlation ids, shared by all clients of a process.
    pub correlation: Arc<AtomicU64>,
    /// Hears of every exchange.
    pub observer: Arc<dyn CallObserver>,
    /// What all clients of this BMC share.
    pub lane: Arc<Lane>,
    /// Exchanges at once, all BMCs together.
    pub limit: Arc<Semaphore>,
}

/// Why a request came to nothing.
pub(crate) enum Failure {
    /// The BMC said no.
    Refused(Refusal),
    /// There was no answer, or none was possible.
    Broken(Broken),
}

/// See the module.
pub(crate) struct Wire {
    link: Arc<Link>,
}

/// What outlives the client while its session is being closed.
struct Link {
    exchange: Exchange,
    name: String,
    credentials: Credentials,
    retry: RetryPolicy,
    wiring: Wiring,
    login: Mutex<(u64, Login)>,
    scrubber: std::sync::Mutex<Scrubber>,
    vendor: OnceLock<&'static str>,
    sessions: OnceLock<SessionsAt>,
}

/// Where sessions are opened.
#[derive(Clone, Debug)]
pub(crate) enum SessionsAt {
    Collection(String),
    /// The BMC has none.
    Nowhere,
}

impl Wire {
    pub(crate) fn new(endpoint: &BmcEndpoint, wiring: Wiring) -> Result<Self, Error> {
        let exchange = Exchange::new(endpoint)
            .map_err(|kind| Error::new(Op::Login, shown_host(endpoint), None, kind))?;
        let mut scrubber = Scrubber::default();
        scrubber.add(endpoint.credentials.password());
        Ok(Self {
            link: Arc::new(Link {
                name: exchange.name(),
                exchange,
                credentials: endpoint.credentials.clone(),
                retry: endpoint.retry,
                wiring,
                login: Mutex::new((0, Login::None)),
                scrubber: std::sync::Mutex::new(scrubber),
                vendor: OnceLock::new(),
                sessions: OnceLock::new(),
            }),
        })
    }

    /// Host and port, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.link.name
    }

    /// The certificate that was last presented; none over plain HTTP or before the first request.
    pub(crate) fn certificate(&self) -> Option<Fingerprint> {
        self.link.exchange.watch().seen()
    }

    /// Sets the metric label, once.
    pub(crate) fn set_vendor(&self, label: &'static str) {
        let _ = self.link.vendor.set(label);
    }

    /// Where sessions are opened, once that is known.
    pub(crate) fn sessions(&self) -> Option<SessionsAt> {
        self.link.sessions.get().cloned()
    }

    /// Spares the question where sessions are opened.
    pub(crate) fn set_sessions(&self, sessions: SessionsAt) {
        let _ = self.link.sessions.set(sessions);
    }

    /// Hides this text in whatever the BMC says from now on.
    pub(crate) fn hide(&self, secret: &str) {
        self.link.scrub(|scrubber| scrubber.add(secret));
    }

    /// A refusal as a kind of failure.
    pub(crate) fn kind_of(&self, refusal: &Refusal) -> ErrorKind {
        self.link.scrub(|scrubber| refusal.kind(scrubber))
    }

    /// An error that names this BMC.
    pub(crate) fn error(&self, op: Op, resource: Option<&str>, kind: ErrorKind) -> Error {
        Error::new(op, self.name(), resource.map(redact_resource), kind)
    }

    /// A failed request as an error.
    pub(crate) fn failed(&self, op: Op, resource: &str, failure: Failure) -> Error {
        let kind = match failure {
            Failure::Refused(refusal) => self.kind_of(&refusal),
            Failure::Broken(broken) => broken.kind,
        };
        self.error(op, Some(resource), kind)
    }

    /// The path behind a `Location`.
    pub(crate) fn path_of(&self, location: &str) -> Option<String> {
        self.link.exchange.path_of(location)
    }

    /// Sends a request, logged in, with retries as `replay` allows. 2xx is success.
    pub(crate) async fn send(&self, op: Op, request: Request, replay: Replay) -> Result<Answer, Failure> {
        let mut thrown_out = false;
        loop {
            let (generation, pass) = self.link.pass().await?;
            let answer = self.link.tried(op, &request, Some(&pass), replay).await.map_err(Failure::Broken)?;
            if answer.is_success() {
                return Ok(answer);
            }
            let refusal = refusal(&answer);
            if answer.status != 401 {
                return Err(Failure::Refused(refusal));
            }
            // A session that ended is opened once more. Basic that is refused is wrong.
            if thrown_out || !self.link.thrown_out(generation, &pass).await {
                self.link.reject().await;
                return Err(Failure::Refused(refusal));
            }
            thrown_out = true;
        }
    }

    /// Closes the session. Later requests fail.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let open = std::mem::replace(&mut self.link.login.lock().await.1, Login::Closed);
        match self.link.end(open).await {
            Ok(()) => Ok(()),
            Err((resource, kind)) => Err(self.error(Op::Logout, Some(&resource), kind)),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // Nobody else has the link, so the lock is free; were it not, a login would be under way
        // in a future that is being dropped with us.
        let Ok(mut login) = self.link.login.try_lock() else {
            return;
        };
        let open = std::mem::replace(&mut login.1, Login::Closed);
        drop(login);
        if matches!(open, Login::Session { .. }) {
            let link = Arc::clone(&self.link);
            runtime.spawn(async move {
                // Best effort: the exchange itself was logged.
                let _ = link.end(open).await;
            });
        }
    }
}

impl Link {
    fn scrub<T>(&self, with: impl FnOnce(&mut Scrubber) -> T) -> T {
        with(&mut self.scrubber.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What to authenticate with, logging in if that has not happened yet.
    async fn pass(&self) -> Result<(u64, Pass), Failure> {
        let mut login = self.login.lock().await;
        if matches!(login.1, Login::None) {
            match self.log_in().await {
                Ok(fresh) => {
                    login.0 += 1;
                    login.1 = fresh;
                }
                Err(failure) => {
                    if rejects(&failure) {
                        login.1 = Login::Rejected;
                    }
                    return Err(failure);
                }
            }
        }
        let kind = match &login.1 {
            Login::Session { pass, .. } | Login::Basic(pass) => return Ok((login.0, pass.clone())),
            Login::Rejected | Login::None => ErrorKind::CredentialsRejected,
            Login::Closed => ErrorKind::Closed,
        };
        Err(Failure::Broken(Broken { kind, unsent: true, passing: false }))
    }

    /// Opens a session, or settles for Basic where there are none.
    async fn log_in(&self) -> Result<Login, Failure> {
        let basic = session::basic(&self.credentials).ok_or_else(|| {
            Failure::Broken(Broken {
                kind: ErrorKind::BadEndpoint {
                    why: "the credentials hold characters that http cannot carry".to_owned(),
                },
                unsent: true,
                passing: false,
            })
        })?;
        let sessions = match self.sessions.get().cloned() {
            Some(SessionsAt::Nowhere) => return Ok(Login::Basic(basic)),
            Some(SessionsAt::Collection(known)) => known,
            None => {
                let root = self.read_root().await?;
                root.as_ref().and_then(session::sessions_of).unwrap_or_else(|| session::SESSIONS.to_owned())
            }
        };
        let request = Request {
            method: Method::POST,
            path: sessions.clone(),
            body: Some(session::login_body(&self.credentials)),
            if_match: None,
        };
        let answer =
            self.tried(Op::Login, &request, None, Replay::Answered).await.map_err(Failure::Broken)?;
        if answer.is_success() {
            let granted = session::granted(&answer, |location| self.exchange.path_of(location));
            if let Some(Login::Session { pass: Pass::Token(token), .. }) = &granted
                && let Ok(token) = token.to_str()
            {
                self.scrub(|scrubber| scrubber.add(token));
            }
            let _ = self.sessions.set(match granted {
                Some(_) => SessionsAt::Collection(sessions),
                None => SessionsAt::Nowhere,
            });
            return Ok(granted.unwrap_or(Login::Basic(basic)));
        }
        let refusal = refusal(&answer);
        // No sessions here: sushy-tools, some older firmware.
        if matches!(answer.status, 404 | 405 | 501) {
            let _ = self.sessions.set(SessionsAt::Nowhere);
            return Ok(Login::Basic(basic));
        }
        Err(Failure::Refused(refusal))
    }

    /// The service root, which the specification lets everybody read. None where it does not.
    async fn read_root(&self) -> Result<Option<Value>, Failure> {
        let request = Request {
            method: Method::GET,
            path: crate::discovery::ROOT.to_owned(),
            body: None,
            if_match: None,
        };
        let answer =
            self.tried(Op::Login, &request, None, Replay::Anything).await.map_err(Failure::Broken)?;
        match answer.status {
            401 | 403 => Ok(None),
            _ if answer.is_success() => match answer.body {
                Some(root @ Value::Object(_)) => Ok(Some(root)),
                _ => Err(not_redfish("the service root is not json")),
            },
            404 => Err(not_redfish("there is no service root at /redfish/v1/")),
            _ => Err(Failure::Refused(refusal(&answer))),
        }
    }

    /// Forgets the session of this generation. False when there is nothing to renew.
    async fn thrown_out(&self, generation: u64, pass: &Pass) -> bool {
        if matches!(pass, Pass::Basic(_)) {
            return false;
        }
        let mut login = self.login.lock().await;
        if login.0 == generation && matches!(login.1, Login::Session { .. }) {
            login.1 = Login::None;
        }
        true
    }

    async fn reject(&self) {
        let mut login = self.login.lock().await;
        if !matches!(login.1, Login::Closed) {
            login.1 = Login::Rejected;
        }
    }

    /// Deletes a session. A session that is gone is success.
    async fn end(&self, login: Login) -> Result<(), (String, ErrorKind)> {
        let Login::Session { pass, resource: Some(resource) } = login else {
            return Ok(());
        };
        let request = Request { method: Method::DELETE, path: resource.clone(), body: None, if_match: None };
        match self.tried(Op::Logout, &request, Some(&pass), Replay::Anything).await {
            Ok(answer) if answer.is_success() || matches!(answer.status, 401 | 404 | 410) => Ok(()),
            Ok(answer) => Err((resource, self.scrub(|scrubber| refusal(&answer).kind(scrubber)))),
            Err(broken) => Err((resource, broken.kind)),
        }
    }

    /// Sends with retries; any status is an answer.
    async fn tried(
        &self,
        op: Op,
        request: &Request,
        pass: Option<&Pass>,
        replay: Replay,
    ) -> Result<Answer, Broken> {
        let tries = self.retry.tries.max(1);
        let mut ask_for_identity = true;
        let mut attempt = 1;
        loop {
            let result = self.once(op, request, pass, ask_for_identity, attempt).await;
            let asked = match &result {
                // iLO Gen10+ refuses to send some resources uncompressed (G11).
                Ok(answer) if answer.status == 406 && ask_for_identity => {
                    ask_for_identity = false;
                    continue;
                }
                Ok(answer) if replay.after_status(answer.status) => answer.retry_after(),
                Err(broken) if broken.passing && (broken.unsent || replay == Replay::Anything) => None,
                _ => return result,
            };
            if attempt >= tries {
                return result;
            }
            tokio::time::sleep(pause(&self.retry, attempt, asked, (self.wiring.jitter)())).await;
            attempt += 1;
        }
    }

    /// Sends once: breaker, gate, limit, exchange, record.
    async fn once(
        &self,
        op: Op,
        request: &Request,
        pass: Option<&Pass>,
        ask_for_identity: bool,
        attempt: u32,
    ) -> Result<Answer, Broken> {
        let lane = &self.wiring.lane;
        let _gate = lane.gate.lock().await;
        lane.breaker.admit().map_err(|retry_in| Broken {
            kind: ErrorKind::CircuitOpen { retry_in },
            unsent: true,
            passing: false,
        })?;
        // The semaphore is never closed; were it, an unlimited request is better than none.
        let _permit = self.wiring.limit.acquire().await.ok();
        let started = Instant::now();
        let result = self.exchange.send(request, pass, ask_for_identity).await;
        let (code, failure) = match &result {
            Ok(answer) => {
                lane.breaker.answered();
                (Some(answer.status), None)
            }
            Err(broken) => {
                if broken.passing {
                    lane.breaker.failed();
                }
                (None, Some(broken.kind.label()))
            }
        };
        let record = CallRecord {
            correlation: self.wiring.correlation.fetch_add(1, Ordering::Relaxed),
            bmc: self.name.clone(),
            vendor: self.vendor.get().copied().unwrap_or("unknown"),
            op,
            method: known_method(&request.method),
            resource: redact_resource(&request.path),
            code,
            duration: started.elapsed(),
            attempt,
            failure,
        };
        super::observe::log(&record);
        self.wiring.observer.call(&record);
        result
    }
}

fn refusal(answer: &Answer) -> Refusal {
    Refusal {
        status: answer.status,
        messages: Messages::read(answer.body.as_ref().unwrap_or(&Value::Null)),
        retry_after: answer.retry_after(),
    }
}

fn rejects(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(refusal) => {
            matches!(refusal.kind(&Scrubber::default()), ErrorKind::CredentialsRejected)
        }
        Failure::Broken(_) => false,
    }
}

fn not_redfish(why: &str) -> Failure {
    Failure::Broken(Broken {
        kind: ErrorKind::NotRedfish { why: why.to_owned() },
        unsent: false,
        passing: false,
    })
}

fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

fn shown_host(endpoint: &BmcEndpoint) -> String {
    endpoint.url.host_str().unwrap_or("a bmc").to_owned()
}
