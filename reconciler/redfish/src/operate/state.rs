// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steady look: system, boot resource if it is another one, chosen slots.

use super::RedfishBmc;
use crate::contract::error::Error;
use crate::contract::observe::Op;
use crate::contract::state::{BmcState, SlotState};
use crate::model::boot::Boot;
use crate::model::json;
use crate::model::system;
use crate::rules::Rule;
use crate::wire::client::Failure;

pub(super) async fn read(bmc: &RedfishBmc) -> Result<BmcState, Error> {
    let layout = &bmc.discovery.layout;
    let system = bmc.read(Op::Read, &layout.system).await?;
    let boot = match &layout.boot.resource {
        Some(resource) if !json::same_path(resource, &layout.system) => {
            Boot::read(&bmc.read(Op::Read, resource).await?.value)
        }
        _ => Boot::read(&system.value),
    };
    let found = &bmc.discovery.discovered;
    let mut slots = Vec::new();
    for uri in [&found.boot_slot, &found.task_slot].into_iter().flatten() {
        slots.push(slot(bmc, uri).await?);
    }
    Ok(BmcState {
        power: system::power(&system.value),
        boot: boot.current,
        slots,
        boot_progress: system::boot_progress(&system.value),
    })
}

/// A slot that vanished is empty: some BMCs show slots only while they are in use.
async fn slot(bmc: &RedfishBmc, uri: &str) -> Result<SlotState, Error> {
    match bmc.try_look(Op::Read, uri).await {
        Ok((_, media)) => Ok(media.state()),
        Err(Failure::Refused(refusal))
            if matches!(refusal.status, 404 | 410) && bmc.has(Rule::VanishedSlotsAreEmpty) =>
        {
            Ok(SlotState { uri: uri.to_owned(), inserted: false, image: None, connected_via: None })
        }
        Err(failure) => Err(bmc.wire.failed(Op::Read, uri, failure)),
    }
}

pub(super) async fn boot_progress(bmc: &RedfishBmc) -> Result<Option<String>, Error> {
    if !bmc.discovery.discovered.facts.boot_progress {
        return Ok(None);
    }
    let system = bmc.read(Op::Read, &bmc.discovery.layout.system).await?;
    Ok(system::boot_progress(&system.value))
}
