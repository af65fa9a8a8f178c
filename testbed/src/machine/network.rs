// SPDX-License-Identifier: AGPL-3.0-or-later
//! The machine's way to the controller: the dispatcher's own, with the network's mishaps in front, and a record of
//! what was asked and answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde::Deserialize;
use shoal_dispatcher::transport::{Answer, Call, Route, Transport, TransportError};
use shoal_schema::wire::webhook::{WebhookBody, WebhookStatus};

use super::behaviour::{Mishap, Stage};
use super::boot::Boot;
use super::log::Happening;

/// A connection that loses, repeats and delays.
pub(super) struct Network {
    boot: Arc<Boot>,
    inner: Arc<dyn Transport>,
}

/// Calls of one boot so far; connections come and go.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: AtomicU32,
    webhooks: AtomicU32,
}

impl Network {
    pub(super) fn new(boot: Arc<Boot>, inner: Arc<dyn Transport>) -> Self {
        Self { boot, inner }
    }

    fn any(&self, mishap: impl Fn(&Mishap) -> bool) -> bool {
        self.boot.mishaps.iter().any(mishap)
    }

    async fn permit(&self, call: &Call) -> Result<Answer, TransportError> {
        self.boot.pass(Stage::Permit).await.map_err(|tripped| TransportError::Broken(Box::new(tripped)))?;
        let answer = self.inner.post(call).await;
        let (status, decision, code) = match &answer {
            Ok(answer) => {
                let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
                (Some(answer.status), said.decision, said.code.or(said.error))
            }
            Err(_) => (None, None, None),
        };
        if decision.as_deref() == Some("granted") {
            self.boot.machine.lock().permits_granted += 1;
        }
        self.boot.note(Happening::PermitAsked { status, decision, code });
        answer
    }

    async fn webhook(&self, call: &Call) -> Result<Answer, TransportError> {
        let number = self.boot.calls.webhooks.fetch_add(1, Ordering::Relaxed);
        if self.any(|mishap| matches!(mishap, Mishap::LosesWebhook { tries } if tries.is_none_or(|tries| number < tries))) {
            self.tried(call, None, false);
            return Err(TransportError::TimedOut);
        }
        if self.any(|mishap| matches!(mishap, Mishap::RepeatsWebhook)) {
            let first = self.inner.post(call).await;
            self.tried(call, status(&first), true);
        }
        let answer = self.inner.post(call).await;
        self.tried(call, status(&answer), true);
        if self.any(|mishap| matches!(mishap, Mishap::LosesWebhookAnswer { tries } if number < *tries)) {
            return Err(TransportError::TimedOut);
        }
        answer
    }

    fn tried(&self, call: &Call, answer: Option<u16>, sent: bool) {
        let body: Option<WebhookBody> = serde_json::from_slice(&call.body).ok();
        let status = body.as_ref().map_or("", |body| match body.status {
            WebhookStatus::Success => "success",
            WebhookStatus::Failed => "failed",
        });
        let (delivery_id, failed_step) = match &body {
            Some(body) => (body.delivery_id.clone().unwrap_or_default(), body.failed_step.clone()),
            None => (String::new(), None),
        };
        let status = status.to_owned();
        self.boot.note(Happening::WebhookTried { delivery_id, status, failed_step, answer, sent });
    }
}

fn status(answer: &Result<Answer, TransportError>) -> Option<u16> {
    answer.as_ref().ok().map(|answer| answer.status)
}

/// What the log keeps of an answer.
#[derive(Default, Deserialize)]
struct Said {
    decision: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

#[async_trait]
impl Transport for Network {
    async fn post(&self, call: &Call) -> Result<Answer, TransportError> {
        let number = self.boot.calls.all.fetch_add(1, Ordering::Relaxed);
        if self.any(|mishap| matches!(mishap, Mishap::Offline { calls } if number < *calls)) {
            if matches!(call.route, Route::Permit(_)) {
                self.boot.note(Happening::PermitAsked { status: None, decision: None, code: None });
            } else {
                self.tried(call, None, false);
            }
            return Err(TransportError::TimedOut);
        }
        match call.route {
            Route::Permit(_) => self.permit(call).await,
            Route::Webhook(_) => self.webhook(call).await,
        }
    }
}
