// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tasks that finish, fail or vanish.

use serde_json::json;
use shoal_redfish::{Bmc, ErrorKind};

use super::{Outcome, Trial, ensure};
use crate::flow::image;
use crate::insert::{TASK, accepted, with_task};
use crate::support::fake::{Fake, insert};
use crate::support::server::Reply;
use crate::support::trees::{FIRST, two_cd};

const INSERT: &str = "/1/Actions/VirtualMedia.InsertMedia";

pub(super) async fn tasks_are_followed(trial: Trial) -> Outcome {
    let occupied =
        json!({"TaskState": "Exception", "Messages": {"MessageId": "iBMC.1.0.ConnectionOccupied"}});
    let (_server, bmc) = trial.connect(&with_task(occupied, false)).await?;
    let Err(error) = bmc.insert(FIRST, &image("boot.iso")).await else {
        return Err("it was inserted".into());
    };
    ensure!(matches!(error.kind(), ErrorKind::SlotOccupied { .. }), "{error}");
    Ok(())
}

pub(super) async fn task_monitors_have_many_spellings(trial: Trial) -> Outcome {
    for location in ["/redfish/v1/TaskService/TaskMonitors/42", "/redfish/v1/TaskService/Tasks/42/Monitor"] {
        let fake = Fake::new(two_cd());
        fake.answer("POST", INSERT, u32::MAX, move || Reply::status(202).header("Location", location));
        fake.answer("GET", TASK, u32::MAX, || {
            Reply::json(200, &json!({"TaskState": "Exception", "Messages": [{"Message": "it broke"}]}))
        });
        let (_server, bmc) = trial.connect(&fake).await?;
        let Err(error) = bmc.insert(FIRST, &image("boot.iso")).await else {
            return Err("it was inserted".into());
        };
        ensure!(matches!(error.kind(), ErrorKind::TaskFailed { .. }), "{error}");
    }
    Ok(())
}

pub(super) async fn failing_tasks_are_still_running(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(INSERT).then(|| {
            insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
            accepted()
        })
    });
    fake.answer("GET", TASK, u32::MAX, || Reply::status(503));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn vanished_tasks_are_unknown(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(INSERT).then(|| {
            insert(state.tree.get_mut(FIRST).unwrap(), &asked.json());
            accepted()
        })
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}
