// SPDX-License-Identifier: AGPL-3.0-or-later
//! What machines say: the request for a permit, how far they are, and the report. Known by the token of their attempt.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use shoal_core::job::Job;
use shoal_http::Peer;
use shoal_schema::JobId;
use shoal_schema::api::JobProgress;
use shoal_schema::wire::permit::{PermitAnswer, PermitRequest};
use shoal_schema::wire::progress::{ProgressAnswer, ProgressBody};
use shoal_schema::wire::webhook::{WebhookAnswer, WebhookBody, WebhookStatus};

use super::BODY_LIMIT;
use super::error::ApiError;
use super::guesses::TooMany;
use super::sent::Sent;
use crate::controller::Controller;
use crate::jobs::{permit as permits, webhook as webhooks};
use crate::progress::{TooOften, is_at_work};

/// `POST /api/v1/jobs/{id}/permit`
pub(crate) async fn permit(
    State(controller): State<Arc<Controller>>,
    Path(id): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<PermitAnswer>, ApiError> {
    let unknown = || refused(&controller, "permit", peer);
    let id = JobId::parse(&id).map_err(|_| unknown())?;
    let job = controller.world().jobs.get(&id).cloned().ok_or_else(unknown)?;
    let attempt = attempt_of(&controller, &job, &headers).ok_or_else(unknown)?;
    let request: PermitRequest = sent.read(BODY_LIMIT).await?;
    if let Some(problem) = request.problem() {
        return Err(invalid(problem));
    }
    if attempt != request.attempt {
        let message =
            format!("the token is of attempt {attempt}, the request of attempt {}", request.attempt);
        return Ok(Json(PermitAnswer::Refused { code: "stale_attempt".to_owned(), message }));
    }
    Ok(Json(permits::answer(&controller, &id, &request).await?))
}

/// `POST /api/v1/jobs/{id}/progress`
///
/// Nothing is written anywhere, and nothing waits for it: it must not cost what a report costs.
pub(crate) async fn progress(
    State(controller): State<Arc<Controller>>,
    Path(id): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<ProgressAnswer>, ApiError> {
    let unknown = || refused(&controller, "progress", peer);
    let id = JobId::parse(&id).map_err(|_| unknown())?;
    let job = controller.world().jobs.get(&id).cloned().ok_or_else(unknown)?;
    let attempt = attempt_of(&controller, &job, &headers).ok_or_else(unknown)?;
    let body: ProgressBody = sent.read(BODY_LIMIT).await?;
    if let Some(problem) = body.problem() {
        return Err(invalid(problem));
    }
    // As it is now, and held as it is until the progress is noted: what ended forgets it.
    let world = controller.world();
    let job = world.jobs.get(&id).ok_or_else(unknown)?;
    if attempt != job.attempt || body.attempt != attempt {
        let message = format!("the job is at attempt {}", job.attempt);
        return Err(ApiError::conflict("stale_attempt", message));
    }
    if !is_at_work(job) {
        return Err(ApiError::conflict("not_at_work", "no machine is at work for this job"));
    }
    if job.permit.as_ref().is_none_or(|permit| permit.boot_id != body.boot_id) {
        return Err(ApiError::conflict("another_boot", "another boot than this one has the permit"));
    }
    let ProgressBody { step, bytes, total, written, rate, done, .. } = body;
    let progress = JobProgress { step, bytes, total, written, rate, done, at: controller.now() };
    controller.progress.put(&job.id, attempt, progress, tokio::time::Instant::now().into_std()).map_err(
        |TooOften| {
            let message = "the machine tells its progress too often";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_often", message).wait(1)
        },
    )?;
    Ok(Json(ProgressAnswer { ok: true }))
}

/// `POST /api/v1/status-webhook/{serial}`
pub(crate) async fn webhook(
    State(controller): State<Arc<Controller>>,
    Path(serial): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<WebhookAnswer>, ApiError> {
    let began = Instant::now();
    let jobs = jobs_of(&controller, &serial);
    if jobs.is_empty() {
        let hint = "a machine reports under the serial or the UUID that its task medium names";
        return Err(ApiError::not_found("no job is active for this serial").hint(hint));
    }
    let known = jobs.iter().find_map(|job| Some((job, attempt_of(&controller, job, &headers)?)));
    let Some((job, attempt)) = known else {
        return Err(refused(&controller, "webhook", peer));
    };
    let body: WebhookBody = sent.read(BODY_LIMIT).await?;
    if let Some(problem) = body.problem() {
        return Err(invalid(problem));
    }
    let word = match body.status {
        WebhookStatus::Success => "success",
        WebhookStatus::Failed => "failed",
    };
    let said = body.attempt.unwrap_or(attempt);
    let answer = if attempt != job.attempt || said != attempt || !job.is_active() {
        // An earlier attempt, or the end: nothing changes any more.
        WebhookAnswer { ok: true, idempotent: true }
    } else {
        webhooks::take(&controller, job, &body).await?
    };
    controller.metrics.webhook(word, began.elapsed());
    Ok(Json(answer))
}

/// The jobs of a machine, the newest first: an active one, and the last one so that a repeated report
/// finds its answer.
fn jobs_of(controller: &Controller, serial: &str) -> Vec<Arc<Job>> {
    let world = controller.world();
    let mut jobs: Vec<Arc<Job>> = world.jobs.of_machine(serial).cloned().collect();
    jobs.sort_by_key(|job| (std::cmp::Reverse(job.is_active()), std::cmp::Reverse(job.created_at)));
    jobs.truncate(4);
    jobs
}

/// The attempt whose token the headers carry; earlier ones of the same job are known and stale.
fn attempt_of(controller: &Controller, job: &Job, headers: &HeaderMap) -> Option<u32> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let token = text("x-webhook-secret").map(str::trim).or(bearer)?;
    controller.keys.attempt_of(job, token)
}

/// A wrong token. Too many from one source are told to wait; a right one is never refused.
fn refused(controller: &Controller, route: &str, peer: Option<Extension<Peer>>) -> ApiError {
    controller.metrics.auth_failure(route);
    match controller.guesses.wrong(peer.map(|Extension(peer)| peer.0.ip())) {
        Ok(()) => unauthorized(),
        Err(TooMany { seconds }) => {
            let message = "too many wrong tokens from this address; a right one is taken at any time";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message).wait(seconds)
        }
    }
}

fn unauthorized() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "the token of the job's attempt is needed")
        .hint("it stands in task.json on the task medium of that attempt, and of no other")
}

fn invalid(problem: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", problem)
}
