// SPDX-License-Identifier: AGPL-3.0-or-later
//! Hands on: cancel, retry, reconcile, pause, accept, takeover, rebuild, apply.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use shoal_core::job::Event;
use shoal_schema::JobId;
use shoal_schema::api::{AcceptRequest, ApplyOutcome, ApplyRequest, Done, PauseRequest};
use shoal_schema::plan::Plan;
use shoal_store::{Batch, Expect, Table};

use super::error::ApiError;
use super::sent::Sent;
use super::{BODY_LIMIT, PLAN_LIMIT};
use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::publish::Written;
use crate::rebuild::NotRebuilt;
use crate::rows::{self, AcceptedRow};
use crate::{apply as plans, reconcile, startup};

type Shared = State<Arc<Controller>>;
type Answer = Result<Json<Done>, ApiError>;

fn done(message: impl Into<String>) -> Json<Done> {
    Json(Done { ok: true, message: message.into() })
}

pub(crate) async fn cancel(State(controller): Shared, Path(id): Path<String>) -> Answer {
    let id = JobId::parse(&id).map_err(|_| ApiError::not_found("there is no such job"))?;
    let by = "cancelled by an operator".to_owned();
    let before = controller.world().jobs.get(&id).cloned();
    let before = before.ok_or_else(|| ApiError::not_found("there is no such job"))?;
    if !before.is_active() {
        return Err(ApiError::conflict("not_active", format!("the job is complete, it {}", before.status())));
    }
    let job = controller.job_event(&id, None, Event::CancelRequested { by }).await?;
    Ok(done(if job.permit.is_some() && job.outcome.is_none() {
        "the machine has its permit: it finishes, then the server is held"
    } else {
        "cancelled; the machine is left in order"
    }))
}

pub(crate) async fn retry(State(controller): Shared, Path(name): Path<String>) -> Answer {
    {
        let _held = controller.lock(&name).await;
        let row = controller.world().servers.get(&name).cloned();
        let row = row.ok_or_else(|| ApiError::not_found(format!("there is no server {name}")))?;
        if controller.world().active.contains_key(&name) {
            return Err(ApiError::conflict("conflict.active_job", format!("a job is active on {name}")));
        }
        let mut row = (*row).clone();
        row.stalled = None;
        row.not_before = None;
        row.left_alone_ms = None;
        row.refused_credentials = None;
        row.status_mut().next_try = None;
        row.retry = true;
        controller.put_row(row, false).await?;
        controller.switch(|control| control.failures = 0).await?;
    }
    let inherited = reconcile::retry_inherited(&controller, &name)
        .await
        .map_err(|why| ApiError::conflict("needs_approval", why).hint(format!("shoal approve {name}")))?;
    controller.wake.notify_one();
    controller.sweep_soon(&name);
    Ok(done(if inherited {
        format!("{name}: tried again under the approval of the job that failed before anything was written")
    } else {
        format!("{name}: nothing of an earlier failure holds it any more; the plan says what happens next")
    }))
}

pub(crate) async fn reconcile(State(controller): Shared) -> Answer {
    controller.fetch_and_wait(std::time::Duration::from_secs(30)).await;
    if !controller.world().loaded {
        let why = controller.world().fetch_error.clone();
        let why = why.unwrap_or_else(|| "the inventory was not read yet".to_owned());
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, "source", why).hint("nothing was done"));
    }
    reconcile::turn(&controller).await;
    let (commit, error) = {
        let world = controller.world();
        (world.commit.clone(), world.fetch_error.clone())
    };
    if let Some(why) = error {
        return Err(
            ApiError::new(StatusCode::BAD_GATEWAY, "source", why).hint("the last good state stays in force")
        );
    }
    Ok(done(format!("reconciled at {}", commit.as_deref().unwrap_or("the directory as it is"))))
}

pub(crate) async fn pause(State(controller): Shared, sent: Sent) -> Answer {
    let request: PauseRequest = sent.read(BODY_LIMIT).await?;
    controller.switch(|control| control.paused = request.paused).await?;
    controller.wake.notify_one();
    controller.publish.notify_one();
    Ok(done(if request.paused {
        "paused: no new job and no new permit; what has its permit finishes"
    } else {
        "no longer paused"
    }))
}

pub(crate) async fn accept(State(controller): Shared, sent: Sent) -> Answer {
    let request: AcceptRequest = sent.read(BODY_LIMIT).await?;
    let refused = controller.world().refused.clone();
    let refused = refused.ok_or_else(|| {
        ApiError::conflict("nothing_refused", "no commit is refused; there is nothing to accept")
    })?;
    if request.revision.len() < 7 || !refused.commit.starts_with(&request.revision) {
        let message = format!("the refused commit is {}; name it by its own id", refused.commit);
        return Err(ApiError::conflict("other_commit", message));
    }
    let read =
        |error: rows::RowError| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "database", chain(&error));
    let mut accepted: AcceptedRow =
        rows::get(&*controller.store, Table::Inventory, "accepted").map_err(read)?.unwrap_or_default();
    accepted.allow_rewrite_to = Some(refused.commit.clone());
    let mut batch = Batch::new();
    rows::put(&mut batch, Table::Inventory, "accepted", &accepted);
    controller.commit("an accepted commit", batch).await?;
    controller.fetch.notify_one();
    Ok(done(format!("{} is taken; its plan is judged like any other", refused.commit)))
}

pub(crate) async fn rebuild_status(State(controller): Shared) -> Answer {
    let (loaded, foreign) = {
        let world = controller.world();
        (world.loaded, world.control.observe_only)
    };
    // Waiting does not help where the branch is another's: that is said first.
    if !loaded && !foreign {
        return Err(ApiError::conflict("not_ready", "the inventory was not read yet; nothing was written")
            .hint("'shoal status' says why; try again when it is there"));
    }
    // Not dropped with the connection: what was begun is brought to its end.
    let rebuild = controller.tasks.spawn({
        let controller = Arc::clone(&controller);
        async move { controller.rebuild_status().await }
    });
    match rebuild.await.unwrap_or_else(|error| Err(NotRebuilt::Failed(error.to_string()))) {
        Ok(Written { files: 0, removed: 0 }) => {
            Ok(done("the status is as the database says; nothing was written"))
        }
        Ok(Written { files, removed }) => {
            tracing::info!(files, removed, "the status was written anew, as told");
            Ok(done(format!("the status was written anew: {files} files written, {removed} removed")))
        }
        Err(NotRebuilt::NotOurs(why)) => Err(ApiError::conflict("foreign_status", why)
            .hint("if the other controller is gone for good: shoal takeover")),
        Err(NotRebuilt::Failed(why)) => {
            Err(ApiError::new(StatusCode::BAD_GATEWAY, "status", why).hint("nothing was written"))
        }
    }
}

pub(crate) async fn takeover(State(controller): Shared) -> Answer {
    if !controller.world().control.observe_only {
        return Err(ApiError::conflict("nothing_foreign", "the status branch is this controller's already"));
    }
    startup::take_over(&controller)
        .await
        .map_err(|why| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_taken_over", why))?;
    Ok(done("taken over: every record needs new agreement, every approval in Git is void"))
}

pub(crate) async fn apply(State(controller): Shared, sent: Sent) -> Result<Json<ApplyOutcome>, ApiError> {
    let request: ApplyRequest = sent.read(PLAN_LIMIT).await?;
    controller.fetch_and_wait(std::time::Duration::from_secs(30)).await;
    let plan = reconcile::make_plan(&controller).ok_or_else(|| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_plan", "no plan could be made; the log says why")
    })?;
    let pinned = match (&request.plan, &request.id) {
        (Some(pinned), _) => (**pinned).clone(),
        (None, Some(id)) if plan.id.to_string().starts_with(id) || plan.id.hex().starts_with(id) => {
            Plan::clone(&plan)
        }
        (None, Some(id)) => {
            let message = format!("plan {id} is not the plan now, which is {}", plan.id);
            return Err(ApiError::conflict("stale", message)
                .hint("look at 'shoal plan' again; what was planned is no longer what would happen"));
        }
        (None, None) => {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "a plan or its id is needed",
            ));
        }
    };
    let outcome = plans::judge(&pinned, &plan, request.partial)
        .map_err(|refusal| ApiError::conflict(refusal.code, refusal.message).hint(refusal.hint))?;
    // Consumed before the first side effect, once.
    let (mut batch, id) = (Batch::new(), pinned.id.to_string());
    batch.check(Table::AppliedPlans, id.as_str(), Expect::Absent);
    rows::put(&mut batch, Table::AppliedPlans, id.as_str(), &outcome);
    if let Err(error) = controller.commit("an applied plan", batch).await {
        let crate::controller::ChangeError::Commit { source, .. } = &error else { return Err(error.into()) };
        if matches!(source, shoal_store::CommitError::CheckFailed { table: Table::AppliedPlans, .. }) {
            let message = format!("plan {} was applied before; a plan works once", pinned.id.short());
            return Err(ApiError::conflict("consumed", message).hint("make a new plan"));
        }
        return Err(error.into());
    }
    controller.wake.notify_one();
    Ok(Json(outcome))
}
