// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tells the controller how it ended.
//!
//! # Guarantees
//!
//! * One outcome per boot: the first that is claimed is kept in the provision directory, and whoever comes later (a
//!   dependency of the failed unit, a dispatcher that was started again) sends that one or nothing.
//! * One delivery id for all tries: it is made of job, attempt, boot and unit, so that a try after a crash has it too.
//! * What is sent is redacted and bounded before it is claimed.
//!
//! # What it does not do
//!
//! It does not go on for ever: [`WebhookPolicy`] bounds tries and time, and the caller is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shoal_schema::wire::webhook::{
    CODE_LIMIT, HINT_LIMIT, LOG_TAIL_LIMIT, MESSAGE_LIMIT, WebhookAnswer, WebhookBody, WebhookError,
    WebhookStatus,
};
use shoal_schema::{SecretString, Sha256};

use crate::cause::{chain, cut};
use crate::exit::Exit;
use crate::host::{Clock, Provision};
use crate::output::{OUTCOME, OutputFile};
use crate::redact::Redactor;
use crate::run_log::RunLog;
use crate::session::Session;
use crate::transport::{Answer, Call, Route, Transport};

/// How often and how long to try.
#[derive(Clone, Debug)]
pub struct WebhookPolicy {
    /// Between two tries.
    pub interval: Duration,
    /// Tries at most.
    pub tries: u32,
    /// From the first try to the last, at most.
    pub window: Duration,
}

impl Default for WebhookPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), tries: 10, window: Duration::from_secs(600) }
    }
}

/// How a task ended on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The disk is ready.
    Success,
    /// A unit failed.
    Failed {
        /// The unit's own name, such as `bootloader-linux.service`.
        unit: String,
        /// A stable word.
        code: String,
        /// One sentence.
        message: String,
        /// What to do next, where that is known.
        hint: Option<String>,
        /// What the unit logged, as it is; redacted and cut before it is kept.
        log: String,
    },
}

/// The outcome of this boot, as it was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What is sent, the same at every try.
    pub body: WebhookBody,
    /// The exit code that goes with it, once it is delivered.
    pub exit: Exit,
}

impl Claim {
    /// The exit code of whoever tried to deliver it.
    pub fn exit_after(&self, delivery: Option<&Delivery>) -> Exit {
        match (self.exit, delivery) {
            // Whoever reads a 0 must be able to rely on the controller having heard of it.
            (Exit::HandedOff, Some(delivery)) if !delivery.accepted => Exit::Unreported,
            (Exit::HandedOff, None) => Exit::Unreported,
            (exit, _) => exit,
        }
    }
}

/// How a delivery went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id of all tries.
    pub delivery_id: String,
    /// Tries made.
    pub tries: u32,
    /// Whether the controller took it.
    pub accepted: bool,
    /// Whether it knew the delivery, or the job had ended.
    pub idempotent: bool,
    /// Why the last try failed.
    pub trouble: Option<String>,
}

/// The delivery id of an outcome: the same for the same job, attempt, boot and unit.
pub fn delivery_id(session: &Session, unit: Option<&str>) -> String {
    let parts = [
        session.job_id.as_str(),
        &session.attempt.to_string(),
        session.boot_id.as_deref().unwrap_or("no boot id"),
        unit.unwrap_or("success"),
    ];
    Sha256::of(parts.join("\n").as_bytes()).hex()[..32].to_owned()
}

/// The body of an outcome, redacted and within its limits.
pub fn body(session: &Session, outcome: &Outcome, redactor: &Redactor, now: jiff::Timestamp) -> WebhookBody {
    let (status, failed_step, error) = match outcome {
        Outcome::Success => (WebhookStatus::Success, None, None),
        Outcome::Failed { unit, code, message, hint, log } => {
            let tail = redactor.clean_tail(log, LOG_TAIL_LIMIT);
            let head = |text: &str, limit| cut(&redactor.clean(text), limit).to_owned();
            let error = WebhookError {
                code: head(code, CODE_LIMIT),
                message: head(message, MESSAGE_LIMIT),
                hint: hint.as_deref().map(|hint| head(hint, HINT_LIMIT)),
                log_tail: (!tail.is_empty()).then_some(tail),
            };
            (WebhookStatus::Failed, Some(unit.clone()), Some(error))
        }
    };
    WebhookBody {
        status,
        delivery_id: Some(delivery_id(session, failed_step.as_deref())),
        failed_step,
        job_id: Some(session.job_id.clone()),
        attempt: Some(session.attempt),
        boot_id: session.boot_id.clone(),
        task_target: session.task_target.clone(),
        dispatcher_version: Some(session.dispatcher_version.clone()),
        schema_id: session.schema_id.clone(),
        started_at: Some(session.started_at),
        finished_at: Some(now),
        error,
    }
}

/// Why the outcome of this boot could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The file could not be written or read.
    #[error("keep the outcome in {OUTCOME}")]
    Io(#[source] std::io::Error),
    /// What is there is no outcome.
    #[error("read the outcome in {OUTCOME}")]
    Parse(#[source] serde_json::Error),
}

/// Claims the outcome of this boot. Gives back the one that counts: this one, or an earlier one.
pub async fn claim<P: Provision + ?Sized>(host: &P, claim: Claim) -> Result<Claim, ClaimError> {
    let content = serde_json::to_vec(&claim).map_err(ClaimError::Parse)?;
    let file = OutputFile::secret(OUTCOME, content);
    if host.create(&file).await.map_err(ClaimError::Io)? {
        return Ok(claim);
    }
    claimed(host).await.map(|earlier| earlier.unwrap_or(claim))
}

/// The outcome that was claimed in this boot, if any.
pub async fn claimed<P: Provision + ?Sized>(host: &P) -> Result<Option<Claim>, ClaimError> {
    let content = host.read(OUTCOME).await.map_err(ClaimError::Io)?;
    content.map(|content| serde_json::from_slice(&content).map_err(ClaimError::Parse)).transpose()
}

/// Posts a body until the controller takes it, refuses it for good, or tries or time are used up.
pub async fn deliver<C: Clock + ?Sized>(
    transport: &dyn Transport,
    clock: &C,
    machine: &str,
    token: &SecretString,
    body: &WebhookBody,
    policy: &WebhookPolicy,
    log: &mut RunLog,
) -> Delivery {
    let mut delivery = Delivery {
        delivery_id: body.delivery_id.clone().unwrap_or_default(),
        tries: 0,
        accepted: false,
        idempotent: false,
        trouble: None,
    };
    let call = match serde_json::to_vec(body) {
        Ok(body) => Call { route: Route::Webhook(machine.to_owned()), token: token.clone(), body },
        Err(error) => {
            delivery.trouble = Some(chain(&error));
            return delivery;
        }
    };
    let started = clock.elapsed();
    while delivery.tries < policy.tries {
        delivery.tries += 1;
        let (trouble, wait) = match transport.post(&call).await {
            Ok(answer) => match judge(&answer) {
                Verdict::Taken { idempotent } => {
                    (delivery.accepted, delivery.idempotent, delivery.trouble) = (true, idempotent, None);
                    log.note("webhook delivered", format!("try {}", delivery.tries));
                    return delivery;
                }
                Verdict::Final(trouble) => {
                    log.warn("webhook refused", &trouble);
                    delivery.trouble = Some(trouble);
                    return delivery;
                }
                Verdict::Again(trouble) => (trouble, answer.retry_after.unwrap_or_default()),
            },
            Err(error) => (chain(&error), Duration::ZERO),
        };
        log.warn("webhook not delivered", format!("try {}: {trouble}", delivery.tries));
        delivery.trouble = Some(trouble);
        let wait = wait.clamp(policy.interval, policy.interval.max(Duration::from_secs(60)));
        if clock.elapsed().saturating_sub(started) + wait > policy.window {
            break;
        }
        if delivery.tries < policy.tries {
            clock.sleep(wait).await;
        }
    }
    delivery
}

enum Verdict {
    Taken { idempotent: bool },
    Again(String),
    Final(String),
}

fn judge(answer: &Answer) -> Verdict {
    let said = || crate::permit::error_text(answer);
    match answer.status {
        200..=299 => {
            // Whatever stands between us and the controller may answer 200 too; only its own answer counts.
            match serde_json::from_slice::<WebhookAnswer>(&answer.body) {
                Ok(WebhookAnswer { ok: true, idempotent }) => Verdict::Taken { idempotent },
                _ => Verdict::Again(format!("status {} without the controller's answer", answer.status)),
            }
        }
        408 | 425 | 429 | 500..=599 => Verdict::Again(said()),
        _ => Verdict::Final(said()),
    }
}

#[cfg(test)]
mod tests {
    use shoal_schema::JobId;
    use shoal_schema::wire::task::Callback;

    use super::*;

    fn session() -> Session {
        Session {
            callback: Callback { url: "http://127.0.0.1:1".to_owned(), pins: Vec::new() },
            token: SecretString::new("token-of-the-job".to_owned()),
            job_id: JobId::from_bytes([7; 16]),
            attempt: 1,
            boot_id: Some("boot-1".to_owned()),
            machine: "SERIAL1".to_owned(),
            task_target: None,
            schema_id: None,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            dispatcher_version: "1.2.3".to_owned(),
        }
    }

    #[test]
    fn a_delivery_id_depends_on_job_attempt_boot_and_unit_alone() {
        let id = delivery_id(&session(), Some("partition.service"));
        assert_eq!(id, delivery_id(&session(), Some("partition.service")));
        assert_eq!(id.len(), 32);
        let other_boot = Session { boot_id: Some("boot-2".to_owned()), ..session() };
        let other_attempt = Session { attempt: 2, ..session() };
        let other_job = Session { job_id: JobId::from_bytes([8; 16]), ..session() };
        for other in [
            delivery_id(&other_boot, Some("partition.service")),
            delivery_id(&other_attempt, Some("partition.service")),
            delivery_id(&other_job, Some("partition.service")),
            delivery_id(&session(), Some("permit.service")),
            delivery_id(&session(), None),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_body_is_redacted_and_within_its_limits() {
        let mut redactor = Redactor::default();
        redactor.add(&session().token);
        let outcome = Outcome::Failed {
            unit: "partition.service".to_owned(),
            code: "c".repeat(100),
            message: format!("token-of-the-job {}", "\u{e9}".repeat(2000)),
            hint: Some(format!("token-of-the-job {}", "h".repeat(2000))),
            log: format!("{}\ntoken-of-the-job\nlast line", "x".repeat(20_000)),
        };
        let body = body(&session(), &outcome, &redactor, jiff::Timestamp::UNIX_EPOCH);
        let text = serde_json::to_string(&body).expect("serialisable");
        assert!(!text.contains("token-of-the-job"), "{text}");
        let error = body.error.expect("failed");
        assert_eq!(error.code.len(), 64);
        assert!(error.message.len() <= 1024);
        assert_eq!(error.hint.expect("a hint").len(), 512);
        let tail = error.log_tail.expect("a log");
        assert!(tail.len() <= LOG_TAIL_LIMIT && tail.ends_with("last line"), "{tail}");
    }

    #[test]
    fn only_the_controllers_own_answer_counts_as_taken() {
        let answer = |status, body: &str| Answer {
            status,
            retry_after: None,
            body: zeroize::Zeroizing::new(body.as_bytes().to_vec()),
        };
        assert!(matches!(judge(&answer(200, r#"{"ok":true}"#)), Verdict::Taken { idempotent: false }));
        let known = judge(&answer(200, r#"{"ok":true,"idempotent":true}"#));
        assert!(matches!(known, Verdict::Taken { idempotent: true }));
        assert!(matches!(judge(&answer(200, "<html>log in to the guest network</html>")), Verdict::Again(_)));
        for status in [408, 429, 500, 502, 503] {
            assert!(matches!(judge(&answer(status, "")), Verdict::Again(_)), "{status}");
        }
        for status in [301, 400, 401, 404, 409] {
            assert!(matches!(judge(&answer(status, "")), Verdict::Final(_)), "{status}");
        }
    }
}
