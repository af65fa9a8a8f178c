// SPDX-License-Identifier: AGPL-3.0-or-later
//! One request, with retries, one at a time, observed.
//!
//! # Guarantees
//! One exchange at a time per [`Lane`](super::lane::Lane), and per permit of the global limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError};

use http::Method;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::exchange::{Answer, Broken, Exchange, Request};
use super::login::SessionsAt;
use super::redact::{Scrubber, redact_resource};
use super::retry::{Replay, pause};
use super::session::{Login, Pass};
use super::wiring::Wiring;
use crate::contract::credentials::Credentials;
use crate::contract::endpoint::RetryPolicy;
use crate::contract::error::ErrorKind;
use crate::contract::observe::{CallRecord, Correlation, Op};
use crate::rules::{Rule, Rules};

/// What outlives the client while its session is being closed.
pub(crate) struct Link {
    pub(super) exchange: Exchange,
    pub(super) name: String,
    pub(super) credentials: Credentials,
    pub(super) retry: RetryPolicy,
    pub(super) wiring: Wiring,
    pub(super) login: Mutex<(u64, Login)>,
    pub(super) scrubber: std::sync::Mutex<Scrubber>,
    pub(super) vendor: OnceLock<&'static str>,
    pub(super) sessions: OnceLock<SessionsAt>,
    pub(super) rules: Rules,
    /// Number of the last exchange; 0 before the first.
    pub(super) last: AtomicU64,
}

impl Link {
    /// The last exchange, if there was one.
    pub(super) fn last(&self) -> Option<Correlation> {
        Some(self.last.load(Ordering::Relaxed)).filter(|last| *last != 0).map(Correlation::new)
    }

    pub(super) fn scrub<T>(&self, with: impl FnOnce(&mut Scrubber) -> T) -> T {
        with(&mut self.scrubber.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends with retries; any status is an answer.
    pub(super) async fn tried(
        &self,
        op: Op,
        request: &Request,
        pass: Option<&Pass>,
        replay: Replay,
    ) -> Result<Answer, Broken> {
        let tries = self.retry.tries.max(1);
        let rules = self.rules;
        let mut ask_for_identity = rules.has(Rule::AnswersAreAskedForUncompressed);
        let may_compress = rules.has(Rule::CompressedWhereNothingElseIsSent);
        let may_repeat = replay == Replay::Anything && rules.has(Rule::BrokenReadsAreRepeated);
        let mut attempt = 1;
        loop {
            // A login that broke off is not sent again, so nothing may break it off that can be helped.
            if replay == Replay::Answered && rules.has(Rule::LoginsTakeAFreshConnection) {
                self.exchange.start_afresh();
            }
            let result = self.once(op, request, pass, ask_for_identity, attempt).await;
            let asked = match &result {
                // iLO Gen10+ refuses to send some resources uncompressed.
                Ok(answer) if answer.status == 406 && ask_for_identity && may_compress => {
                    ask_for_identity = false;
                    continue;
                }
                Ok(answer) if replay.after_status(answer.status, rules) => {
                    answer.retry_after().filter(|_| rules.has(Rule::RetryAfterIsHonoured))
                }
                Err(broken) if broken.passing && (broken.unsent || may_repeat) => None,
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
        let _gate = if self.rules.has(Rule::OneRequestAtATime) { Some(lane.gate.lock().await) } else { None };
        lane.breaker.admit().map_err(|open| Broken {
            kind: ErrorKind::CircuitOpen { retry_in: open.retry_in, last: open.last },
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
                    lane.breaker.failed(broken.kind.label());
                }
                (None, Some(broken.kind.label()))
            }
        };
        let number = self.wiring.correlation.fetch_add(1, Ordering::Relaxed);
        self.last.store(number, Ordering::Relaxed);
        let record = CallRecord {
            correlation: Correlation::new(number),
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

fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
