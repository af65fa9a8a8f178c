// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tells the controller how far the steps are: follows what they append to `progress.jsonl`, and posts the newest
//! state now and then.
//!
//! # Guarantees
//!
//! * At most one call in [`ProgressPolicy::interval`], and only when something changed; a controller that does not
//!   answer is called ever less often.
//! * It ends by itself: when the outcome of this boot is claimed, or when the controller wants to hear no more.
//! * Whatever goes wrong is a warning, once. Nothing waits for it and nothing depends on it.

mod lines;

use std::time::Duration;

use async_trait::async_trait;
use shoal_schema::wire::progress::ProgressBody;
use shoal_schema::{JobId, SecretString};

use crate::cause::chain;
use crate::documents::DocumentError;
use crate::endpoint::Endpoint;
use crate::host::{Clock, Host, Provision};
use crate::permit::{PermitError, error_text};
use crate::run::{self, RunError};
use crate::run_log::RunLog;
use crate::session::Session;
use crate::transport::{Answer, HttpTransport, TransportError};
use crate::webhook;

pub use lines::{Line, Lines};

/// The most of the file that is read at once, in bytes.
pub const PIECE: usize = 64 << 10;

/// How often to look and to tell.
#[derive(Clone, Debug)]
pub struct ProgressPolicy {
    /// Between two looks at the file.
    pub look: Duration,
    /// Between two calls, at least.
    pub interval: Duration,
    /// Between two calls at most, while nobody answers.
    pub longest: Duration,
}

impl Default for ProgressPolicy {
    fn default() -> Self {
        Self {
            look: Duration::from_millis(500),
            interval: Duration::from_secs(2),
            longest: Duration::from_secs(60),
        }
    }
}

/// Who hears how far the steps are.
#[async_trait]
pub trait Listener: Send + Sync {
    /// One call: `POST /api/v1/jobs/{id}/progress`, token as `Authorization: Bearer`.
    async fn hear(
        &self,
        job: &JobId,
        token: &SecretString,
        body: &ProgressBody,
    ) -> Result<Answer, TransportError>;
}

/// Why there is no more to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The outcome of this boot is claimed.
    Outcome,
    /// The controller wants to hear no more.
    Refused,
    /// This boot has no id, and no permit therefore.
    NoBoot,
    /// The files of this machine cannot be read.
    Unreadable,
}

/// What a follower did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Why it ended.
    pub ending: Ending,
    /// States that the controller took.
    pub taken: u64,
}

/// Follows the steps of this boot until there is no more to tell, over a connection as the task medium describes it.
pub async fn follow<H: Host + ?Sized>(
    host: &H,
    policy: &ProgressPolicy,
    log: &mut RunLog,
) -> Result<Followed, RunError> {
    let session = run::session(host).await?.ok_or(RunError::NoSession)?;
    let endpoint = Endpoint::try_from(&session.callback).map_err(DocumentError::from)?;
    let listener = HttpTransport::new(&endpoint).map_err(PermitError::Setup)?;
    Ok(follow_with(host, &listener, &session, policy, log).await)
}

/// Follows the steps until there is no more to tell.
pub async fn follow_with<H: Clock + Provision + ?Sized>(
    host: &H,
    listener: &dyn Listener,
    session: &Session,
    policy: &ProgressPolicy,
    log: &mut RunLog,
) -> Followed {
    let mut taken = 0;
    let ended = |ending, taken| Followed { ending, taken };
    let Some(boot_id) = session.boot_id.clone() else { return ended(Ending::NoBoot, taken) };
    let mut follower = Follower { lines: Lines::default(), offset: 0, told: None, pause: policy.interval };
    let mut not_before = Duration::ZERO;
    let mut warned = false;
    loop {
        match webhook::claimed(host).await {
            Ok(None) => {}
            Ok(Some(_)) => return ended(Ending::Outcome, taken),
            Err(_) => return ended(Ending::Unreadable, taken),
        }
        if let Err(error) = follower.read(host).await {
            log.warn("progress of the steps cannot be read", chain(&error));
            return ended(Ending::Unreadable, taken);
        }
        if host.elapsed() >= not_before
            && let Some(line) = follower.news()
        {
            let body = body(session.attempt, &boot_id, &line);
            if let Some(problem) = body.problem() {
                // Not what a step writes; the controller would hear no more after it.
                tracing::debug!(problem, "a line is passed by");
                follower.told = Some(line);
                continue;
            }
            let verdict = judge(listener.hear(&session.job_id, &session.token, &body).await);
            follower.pause = match verdict {
                Verdict::Taken => {
                    taken += 1;
                    follower.told = Some(line);
                    policy.interval
                }
                Verdict::Final(trouble) => {
                    if warned {
                        tracing::debug!(trouble, "the controller hears no more of the progress");
                    } else {
                        log.warn("the controller hears no more of the progress", trouble);
                    }
                    return ended(Ending::Refused, taken);
                }
                Verdict::Later(trouble) => {
                    if !warned {
                        log.warn("progress is not told; it is tried again", trouble);
                        warned = true;
                    }
                    follower.pause.saturating_mul(2).min(policy.longest)
                }
            };
            not_before = host.elapsed() + follower.pause;
        }
        host.sleep(policy.look).await;
    }
}

struct Follower {
    lines: Lines,
    offset: u64,
    told: Option<Line>,
    pause: Duration,
}

impl Follower {
    /// Reads what came since.
    async fn read<P: Provision + ?Sized>(&mut self, host: &P) -> std::io::Result<()> {
        loop {
            let piece = host.step_progress(self.offset).await?;
            self.lines.feed(&piece);
            self.offset += piece.len() as u64;
            if piece.len() < PIECE {
                return Ok(());
            }
        }
    }

    /// The newest state, unless it was told.
    fn news(&self) -> Option<Line> {
        self.lines.newest().filter(|line| self.told.as_ref() != Some(line)).cloned()
    }
}

fn body(attempt: u32, boot_id: &str, line: &Line) -> ProgressBody {
    ProgressBody {
        attempt,
        boot_id: boot_id.to_owned(),
        step: line.step.clone(),
        bytes: line.bytes,
        total: line.total,
        written: line.written,
        rate: line.rate,
        done: line.done,
    }
}

enum Verdict {
    Taken,
    Later(String),
    Final(String),
}

fn judge(answer: Result<Answer, TransportError>) -> Verdict {
    match answer {
        Ok(answer) => match answer.status {
            200..=299 => Verdict::Taken,
            408 | 425 | 429 | 500..=599 => Verdict::Later(error_text(&answer)),
            _ => Verdict::Final(error_text(&answer)),
        },
        Err(error) => Verdict::Later(chain(&error)),
    }
}
