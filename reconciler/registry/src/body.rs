// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies of requests, in constant memory whatever their size; and when a response's body ends.
//!
//! A request's body goes into an upload in batches of up to 1 MiB. A batch is written and hashed on a
//! blocking thread while the next one is read: two batches are in memory at most. Whatever arrived is
//! written also where the client stops or hangs up, so that it can resume from there.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use shoal_registry_storage::{StorageError, UploadWriter};
use tokio::task::{JoinError, JoinHandle};

use crate::metrics::RegistryMetrics;
use crate::pace::{Pace, TooSlow};
use crate::respond::Rejection;
use crate::room::Claim;

/// Bytes that are written and hashed at once.
const BATCH: usize = 1 << 20;
/// Frames below this are copied together: each one kept alone would hold a whole read buffer.
const SMALL: usize = 16 << 10;
/// What a refused client sends is read for so long,
const LINGER: Duration = Duration::from_secs(2);
/// and so many bytes of it.
const LINGER_BYTES: usize = 16 << 20;

// === requests ===

/// Where a request's body goes.
pub(crate) struct Sink {
    /// The upload.
    pub(crate) writer: UploadWriter,
    /// Its share of quotas and disk.
    pub(crate) claim: Claim,
}

/// Why a request's body was not taken whole. What arrived before is in the upload.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The client sent too little for too long.
    TooSlow,
    /// The client hung up.
    Gone(axum::Error),
    /// The body is longer than was said.
    TooLong,
    /// The body is shorter than was said: so many bytes came.
    TooShort(u64),
    /// A limit was reached.
    Rejected(Rejection),
    /// Writing failed.
    Storage(StorageError),
    /// The blocking thread failed.
    Lost(JoinError),
}

/// Reads a request's body into an upload. `length` is what the client said, where it did. Returns the
/// upload.
pub(crate) async fn receive(
    body: RequestBody,
    sink: Sink,
    length: Option<u64>,
    metrics: &RegistryMetrics,
) -> Result<Sink, Stopped> {
    let mut source = Source { body, left: length, received: 0 };
    let mut batch = Batch::default();
    let mut hands = Hands::Free(Box::new(sink));
    loop {
        // The write that is under way may fail first: then reading on is in vain.
        let filled = tokio::select! {
            biased;
            done = hands.freed() => { hands = Hands::Free(done?); continue }
            filled = source.fill(&mut batch) => filled,
        };
        let sink = hands.take().await?;
        let batch = std::mem::take(&mut batch);
        metrics.uploaded(batch.len as u64);
        match filled {
            Fill::Full => hands = Hands::Busy(tokio::task::spawn_blocking(move || write(sink, batch))),
            Fill::End => {
                let sink = write_now(sink, batch).await?;
                return match source.left {
                    Some(1..) => Err(Stopped::TooShort(source.received)),
                    _ => Ok(*sink),
                };
            }
            Fill::Stopped(stopped) => {
                write_now(sink, batch).await?;
                return Err(stopped);
            }
        }
    }
}

/// A request's body, until somebody reads it. One that nobody reads to its end is read and forgotten
/// for a while: a server that closes while the client still writes makes the client's kernel throw the
/// answer away. Not so where the client waits to be asked for the body (`Expect: 100-continue`).
pub(crate) struct RequestBody {
    body: Option<Body>,
    asked: bool,
    pace: Pace,
}

/// The upload, or the write that has it at the moment.
enum Hands {
    Free(Box<Sink>),
    Busy(JoinHandle<Result<Box<Sink>, Stopped>>),
    /// Only while it is handed on, and after a failure.
    Empty,
}

struct Source {
    body: RequestBody,
    left: Option<u64>,
    received: u64,
}

enum Fill {
    Full,
    End,
    Stopped(Stopped),
}

/// Bytes that are written at once.
#[derive(Default)]
struct Batch {
    parts: Vec<Bytes>,
    small: BytesMut,
    len: usize,
}

// === impl RequestBody ===

impl RequestBody {
    /// The body of a request; `idle` is how long the client may send nothing, or next to nothing ([`Pace`]).
    pub(crate) fn new(body: Body, headers: &HeaderMap, idle: Duration) -> Self {
        Self { body: Some(body), asked: !headers.contains_key(header::EXPECT), pace: Pace::new(idle) }
    }

    /// Whether the client sends nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    /// How long it is, where the client said so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.as_ref().and_then(|body| body.size_hint().exact())
    }

    /// Reads all of it into memory; nothing where it has more than `limit` bytes.
    pub(crate) async fn gather(&mut self, limit: usize) -> Result<Option<Bytes>, Stopped> {
        let mut whole = BytesMut::new();
        while let Some(data) = self.data().await? {
            if data.len() > limit - whole.len() {
                return Ok(None);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Some(whole.freeze()))
    }

    /// What comes next; nothing at the end. May be dropped and called again.
    async fn data(&mut self) -> Result<Option<Bytes>, Stopped> {
        self.asked = true;
        while let Some(body) = &mut self.body {
            match self.pace.wait(body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.pace.came(data.len());
                        return Ok(Some(data));
                    }
                }
                Ok(None) => self.body = None,
                Ok(Some(Err(error))) => {
                    self.body = None;
                    return Err(Stopped::Gone(error));
                }
                // It may still send, so what it sends is read and forgotten while it gets its answer.
                Err(TooSlow) => return Err(Stopped::TooSlow),
            }
        }
        Ok(None)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| self.asked && !body.is_end_stream()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(LINGER, async move {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, Bytes::len);
                if seen > LINGER_BYTES {
                    break;
                }
            }
        }));
    }
}

// === impl Hands ===

impl Hands {
    /// Waits for the write that is under way; for ever where there is none. May be dropped and called again.
    async fn freed(&mut self) -> Result<Box<Sink>, Stopped> {
        let Self::Busy(write) = self else { return std::future::pending().await };
        let done = write.await;
        *self = Self::Empty;
        done.unwrap_or_else(|error| Err(Stopped::Lost(error)))
    }

    /// The upload, once nothing is under way.
    async fn take(&mut self) -> Result<Box<Sink>, Stopped> {
        match std::mem::replace(self, Self::Empty) {
            Self::Free(sink) => Ok(sink),
            Self::Busy(write) => write.await.unwrap_or_else(|error| Err(Stopped::Lost(error))),
            Self::Empty => std::future::pending().await,
        }
    }
}

// === impl Source ===

impl Source {
    /// Fills a batch. What it holds stays there where this is dropped.
    async fn fill(&mut self, batch: &mut Batch) -> Fill {
        while batch.len < BATCH {
            let mut data = match self.body.data().await {
                Ok(Some(data)) => data,
                Ok(None) => return Fill::End,
                Err(stopped) => return Fill::Stopped(stopped),
            };
            let mut over = false;
            if let Some(left) = &mut self.left {
                over = data.len() as u64 > *left;
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
            }
            self.received += data.len() as u64;
            batch.push(data);
            if over {
                return Fill::Stopped(Stopped::TooLong);
            }
        }
        Fill::Full
    }
}

// === impl Batch ===

impl Batch {
    fn push(&mut self, data: Bytes) {
        self.len += data.len();
        if data.len() < SMALL {
            self.small.extend_from_slice(&data);
        } else {
            self.end_of_small();
            self.parts.push(data);
        }
    }

    fn end_of_small(&mut self) {
        if !self.small.is_empty() {
            self.parts.push(self.small.split().freeze());
        }
    }
}

async fn write_now(sink: Box<Sink>, batch: Batch) -> Result<Box<Sink>, Stopped> {
    if batch.len == 0 {
        return Ok(sink);
    }
    tokio::task::spawn_blocking(move || write(sink, batch)).await.map_err(Stopped::Lost)?
}

fn write(mut sink: Box<Sink>, mut batch: Batch) -> Result<Box<Sink>, Stopped> {
    sink.claim.grow(batch.len as u64).map_err(Stopped::Rejected)?;
    batch.end_of_small();
    for part in &batch.parts {
        sink.writer.write(part).map_err(Stopped::Storage)?;
    }
    Ok(sink)
}

// === responses ===

/// A body whose end is the end of its request, for the histogram of requests.
pub(crate) struct Timed {
    body: Body,
    metrics: RegistryMetrics,
    route: &'static str,
    code: u16,
    began: Instant,
}

// === impl Timed ===

impl Timed {
    /// Observes how long it took from `began` until the body was sent, or nobody wanted it any more.
    pub(crate) fn of(
        response: Response,
        metrics: &RegistryMetrics,
        route: &'static str,
        began: Instant,
    ) -> Response {
        let (metrics, code) = (metrics.clone(), response.status().as_u16());
        response.map(|body| Body::new(Self { body, metrics, route, code, began }))
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.metrics.request(self.route, self.code, took);
        let duration_ms = took.as_millis() as u64;
        tracing::debug!(route = self.route, code = self.code, duration_ms, "registry request");
    }
}
