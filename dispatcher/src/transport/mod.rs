// SPDX-License-Identifier: AGPL-3.0-or-later
//! The connection to the controller: two routes, one token.
//!
//! [`Transport`] is the seam that a simulated machine puts its network faults behind; [`HttpTransport`] is the real
//! thing.

mod http;

use std::time::Duration;

use async_trait::async_trait;
use shoal_schema::{JobId, SecretString};
use zeroize::Zeroizing;

pub use http::{HttpTransport, route_url};

/// Largest answer that is read, in bytes: two documents of 1 MiB, escaped, and room.
pub const ANSWER_LIMIT: usize = 16 << 20;

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST /api/v1/jobs/{id}/permit`, token as `Authorization: Bearer`.
    Permit(JobId),
    /// `POST /api/v1/status-webhook/{machine}`, token in `X-Webhook-Secret`.
    Webhook(String),
}

/// A call to the controller.
#[derive(Clone)]
pub struct Call {
    /// Where it goes.
    pub route: Route,
    /// The job's token.
    pub token: SecretString,
    /// JSON.
    pub body: Vec<u8>,
}

/// What the controller said.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds, where it was given as a number.
    pub retry_after: Option<Duration>,
    /// The body; it may hold secrets.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The client could not be made.
    #[error("set up the connection to the controller")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Someone answered who does not have a pinned key.
    #[error("connect to the controller: its key is not one that the task medium pins")]
    Pin,
    /// No connection, or it broke.
    #[error("call the controller")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("call the controller: no answer in time")]
    TimedOut,
    /// More than any answer can be.
    #[error("read the controller's answer: it is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
}

/// Carries calls to the controller.
#[async_trait]
pub trait Transport: Send + Sync {
    /// One try. Every status is an answer; an error means that nobody knows whether the call arrived.
    async fn post(&self, call: &Call) -> Result<Answer, TransportError>;
}
