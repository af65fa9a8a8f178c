// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine reports. Durable before it is answered; the same delivery twice changes nothing.

use std::sync::Arc;

use shoal_core::job::Job;
use shoal_core::report::event_of;
use shoal_schema::wire::webhook::{WebhookAnswer, WebhookBody};

use crate::controller::{Brought, ChangeError, Controller};

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
    let Some(event) = event_of(&job, body) else {
        tracing::warn!(job_id = %job.id, server = %job.server, "a boot without the permit reported; ignored");
        return Ok(idempotent);
    };
    let brought = Brought { delivery: body.delivery_id.as_deref(), ..Brought::default() };
    controller.brought_event_locked(&job.id, None, event, &brought).await?;
    Ok(WebhookAnswer { ok: true, idempotent: false })
}
