// SPDX-License-Identifier: AGPL-3.0-or-later
//! Errors of the administration's API, in the form of the controller's other ones.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shoal_oci::Digest;
use shoal_registry_storage::StorageError;
use shoal_schema::api::ErrorBody;
use tokio::task::JoinError;

use super::upkeep::NotBegun;
use crate::access::Refusal;
use crate::error::chain;

/// An error answer.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    fn new(status: StatusCode, error: &str, message: impl Into<String>) -> Self {
        let (error, message) = (error.to_owned(), message.into());
        Self { status, body: ErrorBody { error, message, hint: None, details: Vec::new() } }
    }

    fn hint(mut self, hint: &str) -> Self {
        self.body.hint = Some(hint.to_owned());
        self
    }

    pub(super) fn bad_query(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", message)
    }

    pub(super) fn not_in_quarantine(digest: &Digest) -> Self {
        let message = format!("{digest} is not in quarantine");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
            .hint("what was damaged, or is past the quarantine's time, has to be pushed again")
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_query(rejection.body_text())
    }
}

impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        let word = match refusal {
            Refusal::Unauthorized | Refusal::WrongLogin => "unauthorized",
            Refusal::Wait { .. } => "too_many_logins",
            Refusal::Denied { .. } => "forbidden",
            Refusal::ForeignPage => "cross_origin",
        };
        Self::new(refusal.status(), word, refusal.to_string())
    }
}

impl From<NotBegun> for ApiError {
    fn from(error: NotBegun) -> Self {
        match &error {
            NotBegun::Busy(_) => Self::new(StatusCode::CONFLICT, "busy", error.to_string())
                .hint("GET /api/v1/registry/tasks says how far it is; try again when it has ended"),
            NotBegun::RootsUnknown => Self::new(StatusCode::CONFLICT, "roots_unknown", error.to_string())
                .hint("wait until the controller has read the inventory: /readyz says when"),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        if error.is_no_space() {
            let message = "the registry's disk is full";
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "no_space", message)
                .hint("free some space on that disk, then try again");
        }
        tracing::error!(error = %chain(&error), "maintenance of the registry failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", error.to_string())
            .hint("the registry's log says more")
    }
}

impl From<JoinError> for ApiError {
    fn from(error: JoinError) -> Self {
        tracing::error!(%error, "a request failed");
        let message = "the registry failed at this request; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
