// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a machine's report means: whose it is, which step, and whether the same may work in a while.

use shoal_schema::step::Step;
use shoal_schema::wire::webhook::{
    CODE_LIMIT, HINT_LIMIT, LOG_TAIL_LIMIT, MESSAGE_LIMIT, WebhookBody, WebhookStatus,
};

use crate::job::{Event, Failure, Job};

/// The one thing at the permit that passes: the controller could not be reached, or waited for Git.
const PERMIT_TIMEOUT: &str = "permit_timeout";

/// Codes that the same disk, image and layout will meet again.
const LASTING: [&str; 24] = [
    "bad_provision",
    "bad_layout",
    "missing_esp",
    "wrong_digest",
    "wrong_disk",
    "format_failed",
    "registry_refused",
    "image_not_found",
    "image_missing",
    "bad_image",
    "bad_archive",
    "disk_too_small",
    "disk_full",
    "disk_mounted",
    "bootloader_failed",
    "seed_failed",
    "wrong_machine",
    "identity_unproven",
    "recipe_invalid",
    "not_blank",
    "unsupported_target",
    "unknown_target",
    "secret_on_medium",
    "task_format",
];

/// What a report means to a job. Nothing where another boot than the one with the permit says it: a
/// machine that was refused must not end the attempt of the one that writes.
pub fn event_of(job: &Job, body: &WebhookBody) -> Option<Event> {
    let attempt = body.attempt.unwrap_or(job.attempt);
    let permitted = job.permit.as_ref().filter(|permit| permit.attempt == attempt);
    let another_boot = match (permitted, &body.boot_id) {
        (Some(permit), Some(boot_id)) => permit.boot_id != *boot_id,
        _ => false,
    };
    (!another_boot).then(|| Event::Reported { attempt, failure: failure_of(body) })
}

/// The failure in a webhook, or nothing where it reports success.
pub fn failure_of(body: &WebhookBody) -> Option<Failure> {
    if body.status == WebhookStatus::Success {
        return None;
    }
    let unit = body.failed_step.clone();
    let step = unit.as_deref().map_or(Step::WorkflowDispatcher, Step::of_unit);
    let (code, message, hint, log_tail) = match &body.error {
        Some(error) => (
            head(&error.code, CODE_LIMIT),
            head(&error.message, MESSAGE_LIMIT),
            error.hint.as_deref().filter(|hint| !hint.is_empty()).map(|hint| head(hint, HINT_LIMIT)),
            error.log_tail.as_deref().map(tail),
        ),
        None => {
            let name = unit.as_deref().unwrap_or("the dispatcher");
            ("unit_failed".to_owned(), format!("{name} failed without saying why"), None, None)
        }
    };
    let lasting_step = match step {
        Step::WorkflowIdentity | Step::WorkflowDisk | Step::ValidateRecipe => true,
        Step::WorkflowPermit => code != PERMIT_TIMEOUT,
        _ => false,
    };
    let passing = !lasting_step && !LASTING.contains(&code.as_str());
    Some(Failure { step: Some(step), unit, code, message, hint, log_tail, passing })
}

/// The start of a text, cut at a character, within the limit. It goes to the status branch.
fn head(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// The end of a log, cut at a character, within the limit.
fn tail(log: &str) -> String {
    let mut start = log.len().saturating_sub(LOG_TAIL_LIMIT);
    while !log.is_char_boundary(start) {
        start += 1;
    }
    log[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_schema::wire::webhook::WebhookError;

    fn body(unit: &str, code: &str) -> WebhookBody {
        WebhookBody {
            status: WebhookStatus::Failed,
            failed_step: Some(unit.into()),
            delivery_id: None,
            job_id: None,
            attempt: None,
            boot_id: None,
            task_target: None,
            dispatcher_version: None,
            schema_id: None,
            started_at: None,
            finished_at: None,
            error: Some(WebhookError {
                code: code.into(),
                message: "m".into(),
                hint: None,
                log_tail: Some("é".repeat(5000)),
            }),
        }
    }

    #[test]
    fn a_lasting_fault_is_not_tried_again_and_a_passing_one_is() {
        assert!(failure_of(&body("image-linux.service", "network")).unwrap().passing);
        assert!(!failure_of(&body("image-linux.service", "wrong_digest")).unwrap().passing);
        assert!(!failure_of(&body("identity.service", "whatever")).unwrap().passing);
        assert!(!failure_of(&body("permit", "unauthorized")).unwrap().passing);
        assert!(failure_of(&body("permit", "permit_timeout")).unwrap().passing);
    }

    #[test]
    fn what_the_steps_can_say_is_tried_again_only_where_that_may_help() {
        let passing = |code: &str| failure_of(&body("image-linux.service", code)).unwrap().passing;
        for code in [
            "disk_in_use",
            "disk_failed",
            "partition_failed",
            "registry_unreachable",
            "mount_failed",
            "internal",
            "unit_timed_out",
            "unit_killed",
            "unit_failed",
        ] {
            assert!(passing(code), "{code}");
        }
        for code in [
            "bad_provision",
            "bad_layout",
            "disk_too_small",
            "disk_mounted",
            "wrong_disk",
            "format_failed",
            "registry_refused",
            "image_missing",
            "wrong_digest",
            "bad_image",
            "bad_archive",
            "disk_full",
            "missing_esp",
            "bootloader_failed",
            "seed_failed",
        ] {
            assert!(!passing(code), "{code}");
        }
    }

    #[test]
    fn a_hint_of_the_machine_goes_before_the_one_of_the_step_and_all_texts_are_bounded() {
        let mut body = body("image-linux.service", &"c".repeat(100));
        let error = body.error.as_mut().unwrap();
        error.message = "é".repeat(2000);
        error.hint = Some("h".repeat(2000));
        let failure = failure_of(&body).unwrap();
        let hint = failure.hint.unwrap();
        assert_eq!((failure.code.len(), failure.message.len(), hint.len()), (64, 1024, 512));
    }

    #[test]
    fn a_log_is_cut_to_its_end_at_a_character() {
        let log = failure_of(&body("partition.service", "x")).unwrap().log_tail.unwrap();
        assert!(log.len() <= LOG_TAIL_LIMIT && log.chars().all(|c| c == 'é'));
    }
}
