// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a controller refuses, as an error of ours.

use http::StatusCode;
use shoal_schema::api::ErrorBody;

use super::Answer;
use crate::error::{CliError, Kind, exit};

/// The error that a refusal is.
pub(super) fn refusal(answer: &Answer) -> CliError {
    let status = answer.status;
    let Ok(body) = serde_json::from_slice::<ErrorBody>(&answer.body) else {
        return CliError::hardware("controller.answer", format!("the controller answers {status}"))
            .hint("is it a Shoal controller? something in between may have answered");
    };
    let kind = match status {
        StatusCode::INTERNAL_SERVER_ERROR => Kind::Internal,
        status if status.is_server_error() => Kind::Hardware,
        _ => Kind::User,
    };
    let mut failed = CliError::new(kind, body.error.as_str(), body.message).maybe_hint(body.hint);
    for violation in body.details {
        failed = failed.detail(format!("{}: {}", violation.path, violation.message));
    }
    match exit_of(&body.error) {
        Some(code) => failed.exit(code),
        None => failed,
    }
}

/// Words that mean more than "an error".
fn exit_of(word: &str) -> Option<u8> {
    match word {
        "stale" | "consumed" | "other_commit" => Some(exit::STALE),
        "conflict.active_job" | "backup_running" => Some(exit::LOCKED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: StatusCode, body: &str) -> CliError {
        refusal(&Answer { status, body: body.to_owned().into() })
    }

    #[test]
    fn a_refusal_keeps_its_code_and_hint_and_says_whose_business_it_is() {
        let error = refused(StatusCode::CONFLICT, r#"{"error":"stale","message":"gone on","hint":"again"}"#);
        assert_eq!(error.render(false), "error[stale]: gone on\n\nhint: again\n");
        assert_eq!(error.exit_code(), 4);
        let body = r#"{"error":"not_kept","message":"m"}"#;
        assert_eq!(refused(StatusCode::SERVICE_UNAVAILABLE, body).exit_code(), 69);
        assert_eq!(
            refused(StatusCode::UNAUTHORIZED, r#"{"error":"unauthorized","message":"m"}"#).exit_code(),
            1
        );
    }

    #[test]
    fn something_that_is_no_answer_of_ours_is_said_to_be_that() {
        let error = refused(StatusCode::BAD_GATEWAY, "<html>nginx</html>").render(false);
        assert!(error.contains("502") && !error.contains("nginx"), "{error}");
    }
}
