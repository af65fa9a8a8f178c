// SPDX-License-Identifier: AGPL-3.0-or-later
//! Over the Unix socket: who we are, the controller sees by our uid.

use std::io::ErrorKind;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::download::{Body, Connection};
use crate::error::CliError;

/// A controller on this machine.
pub(super) struct Socket {
    path: PathBuf,
}

impl Socket {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn shown(&self) -> String {
        format!("the controller at {}", self.path.display())
    }

    /// Sends a request; the answer is at its body.
    pub(super) async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Body), CliError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error.into()))?;
        // What goes wrong with it is heard by whoever waits for the answer.
        let connection = Connection(tokio::spawn(async { drop(connection.await) }));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| self.broken(error.into()))?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(error.into()))?;
        Ok((response.status(), Body::Socket { body: response.into_body(), _connection: connection }))
    }

    /// The connection is no longer what it was.
    pub(super) fn broken(&self, error: Box<dyn std::error::Error + Send + Sync>) -> CliError {
        CliError::hardware("controller.broken", format!("the connection to {} broke", self.shown()))
            .because(error)
    }

    fn unreachable(&self, error: std::io::Error) -> CliError {
        let hint = match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                "is 'shoal run' running here? for one elsewhere, set SHOAL_URL and SHOAL_TOKEN"
            }
            ErrorKind::PermissionDenied => {
                "run it as the user that runs the controller, or use SHOAL_URL and SHOAL_TOKEN"
            }
            _ => "name its socket with --socket",
        };
        CliError::hardware("controller.unreachable", format!("{} cannot be reached", self.shown()))
            .because(error)
            .hint(hint)
    }
}
