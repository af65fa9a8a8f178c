// SPDX-License-Identifier: AGPL-3.0-or-later
//! Asks the controller for the permit, as often as it takes.
//!
//! # Guarantees
//!
//! * A permit is there or it is not: no answer, an unreadable one, or one of somebody else is never a permit.
//! * The same request is sent at every try, so that the same boot gets the same answer.
//! * It ends when the budget does, on monotonic time.

use std::time::Duration;

use shoal_schema::api::ErrorBody;
use shoal_schema::wire::permit::{Grant, PermitAnswer, PermitRequest};
use shoal_schema::{JobId, SecretString, Sha256};

use crate::cause::{chain, cut};
use crate::host::Clock;
use crate::run_log::RunLog;
use crate::transport::{Answer, Call, Route, Transport, TransportError};

/// Longest text that is kept of what the controller says, in bytes.
const SAID_LIMIT: usize = 512;

/// How long and how often to ask.
#[derive(Clone, Debug)]
pub struct PermitPolicy {
    /// How long to ask at all. Less than the 120 minutes that the controller waits for a webhook, so that the
    /// report of having waited in vain still arrives.
    pub budget: Duration,
    /// Pause after the first failed try; it doubles from there.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
}

impl Default for PermitPolicy {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(110 * 60),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// A final answer that is not a refusal.
pub enum Permit {
    /// Write.
    Granted(Box<Grant>),
    /// The very entry is on this disk already.
    AlreadyInstalled,
}

/// Why there is no permit.
#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    /// The controller said no, for good.
    #[error("ask for the permit: refused ({code}): {message}")]
    Refused {
        /// The controller's word for it.
        code: String,
        /// The controller's sentence.
        message: String,
    },
    /// An HTTP status that no retry changes: the token is not known, or the job is not.
    #[error("ask for the permit: {said}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// What the controller said.
        said: String,
    },
    /// The budget ended.
    #[error("ask for the permit: none after {minutes} min; last: {last}")]
    TimedOut {
        /// Minutes of asking.
        minutes: u64,
        /// What the last try gave.
        last: String,
        /// Whether the last try met a key that is not pinned.
        pin: bool,
    },
    /// The request does not serialise.
    #[error("ask for the permit: write the request")]
    Request(#[source] serde_json::Error),
    /// No client for this controller.
    #[error("ask for the permit")]
    Setup(#[source] TransportError),
    /// A grant for something else.
    #[error("use the permit: it is for another {what}")]
    Mismatch {
        /// What differs.
        what: &'static str,
    },
}

impl PermitError {
    /// A stable word.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Rejected { status: 401 | 403, .. } => "unauthorized",
            Self::Rejected { status: 404, .. } => "unknown_job",
            Self::Rejected { .. } => "permit_rejected",
            Self::TimedOut { pin: true, .. } => "pin_mismatch",
            Self::TimedOut { pin: false, .. } => "permit_timeout",
            Self::Request(_) | Self::Setup(_) => "permit_request",
            Self::Mismatch { .. } => "permit_mismatch",
        }
    }
}

/// Asks until there is a final answer or the budget ends.
pub async fn ask<C: Clock + ?Sized>(
    transport: &dyn Transport,
    clock: &C,
    job: &JobId,
    token: &SecretString,
    request: &PermitRequest,
    policy: &PermitPolicy,
    log: &mut RunLog,
) -> Result<Permit, PermitError> {
    let body = serde_json::to_vec(request).map_err(PermitError::Request)?;
    let call = Call { route: Route::Permit(job.clone()), token: token.clone(), body };
    let mut backoff = Backoff::new(policy, &request.boot_id);
    let started = clock.elapsed();
    loop {
        let mut pin = false;
        let (last, pause) = match transport.post(&call).await {
            Ok(answer) => match read(&answer)? {
                Read::Final(permit) => return Ok(permit),
                Read::Wait { reason, pause } => {
                    log.note("permit not yet", &reason);
                    backoff.reset();
                    (reason, pause)
                }
                Read::Again { said, at_least } => {
                    log.warn("permit not answered", &said);
                    (said, backoff.next().max(at_least))
                }
            },
            Err(error) => {
                pin = matches!(error, TransportError::Pin);
                let said = chain(&error);
                log.warn("controller not reached", &said);
                (said, backoff.next())
            }
        };
        if clock.elapsed().saturating_sub(started) + pause >= policy.budget {
            return Err(PermitError::TimedOut { minutes: policy.budget.as_secs() / 60, last, pin });
        }
        clock.sleep(pause).await;
    }
}

enum Read {
    Final(Permit),
    Wait { reason: String, pause: Duration },
    Again { said: String, at_least: Duration },
}

fn read(answer: &Answer) -> Result<Read, PermitError> {
    match answer.status {
        200..=299 => match serde_json::from_slice(&answer.body) {
            Ok(PermitAnswer::Granted(grant)) => Ok(Read::Final(Permit::Granted(grant))),
            Ok(PermitAnswer::AlreadyInstalled) => Ok(Read::Final(Permit::AlreadyInstalled)),
            Ok(PermitAnswer::Wait { reason, retry_after_seconds }) => {
                let reason = cut(&reason, SAID_LIMIT).to_owned();
                let pause = Duration::from_secs(retry_after_seconds.clamp(1, 300).into());
                Ok(Read::Wait { reason, pause })
            }
            Ok(PermitAnswer::Refused { code, message }) => {
                let (code, message) =
                    (cut(&code, SAID_LIMIT).to_owned(), cut(&message, SAID_LIMIT).to_owned());
                Err(PermitError::Refused { code, message })
            }
            // The parser's message may quote the answer, which may hold secrets.
            Err(_) => Ok(Read::Again {
                said: format!("status {} with an answer that is no permit", answer.status),
                at_least: Duration::ZERO,
            }),
        },
        408 | 425 | 429 | 500..=599 => Ok(Read::Again {
            said: error_text(answer),
            at_least: answer.retry_after.unwrap_or_default().min(Duration::from_secs(300)),
        }),
        status => Err(PermitError::Rejected { status, said: error_text(answer) }),
    }
}

/// What an error answer says, without anything else that may stand in it.
pub(crate) fn error_text(answer: &Answer) -> String {
    match serde_json::from_slice::<ErrorBody>(&answer.body) {
        Ok(ErrorBody { error, message, .. }) => {
            format!("status {}: {}: {}", answer.status, cut(&error, SAID_LIMIT), cut(&message, SAID_LIMIT))
        }
        Err(_) => format!("status {}", answer.status),
    }
}

/// Pauses that double up to a limit, spread so that a rack that lost its controller does not come back in step. The
/// spread comes from the boot id: no two machines share one, and no random source is needed.
struct Backoff {
    first: Duration,
    longest: Duration,
    tries: u32,
    seed: Vec<u8>,
}

impl Backoff {
    fn new(policy: &PermitPolicy, boot_id: &str) -> Self {
        Self {
            first: policy.first_pause,
            longest: policy.longest_pause,
            tries: 0,
            seed: boot_id.as_bytes().to_vec(),
        }
    }

    fn reset(&mut self) {
        self.tries = 0;
    }

    /// Between half of the pause and all of it.
    fn next(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.tries.min(16)).min(self.longest);
        self.tries = self.tries.saturating_add(1);
        self.seed.push(0);
        let digest = Sha256::of(&self.seed);
        let share = u32::from_str_radix(&digest.hex()[..4], 16).unwrap_or(0);
        full / 2 + (full / 2).mul_f64(f64::from(share) / 65535.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: zeroize::Zeroizing::new(body.as_bytes().to_vec()) }
    }

    #[test]
    fn whatever_is_not_an_answer_of_the_controller_is_no_permit() {
        for body in
            ["", "granted", "{}", r#"{"decision":"granted"}"#, r#"{"decision":"yes"}"#, "<html></html>"]
        {
            assert!(matches!(read(&answer(200, body)), Ok(Read::Again { .. })), "{body}");
        }
    }

    #[test]
    fn a_refusal_and_a_dead_token_are_final() {
        let refused = r#"{"decision":"refused","code":"stale_attempt","message":"attempt 1 is over"}"#;
        let Err(error) = read(&answer(200, refused)) else { panic!("a refusal was taken for a permit") };
        assert_eq!(error.code(), "stale_attempt");
        for (status, code) in
            [(401, "unauthorized"), (403, "unauthorized"), (404, "unknown_job"), (409, "permit_rejected")]
        {
            let Err(error) = read(&answer(status, "")) else { panic!("status {status} was taken") };
            assert_eq!(error.code(), code);
        }
    }

    #[test]
    fn trouble_on_the_way_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(read(&answer(status, "")), Ok(Read::Again { .. })), "{status}");
        }
    }

    #[test]
    fn waiting_is_bounded_on_both_sides() {
        let wait = |seconds: u32| {
            let body =
                format!(r#"{{"decision":"wait","reason":"no fetch","retry_after_seconds":{seconds}}}"#);
            match read(&answer(200, &body)) {
                Ok(Read::Wait { pause, .. }) => pause.as_secs(),
                _ => panic!("not a wait"),
            }
        };
        assert_eq!((wait(0), wait(7), wait(u32::MAX)), (1, 7, 300));
    }

    #[test]
    fn pauses_grow_to_their_limit_and_differ_between_machines() {
        let policy = PermitPolicy::default();
        let pauses = |boot: &str| {
            let mut backoff = Backoff::new(&policy, boot);
            (0..40).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        let one = pauses("boot-1");
        assert_eq!(one, pauses("boot-1"));
        assert_ne!(one, pauses("boot-2"));
        assert!(one[0] >= policy.first_pause / 2 && one[0] <= policy.first_pause);
        assert!(one.iter().all(|pause| *pause <= policy.longest_pause));
        assert!(one.iter().skip(6).all(|pause| *pause >= policy.longest_pause / 2));
    }
}
