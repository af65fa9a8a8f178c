// SPDX-License-Identifier: AGPL-3.0-or-later
//! What stands between a client and the registry: it writes down what is asked, and answers as other
//! registries do.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// More than any request of these tests has.
const LIMIT: usize = 64 << 20;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Instead = Box<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;
type After = Box<dyn Fn(&Seen, &mut Response) + Send + Sync>;

/// See the module.
#[derive(Default)]
pub(crate) struct Between {
    seen: Mutex<Vec<Seen>>,
    instead: Option<Instead>,
    after: Option<After>,
}

// === impl Seen ===

impl Seen {
    pub(crate) fn is(&self, method: &Method, part: &str) -> bool {
        self.method == *method && self.target.contains(part)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

// === impl Between ===

impl Between {
    /// Changes nothing.
    pub(crate) fn watching() -> Arc<Self> {
        Arc::default()
    }

    /// Some requests never reach the registry.
    pub(crate) fn instead(answer: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { instead: Some(Box::new(answer)), ..Self::default() })
    }

    /// Answers are changed.
    pub(crate) fn after(change: impl Fn(&Seen, &mut Response) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { after: Some(Box::new(change)), ..Self::default() })
    }

    /// Both.
    pub(crate) fn both(
        answer: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static,
        change: impl Fn(&Seen, &mut Response) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (instead, after): (Instead, After) = (Box::new(answer), Box::new(change));
        Arc::new(Self { instead: Some(instead), after: Some(after), ..Self::default() })
    }

    /// Everything that was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was asked so far with this method and this in the target.
    pub(crate) fn asked(&self, method: &Method, part: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.is(method, part)).collect()
    }
}

/// A router with this in front of it.
pub(crate) fn through(router: Router, between: Option<Arc<Between>>) -> Router {
    match between {
        Some(between) => router.layer(from_fn_with_state(between, pass)),
        None => router,
    }
}

async fn pass(State(between): State<Arc<Between>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LIMIT).await.unwrap();
    let target = head.uri.path_and_query().unwrap().to_string();
    let seen =
        Seen { method: head.method.clone(), target, headers: head.headers.clone(), body: body.clone() };
    between.seen.lock().unwrap().push(seen.clone());
    if let Some(response) = between.instead.as_ref().and_then(|instead| instead(&seen)) {
        return response;
    }
    let mut response = next.run(Request::from_parts(head, Body::from(body))).await;
    if let Some(after) = &between.after {
        after(&seen, &mut response);
    }
    response
}

/// An answer with headers and a text.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        set(&mut response, name, value);
    }
    response
}

/// Sets or replaces a header.
pub(crate) fn set(response: &mut Response, name: &'static str, value: &str) {
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

/// Adds to the query of the `Location`, where there is one.
pub(crate) fn extend_location(response: &mut Response, with: &str) {
    let Some(location) = response.headers().get("location") else { return };
    let location = location.to_str().unwrap();
    let joint = if location.contains('?') { '&' } else { '?' };
    let location = format!("{location}{joint}{with}");
    set(response, "location", &location);
}
