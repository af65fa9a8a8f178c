// SPDX-License-Identifier: AGPL-3.0-or-later
//! An answer of any size, read as it comes.
//!
//! Guarantees: bounded in memory; whoever is silent for too long is given up; an answer that breaks off is an error
//! and no end.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use super::PATIENCE;
use crate::host::Context;

/// An answer that is being read.
pub(crate) struct Download<'a> {
    context: &'a Context,
    body: Body,
    piece: Bytes,
}

/// Where it comes from.
pub(super) enum Body {
    Socket {
        body: Incoming,
        /// Until the whole body is there.
        _connection: Connection,
    },
    Https(reqwest::Response),
}

/// Drives a connection until it is dropped.
pub(super) struct Connection(pub(super) JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Body {
    /// The next piece; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        match self {
            Self::Socket { body, .. } => loop {
                let Some(frame) = body.frame().await else { return Ok(None) };
                if let Ok(data) = frame?.into_data() {
                    return Ok(Some(data));
                }
            },
            // reqwest repeats the address in its text.
            Self::Https(response) => Ok(response.chunk().await.map_err(reqwest::Error::without_url)?),
        }
    }
}

impl<'a> Download<'a> {
    pub(super) fn new(context: &'a Context, body: Body) -> Self {
        Self { context, body, piece: Bytes::new() }
    }
}

impl Read for Download<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let next = self.context.wait(async { tokio::time::timeout(PATIENCE, self.body.next()).await });
            match next {
                Ok(Ok(Some(piece))) => self.piece = piece,
                Ok(Ok(None)) => return Ok(0),
                Ok(Err(error)) => return Err(io::Error::other(error)),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let length = out.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}
