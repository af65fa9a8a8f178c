// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override of iRMC, in a resource of its own below the system.
//!
//! # Guarantees
//! What was written is read back, and sent again where it has no effect. Where the resource refuses it, the standard override is left to
//! try.

use serde_json::{Value, json};

use super::RedfishBmc;
use super::patience::Patience;
use crate::contract::bmc::Effect;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::contract::state::BootOverride;
use crate::model::json;
use crate::rules::Rule;
use crate::wire::client::Failure;
use crate::wire::exchange::Broken;

/// The resource, where this BMC's override needs it.
pub(super) fn needed(bmc: &RedfishBmc) -> Option<&str> {
    bmc.layout().boot_config.as_deref().filter(|_| bmc.has(Rule::FujitsuBootsByItsOwnConfiguration))
}

/// The override as that resource shows it; none where there is none.
pub(super) async fn shown(bmc: &RedfishBmc, op: Op) -> Result<Option<BootOverride>, Error> {
    let Some(at) = needed(bmc) else {
        return Ok(None);
    };
    let config = bmc.read(op, at).await?.value;
    Ok(device(&config).map(|target| {
        let once = json::flag(&config, "NextBootOnlyEnabled") != Some(false);
        BootOverride {
            enabled: Some(if once { "Once" } else { "Continuous" }.to_owned()),
            target: Some(target),
            mode: json::text(&config, "BootType"),
            http_image: None,
        }
    }))
}

/// Boots from this device once, or from none. No effect where the BMC refuses to be asked this way.
pub(super) async fn reach(
    bmc: &RedfishBmc,
    op: Op,
    at: &str,
    device: Option<&str>,
) -> Result<Option<Effect>, Error> {
    let mut patience = Patience::new(bmc.budgets.boot, bmc.budgets.poll);
    let body = match device {
        Some(device) => json!({"BootDevice": device, "BootType": "UEFI", "NextBootOnlyEnabled": true}),
        None => json!({"BootDevice": "None"}),
    };
    let most = bmc.most_writes();
    let mut accepted = 0;
    loop {
        let resource = bmc.read(op, at).await?;
        if is_met(&resource.value, device) {
            let effect = if accepted > 0 { Effect::Changed } else { Effect::AlreadySo };
            return Ok(Some(effect));
        }
        match bmc.patch(op, &resource, &body).await {
            // Nobody knows whether it arrived: the resource will tell.
            Ok(_) | Err(Failure::Broken(Broken { unsent: false, passing: true, .. })) => accepted += 1,
            Err(failure @ Failure::Broken(_)) => return Err(bmc.wire.failed(op, at, failure)),
            Err(Failure::Refused(refusal)) => {
                let (pause, not_now) = (refusal.pause(bmc.budgets.rewrite), refusal.is_not_now());
                let error = bmc.wire.failed(op, at, Failure::Refused(refusal));
                match error.kind() {
                    ErrorKind::Refused { .. } | ErrorKind::NotFound => return Ok(None),
                    _ if not_now && patience.wait_for(pause).await => continue,
                    _ => return Err(error),
                }
            }
        }
        let mut share = patience.share(if accepted < most { most } else { 1 });
        match await_device(bmc, op, at, device, &mut share).await {
            Err(error) if accepted < most && matches!(error.kind(), ErrorKind::NoEffect { .. }) => {}
            shown => return shown.map(|()| Some(Effect::Changed)),
        }
    }
}

async fn await_device(
    bmc: &RedfishBmc,
    op: Op,
    at: &str,
    device: Option<&str>,
    patience: &mut Patience,
) -> Result<(), Error> {
    loop {
        let config = bmc.read(op, at).await?.value;
        if is_met(&config, device) || !bmc.reads_back() {
            return Ok(());
        }
        if !patience.wait().await {
            let kind = ErrorKind::NoEffect {
                wanted: format!("BootDevice {}", device.unwrap_or("None")),
                seen: json::text(&config, "BootDevice").unwrap_or_else(|| "nothing".to_owned()),
            };
            return Err(bmc.wire.error(op, Some(at), kind));
        }
    }
}

/// What is booted instead of the usual.
fn device(config: &Value) -> Option<String> {
    json::text(config, "BootDevice").filter(|shown| shown != "None")
}

fn is_met(config: &Value, device: Option<&str>) -> bool {
    let shown = self::device(config);
    let once = json::flag(config, "NextBootOnlyEnabled") == Some(true);
    let mode = json::text(config, "BootType").is_none_or(|mode| mode.eq_ignore_ascii_case("UEFI"));
    match device {
        Some(device) => shown.is_some_and(|shown| shown.eq_ignore_ascii_case(device)) && once && mode,
        None => shown.is_none(),
    }
}
