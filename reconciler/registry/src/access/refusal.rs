// SPDX-License-Identifier: AGPL-3.0-or-later
//! Requests that are not let through, and what they are answered (distribution-spec, Error Codes).

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use shoal_oci::{ErrorBody, ErrorCode, RepositoryName};

use super::Caller;
use crate::policy::Right;

/// What asks a client to log in (RFC 7617).
pub(super) const CHALLENGE: &str = "Basic realm=\"shoal-registry\", charset=\"UTF-8\"";

/// A request is not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It needs an account and came without one.
    #[error("log in first: this needs an account of the registry")]
    Unauthorized,
    /// The name, the password or the token is not right.
    #[error("wrong name, password or token")]
    WrongLogin,
    /// Too many wrong ones came from that address.
    #[error("too many wrong logins from this address: try again in {seconds} s")]
    Wait {
        /// Whole seconds.
        seconds: u64,
    },
    /// Who asks may not do this. Says nothing about what is there.
    #[error("{}", denied(.who, *.right, .repository.as_ref()))]
    Denied {
        /// Who asked.
        who: Caller,
        /// What they would need.
        right: Right,
        /// Where; nothing where it is about the whole registry.
        repository: Option<RepositoryName>,
    },
    /// The request comes from another site's page in a browser.
    #[error("another site's page may not use this registry")]
    ForeignPage,
}

// === impl Refusal ===

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized | Self::WrongLogin => StatusCode::UNAUTHORIZED,
            Self::Wait { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Denied { .. } | Self::ForeignPage => StatusCode::FORBIDDEN,
        }
    }

    /// The code in the answer's body.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unauthorized | Self::WrongLogin => ErrorCode::Unauthorized,
            Self::Wait { .. } => ErrorCode::TooManyRequests,
            Self::Denied { .. } | Self::ForeignPage => ErrorCode::Denied,
        }
    }

    /// Puts the headers on an answer that belong to this refusal, whatever form its body has.
    pub(crate) fn head(&self, response: &mut Response) {
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized | Self::WrongLogin => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            }
            Self::Wait { seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Denied { .. } | Self::ForeignPage => {}
        }
    }
}

/// In the form that the specification gives errors below `/v2/`.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody::new(self.code(), self.to_string()).to_json();
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status(), [(CONTENT_TYPE, json)], body).into_response();
        self.head(&mut response);
        response
    }
}

fn denied(who: &Caller, right: Right, repository: Option<&RepositoryName>) -> String {
    let what = match (right, repository) {
        (Right::Admin, _) | (_, None) => "maintain the registry".to_owned(),
        (Right::Pull, Some(repository)) => format!("pull from {repository}"),
        (Right::Push, Some(repository)) => format!("push to {repository}"),
        (Right::Delete, Some(repository)) => format!("delete from {repository}"),
    };
    match who {
        Caller::Job(_) => format!("a job's token is not for this ({what}): it pulls from its one repository"),
        Caller::Open if right == Right::Admin => {
            "without accounts the registry is maintained from its own machine only: use 127.0.0.1 there, or set up accounts"
                .to_owned()
        }
        Caller::Open | Caller::Anonymous => format!("not everybody may {what}: see access in the registry's policy"),
        Caller::Account(name) => format!("{name} may not {what}: see access in the registry's policy"),
    }
}
