// SPDX-License-Identifier: AGPL-3.0-or-later
//! Routes of the distribution API: who asks, whether they may, and which resource answers.

mod blobs;
mod catalog;
mod manifests;
mod page;
mod referrers;
mod tags;
mod uploads;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use shoal_http::{Outlet, Peer};
use shoal_oci::{Digest, ErrorBody, ErrorCode, ErrorItem, RepositoryName};
use shoal_registry_storage::{Blob, Deletion, Need, Storage, StorageError};

use crate::access::Caller;
use crate::audit::Who;
use crate::blob_body::BlobBody;
use crate::body::{RequestBody, Timed};
use crate::error::note;
use crate::path::{Route, query_value, query_values};
use crate::policy::{Policy, Right};
use crate::respond::{self, Rejection};
use crate::{Inner, Registry};

/// An answer, or why there is none.
type Answer = Result<Response, Rejection>;

/// A request that may be served: by whom, and in which repository.
struct Ask {
    registry: Arc<Inner>,
    policy: Arc<Policy>,
    caller: Caller,
    peer: Option<SocketAddr>,
    head: Parts,
}

/// The distribution API.
pub(crate) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/v2", any(serve))
        .route("/v2/", any(serve))
        .route("/v2/{*rest}", any(serve))
        .with_state(registry)
}

async fn serve(State(registry): State<Registry>, request: Request) -> Response {
    let began = Instant::now();
    let route = Route::parse(request.uri().path());
    let label = route.as_ref().map_or("none", Route::label);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = answer(Arc::clone(&registry.inner), route, request);
    let mut response = if reads {
        answer.await
    } else {
        // A change that began is carried to its end, also where the client hangs up meanwhile: what
        // arrived of an upload is kept, and what is stored is counted and written to the audit log.
        let done = registry.inner.tasks.spawn(answer).await;
        done.unwrap_or_else(|error| Rejection::from(error).into_response())
    };
    respond::mark(&mut response);
    Timed::of(response, &registry.inner.metrics, label, began)
}

async fn answer(registry: Arc<Inner>, route: Option<Route>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body, &head.headers, registry.patience.idle);
    let Some(route) = route else {
        let message =
            "there is nothing at this path: see the endpoints of the OCI Distribution Specification";
        return Rejection::not_found(ErrorCode::Unsupported, message).into_response();
    };
    let allowed = route.allowed();
    if !allowed.split(", ").any(|method| method == head.method.as_str()) {
        return Rejection::method(allowed).into_response();
    }
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0);
    let caller = match registry.access.identify(&head.headers, peer).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let policy = registry.access.policy();
    let ask = Ask { registry, policy, caller, peer, head };
    let Some(name) = route.name() else {
        return match route {
            Route::Catalog => catalog::list(&ask).await.unwrap_or_else(Rejection::into_response),
            _ => ask.ping(),
        };
    };
    let repository = match RepositoryName::parse(name) {
        Ok(repository) => repository,
        Err(error) => {
            return Rejection::not_found(ErrorCode::NameInvalid, error.to_string()).into_response();
        }
    };
    let right = ask.right(&route);
    if let Err(refusal) = ask.registry.access.check(&ask.caller, ask.peer, right, &repository) {
        return refusal.into_response();
    }
    ask.dispatch(route, repository, body).await.unwrap_or_else(Rejection::into_response)
}

/// Does something that blocks.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Rejection>
where
    T: Send + 'static,
    E: Into<Rejection> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await?.map_err(Into::into)
}

/// Whether something was deleted; `false` where it was not there.
fn deleted(digest: &Digest, deletion: Deletion) -> Result<bool, Rejection> {
    let message = match deletion {
        Deletion::Done => return Ok(true),
        Deletion::Absent => return Ok(false),
        Deletion::Needed(Need::Root(root)) => format!(
            "{digest} is needed by the image {root}, which the inventory or a job under way names: take that out of \
             the inventory and let its jobs end, then delete it"
        ),
        Deletion::Needed(Need::Tag(tag)) => format!(
            "{digest} is needed by the tag {tag}, which is immutable in this repository: the registry's policy says \
             which tags may go (immutableTags)"
        ),
    };
    Err(Rejection::new(StatusCode::CONFLICT, ErrorCode::Denied, message))
}

// === impl Ask ===

impl Ask {
    /// What may not be deleted because the inventory or a job needs it. 503 while nobody knows.
    fn roots(&self) -> Result<BTreeSet<Digest>, Rejection> {
        self.registry.maintenance.roots().ok_or_else(|| {
            let message = "the inventory was not read yet, so what it needs is not known: try again";
            let item =
                ErrorItem { code: "UNAVAILABLE".to_owned(), message: message.to_owned(), detail: None };
            Rejection::with_body(StatusCode::SERVICE_UNAVAILABLE, ErrorBody { errors: vec![item] })
                .with_header(header::RETRY_AFTER, HeaderValue::from(10))
        })
    }

    /// What the caller needs. Whoever pushes sees and ends what is being pushed.
    fn right(&self, route: &Route) -> Right {
        match (route, &self.head.method) {
            (Route::Uploads { .. } | Route::Upload { .. }, _) => Right::Push,
            (_, &Method::GET | &Method::HEAD) => Right::Pull,
            (_, &Method::DELETE) => Right::Delete,
            _ => Right::Push,
        }
    }

    async fn dispatch(&self, route: Route, repository: RepositoryName, body: RequestBody) -> Answer {
        let method = self.head.method.clone();
        match route {
            Route::Blob { digest, .. } if method == Method::DELETE => {
                blobs::delete(self, repository, &digest).await
            }
            Route::Blob { digest, .. } => blobs::get(self, repository, &digest).await,
            Route::Uploads { .. } => uploads::post(self, repository, body).await,
            Route::Upload { id, .. } => match method {
                Method::PATCH => uploads::patch(self, repository, &id, body).await,
                Method::PUT => uploads::put(self, repository, &id, body).await,
                Method::DELETE => uploads::cancel(self, repository, &id).await,
                _ => uploads::status(self, repository, &id).await,
            },
            Route::Manifest { reference, .. } => match method {
                Method::PUT => manifests::put(self, repository, &reference, body).await,
                Method::DELETE => manifests::delete(self, repository, &reference).await,
                _ => manifests::get(self, repository, &reference).await,
            },
            Route::Tags { .. } => tags::list(self, repository).await,
            Route::Referrers { digest, .. } => referrers::list(self, repository, &digest).await,
            Route::Base | Route::Catalog => Ok(self.ping()),
        }
    }

    /// `/v2/`: this is a registry (distribution-spec, Determining Support).
    fn ping(&self) -> Response {
        if let Err(refusal) = self.registry.access.ping(&self.caller) {
            return refusal.into_response();
        }
        let mut response = respond::json(StatusCode::OK, "application/json", "{}".to_owned());
        if let Some(challenge) = self.registry.access.challenge(&self.caller) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// A part of content as the body of the answer.
    async fn body(&self, blob: Blob, first: u64, count: u64) -> Result<BlobBody, Rejection> {
        let outlet = self.head.extensions.get::<Outlet>();
        BlobBody::open(blob, first, count, outlet, self.registry.metrics.clone()).await
    }

    /// Who asks, for the audit log.
    fn who(&self) -> Who<'_> {
        Who { caller: &self.caller, peer: self.peer }
    }

    /// One value of the query.
    fn query(&self, key: &str) -> Option<String> {
        query_value(self.head.uri.query(), key)
    }

    /// All values of one key of the query.
    fn queries(&self, key: &str) -> Vec<String> {
        query_values(self.head.uri.query(), key)
    }

    /// One header as text.
    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    /// Asks the storage for something.
    async fn storage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Storage) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, Rejection> {
        let registry = Arc::clone(&self.registry);
        blocking(move || work(&registry.storage).inspect_err(|error| note(error, &registry.metrics))).await
    }
}
