// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that the controller answers over HTTP.
//!
//! * Media listeners: `/media/{capability}/…`, GET and HEAD, and nothing else.
//! * API listeners: jobs, permit, webhook, operation, metrics, health, static files.
//! * The CLI's socket: the API, with the caller known by the uid at the other end.

mod api;
mod auth;
mod backup;
mod error;
pub(crate) mod guesses;
mod machine;
mod media;
pub mod openapi;
mod operate;
mod plain;
mod sent;
mod statics;

pub(crate) use auth::{logins, socket_peer};

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use shoal_registry::Registry;
use shoal_schema::api::ErrorBody;

use crate::controller::Controller;
use crate::outside::Tasks;

/// The largest body that the API takes.
pub(crate) const BODY_LIMIT: usize = 1 << 20;
/// The largest plan that `apply` takes.
pub(crate) const PLAN_LIMIT: usize = 256 << 20;

/// Reads a body as the routes do; the error is the body of the answer.
pub fn read_body<T: DeserializeOwned + JsonSchema>(body: &[u8]) -> Result<T, ErrorBody> {
    sent::read(body).map_err(|error| error.body)
}

/// The API.
pub(crate) fn api_router(controller: Arc<Controller>, registry: Option<&Registry>) -> Router {
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
        .route("/api/v1/status/rebuild", post(operate::rebuild_status))
        .route("/api/v1/backup", get(backup::backup))
        .route("/api/v1/apply", post(operate::apply))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&controller), auth::admin));
    let images = registry.map_or_else(Router::new, |registry| {
        let by_method = middleware::from_fn_with_state(Arc::clone(&controller), auth::by_method);
        registry.admin_router().with_state(()).route_layer(by_method)
    });
    let machines = Router::new()
        .route("/api/v1/jobs/{id}/permit", post(machine::permit))
        .route("/api/v1/jobs/{id}/progress", post(machine::progress))
        .route("/api/v1/status-webhook/{serial}", post(machine::webhook));
    let open = Router::new()
        .route("/healthz", get(api::health))
        .route("/readyz", get(api::ready))
        .route("/openapi.json", get(api::openapi))
        .route("/about/licenses", get(api::licenses));
    let router = Router::new()
        .merge(read)
        .merge(act)
        .merge(images)
        .merge(machines)
        .merge(open)
        .fallback(error::no_route)
        // For routes of others; those in here read their own bodies.
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&controller), auth::same_site))
        .layer(middleware::from_fn_with_state(Arc::clone(&controller), count))
        .layer(middleware::from_fn_with_state(controller.tasks.clone(), to_the_end))
        .with_state(controller);
    explaining(router)
        // Bodies of any size, and rules of their own about who may do what.
        .merge(registry.map_or_else(Router::new, Registry::router))
}

/// With every refusal in one form, those of the routes' methods too, which come from without their layers.
fn explaining(router: Router) -> Router {
    Router::new().fallback_service(router).layer(middleware::map_response(plain::explained))
}

/// Media alone.
pub(crate) fn media_router(controller: Arc<Controller>) -> Router {
    let router = Router::new()
        .route("/media/{capability}/{name}", get(media::serve))
        .fallback(media::no_route)
        .layer(middleware::from_fn_with_state(controller.tasks.clone(), to_the_end))
        .with_state(controller);
    explaining(router)
}

/// A request that began is carried to its end, also where the other side hangs up meanwhile. Its
/// change may be durable by then; dropped in between, memory would not know of it: a permit could be
/// granted twice, and a job would be there that nobody runs.
async fn to_the_end(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    match tasks.spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a request failed");
            let message = "the controller failed at this request; its log says more";
            error::ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_request_whose_caller_hangs_up_is_carried_to_its_end() {
        let tasks = Tasks::new(tokio_util::sync::CancellationToken::new());
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let handler = {
            let (begun, go_on, ended) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&ended));
            move || async move {
                begun.notify_one();
                go_on.notified().await;
                ended.store(true, Ordering::SeqCst);
            }
        };
        let router = Router::new()
            .route("/", post(handler))
            .layer(middleware::from_fn_with_state(tasks.clone(), to_the_end));
        let request = Request::post("/").body(axum::body::Body::empty()).unwrap();
        let call = tokio::spawn(router.oneshot(request));
        begun.notified().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        go_on.notify_one();
        tasks.tracker().close();
        tasks.tracker().wait().await;
        assert!(ended.load(Ordering::SeqCst), "it stopped in the middle");
    }
}
