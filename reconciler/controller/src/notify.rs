// SPDX-License-Identifier: AGPL-3.0-or-later
//! One outgoing webhook for what people should hear of: held, failed, stalled, done. HMAC-SHA256 over
//! the body, retries with backoff; what could not be delivered is kept and tried after a restart.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use shoal_core::job::{Job, Outcome, Phase};
use shoal_store::{Batch, Scan, Table};
use shoal_tls::{Trust, TrustError, client_config};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backlog::{Backlog, Failed, Next};
use crate::controller::Controller;
use crate::hex::hex;
use crate::jobs::perform::chain;
use crate::{rows, secrets};

/// Messages that are looked at for the next one to try.
const AT_ONCE: usize = 100;
/// Without a message somebody looks again after so long.
const IDLE: Duration = Duration::from_secs(30);
/// The key within the Secret that signs.
const SIGNING_KEY: &str = "key";

/// Something that people should hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// `held`, `failed`, `stalled`, `done`.
    pub kind: String,
    /// The server.
    pub server: String,
    /// One sentence.
    pub text: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When.
    pub time: jiff::Timestamp,
}

/// Wakes the sender.
#[derive(Default)]
pub struct Outbox {
    wake: Arc<Notify>,
}

impl Controller {
    /// Tells people when a job ended.
    pub(crate) fn tell_about(self: &Controller, before: &Job, after: &Job) {
        if before.phase == Phase::Complete || after.phase != Phase::Complete {
            return;
        }
        let (kind, text, hint) = match (after.outcome, &after.failure) {
            (Some(Outcome::Succeeded), _) => {
                ("done", format!("installed {} {}", after.install.image, after.install.version), None)
            }
            (_, Some(failure)) => {
                ("failed", format!("{}: {}", failure.step, failure.message), Some(failure.hint.clone()))
            }
            (_, None) => ("failed", "the job failed".to_owned(), None),
        };
        self.tell(&Message {
            kind: kind.to_owned(),
            server: after.server.clone(),
            text,
            hint,
            job: Some(after.id.to_string()),
            time: self.now(),
        });
    }

    /// Puts a message into the outbox. Without `notify` in the Fleet nobody is told.
    pub(crate) fn tell(&self, message: &Message) {
        if self.world().fleet.notify.is_none() {
            return;
        }
        let key = format!("{:020}/{}/{}", message.time.as_millisecond(), message.server, message.kind);
        let mut batch = Batch::new();
        rows::put(&mut batch, Table::Outbox, key, message);
        let commit = self.store.commit_async(batch);
        let wake = Arc::clone(&self.outbox.wake);
        self.tasks.spawn(async move {
            match commit.await {
                // Not before it is there: whoever is woken looks once.
                Ok(()) => wake.notify_one(),
                Err(error) => tracing::error!(error = %chain(&error), "a notification was not kept"),
            }
        });
    }
}

/// TLS for outgoing notifications: the system's CAs. A machine without any can still send them in the
/// clear.
pub(crate) fn system_tls() -> Result<rustls::ClientConfig, TrustError> {
    match client_config(Trust::System) {
        Err(error @ TrustError::NoBundle) => {
            tracing::warn!(%error, "notifications cannot be sent over https: install ca-certificates");
            client_config(Trust::Pins(Vec::new()))
        }
        made => made,
    }
}

/// Delivers what is in the outbox, until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>, client: reqwest::Client) {
    let mut backlog = Backlog::default();
    loop {
        let scan = Scan { limit: AT_ONCE, ..Scan::ALL };
        let messages = controller.store.scan(Table::Outbox, &scan).unwrap_or_else(|error| {
            tracing::error!(error = %chain(&error), "the outbox cannot be read; looked at again in a while");
            Vec::new()
        });
        let keys: Vec<Vec<u8>> = messages.iter().map(|(key, _)| key.clone()).collect();
        let until = match backlog.next(&keys, Instant::now()) {
            Next::Try(key) => {
                let Some((_, body)) = messages.into_iter().find(|(known, _)| *known == key) else { continue };
                match deliver(&controller, &client, &body).await {
                    Ok(()) => {
                        backlog.taken(&key);
                        remove(&controller, &mut backlog, key).await;
                    }
                    Err((failed, why)) => {
                        tracing::warn!(why, "a notification was not delivered");
                        if backlog.failed(&key, failed, Instant::now()) {
                            tracing::error!(why, "a notification is given up");
                            remove(&controller, &mut backlog, key).await;
                        }
                    }
                }
                if controller.shutdown.is_cancelled() {
                    return;
                }
                continue;
            }
            Next::Remove(key) => {
                remove(&controller, &mut backlog, key).await;
                continue;
            }
            Next::Wait(until) => until.unwrap_or_else(|| Instant::now() + IDLE),
        };
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep_until(until) => {}
            () = controller.outbox.wake.notified() => {}
        }
    }
}

async fn remove(controller: &Controller, backlog: &mut Backlog, key: Vec<u8>) {
    let mut batch = Batch::new();
    batch.delete(Table::Outbox, key.clone());
    match controller.commit("the outbox", batch).await {
        Ok(()) => backlog.removed(&key),
        Err(error) => {
            tracing::error!(error = %chain(&error), "a notification that is over is still in the outbox");
            backlog.stays(&key, Instant::now());
        }
    }
}

async fn deliver(
    controller: &Controller,
    client: &reqwest::Client,
    body: &[u8],
) -> Result<(), (Failed, String)> {
    let Some(notify) = controller.world().fleet.notify.clone() else { return Ok(()) };
    let away = |why: String| (Failed::Away, why);
    let mut request = client
        .post(&notify.url)
        .timeout(Duration::from_secs(10))
        .header("content-type", "application/json")
        .body(body.to_vec());
    if let Some(secret) = &notify.secret {
        let opened = secrets::open(controller, secret).map_err(|error| away(chain(&error)))?;
        let key = opened
            .get(SIGNING_KEY)
            .ok_or_else(|| away(format!("Secret {secret} has no key {SIGNING_KEY}")))?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes any key length");
        mac.update(body);
        let hex = hex(&mac.finalize().into_bytes());
        request = request.header("x-shoal-signature-256", format!("sha256={hex}"));
    }
    let answer = request.send().await.map_err(|error| away(chain(&error.without_url())))?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err((failure(status), format!("answered {status}"))) }
}

/// Whether it is the message that is not wanted, or the receiver that takes none: a wrong address, an
/// account that is refused and a receiver that is busy are so for every message.
fn failure(status: http::StatusCode) -> Failed {
    match status.as_u16() {
        401 | 403 | 404 | 405 | 407 | 408 | 425 | 429 => Failed::Away,
        400..=499 => Failed::Refused,
        _ => Failed::Away,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_one_message_is_told_from_what_is_wrong_with_all() {
        let of = |code| failure(http::StatusCode::from_u16(code).unwrap());
        for code in [400, 409, 413, 415, 422] {
            assert_eq!(of(code), Failed::Refused, "{code}");
        }
        for code in [302, 401, 403, 404, 429, 500, 503] {
            assert_eq!(of(code), Failed::Away, "{code}");
        }
    }
}
