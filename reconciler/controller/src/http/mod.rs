// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that the controller answers over HTTP.
//!
//! * Media listeners: `/media/{capability}/…`, GET and HEAD, and nothing else.
//! * API listeners: jobs, permit, webhook, operation, metrics, health, static files.
//! * The CLI's socket: the API, with the caller known by the uid at the other end.

mod api;
mod auth;
mod error;
mod machine;
mod media;
pub mod openapi;
mod operate;
mod range;
pub mod serve;
mod statics;

pub use auth::Logins;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use crate::controller::Controller;

/// The largest body that the API takes.
const BODY_LIMIT: usize = 1 << 20;
/// The largest plan that `apply` takes.
const PLAN_LIMIT: usize = 256 << 20;

/// The API.
pub(crate) fn api_router(controller: Arc<Controller>) -> Router {
    let read = Router::new()
        .route("/api/v1/jobs", get(api::list_jobs))
        .route("/api/v1/jobs/{id}", get(api::job))
        .route("/api/v1/servers", get(api::servers))
        .route("/api/v1/servers/{name}", get(api::server))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/plan", get(api::plan))
        .route("/metrics", get(api::metrics))
        .route("/static/{*path}", get(statics::serve))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&controller), auth::reader));
    let act = Router::new()
        .route("/api/v1/jobs", post(api::create_job))
        .route("/api/v1/jobs/{id}/cancel", post(operate::cancel))
        .route("/api/v1/servers/{name}/retry", post(operate::retry))
        .route("/api/v1/reconcile", post(operate::reconcile))
        .route("/api/v1/pause", post(operate::pause))
        .route("/api/v1/accept", post(operate::accept))
        .route("/api/v1/takeover", post(operate::takeover))
        .route("/api/v1/apply", post(operate::apply).layer(DefaultBodyLimit::max(PLAN_LIMIT)))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&controller), auth::admin));
    let machines = Router::new()
        .route("/api/v1/jobs/{id}/permit", post(machine::permit))
        .route("/api/v1/status-webhook/{serial}", post(machine::webhook));
    let open = Router::new()
        .route("/healthz", get(api::health))
        .route("/readyz", get(api::ready))
        .route("/openapi.json", get(api::openapi))
        .route("/about/licenses", get(api::licenses));
    Router::new()
        .merge(read)
        .merge(act)
        .merge(machines)
        .merge(open)
        .fallback(error::no_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&controller), auth::same_site))
        .layer(middleware::from_fn_with_state(Arc::clone(&controller), count))
        .with_state(controller)
}

/// Media alone.
pub(crate) fn media_router(controller: Arc<Controller>) -> Router {
    Router::new()
        .route("/media/{capability}/{name}", get(media::serve))
        .fallback(error::no_route)
        .with_state(controller)
}

async fn count(State(controller): State<Arc<Controller>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let began = Instant::now();
    let mut response = next.run(request).await;
    controller.metrics.http_request(&route, response.status().as_u16(), began.elapsed());
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "no-store"),
    ] {
        headers.entry(name).or_insert(http::HeaderValue::from_static(value));
    }
    response
}
