// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ejecting from slots that are particular.

use std::sync::Arc;

use serde_json::json;
use shoal_redfish::{Bmc, Effect, Error, ErrorKind};

use crate::flow::image;
use crate::support::fake::{Fake, eject, refused};
use crate::support::server::Reply;
use crate::support::trees::{FIRST, SECOND, machine, patched_slot, two_cd};

const EJECT: &str = "/1/Actions/VirtualMedia.EjectMedia";

async fn ejected(fake: &Arc<Fake>, insert_first: bool) -> Result<Effect, Error> {
    let (_server, bmc) = fake.connected().await;
    if insert_first {
        bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    }
    bmc.eject(FIRST).await
}

#[tokio::test]
async fn an_eject_of_an_empty_slot_is_success_whatever_the_bmc_answers() {
    for status in [204, 400, 404, 409, 500, 503] {
        let fake = Fake::new(two_cd());
        fake.answer("POST", EJECT, u32::MAX, move || Reply::status(status));
        assert_eq!(ejected(&fake, false).await.unwrap(), Effect::AlreadySo, "{status}");
        let sent = fake.asked("POST", EJECT).len();
        assert!((1..=2).contains(&sent), "stale states make an eject needed: {sent} after {status}");
    }
}

#[tokio::test]
async fn an_eject_that_wants_a_body_gets_one() {
    for status in [400, 415] {
        let fake = Fake::new(two_cd());
        fake.hook(move |asked, _| {
            (asked.path.ends_with(EJECT) && asked.body.is_empty()).then(|| Reply::status(status))
        });
        assert_eq!(ejected(&fake, true).await.unwrap(), Effect::Changed);
        assert_eq!(fake.asked("POST", EJECT)[1].body, json!({}));
    }
}

#[tokio::test]
async fn a_slot_that_vanishes_is_empty() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(EJECT).then(|| {
            state.tree.remove(FIRST);
            Reply::status(204)
        })
    });
    assert_eq!(ejected(&fake, true).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn an_eject_without_effect_is_no_success() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", EJECT, u32::MAX, || Reply::status(204));
    let (_server, bmc) = fake.connected_in_a_hurry().await;
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    let error = bmc.eject(FIRST).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoEffect { .. }), "{error}");
    assert!(!error.to_string().contains("c4pab1l1ty"), "{error}");
}

#[tokio::test]
async fn an_eject_that_takes_time_is_waited_for() {
    let fake = Fake::new(two_cd());
    let mut reads = None;
    fake.hook(move |asked, state| {
        if asked.path.ends_with(EJECT) {
            reads = Some(0);
            return Some(Reply::status(202));
        }
        if asked.method == "GET" && asked.path == FIRST && reads.is_some() {
            reads = reads.map(|reads| reads + 1);
            if reads > Some(3) {
                eject(state.tree.get_mut(FIRST).unwrap());
            }
        }
        None
    });
    assert_eq!(ejected(&fake, true).await.unwrap(), Effect::Changed);
    assert_eq!(fake.asked("POST", EJECT).len(), 1);
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again_and_a_refusal_is_told() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", EJECT, 2, || refused(400, "iLO.2.14.InvalidOperationForSystemState", "", &[]));
    assert_eq!(ejected(&fake, true).await.unwrap(), Effect::Changed);

    let fake = Fake::new(two_cd());
    fake.answer("POST", EJECT, u32::MAX, || refused(403, "Base.1.12.InsufficientPrivilege", "", &[]));
    let error = ejected(&fake, true).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Forbidden { .. }), "{error}");
    assert_eq!(error.step_key(), "redfish.cleanup.unmount");
}

#[tokio::test]
async fn an_eject_whose_answer_is_lost_is_judged_by_the_slot() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(EJECT).then(|| {
            eject(state.tree.get_mut(FIRST).unwrap());
            Reply::broken()
        })
    });
    assert_eq!(ejected(&fake, true).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn ejecting_ours_tries_both_slots_and_tells_the_first_failure() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    bmc.insert(SECOND, &image("task.iso")).await.unwrap();
    fake.answer("POST", "/2/Actions/VirtualMedia.EjectMedia", u32::MAX, || Reply::status(403));
    let error = bmc.eject_ours().await.unwrap_err();
    assert_eq!(error.resource(), Some(SECOND));
    let state = bmc.read_state().await.unwrap();
    let full: Vec<bool> = state.slots.iter().map(|slot| slot.inserted).collect();
    assert_eq!(full, [false, true]);
}

#[tokio::test]
async fn a_task_that_fails_on_an_empty_slot_has_nothing_to_do() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", EJECT, u32::MAX, || {
        Reply::status(202).header("Location", "/redfish/v1/TaskService/Tasks/9")
    });
    fake.answer("GET", "/Tasks/9", u32::MAX, || Reply::json(200, &json!({"TaskState": "Exception"})));
    assert_eq!(ejected(&fake, false).await.unwrap(), Effect::AlreadySo);
    let error = ejected(&fake, true).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TaskFailed { .. }), "{error}");
}

#[tokio::test]
async fn a_slot_that_is_patched_and_looks_empty_is_emptied_to_make_sure() {
    let fake = Fake::new(machine(&[patched_slot(FIRST)]));
    assert_eq!(ejected(&fake, false).await.unwrap(), Effect::AlreadySo);
    assert_eq!(fake.asked("PATCH", FIRST).len(), 1);
}
