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
use tokio::sync::Notify;

use crate::controller::Controller;
use crate::hex::hex;
use crate::jobs::perform::chain;
use crate::{rows, secrets};

/// Tries of one message before it is given up: about a day.
const TRIES: u32 = 30;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
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

/// Delivers what is in the outbox, oldest first, until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>, client: reqwest::Client) {
    let mut tries = 0_u32;
    loop {
        let next = controller
            .store
            .scan(Table::Outbox, &Scan { limit: 1, ..Scan::ALL })
            .ok()
            .and_then(|rows| rows.into_iter().next());
        let pause = match next {
            None => Duration::from_secs(30),
            Some((key, body)) => match deliver(&controller, &client, &body).await {
                Ok(()) => {
                    tries = 0;
                    remove(&controller, key).await;
                    continue;
                }
                Err(why) => {
                    tries += 1;
                    tracing::warn!(why, tries, "a notification was not delivered");
                    if tries >= TRIES {
                        tries = 0;
                        remove(&controller, key).await;
                    }
                    Duration::from_secs(5).saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE)
                }
            },
        };
        tokio::select! {
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = controller.outbox.wake.notified(), if tries == 0 => {}
        }
    }
}

async fn remove(controller: &Controller, key: Vec<u8>) {
    let mut batch = Batch::new();
    batch.delete(Table::Outbox, key);
    if let Err(error) = controller.commit("the outbox", batch).await {
        tracing::error!(error = %chain(&error), "a delivered notification is still in the outbox");
    }
}

async fn deliver(controller: &Controller, client: &reqwest::Client, body: &[u8]) -> Result<(), String> {
    let Some(notify) = controller.world().fleet.notify.clone() else { return Ok(()) };
    let mut request = client
        .post(&notify.url)
        .timeout(Duration::from_secs(10))
        .header("content-type", "application/json")
        .body(body.to_vec());
    if let Some(secret) = &notify.secret {
        let opened = secrets::open(controller, secret).map_err(|error| chain(&error))?;
        let key =
            opened.get(SIGNING_KEY).ok_or_else(|| format!("Secret {secret} has no key {SIGNING_KEY}"))?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes any key length");
        mac.update(body);
        let hex = hex(&mac.finalize().into_bytes());
        request = request.header("x-shoal-signature-256", format!("sha256={hex}"));
    }
    let answer = request.send().await.map_err(|error| chain(&error.without_url()))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("answered {}", answer.status())) }
}
