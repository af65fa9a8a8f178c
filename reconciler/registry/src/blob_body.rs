// SPDX-License-Identifier: AGPL-3.0-or-later
//! A blob as the body of a response, in constant memory whatever its size.
//!
//! It goes piece by piece. What the page cache has is sent without a change of thread; what it has not is read
//! ahead by one piece. Storage checks each piece before it leaves; one that does not fit ends the connection,
//! as there is no other way to take back a status line, and the client sees a body that is too short.
//!
//! Where the connection has an [`Outlet`] and the part of the blob is worth it, a checked piece is sent from its
//! file; otherwise from memory. What is sent from its file and has to be checked for that is checked on another
//! thread, so that a single stream is as quick as the slower of the two.

use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use shoal_http::Outlet;
use shoal_oci::Digest;
use shoal_registry_storage::{Blob, PieceRead, Span, SpanRead, StorageError};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};

use crate::error::{chain, note};
use crate::metrics::RegistryMetrics;
use crate::respond::Rejection;

/// The most of a blob that one piece brings.
const PIECE: usize = shoal_http::PART;
/// So many bytes are checked at once while those before them are sent.
const AHEAD: usize = 1 << 20;
/// For one body at a time: where there are several, they keep the processors busy by themselves, and more threads
/// would check the same pieces at the same time.
static CHECKED_AHEAD: Semaphore = Semaphore::const_new(1);
/// Less than this is quicker copied.
const FROM_FILE: u64 = 64 << 10;
/// So many pieces come from the page cache before other tasks have their turn.
const TURN: u32 = 8;

/// Part of a blob as the body of a response.
pub(crate) struct BlobBody {
    blob: Arc<Blob>,
    at: u64,
    end: u64,
    next: Option<Next>,
    /// What is right already of what comes before that.
    rest: Option<Span>,
    /// Where pieces leave from their file.
    outlet: Option<(Outlet, Arc<File>)>,
    inline: u32,
    metrics: RegistryMetrics,
}

/// The piece that comes next.
enum Next {
    /// It is here.
    Here(Piece),
    /// It is being read.
    Reading(JoinHandle<Result<Piece, StorageError>>),
}

/// A piece that is right.
enum Piece {
    /// In memory.
    Memory(Bytes),
    /// In the file.
    File(Span),
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// A piece could not be read, or is not what was stored.
    #[error("cannot read the blob {digest} at byte {at}")]
    Storage {
        /// The blob.
        digest: Digest,
        /// The piece's offset.
        at: u64,
        /// Why.
        #[source]
        source: StorageError,
    },
    /// The blob ends before its size.
    #[error("the blob {digest} ends at byte {at}")]
    Short {
        /// The blob.
        digest: Digest,
        /// Where.
        at: u64,
    },
    /// The blocking thread failed.
    #[error("cannot wait for a piece of the blob {digest}")]
    Lost {
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: JoinError,
    },
}

// === impl BlobBody ===

impl BlobBody {
    /// Opens `length` bytes from `first` on. The first piece is read and checked here: what is corrupt is
    /// known while there is still a status line to say it with.
    pub(crate) async fn open(
        blob: Blob,
        first: u64,
        length: u64,
        outlet: Option<&Outlet>,
        metrics: RegistryMetrics,
    ) -> Result<Self, Rejection> {
        let end = first + length;
        let outlet = outlet.filter(|_| length >= FROM_FILE).cloned().zip(blob.to_send());
        let mut body =
            Self { blob: Arc::new(blob), at: first, end, next: None, rest: None, outlet, inline: 0, metrics };
        if length > 0 {
            let piece = match body.ask(first) {
                Next::Here(piece) => piece,
                Next::Reading(read) => read.await?.inspect_err(|error| note(error, &body.metrics))?,
            };
            body.next = Some(Next::Here(piece));
        }
        Ok(body)
    }

    /// Asks for the piece at an offset: of the page cache, or else of the disk.
    fn ask(&self, at: u64) -> Next {
        let (blob, max) = (Arc::clone(&self.blob), self.most(at, PIECE));
        if self.outlet.is_some() {
            return match blob.span(at, max) {
                SpanRead::Ready(span) => Next::Here(Piece::File(span)),
                SpanRead::WouldBlock => Next::Reading(tokio::task::spawn_blocking(move || {
                    blob.span_blocking(at, max).map(Piece::File)
                })),
            };
        }
        match blob.piece(at, max) {
            PieceRead::Ready(bytes) => Next::Here(Piece::Memory(bytes)),
            PieceRead::WouldBlock => Next::Reading(tokio::task::spawn_blocking(move || {
                blob.piece_blocking(at, max).map(Piece::Memory)
            })),
        }
    }

    /// Asks for the piece at an offset, and has it checked on another thread where nobody else has that.
    fn ask_ahead(&self, at: u64) -> Next {
        let checked = self.outlet.is_none() || self.blob.span_remembered(at, 1).is_some();
        match CHECKED_AHEAD.try_acquire() {
            Ok(turn) if !checked => {
                let (blob, max) = (Arc::clone(&self.blob), self.most(at, AHEAD));
                Next::Reading(tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    check_ahead(&blob, at, max).map(Piece::File)
                }))
            }
            _ => self.ask(at),
        }
    }

    /// How many bytes may be asked for at an offset.
    fn most(&self, at: u64, most: usize) -> usize {
        usize::try_from(self.end - at).unwrap_or(most).min(most)
    }

    /// What the connection is given next. The rest of a piece is kept.
    fn bytes(&mut self, piece: Piece) -> Bytes {
        match (piece, &self.outlet) {
            (Piece::Memory(bytes), _) => bytes,
            (Piece::File(Span { offset, length }), Some((outlet, file))) => {
                let bytes = outlet.part(file, offset, length);
                let (offset, length) = (offset + bytes.len() as u64, length - bytes.len());
                self.rest = (length > 0).then_some(Span { offset, length });
                bytes
            }
            (Piece::File(_), None) => Bytes::new(),
        }
    }

    /// Ends the body with an error.
    fn broken(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        tracing::error!(error = %chain(&error), "a pull was broken off");
        self.at = self.end;
        Poll::Ready(Some(Err(error)))
    }
}

impl hyper::body::Body for BlobBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.at >= self.end {
            return Poll::Ready(None);
        }
        let next =
            match self.rest.take().map(|span| Next::Here(Piece::File(span))).or_else(|| self.next.take()) {
                Some(next) => next,
                None if self.inline >= TURN => {
                    self.inline = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => self.ask_ahead(self.at),
            };
        let (piece, waited) = match next {
            Next::Here(piece) => (piece, false),
            Next::Reading(mut read) => {
                let Poll::Ready(done) = Pin::new(&mut read).poll(cx) else {
                    self.next = Some(Next::Reading(read));
                    return Poll::Pending;
                };
                let (digest, at) = (self.blob.digest().clone(), self.at);
                match done {
                    Ok(Ok(piece)) => (piece, true),
                    Ok(Err(source)) => {
                        note(&source, &self.metrics);
                        return self.broken(BodyError::Storage { digest, at, source });
                    }
                    Err(source) => return self.broken(BodyError::Lost { digest, source }),
                }
            }
        };
        let bytes = self.bytes(piece);
        if bytes.is_empty() {
            let (digest, at) = (self.blob.digest().clone(), self.at);
            return self.broken(BodyError::Short { digest, at });
        }
        self.at += bytes.len() as u64;
        self.inline = if waited { 0 } else { self.inline + 1 };
        if waited && self.at < self.end {
            // The disk is slower than the client: the next piece is read while this one is sent.
            let after = self.at + self.rest.map_or(0, |span| span.length as u64);
            self.next = (after < self.end).then(|| self.ask_ahead(after));
        }
        self.metrics.downloaded(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

/// A span of up to `max` bytes, waiting for the disk for its first piece only.
fn check_ahead(blob: &Blob, at: u64, max: usize) -> Result<Span, StorageError> {
    let mut ahead = blob.span_blocking(at, max)?;
    while ahead.length < max
        && let SpanRead::Ready(span) = blob.span(at + ahead.length as u64, max - ahead.length)
        && span.length > 0
    {
        ahead.length += span.length;
    }
    Ok(ahead)
}
