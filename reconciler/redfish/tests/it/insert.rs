// SPDX-License-Identifier: AGPL-3.0-or-later
//! Inserting into slots that are particular.

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Effect, ErrorKind, ImageKind, ImageRef, MediaUrl};

use crate::flow::image;
use crate::support::fake::{Fake, insert, refused};
use crate::support::server::Reply;
use crate::support::trees::{FIRST, SECOND, SYSTEM, machine, made_by, slot, two_cd};

const INSERT: &str = "/1/Actions/VirtualMedia.InsertMedia";
const INSERT_SECOND: &str = "/2/Actions/VirtualMedia.InsertMedia";
pub(crate) const TASK: &str = "/redfish/v1/TaskService/Tasks/42";

fn bodies(fake: &Fake) -> Vec<Vec<String>> {
    fake.asked("POST", INSERT)
        .iter()
        .map(|line| {
            // Whether a map keeps its order depends on who else is built; the BMC does not care.
            let mut keys: Vec<String> = line.body.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        })
        .collect()
}

/// The label of the error of an insert into the first slot, which `fake` refuses.
async fn refusal_of(fake: &std::sync::Arc<Fake>) -> &'static str {
    let (_server, bmc) = fake.connected().await;
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap_err().kind().label()
}

#[tokio::test]
async fn what_the_bmc_misses_is_added_and_what_it_does_not_know_is_taken_out() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        if !asked.path.ends_with(INSERT) {
            return None;
        }
        let body = asked.json();
        if body.get("TransferProtocolType").is_none() {
            return Some(refused(
                400,
                "Base.1.12.ActionParameterMissing",
                "",
                &["InsertMedia", "TransferProtocolType"],
            ));
        }
        if body.get("TransferMethod").is_none() {
            return Some(refused(
                400,
                "Base.1.8.PropertyMissing",
                "TransferMethod is a required property",
                &[],
            ));
        }
        (body["TransferProtocolType"] != "HTTPS" || body["TransferMethod"] != "Stream")
            .then(|| Reply::status(400))
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(
        bodies(&fake),
        [
            vec!["Image"],
            vec!["Image", "TransferProtocolType"],
            vec!["Image", "TransferMethod", "TransferProtocolType"]
        ]
    );
}

#[tokio::test]
async fn what_the_action_info_requires_is_sent_at_once() {
    let info = "/redfish/v1/Managers/1/VirtualMedia/1/InsertMediaActionInfo";
    let mut tree = two_cd();
    tree.get_mut(FIRST).unwrap()["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"] = json!(info);
    tree.insert(
        info.to_owned(),
        json!({"Parameters": [
            {"Name": "Image", "Required": true},
            {"Name": "TransferProtocolType", "Required": true, "AllowableValues": ["NFS", "HTTPS"]},
            {"Name": "Inserted", "Required": false}
        ]}),
    );
    let fake = Fake::new(tree);
    let (_server, bmc) = fake.connected().await;
    assert!(!bmc.discovered().facts.schemes.http);
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    assert_eq!(bodies(&fake), [["Image", "TransferProtocolType"]]);
    let plain = ImageRef { url: MediaUrl::new("http://h/a.iso"), kind: ImageKind::Iso };
    bmc.eject(FIRST).await.unwrap();
    let error = bmc.insert(FIRST, &plain).await.unwrap_err();
    match error.kind() {
        ErrorKind::UnsupportedImageScheme { scheme, offered } => {
            assert_eq!((scheme.as_str(), offered.as_str()), ("http", "https"));
        }
        kind => panic!("{kind}"),
    }
    assert_eq!(bodies(&fake).len(), 1, "nothing may be sent that is known to be refused");
}

#[tokio::test]
async fn an_insert_without_effect_is_no_success() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, u32::MAX, || Reply::status(204));
    let (_server, bmc) = fake.connected_in_a_hurry().await;
    let error = bmc.insert(FIRST, &image("boot.iso")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoEffect { .. }), "{error}");
    assert!(error.retryable());
    assert_eq!(error.step_key(), "redfish.mount.maintenance");
    let error_of_task = {
        fake.answer("POST", INSERT_SECOND, u32::MAX, || Reply::status(204));
        bmc.insert(SECOND, &image("task.iso")).await.unwrap_err()
    };
    assert_eq!(error_of_task.step_key(), "redfish.mount.task");
}

#[tokio::test]
async fn another_image_in_the_slot_is_left_there_and_told() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.insert(FIRST, &image("rescue.iso")).await.unwrap();
    let before = fake.writes();
    let error = bmc.insert(FIRST, &image("boot.iso")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::SlotOccupied { .. }), "{error}");
    assert!(error.to_string().contains("rescue.iso"), "{error}");
    assert_eq!(fake.writes(), before);
}

#[tokio::test]
async fn an_echo_without_port_and_with_the_old_image_first_is_understood() {
    let fake = Fake::new(two_cd());
    let mut reads = 0;
    fake.hook(move |asked, state| {
        let slot = state.tree.get(FIRST).unwrap();
        if asked.method != "GET" || asked.path != FIRST || slot["Inserted"] != true {
            return None;
        }
        reads += 1;
        let mut shown = slot.clone();
        shown["Image"] = if reads < 4 {
            json!("https://127.0.0.1:9/media/of-an-earlier-attempt/boot.iso")
        } else {
            json!(slot["Image"].as_str().unwrap().replace(":9/", "/"))
        };
        Some(Reply::json(200, &shown))
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn an_insert_whose_answer_is_lost_is_not_sent_again_when_it_worked() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(INSERT).then(|| {
            insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
            Reply::broken()
        })
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(bodies(&fake).len(), 1);
}

#[tokio::test]
async fn a_bmc_that_fails_or_is_busy_is_asked_again_a_few_times() {
    for reply in [
        || Reply::status(500),
        || Reply::status(503),
        || refused(500, "IDRAC.2.7.SYS518", "Data sources are unavailable", &[]),
        || refused(400, "iLO.2.14.InvalidOperationForSystemState", "", &[]),
    ] {
        let fake = Fake::new(two_cd());
        fake.answer("POST", INSERT, 2, reply);
        let (_server, bmc) = fake.connected().await;
        bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
        assert_eq!(bodies(&fake).len(), 3);
    }
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, u32::MAX, || Reply::status(500));
    assert_eq!(refusal_of(&fake).await, "server-fault");
    assert_eq!(bodies(&fake).len(), 4);
}

#[tokio::test]
async fn refusals_that_an_operator_can_act_on_are_named_and_not_repeated() {
    for (label, reply) in [
        ("licence-missing", (|| refused(400, "iLO.2.14.LicenseKeyRequired", "", &[])) as fn() -> Reply),
        ("licence-missing", || refused(403, "Base.1.0.0.OemLicenseNotPassed", "", &["DCMS"])),
        ("virtual-media-disabled", || refused(400, "iLO.2.14.VirtualMediaIsDisabled", "", &[])),
        ("slot-occupied", || refused(400, "iBMC.1.0.ConnectionOccupied", "", &[])),
        ("slot-occupied", || refused(500, "", "Virtual media is already attached to the host", &[])),
        ("unsupported-image-scheme", || refused(400, "iBMC.1.0.FileTransferProtocolMismatch", "", &[])),
        ("image-unreadable", || refused(400, "Base.1.13.ResourceAtUriInUnknownFormat", "", &["https://h/x"])),
        ("image-unreadable", || refused(401, "Base.1.13.ResourceAtUriUnauthorized", "", &["https://h/x"])),
        ("image-unreadable", || refused(500, "IDRAC.2.7.RAC0720", "Unable to locate the ISO", &[])),
        ("forbidden", || refused(403, "Base.1.12.InsufficientPrivilege", "", &[])),
        ("not-found", || Reply::status(404)),
    ] {
        let fake = Fake::new(two_cd());
        fake.answer("POST", INSERT, u32::MAX, reply);
        assert_eq!(refusal_of(&fake).await, label);
        assert_eq!(bodies(&fake).len(), 1, "{label}");
    }
}

#[tokio::test]
async fn every_error_says_what_to_do_and_tells_no_capability() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        asked.path.ends_with(INSERT).then(|| {
            let image = asked.json()["Image"].as_str().unwrap().to_owned();
            let capability = image.split('/').nth(4).unwrap().to_owned();
            refused(400, "Base.1.12.GeneralError", &format!("cannot mount {image} ({capability})"), &[&image])
        })
    });
    let (_server, bmc) = fake.connected().await;
    // One that looks like a token, and one that looks like a word.
    for capability in ["c4pab1l1ty".repeat(3), "capability".repeat(3)] {
        let url = MediaUrl::new(format!("https://127.0.0.1:9/media/{capability}/boot.iso"));
        let error = bmc.insert(FIRST, &ImageRef { url, kind: ImageKind::Iso }).await.unwrap_err();
        assert!(error.to_string().contains("cannot mount"), "{error}");
        assert!(!format!("{error} {error:?}").contains(&capability), "{error:?}");
        assert!(!error.hint().is_empty());
    }
}

pub(crate) fn accepted() -> Reply {
    Reply::json(202, &json!({"@odata.id": TASK, "@odata.type": "#Task.v1_4_2.Task", "TaskState": "New"}))
        .header("Location", "/redfish/v1/TaskService/TaskMonitors/42")
}

/// A BMC that inserts through a task which ends like this.
pub(crate) fn with_task(end: Value, works: bool) -> std::sync::Arc<Fake> {
    let fake = Fake::new(two_cd());
    fake.hook(move |asked, state| {
        asked.path.ends_with(INSERT).then(|| {
            if works {
                insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
            }
            accepted()
        })
    });
    let mut looks = 0;
    fake.hook(move |asked, _| {
        (asked.path == TASK).then(|| {
            looks += 1;
            match looks {
                1 => Reply::json(200, &json!({"TaskState": "New", "Messages": {}})),
                2 => Reply::json(200, &json!({"TaskState": "Running"})),
                _ => Reply::json(200, &end),
            }
        })
    });
    fake
}

#[tokio::test]
async fn an_accepted_insert_is_followed_to_the_end_of_its_task() {
    let fake = with_task(json!({"TaskState": "Completed", "TaskStatus": "OK"}), true);
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(fake.asked("GET", TASK).len(), 3);
}

#[tokio::test]
async fn a_task_that_fails_is_told_with_its_reason() {
    let occupied =
        json!({"TaskState": "Exception", "Messages": {"MessageId": "iBMC.1.0.ConnectionOccupied"}});
    assert_eq!(refusal_of(&with_task(occupied, false)).await, "slot-occupied");
    let other = json!({"TaskState": "Exception", "Messages": [{"MessageId": "iBMC.1.0.ConnectionFailed"}]});
    assert_eq!(refusal_of(&with_task(other, false)).await, "task-failed");
    let critical = json!({"TaskState": "Completed", "TaskStatus": "Critical"});
    assert_eq!(refusal_of(&with_task(critical, false)).await, "task-failed");
}

#[tokio::test]
async fn a_task_that_vanished_is_not_success_and_the_slot_decides() {
    for works in [true, false] {
        let fake = Fake::new(two_cd());
        fake.hook(move |asked, state| {
            asked.path.ends_with(INSERT).then(|| {
                if works {
                    insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
                }
                accepted()
            })
        });
        let (_server, bmc) = fake.connected_in_a_hurry().await;
        let result = bmc.insert(FIRST, &image("boot.iso")).await;
        assert_eq!(result.is_ok(), works, "{result:?}");
    }
}

#[tokio::test]
async fn a_202_that_names_no_task_is_judged_by_the_slot() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(INSERT).then(|| {
            insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
            Reply::status(202)
        })
    });
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn a_monitor_answers_202_until_the_action_is_done() {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(INSERT).then(|| {
            insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
            Reply::status(202).header("Location", "/redfish/v1/TaskService/Tasks/42/Monitor")
        })
    });
    fake.answer("GET", "/Tasks/42/Monitor", 2, || Reply::status(202));
    fake.answer("GET", "/Tasks/42/Monitor", 1, || Reply::status(204));
    let (_server, bmc) = fake.connected().await;
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(fake.asked("GET", "/Monitor").len(), 3);
}

#[tokio::test]
async fn supermicro_gets_the_image_alone_and_no_query() {
    let at = |n: u32| format!("/redfish/v1/Managers/1/VirtualMedia/VirtualMedia{n}");
    let fake = Fake::new(made_by(machine(&[slot(&at(1), &["CD"]), slot(&at(2), &["CD"])]), "Supermicro"));
    fake.hook(|asked, _| {
        let more = asked.path.ends_with("InsertMedia") && asked.json().as_object().unwrap().len() > 1;
        more.then(|| Reply::status(400))
    });
    let (_server, bmc) = fake.connected().await;
    bmc.insert(&at(1), &image("boot.iso")).await.unwrap();
    let signed = ImageRef { url: MediaUrl::new("https://h/media/x/task.iso?sig=abc"), kind: ImageKind::Iso };
    let error = bmc.insert(&at(2), &signed).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnsupportedImageUrl { .. }), "{error}");
    fake.answer("POST", "2/Actions/VirtualMedia.InsertMedia", u32::MAX, || Reply::status(400));
    bmc.insert(&at(2), &image("task.iso")).await.unwrap_err();
    assert_eq!(fake.asked("POST", "2/Actions/VirtualMedia.InsertMedia").len(), 1);
}

#[tokio::test]
async fn ilo4_is_served_through_its_own_actions() {
    let target = |verb: &str| format!("{FIRST}/Actions/Oem/Hp/HpiLOVirtualMedia.{verb}VirtualMedia/");
    let mut ilo4 = slot(FIRST, &["CD", "DVD"]);
    ilo4.as_object_mut().unwrap().remove("Actions");
    ilo4["Oem"] = json!({"Hp": {"Actions": {
        "#HpiLOVirtualMedia.InsertVirtualMedia": {"target": target("Insert")},
        "#HpiLOVirtualMedia.EjectVirtualMedia": {"target": target("Eject")}
    }}});
    let fake = Fake::new(made_by(machine(&[ilo4]), "HP"));
    fake.hook(|asked, state| {
        let slot = state.tree.get_mut(FIRST).unwrap();
        if asked.path.ends_with(".InsertVirtualMedia/") {
            insert(slot, &asked.json());
        } else if asked.path.ends_with(".EjectVirtualMedia/") && asked.body == b"{}" {
            crate::support::fake::eject(slot);
        } else {
            return (asked.method == "POST" && asked.path.contains("/Oem/")).then(|| Reply::status(415));
        }
        Some(Reply::status(200))
    });
    let (_server, bmc) = fake.connected().await;
    let found = bmc.discovered();
    assert_eq!(serde_json::to_value(found.media[0].insert).unwrap(), "oem");
    assert_eq!(bmc.insert(FIRST, &image("boot.iso")).await.unwrap(), Effect::Changed);
    assert_eq!(bmc.eject(FIRST).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn an_insert_resets_nothing() {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = fake.connected().await;
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    bmc.eject(FIRST).await.unwrap();
    assert!(fake.asked("POST", "ComputerSystem.Reset").is_empty());
    assert!(fake.asked("PATCH", SYSTEM).is_empty());
}

#[tokio::test]
async fn an_image_that_the_machine_would_not_see_in_that_slot_is_not_inserted() {
    let fake = Fake::new(machine(&[slot(FIRST, &["USBStick"]), slot(SECOND, &["CD"])]));
    let (_server, bmc) = fake.connected().await;
    let raw = ImageRef { kind: ImageKind::RawDisk, ..image("task.img") };
    for (uri, image) in [(FIRST, &image("boot.iso")), (SECOND, &raw)] {
        let error = bmc.insert(uri, image).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WrongImageKind { .. }), "{error}");
    }
    assert!(fake.writes().is_empty());
    bmc.insert(FIRST, &raw).await.unwrap();
    bmc.insert(SECOND, &image("boot.iso")).await.unwrap();
}

#[tokio::test]
async fn a_bmc_that_stays_busy_is_asked_until_the_budget_is_over() {
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, 12, || refused(400, "iLO.2.14.UnableToModifyDuringSystemPOST", "", &[]));
    let (_server, bmc) = fake.connected().await;
    bmc.insert(FIRST, &image("boot.iso")).await.unwrap();
    assert_eq!(bodies(&fake).len(), 13);

    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, u32::MAX, || {
        refused(400, "iLO.2.14.UnableToModifyDuringSystemPOST", "", &[])
    });
    let (_server, bmc) = fake.connected_in_a_hurry().await;
    let error = bmc.insert(FIRST, &image("boot.iso")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Busy { .. }), "{error}");
}

#[tokio::test]
async fn a_task_whose_monitor_is_not_there_is_asked_itself() {
    for location in ["/redfish/v1/TaskService/TaskMonitors/42", "/redfish/v1/TaskService/Tasks/42/Monitor"] {
        let fake = Fake::new(two_cd());
        fake.answer("POST", INSERT, u32::MAX, move || Reply::status(202).header("Location", location));
        fake.answer("GET", TASK, u32::MAX, || {
            Reply::json(200, &json!({"TaskState": "Exception", "Messages": [{"Message": "it broke"}]}))
        });
        let (_server, bmc) = fake.connected().await;
        let error = bmc.insert(FIRST, &image("boot.iso")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TaskFailed { .. }), "{error}");
        assert!(error.to_string().contains("it broke"), "{error}");
    }
}
