// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a machine's report means to its job.

use shoal_core::job::{Event, Job, Phase};
use shoal_core::report::event_of;
use shoal_schema::wire::webhook::{WebhookBody, WebhookStatus};

use crate::support::jobs::in_phase;

fn body(attempt: Option<u32>, boot_id: Option<&str>) -> WebhookBody {
    WebhookBody {
        status: WebhookStatus::Success,
        failed_step: None,
        delivery_id: None,
        job_id: None,
        attempt,
        boot_id: boot_id.map(Into::into),
        task_target: None,
        dispatcher_version: None,
        schema_id: None,
        started_at: None,
        finished_at: None,
        error: None,
    }
}

fn attempt_of(job: &Job, body: &WebhookBody) -> Option<u32> {
    match event_of(job, body)? {
        Event::Reported { attempt, failure: None } => Some(attempt),
        other => panic!("a report of success, not {other:?}"),
    }
}

#[test]
fn a_report_that_names_no_attempt_is_of_the_current_one() {
    let job = in_phase(Phase::AwaitResult);
    assert_eq!(attempt_of(&job, &body(None, None)), Some(1));
    assert_eq!(attempt_of(&job, &body(Some(1), Some("boot-1"))), Some(1));
}

#[test]
fn a_boot_that_has_no_permit_cannot_end_the_attempt_of_the_one_that_has() {
    let job = in_phase(Phase::AwaitResult);
    assert_eq!(attempt_of(&job, &body(Some(1), Some("boot-2"))), None);
    assert_eq!(attempt_of(&job, &body(None, Some("boot-2"))), None);
    // Without a permit there is no boot to compare with; of another attempt, the job itself judges.
    assert_eq!(attempt_of(&in_phase(Phase::AwaitPermit), &body(Some(1), Some("boot-2"))), Some(1));
    assert_eq!(attempt_of(&job, &body(Some(7), Some("boot-2"))), Some(7));
}
