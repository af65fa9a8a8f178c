// SPDX-License-Identifier: AGPL-3.0-or-later
//! Error answers: one body for all of them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shoal_schema::api::{ErrorBody, Violation};

use crate::controller::ChangeError;

/// An error answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: ErrorBody,
    /// Seconds to wait before another try.
    wait: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, error: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                error: error.to_owned(),
                message: message.into(),
                hint: None,
                details: Vec::new(),
            },
            wait: None,
        }
    }

    pub(crate) fn wait(mut self, seconds: u64) -> Self {
        self.wait = Some(seconds);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    pub(crate) fn details(mut self, details: Vec<Violation>) -> Self {
        self.body.details = details;
        self
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    pub(crate) fn conflict(error: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, message)
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match &error {
            ChangeError::NoJob { .. } => Self::not_found(error.to_string()),
            ChangeError::Commit { .. } => {
                error.tell("", "a change was not kept");
                let hint = if error.is_disk_full() {
                    "the disk of the controller's database is full: make room there; nothing was changed, so it can be sent again"
                } else {
                    "the controller's log says why; nothing was changed, so it can be sent again"
                };
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", error.to_string()).hint(hint)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = self.wait {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert("www-authenticate", http::HeaderValue::from_static("Basic realm=\"shoal\", Bearer"));
        }
        response
    }
}

/// No such route.
pub(crate) async fn no_route() -> ApiError {
    ApiError::not_found("there is no such route; /openapi.json lists them")
}
