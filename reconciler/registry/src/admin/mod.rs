// SPDX-License-Identifier: AGPL-3.0-or-later
//! The administration's API below `/api/v1/registry/`, and the maintenance behind it.
//!
//! Guarantees: one collection and one scrub at a time, whoever asks; what takes long is answered with 202
//! and goes on although the caller hangs up. Who may is decided in front of the routes: by the registry's
//! own accounts ([`Registry::guarded_admin_router()`]), or by a server that mounts them among its own
//! ([`Registry::admin_router()`]).

mod board;
mod error;
pub(crate) mod upkeep;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use shoal_http::Peer;
use shoal_oci::Digest;
use shoal_registry_storage::{Pattern, StorageError};

pub(crate) use board::Board;
use error::ApiError;
use upkeep::By;

use crate::Registry;
use crate::api::{Image, Images, QuotaUsage, Restored, Tasks, Usage};
use crate::audit;

/// Where tasks can be looked at.
const TASKS: &str = "/api/v1/registry/tasks";

/// Who maintains, for audit events. An embedding server puts it on the requests that it lets through.
#[derive(Clone, Debug)]
pub struct Administrator(
    /// The account's name.
    pub String,
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// All of them without it.
    repository: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct How {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct What {
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

// === impl Registry ===

impl Registry {
    /// The administration's API, open to whoever reaches it: the server that mounts it decides who that
    /// is, and says so with an [`Administrator`] on each request.
    pub fn admin_router(&self) -> Router {
        routes().with_state(self.clone())
    }

    /// The administration's API for those whom [`Access::administer()`](crate::Access::administer) lets
    /// through: of a registry that stands alone.
    pub fn guarded_admin_router(&self) -> Router {
        routes().route_layer(middleware::from_fn_with_state(self.clone(), guard)).with_state(self.clone())
    }
}

fn routes() -> Router<Registry> {
    Router::new()
        .route("/api/v1/registry/images", get(images))
        .route("/api/v1/registry/usage", get(usage))
        .route(TASKS, get(tasks))
        .route("/api/v1/registry/gc", post(gc))
        .route("/api/v1/registry/scrub", post(scrub))
        .route("/api/v1/registry/restore", post(restore))
}

async fn guard(State(registry): State<Registry>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    match registry.inner.access.administer(request.headers(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(Administrator(caller.to_string()));
            next.run(request).await
        }
        Err(refusal) => {
            let mut response = ApiError::from(&refusal).into_response();
            refusal.head(&mut response);
            response
        }
    }
}

async fn images(
    State(registry): State<Registry>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Images>, ApiError> {
    let Query(which) = query?;
    let pattern = match which.repository {
        Some(text) => Pattern::parse(&text).map_err(|error| ApiError::bad_query(error.to_string()))?,
        None => Pattern::all(),
    };
    let rows = blocking(move || registry.inner.storage.images()).await?;
    let rows = rows.into_iter().filter(|row| pattern.matches(&row.repository));
    Ok(Json(Images { images: rows.map(Image::from).collect() }))
}

async fn usage(State(registry): State<Registry>) -> Result<Json<Usage>, ApiError> {
    let policy = registry.inner.access.policy();
    let usage = blocking(move || {
        let used = registry.inner.storage.usage()?;
        registry.inner.metrics.usage(&used);
        let quotas = policy.quotas.iter().map(|quota| {
            Ok(QuotaUsage {
                repositories: quota.repositories.to_string(),
                max: quota.max.bytes(),
                used: registry.inner.storage.prefix_bytes(&quota.repositories)?,
            })
        });
        Ok(Usage {
            blobs: used.blobs,
            bytes: used.bytes,
            uploads: used.uploads,
            quarantined_bytes: used.quarantined_bytes,
            free: used.free,
            total: used.total,
            min_free: policy.min_free.bytes(used.total),
            quotas: quotas.collect::<Result<_, StorageError>>()?,
        })
    });
    Ok(Json(usage.await?))
}

async fn tasks(State(registry): State<Registry>) -> Json<Tasks> {
    Json(registry.inner.maintenance.board().tasks())
}

async fn gc(
    State(registry): State<Registry>,
    who: Option<Extension<Administrator>>,
    peer: Option<Extension<Peer>>,
    query: Result<Query<How>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(how) = query?;
    let (task, _end) = registry.gc(by(who, peer), how.dry_run)?;
    Ok(accepted(task))
}

async fn scrub(
    State(registry): State<Registry>,
    who: Option<Extension<Administrator>>,
    peer: Option<Extension<Peer>>,
    query: Result<Query<Nothing>, QueryRejection>,
) -> Result<Response, ApiError> {
    query?;
    let (task, _end) = registry.scrub(by(who, peer))?;
    Ok(accepted(task))
}

async fn restore(
    State(registry): State<Registry>,
    who: Option<Extension<Administrator>>,
    peer: Option<Extension<Peer>>,
    query: Result<Query<What>, QueryRejection>,
) -> Result<Json<Restored>, ApiError> {
    let Query(what) = query?;
    let digest = Digest::parse(&what.digest).map_err(|error| ApiError::bad_query(error.to_string()))?;
    let wanted = digest.clone();
    if !blocking(move || registry.inner.storage.restore(&wanted)).await? {
        return Err(ApiError::not_in_quarantine(&digest));
    }
    let by = by(who, peer);
    audit::restore(&by.user, by.peer, &digest);
    Ok(Json(Restored { digest }))
}

fn by(who: Option<Extension<Administrator>>, peer: Option<Extension<Peer>>) -> By {
    let user = who.map_or_else(|| "-".to_owned(), |Extension(Administrator(user))| user);
    By { user, peer: peer.map(|Extension(Peer(address))| address) }
}

fn accepted(task: crate::api::Task) -> Response {
    (StatusCode::ACCEPTED, [(LOCATION, HeaderValue::from_static(TASKS))], Json(task)).into_response()
}

/// The storage's methods block.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, ApiError> {
    Ok(tokio::task::spawn_blocking(act).await??)
}

#[cfg(test)]
mod tests;
