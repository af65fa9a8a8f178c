// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power.

use std::time::Duration;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, PowerOff};

use super::{Outcome, Trial, ensure};
use crate::power::{is_reset, power, resets};
use crate::support::fake::Fake;
use crate::support::server::Reply;
use crate::support::trees::{SYSTEM, two_cd};

const GRACEFUL: Duration = Duration::from_secs(60);

pub(super) async fn reset_types_may_stand_in_the_action_info(trial: Trial) -> Outcome {
    let info = "/redfish/v1/Systems/1/ResetActionInfo";
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["Actions"]["#ComputerSystem.Reset"] =
        json!({"target": format!("{SYSTEM}/Actions/ComputerSystem.Reset"), "@Redfish.ActionInfo": info});
    tree.insert(
        info.to_owned(),
        json!({"Parameters": [{"Name": "ResetType", "AllowableValues": ["On", "ForceOff"]}]}),
    );
    let fake = Fake::new(tree);
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.ensure_power_off(GRACEFUL).await?;
    ensure!(resets(&fake) == ["ForceOff"], "{:?}", resets(&fake));
    Ok(())
}

pub(super) async fn missing_reset_types_are_no_refusal(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] =
        Value::Null;
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    let how = bmc.ensure_power_off(GRACEFUL).await?;
    ensure!(how == PowerOff::Graceful, "{how:?}");
    Ok(())
}

pub(super) async fn refused_shutdowns_are_forced(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| is_reset(asked, "GracefulShutdown").then(|| Reply::status(400)));
    let (_server, bmc) = trial.connect(&fake).await?;
    let how = bmc.ensure_power_off(GRACEFUL).await?;
    ensure!(how == PowerOff::Forced, "{how:?}");
    Ok(())
}

pub(super) async fn powering_off_is_waited_for(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    power(&fake, "PoweringOff");
    let mut reads = 0;
    fake.hook(move |asked, state| {
        if asked.method == "GET" && asked.path == SYSTEM {
            reads += 1;
            if reads > 3 {
                state.tree.get_mut(SYSTEM)?["PowerState"] = json!("Off");
            }
        }
        None
    });
    let how = bmc.ensure_power_off(GRACEFUL).await?;
    ensure!(how == PowerOff::Graceful && resets(&fake).is_empty(), "{how:?} {:?}", resets(&fake));
    Ok(())
}

/// A machine that can be restarted while it runs, and to which a restart means nothing while it is off.
pub(super) async fn restarts_are_never_sent(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        let is_off = state.tree[SYSTEM]["PowerState"] == "Off";
        (is_off && is_reset(asked, "ForceRestart")).then(|| Reply::status(409))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.ensure_power_off(Duration::ZERO).await?;
    bmc.ensure_power_on().await?;
    ensure!(resets(&fake) == ["ForceOff", "On"], "{:?}", resets(&fake));
    Ok(())
}
