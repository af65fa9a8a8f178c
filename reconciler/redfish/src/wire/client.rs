// SPDX-License-Identifier: AGPL-3.0-or-later
//! Requests with login, retries, one at a time, observed.
//!
//! # Guarantees
//! * One exchange at a time (see `link`).
//! * A 401 leads to one new login and one replay, then to `CredentialsRejected`, after which
//!   this client never tries the credentials again.
//! * A session that was opened is closed: by `close`, or, when the client is dropped inside a
//!   runtime, by a task that makes one best effort.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

use super::exchange::{Answer, Broken, Exchange, Request};
use super::link::Link;
use super::login::{SessionsAt, rejected};
use super::redact::{Scrubber, redact_resource};
use super::refusal::Refusal;
use super::retry::Replay;
use super::session::Login;
use super::tls::Fingerprint;
use super::wiring::Wiring;
use crate::contract::endpoint::BmcEndpoint;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::rules::{Rule, Rules};

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

impl Wire {
    pub(crate) fn new(endpoint: &BmcEndpoint, wiring: Wiring, rules: Rules) -> Result<Self, Error> {
        let exchange = Exchange::new(endpoint, rules)
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
                rules,
                last: AtomicU64::new(0),
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

    /// The rules that hold for every BMC, as they are here.
    pub(crate) fn rules(&self) -> Rules {
        self.link.rules
    }

    /// A refusal as a kind of failure.
    pub(crate) fn kind_of(&self, refusal: &Refusal) -> ErrorKind {
        self.link.scrub(|scrubber| refusal.kind(scrubber))
    }

    /// An error that names this BMC, and the last exchange with it.
    pub(crate) fn error(&self, op: Op, resource: Option<&str>, kind: ErrorKind) -> Error {
        Error::new(op, self.name(), resource.map(redact_resource), kind).after(self.link.last())
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
            let refusal = Refusal::of(&answer, self.link.rules);
            let names_an_image = refusal.is_about_the_image();
            // Only an insert hands an image over: elsewhere the same words are about our login.
            let is_an_insert = matches!(op, Op::InsertBoot | Op::InsertTask);
            let is_ours =
                !(self.link.rules.has(Rule::RefusedImagesAreNotOurLogin) && is_an_insert && names_an_image);
            if answer.status != 401 || !is_ours {
                return Err(Failure::Refused(refusal));
            }
            // A session that ended is opened once more. Basic that is refused is wrong.
            let may_renew = !thrown_out && self.link.rules.has(Rule::EndedSessionsAreOpenedOnceMore);
            if !may_renew || !self.link.thrown_out(generation, &pass).await {
                self.link.reject().await;
                return Err(if names_an_image && !is_an_insert {
                    rejected()
                } else {
                    Failure::Refused(refusal)
                });
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

fn shown_host(endpoint: &BmcEndpoint) -> String {
    endpoint.url.host_str().unwrap_or("a bmc").to_owned()
}
