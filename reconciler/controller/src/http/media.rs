// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/media/{capability}/…`: what BMCs read. GET and HEAD, one range at a time, in pieces of 1 MiB.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, StatusCode, header};
use shoal_core::job::{Event, Job, Medium, Phase};
use shoal_http::conditional::judge;
use shoal_taskiso::ReadAt;

use super::error::ApiError;
use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::media::{self, read_range};
use crate::outside::Blocking;

/// Bytes that are read at once: with 64 KiB pieces half of the throughput is lost.
const PIECE: u64 = 1 << 20;

pub(crate) async fn serve(
    State(controller): State<Arc<Controller>>,
    Path((capability, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let response = answer(&controller, &capability, &name, &method, &headers).await;
    controller.metrics.media_request(response.status().as_u16());
    response
}

async fn answer(
    controller: &Arc<Controller>,
    capability: &str,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    // Unknown, expired and mistaken look the same from outside.
    let gone = || no_medium().into_response();
    let Some((job, medium)) = controller.open_capability(capability) else { return gone() };
    let fits = match medium {
        Medium::Boot => name == "boot.iso",
        Medium::Task => matches!(name, "task.iso" | "task.img"),
    };
    if !fits {
        return gone();
    }
    let body = match controller.medium(&job, medium) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(job_id = %job.id, error = %chain(&error), "a medium cannot be served");
            return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "iso.serve", chain(&error))
                .into_response();
        }
    };
    if method == Method::GET {
        note_read(controller, &job).await;
    }
    send(controller.blocking, &body, method, headers)
}

fn no_medium() -> ApiError {
    ApiError::not_found("there is no such medium, or not any more").hint(
        "an address is good for one attempt of one job; what a BMC still shows of an earlier one is stale",
    )
}

/// No such route: this listener has media and nothing else.
pub(crate) async fn no_route() -> ApiError {
    ApiError::not_found("there is no such route; this address has media alone")
        .hint("the API has an address of its own: CONTROLLER_HTTP_ADDR")
}

/// The first read after power-on was asked for is the proof that the machine boots.
async fn note_read(controller: &Controller, job: &Arc<Job>) {
    if job.medium_read || !matches!(job.phase, Phase::PowerOn | Phase::AwaitPermit | Phase::AwaitResult) {
        return;
    }
    let event = Event::MediumRead { attempt: job.attempt };
    if let Err(error) = controller.job_event(&job.id, None, event).await {
        error.tell(&job.server, "the first read of a medium was not kept");
    }
}

/// A body, or the part of it that was asked for.
pub(super) fn send(blocking: Blocking, body: &media::Body, method: &Method, headers: &HeaderMap) -> Response {
    let len = body.source.len();
    let etag = format!("\"{}\"", body.etag);
    let answer = judge(method, headers, len, &etag);
    let mut builder = base(answer.status, body, &etag);
    if answer.status != StatusCode::NOT_MODIFIED {
        builder = builder.header(header::CONTENT_LENGTH, answer.count);
    }
    if let Some(range) = answer.content_range(len) {
        builder = builder.header(header::CONTENT_RANGE, range);
    }
    let content = if *method == Method::HEAD || answer.count == 0 {
        Body::empty()
    } else {
        pieces(blocking, Arc::clone(&body.source), answer.first, answer.count)
    };
    builder.body(content).unwrap_or_else(unwritable)
}

fn base(status: StatusCode, body: &media::Body, etag: &str) -> http::response::Builder {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, body.content_type)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag)
        .header(header::CACHE_CONTROL, "private, no-store")
}

fn unwritable(_: http::Error) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn pieces(blocking: Blocking, source: Arc<dyn ReadAt + Send + Sync>, first: u64, count: u64) -> Body {
    let end = first + count;
    Body::from_stream(stream::unfold(Some(first), move |at| {
        let source = Arc::clone(&source);
        async move {
            let at = at.filter(|at| *at < end)?;
            let len = PIECE.min(end - at) as usize;
            let read = blocking.run(move || read_range(&*source, at, len)).await;
            let piece: io::Result<Bytes> = read.unwrap_or_else(|error| Err(io::Error::other(error)));
            let next = piece.is_ok().then_some(at + len as u64);
            Some((piece, next))
        }
    }))
}
