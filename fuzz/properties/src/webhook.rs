// SPDX-License-Identifier: AGPL-3.0-or-later
//! What machines send: reports, requests for a permit, progress.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoal_controller::http::read_body;
use shoal_core::report::failure_of;
use shoal_schema::wire::permit::PermitRequest;
use shoal_schema::wire::progress::ProgressBody;
use shoal_schema::wire::webhook::{
    CODE_LIMIT, HINT_LIMIT, LOG_TAIL_LIMIT, MESSAGE_LIMIT, WebhookBody, WebhookStatus,
};

use crate::recipe::values;

/// The longest refusal, whatever was sent.
const REFUSAL: usize = 40_000;

/// The input as each of the bodies.
///
/// # Panics
///
/// Where a body is not written as it was read, where what is kept of a report is longer than its
/// limits, or where a refusal says nothing, too much, or what was sent.
pub fn webhook(input: &[u8]) -> bool {
    let report = body::<WebhookBody>(input);
    if let Some(report) = report.as_ref().filter(|report| report.problem().is_none()) {
        bounded(report);
    }
    let permit = body::<PermitRequest>(input);
    let asked =
        permit.is_some_and(|permit| permit.problem().is_none() && (1..=64).contains(&permit.boot_id.len()));
    let progress = body::<ProgressBody>(input);
    let told = progress.is_some_and(|progress| {
        let fine = progress.problem().is_none();
        assert!(!fine || progress.step.bytes().all(|c| c == b'-' || c.is_ascii_alphanumeric()));
        fine
    });
    report.is_some_and(|report| report.problem().is_none()) || asked || told
}

fn body<T: DeserializeOwned + JsonSchema + Serialize + PartialEq + std::fmt::Debug>(
    input: &[u8],
) -> Option<T> {
    match read_body::<T>(input) {
        Ok(body) => {
            let written = serde_json::to_vec(&body).expect("a body is JSON");
            assert_eq!(read_body::<T>(&written).expect("it was just written"), body);
            Some(body)
        }
        Err(refusal) => {
            assert!(matches!(&*refusal.error, "invalid_json" | "invalid_request"), "{}", refusal.error);
            assert!(refusal.hint.is_some() && !refusal.message.is_empty());
            let answer = serde_json::to_string(&refusal).expect("an answer is JSON");
            assert!(answer.len() < REFUSAL, "{} bytes", answer.len());
            let document = serde_json::from_slice(input).unwrap_or_default();
            let repeated = values(&document).into_iter().find(|value| answer.contains(value));
            assert!(repeated.is_none(), "{repeated:?} is in {answer}");
            None
        }
    }
}

/// What is kept of a report stays within its limits, however much was sent.
fn bounded(report: &WebhookBody) {
    let failure = failure_of(report);
    assert_eq!(failure.is_some(), report.status == WebhookStatus::Failed);
    let Some(failure) = failure else { return };
    assert!(failure.unit.as_ref().is_some_and(|unit| !unit.is_empty() && unit.len() <= 256));
    assert!(failure.code.len() <= CODE_LIMIT);
    assert!(failure.message.len() <= MESSAGE_LIMIT.max(400));
    assert!(failure.hint.is_none_or(|hint| !hint.is_empty() && hint.len() <= HINT_LIMIT));
    assert!(failure.log_tail.is_none_or(|log| log.len() <= LOG_TAIL_LIMIT));
    let again = failure_of(report).map(|failure| failure.passing);
    assert_eq!(again, Some(failure.passing));
}
