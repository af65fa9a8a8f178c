// SPDX-License-Identifier: AGPL-3.0-or-later
//! A blob as the body of a response, in constant memory whatever its size.
//!
//! It goes piece by piece. What the page cache has is sent without a change of thread; what it has not is read
//! ahead by one piece. Storage checks each piece before it leaves; one that does not fit ends the connection,
//! as there is no other way to take back a status line, and the client sees a body that is too short.
//!
//! Where the connection has an [`Outlet`] and the part of the blob is worth it, a checked piece is sent from its
//! file; otherwise from memory.

use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use shoal_http::Outlet;
use shoal_oci::Digest;
use shoal_registry_storage::{Blob, PieceRead, Span, SpanRead, StorageError};
use tokio::task::{JoinError, JoinHandle};

use crate::error::{chain, note};
use crate::metrics::RegistryMetrics;
use crate::respond::Rejection;

/// The most of a blob that one piece brings.
const PIECE: usize = shoal_http::PART;
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
        let mut body = Self { blob: Arc::new(blob), at: first, end, next: None, outlet, inline: 0, metrics };
        if length > 0 {
            let piece = match body.ask() {
                Next::Here(piece) => piece,
                Next::Reading(read) => read.await?.inspect_err(|error| note(error, &body.metrics))?,
            };
            body.next = Some(Next::Here(piece));
        }
        Ok(body)
    }

    /// Asks for the next piece: of the page cache, or else of the disk.
    fn ask(&self) -> Next {
        let (at, max) = (self.at, usize::try_from(self.end - self.at).unwrap_or(PIECE).min(PIECE));
        let blob = Arc::clone(&self.blob);
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

    /// What the connection is given for a piece, next in the body.
    fn bytes(&self, piece: Piece) -> Bytes {
        match (piece, &self.outlet) {
            (Piece::Memory(bytes), _) => bytes,
            (Piece::File(span), Some((outlet, file))) => outlet.part(file, span.offset, span.length),
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
        let next = match self.next.take() {
            Some(next) => next,
            None if self.inline >= TURN => {
                self.inline = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => self.ask(),
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
            self.next = Some(self.ask());
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
