// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller, as the command line talks to it: over its Unix socket, or over HTTPS.
//!
//! Guarantees: an account's password is sent only where nobody in between can read it; what a
//! controller answers is bounded in size and time; its errors become errors of ours with their
//! code and hint.

mod address;
mod answer;
mod download;
mod https;
mod socket;

pub(crate) use address::ConnectArgs;
pub(crate) use download::Download;

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CliError;
use crate::host::Context;
use download::Body;
use https::Https;
use socket::Socket;

/// `reconcile` and `apply` wait for a fetch; everything else is far below.
const PATIENCE: Duration = Duration::from_secs(120);
/// A plan of 100,000 servers stays below.
const MAX_ANSWER: usize = 256 << 20;

/// A controller.
pub(crate) struct Client {
    way: Way,
}

enum Way {
    Socket(Socket),
    Https(Box<Https>),
}

/// What came back.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Client {
    /// Asks for something.
    pub(crate) fn get<T: DeserializeOwned>(&self, context: &Context, path: &str) -> Result<T, CliError> {
        self.call(context, Method::GET, path, None)
    }

    /// Asks for something to be done.
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        context: &Context,
        path: &str,
        body: &B,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| CliError::internal("json", "cannot write the request as JSON").because(error))?;
        self.call(context, Method::POST, path, Some(body.into()))
    }

    fn call<T: DeserializeOwned>(
        &self,
        context: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T, CliError> {
        let _progress = context.progress(format!("asking {}", self.shown()));
        let answer = self.patiently(context, async {
            let (status, body) = self.begin(method, path, body).await?;
            self.whole(status, body).await
        })?;
        if !answer.status.is_success() {
            return Err(answer::refusal(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            CliError::hardware(
                "controller.answer",
                format!("{} answers something else than expected", self.shown()),
            )
            .because(error)
            .hint("is it a Shoal controller, and of this version?")
        })
    }

    /// Asks for something of any size.
    pub(crate) fn download<'a>(&self, context: &'a Context, path: &str) -> Result<Download<'a>, CliError> {
        self.patiently(context, async {
            let (status, body) = self.begin(Method::GET, path, None).await?;
            if status.is_success() {
                return Ok(Download::new(context, body));
            }
            Err(answer::refusal(&self.whole(status, body).await?))
        })
    }

    fn patiently<T>(
        &self,
        context: &Context,
        asking: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        context.wait(async { tokio::time::timeout(PATIENCE, asking).await }).map_err(|_| {
            let seconds = PATIENCE.as_secs();
            CliError::hardware(
                "controller.timeout",
                format!("{} gave no answer in {seconds} s", self.shown()),
            )
        })?
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Body), CliError> {
        match &self.way {
            Way::Socket(socket) => socket.begin(method, path, body).await,
            Way::Https(https) => https.begin(method, path, body).await,
        }
    }

    /// All of an answer.
    async fn whole(&self, status: StatusCode, mut from: Body) -> Result<Answer, CliError> {
        let mut body = BytesMut::new();
        while let Some(piece) = from.next().await.map_err(|error| match &self.way {
            Way::Socket(socket) => socket.broken(error),
            Way::Https(https) => https.broken(error),
        })? {
            if body.len() + piece.len() > MAX_ANSWER {
                let message = format!("{} answers with more than {MAX_ANSWER} bytes", self.shown());
                return Err(CliError::hardware("controller.answer", message));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, body: body.freeze() })
    }

    /// Which one it is.
    pub(crate) fn shown(&self) -> String {
        match &self.way {
            Way::Socket(socket) => socket.shown(),
            Way::Https(https) => https.shown(),
        }
    }
}

/// What a registry refuses that was asked within this process.
pub(crate) fn refusal(status: StatusCode, body: Bytes) -> CliError {
    answer::refusal(&Answer { status, body })
}

/// A part of a path: what a person typed cannot lead to another route.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // Dots alone would be taken for a directory.
    if out.chars().all(|c| c == '.') { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn what_a_person_types_is_one_part_of_a_path() {
        assert_eq!(segment("web-01.example_x~"), "web-01.example_x~");
        assert_eq!(segment("a/../b?c#d é"), "a%2F..%2Fb%3Fc%23d%20%C3%A9");
        assert_eq!(segment(".."), "%2E%2E");
    }
}
