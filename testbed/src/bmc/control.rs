// SPDX-License-Identifier: AGPL-3.0-or-later
//! The control endpoint: what really is, and what is to go wrong, outside of Redfish.
//!
//! | route | what |
//! |---|---|
//! | `GET /control/bmcs` | every BMC's state |
//! | `GET /control/totals` | every BMC's counters added up, and how often the least visited one was logged out of |
//! | `GET /control/bmc/{n}/state` | one BMC's state |
//! | `GET /control/bmc/{n}/log?after=SEQ` | its log records, oldest first |
//! | `GET /control/bmc/{n}/faults` | its fault plan |
//! | `POST /control/bmc/{n}/faults` | another plan (YAML or JSON), counters start anew |
//! | `DELETE /control/bmc/{n}/faults` | no faults any more |
//!
//! There is no authentication: it belongs on a loopback address. `n` is the index that the farm printed.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::farm::BmcHandle;
use super::log::Record;
use super::state::{Counters, Snapshot};
use crate::faults::FaultPlan;

type Bmcs = Arc<Vec<BmcHandle>>;

/// Serves until cancelled.
pub(crate) async fn serve(listener: TcpListener, bmcs: Vec<BmcHandle>, cancel: CancellationToken) {
    let router = Router::new()
        .route("/control/bmcs", get(all))
        .route("/control/totals", get(totals))
        .route("/control/bmc/{n}/state", get(state))
        .route("/control/bmc/{n}/log", get(log))
        .route("/control/bmc/{n}/faults", get(faults).post(set_faults).delete(clear_faults))
        .with_state(Arc::new(bmcs));
    let served = axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "control endpoint ended");
    }
}

/// What a control request is answered when it cannot be carried out.
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

fn find(bmcs: &Bmcs, n: usize) -> Result<&BmcHandle, Problem> {
    bmcs.get(n)
        .ok_or_else(|| Problem(StatusCode::NOT_FOUND, format!("no bmc {n} here, there are {}", bmcs.len())))
}

async fn all(State(bmcs): State<Bmcs>) -> Json<Vec<Snapshot>> {
    Json(bmcs.iter().map(BmcHandle::state).collect())
}

/// What all BMCs together were asked.
#[derive(Serialize)]
struct Totals {
    #[serde(flatten)]
    counters: Counters,
    fewest_sessions_closed: u64,
}

async fn totals(State(bmcs): State<Bmcs>) -> Json<Totals> {
    let mut counters = Counters::default();
    let mut fewest = u64::MAX;
    for own in bmcs.iter().map(BmcHandle::counters) {
        counters = counters.plus(own);
        fewest = fewest.min(own.sessions_closed);
    }
    Json(Totals { counters, fewest_sessions_closed: if bmcs.is_empty() { 0 } else { fewest } })
}

async fn state(State(bmcs): State<Bmcs>, Path(n): Path<usize>) -> Result<Json<Snapshot>, Problem> {
    Ok(Json(find(&bmcs, n)?.state()))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn log(
    State(bmcs): State<Bmcs>,
    Path(n): Path<usize>,
    Query(query): Query<After>,
) -> Result<Json<Vec<Record>>, Problem> {
    Ok(Json(find(&bmcs, n)?.log(query.after)))
}

async fn faults(State(bmcs): State<Bmcs>, Path(n): Path<usize>) -> Result<Json<FaultPlan>, Problem> {
    Ok(Json(find(&bmcs, n)?.faults()))
}

async fn set_faults(
    State(bmcs): State<Bmcs>,
    Path(n): Path<usize>,
    text: String,
) -> Result<Json<FaultPlan>, Problem> {
    let bmc = find(&bmcs, n)?;
    let bad = |error: &dyn std::error::Error| Problem(StatusCode::BAD_REQUEST, super::medium::chain(error));
    let plan = FaultPlan::parse(&text).map_err(|error| bad(&error))?;
    bmc.set_faults(plan.clone()).map_err(|error| bad(&error))?;
    Ok(Json(plan))
}

async fn clear_faults(State(bmcs): State<Bmcs>, Path(n): Path<usize>) -> Result<Json<FaultPlan>, Problem> {
    let bmc = find(&bmcs, n)?;
    let plan = FaultPlan::default();
    bmc.set_faults(plan.clone()).map_err(|error| Problem(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(Json(plan))
}
