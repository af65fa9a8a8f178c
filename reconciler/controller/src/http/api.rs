// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can be looked at, and the one way to ask for a job by machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use shoal_core::decide::Turn;
use shoal_core::desired::resolve;
use shoal_core::job::Job;
use shoal_schema::JobId;
use shoal_schema::api::{JobAccepted, JobRequest, JobView, ServerView, StatusView, Violation};
use shoal_schema::plan::{Class, Entry, Plan};
use shoal_store::Table;

use super::BODY_LIMIT;
use super::error::ApiError;
use super::sent::Sent;
use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::jobs::start::{Along, start};
use crate::progress::is_at_work;
use crate::reconcile::make_plan;
use crate::rows::{self, ServerRow};
use crate::world::World;

type Shared = State<Arc<Controller>>;

pub(crate) async fn list_jobs(State(controller): Shared) -> Json<Vec<JobView>> {
    let mut jobs: Vec<JobView> =
        controller.world().jobs.values().map(|job| job_view(&controller, job)).collect();
    jobs.sort_by_key(|job| (job.created_at, job.job_id.clone()));
    for job in &mut jobs {
        job.events.clear();
    }
    Json(jobs)
}

pub(crate) async fn job(
    State(controller): Shared,
    Path(id): Path<String>,
) -> Result<Json<JobView>, ApiError> {
    let unknown = || ApiError::not_found("there is no such job");
    let world = controller.world();
    // A short id is enough where it is the only one.
    let job = match JobId::parse(&id) {
        Ok(id) => world.jobs.get(&id).cloned(),
        Err(_) if id.len() >= 6 => {
            let mut fits = world.jobs.values().filter(|job| job.id.as_str().starts_with(&id));
            fits.next().filter(|_| fits.next().is_none()).cloned()
        }
        Err(_) => None,
    };
    job.map(|job| Json(job_view(&controller, &job))).ok_or_else(unknown)
}

/// A job, and how far its machine is.
fn job_view(controller: &Controller, job: &Job) -> JobView {
    let progress = is_at_work(job).then(|| controller.progress.newest(&job.id, job.attempt)).flatten();
    JobView { progress, ..job.view() }
}

pub(crate) async fn servers(State(controller): Shared) -> Json<Vec<ServerView>> {
    let world = controller.world();
    let entries: BTreeMap<&str, &Arc<Entry>> = world
        .plan
        .iter()
        .flat_map(|plan| &plan.entries)
        .map(|entry| (entry.server.as_str(), entry))
        .collect();
    let mut jobs: BTreeMap<&str, &Arc<Job>> = BTreeMap::new();
    for job in world.jobs.values() {
        let last = jobs.entry(job.server.as_str()).or_insert(job);
        if job.created_at > last.created_at {
            *last = job;
        }
    }
    let views = world.servers.iter().map(|(name, row)| {
        let entry = entries.get(name.as_str()).copied();
        let job = jobs.get(name.as_str()).map(|job| job_view(&controller, job));
        view(&world, name, row, entry, job)
    });
    Json(views.collect())
}

pub(crate) async fn server(
    State(controller): Shared,
    Path(name): Path<String>,
) -> Result<Json<ServerView>, ApiError> {
    let world = controller.world();
    let row = world.servers.get(&name);
    let row = row.ok_or_else(|| ApiError::not_found(format!("there is no server {name}")))?;
    let entry = world.plan.iter().flat_map(|plan| &plan.entries).find(|entry| entry.server == name);
    let last = world.jobs.values().filter(|job| job.server == name).max_by_key(|job| job.created_at);
    let last = last.map(|job| job_view(&controller, job));
    Ok(Json(view(&world, &name, row, entry, last)))
}

fn view(
    world: &World,
    name: &str,
    row: &ServerRow,
    entry: Option<&Arc<Entry>>,
    job: Option<JobView>,
) -> ServerView {
    let waits = match world.turns.get(name) {
        Some(Turn::Wait { message, .. }) => Some(message.clone()),
        _ => None,
    };
    ServerView {
        status: row.status.clone(),
        file: row.file.clone(),
        in_git: world.inventory.servers.contains_key(name),
        entry: entry.cloned(),
        waits,
        job,
    }
}

pub(crate) async fn status(State(controller): Shared) -> Json<StatusView> {
    let world = controller.world();
    let plan = world.plan.as_ref();
    Json(StatusView {
        version: controller.settings.version.to_owned(),
        ledger: world.ledger.id.clone(),
        counter: world.ledger.counter,
        commit: world.commit.clone(),
        refused: world.refused.clone(),
        source_error: world.fetch_error.clone(),
        source_age_seconds: world.fetched_at.map(|at| at.elapsed().as_secs()),
        paused: world.control.paused,
        observe_only: world.control.observe_only,
        active_jobs: world.active.len() as u32,
        plan: plan.map(|plan| plan.id.clone()),
        summary: plan.map(|plan| plan.summary),
        guards: plan.map(|plan| plan.guards.clone()).unwrap_or_default(),
        problems: plan.map(|plan| plan.problems.clone()).unwrap_or_default(),
    })
}

pub(crate) async fn plan(State(controller): Shared) -> Result<Json<Plan>, ApiError> {
    let blocking = controller.blocking;
    let plan = blocking.run(move || make_plan(&controller)).await.ok().flatten();
    let plan = plan.ok_or_else(|| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_plan", "no plan could be made; the log says why")
    })?;
    Ok(Json(Plan::clone(&plan)))
}

pub(crate) async fn metrics(State(controller): Shared) -> Response {
    match controller.metrics.render() {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", chain(&error)).into_response()
        }
    }
}

/// The process answers.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// An inventory was read and decided on.
pub(crate) async fn ready(State(controller): Shared) -> Response {
    let (loaded, error) = {
        let world = controller.world();
        (world.loaded && world.reconciled, world.fetch_error.clone())
    };
    if loaded && !controller.shutdown.is_cancelled() {
        return "ready\n".into_response();
    }
    let why = error.unwrap_or_else(|| "the inventory was not read yet".to_owned());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why).into_response()
}

pub(crate) async fn openapi() -> Json<serde_json::Value> {
    Json(super::openapi::document())
}

/// Version and licence.
pub(crate) async fn licenses(State(controller): Shared) -> String {
    format!(
        "Shoal {}\nLicence: GNU Affero General Public License, version 3 or later\n         Source: the repository that this binary was built from\n",
        controller.settings.version
    )
}

/// `POST /api/v1/jobs`: starts the pending plan entry of a server now. Nothing that Git does not say
/// can be installed, and approvals apply as always.
pub(crate) async fn create_job(
    State(controller): Shared,
    headers: HeaderMap,
    sent: Sent,
) -> Result<(StatusCode, Json<JobAccepted>), ApiError> {
    let request: JobRequest = sent.read(BODY_LIMIT).await?;
    let violations: Vec<Violation> = shoal_validate::recipe()
        .check(&request.recipe)
        .into_iter()
        .map(|found| Violation { path: found.pointer, code: found.code.to_owned(), message: found.message })
        .collect();
    if !violations.is_empty() {
        let message = "the recipe breaks its schema";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "validation_error", message).details(violations));
    }
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(key) = &key {
        if key.is_empty() || key.len() > 200 {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "Idempotency-Key has 1 to 200 characters",
            ));
        }
        if let Some(job) = made_before(&controller, key)? {
            return Ok((StatusCode::OK, Json(accepted(&job))));
        }
    }
    controller.fetch_and_wait(std::time::Duration::from_secs(5)).await;
    match start_now(&controller, &request, key.as_deref()).await {
        Ok(job) => Ok((StatusCode::ACCEPTED, Json(accepted(&job)))),
        Err(refusal) => {
            // The same request may have come twice at once: both get the one job.
            let twin = key.as_deref().map(|key| made_before(&controller, key)).transpose()?.flatten();
            twin.map(|job| (StatusCode::OK, Json(accepted(&job)))).ok_or(refusal)
        }
    }
}

/// The job that an idempotency key made.
fn made_before(controller: &Controller, key: &str) -> Result<Option<Arc<Job>>, ApiError> {
    let known: Option<JobId> = rows::get(&*controller.store, Table::IdempotencyKeys, key)
        .map_err(|error| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "database", chain(&error)))?;
    Ok(known.and_then(|id| controller.world().jobs.get(&id).cloned()))
}

async fn start_now(
    controller: &Arc<Controller>,
    request: &JobRequest,
    key: Option<&str>,
) -> Result<Arc<Job>, ApiError> {
    let plan = make_plan(controller).ok_or_else(|| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_plan", "no plan could be made; the log says why")
    })?;
    let (inventory, fleet) = (&plan.inventory, &plan.fleet);
    let serial = &request.server_serial;
    let name = inventory
        .servers
        .iter()
        .find(|(_, server)| {
            let spec = &server.value.spec;
            [&spec.serial, &spec.uuid].into_iter().flatten().any(|text| text.eq_ignore_ascii_case(serial))
        })
        .map(|(name, _)| name.clone())
        .ok_or_else(|| ApiError::not_found(format!("no server has the serial {serial}")))?;
    if controller.world().active.contains_key(&name) {
        return Err(ApiError::conflict("conflict.active_job", format!("a job is active on {name}")));
    }
    let desired = resolve(inventory, fleet, &name)
        .map_err(|error| ApiError::conflict("validation.server", chain(&error)))?;
    let target = desired
        .install
        .clone()
        .ok_or_else(|| ApiError::conflict("not_in_git", format!("Git installs nothing on {name}")))?;
    let rendered = serde_json::to_value(target.wire_recipe())
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
    if rendered != request.recipe {
        let message = format!("the recipe is not the one that Git renders for {name}");
        return Err(ApiError::conflict("not_in_git", message)
            .hint(format!("change {name} in Git; 'shoal explain {name}' shows what it renders to")));
    }
    let entry = plan
        .entries
        .iter()
        .find(|entry| entry.server == name && entry.class == Class::Destructive)
        .ok_or_else(|| ApiError::conflict("up_to_date", format!("{name} already is as Git says")))?;
    if let Some(hold) = entry.holds.first() {
        let error = ApiError::conflict("held", hold.message.clone());
        return Err(match &hold.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        });
    }
    start(controller, &plan, entry, Along { idempotency_key: key, ..Along::default() })
        .await
        .map_err(|error| ApiError::conflict("not_started", chain(&error)))
}

fn accepted(job: &Job) -> JobAccepted {
    JobAccepted {
        job_id: job.id.clone(),
        status: job.status().to_owned(),
        server_serial: job.machine.clone(),
        created_at: job.created_at,
    }
}
