// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a connection's stream gets done: a write that stalls ends, and the wait for a request's head
//! counts from the last byte of the answer before.
//!
//! Guarantees: as long as the other end takes a byte within the limit, however slowly, a write is not
//! cut; one that takes none within it costs nothing after that. Reads are never cut here: whoever waits
//! for a body or works on an answer may take as long as that takes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How far the writes of one connection have come; clones share it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Written>>);

struct Written {
    /// When the last byte was written, or the connection began.
    last: Instant,
    /// Since then there is more to write, and the other end does not take it.
    stalled: bool,
}

/// A stream whose writes end with [`io::ErrorKind::TimedOut`] when no byte could be written for the
/// limit. Under TLS it belongs below it, where bytes leave.
pub(crate) struct Watched<S> {
    stream: S,
    limit: Option<Duration>,
    progress: Progress,
    /// Made when first needed, moved on with each stall: most writes do not stall.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// The clock for hyper's wait for a head. Hyper begins to wait for the next head while the end of the
/// answer before is still in its buffer: a client that is slow to take that is not idle.
pub(crate) struct HeadTimer(pub(crate) Progress);

struct HeadSleep {
    wait: Duration,
    sleep: Pin<Box<Sleep>>,
    progress: Progress,
}

impl Progress {
    fn with<R>(&self, change: impl FnOnce(&mut Written) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Watched<S> {
    /// Watches a stream; without a limit its writes may stall for ever.
    pub(crate) fn new(stream: S, limit: Option<Duration>) -> Self {
        let written = Written { last: Instant::now(), stalled: false };
        Self { stream, limit, progress: Progress(Arc::new(Mutex::new(written))), deadline: None }
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// What becomes of a write: the stream's answer, or the end of its patience.
    fn judged(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.progress.with(|written| *written = Written { last: Instant::now(), stalled: false });
            return polled;
        }
        let begins = self.progress.with(|written| !std::mem::replace(&mut written.stalled, true));
        let Some(limit) = self.limit else { return Poll::Pending };
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if begins {
            deadline.as_mut().reset(Instant::now() + limit);
        }
        ready!(deadline.as_mut().poll(cx));
        let told = format!("the other end took no byte for {} s", limit.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, told)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judged(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judged(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Sockets have nothing to flush, and their shutdown does not wait.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl hyper::rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let sleep = Box::pin(tokio::time::sleep(duration));
        Box::pin(HeadSleep { wait: duration, sleep, progress: self.0.clone() })
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

impl hyper::rt::Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            let wait = self.wait;
            // A write that stalls has its own end.
            let due = self.progress.with(|written| if written.stalled { now } else { written.last } + wait);
            if due <= now {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}
