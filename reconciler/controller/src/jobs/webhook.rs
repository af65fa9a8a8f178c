// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine reports. Durable before it is answered; the same delivery twice changes nothing.

use std::sync::Arc;

use shoal_core::job::{Event, Job};
use shoal_core::report::failure_of;
use shoal_schema::wire::webhook::{WebhookAnswer, WebhookBody};

use crate::controller::{ChangeError, Controller};

/// Takes a report for a job whose token was already checked.
pub(crate) async fn take(
    controller: &Controller,
    job: &Arc<Job>,
    body: &WebhookBody,
) -> Result<WebhookAnswer, ChangeError> {
    let _held = controller.lock(&job.server).await;
    let idempotent = WebhookAnswer { ok: true, idempotent: true };
    let Some(job) = controller.world().jobs.get(&job.id).cloned() else {
        return Ok(idempotent);
    };
    if job.outcome.is_some() {
        return Ok(idempotent);
    }
    if let Some(delivery) = &body.delivery_id
        && job.deliveries.contains(delivery)
    {
        return Ok(idempotent);
    }
    let event = Event::Reported { attempt: body.attempt.unwrap_or(job.attempt), failure: failure_of(body) };
    controller.delivered_event_locked(&job.id, None, event, body.delivery_id.as_deref()).await?;
    Ok(WebhookAnswer { ok: true, idempotent: false })
}
