// SPDX-License-Identifier: AGPL-3.0-or-later
//! Over the Unix socket: who we are, the controller sees by our uid.

use std::io::ErrorKind;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Answer, MAX_ANSWER};
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

    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, CliError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(error))?;
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            CliError::hardware("controller.broken", format!("the connection to {} broke", self.shown()))
                .because(error)
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| broken(e.into()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|e| broken(e.into()))?;
        // Dropped with this future, and the connection with it.
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|e| broken(e.into()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(broken)?;
            Ok(Answer { status, body: body.to_bytes() })
        };
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            _ = connection => exchange.await,
        }
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
