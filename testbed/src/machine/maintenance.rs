// SPDX-License-Identifier: AGPL-3.0-or-later
//! One boot of the maintenance OS: dispatcher, steps, report.

use std::future::pending;
use std::sync::Arc;

use shoal_dispatcher::report::{Ended, report};
use shoal_dispatcher::run::{End, run};
use shoal_dispatcher::run_log::RunLog;
use shoal_dispatcher::settings::Settings;

use super::behaviour::{Mishap, Stage};
use super::boot::Boot;
use super::config::AfterInstall;
use super::host::{SimulatedHost, TaskSource};
use super::log::{Happening, Running};
use super::steps;

/// Runs until what runs here is done; then waits, or ends the boot.
pub(super) async fn maintenance(boot: Arc<Boot>, source: TaskSource) {
    boot.running(Running::Maintenance);
    boot.note(Happening::MaintenanceStarted);
    let machine = &boot.machine;
    // Only `hang` and its like are possible here.
    boot.pass(Stage::Boot).await.unwrap_or_default();
    machine.time.sleep_ms(machine.timing.maintenance_boot_ms).await;

    let host = SimulatedHost::new(boot.clone(), source);
    let settings = Settings::default();
    let dispatched = run(&host, &settings).await;
    let code = match &dispatched.end {
        End::Failed { code, .. } => Some(code.clone()),
        _ => None,
    };
    boot.note(Happening::Dispatched { exit: dispatched.exit, code });
    if let End::HandedOver { target } = &dispatched.end {
        let ended = match steps::run(&boot, &host, target).await {
            Ok(()) => {
                machine.lock().installs += 1;
                Ended::Success
            }
            Err(failed) => Ended::Failed {
                unit: failed.stage.unit().to_owned(),
                code: Some(failed.code),
                message: Some(failed.message),
            },
        };
        tell(&boot, &host, &settings, &ended).await;
    }
    match machine.after_install {
        AfterInstall::Waits => pending().await,
        AfterInstall::PowersOff => boot.host.power_off(),
        AfterInstall::Reboots => boot.host.reboot(),
    };
}

/// What the provision units do.
async fn tell(boot: &Arc<Boot>, host: &SimulatedHost, settings: &Settings, ended: &Ended) {
    boot.pass(Stage::Webhook).await.unwrap_or_default();
    for mishap in &boot.mishaps {
        if let Mishap::DelaysWebhook { ms } = mishap {
            boot.note(Happening::Mishap { mishap: mishap.clone() });
            boot.machine.time.sleep_ms(*ms).await;
        }
    }
    let mut log = RunLog::default();
    if let Err(error) = report(host, settings, ended, &mut log).await {
        tracing::warn!(serial = boot.machine.identity.serial, %error, "outcome not told");
    }
}
