// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steady look: system, boot resource if it is another one, chosen slots.

use super::RedfishBmc;
use crate::contract::error::Error;
use crate::contract::observe::Op;
use crate::contract::state::{BmcState, SlotState};
use crate::model::json;
use crate::rules::Rule;
use crate::wire::client::Failure;

pub(super) async fn read(bmc: &RedfishBmc) -> Result<BmcState, Error> {
    let layout = &bmc.discovery.layout;
    let system = bmc.parts(Op::Read, &layout.system).await?;
    let boot = match &layout.boot.resource {
        Some(resource) if !json::same_path(resource, &layout.system) => {
            bmc.parts(Op::Read, resource).await?.boot
        }
        _ => system.boot,
    };
    let found = &bmc.discovery.discovered;
    let mut slots = Vec::new();
    for uri in [&found.boot_slot, &found.task_slot].into_iter().flatten() {
        slots.push(slot(bmc, uri).await?);
    }
    Ok(BmcState { power: system.power, boot, slots, boot_progress: system.progress })
}

/// A slot that vanished is empty: some BMCs show slots only while they are in use.
async fn slot(bmc: &RedfishBmc, uri: &str) -> Result<SlotState, Error> {
    let is_listed = bmc.discovery.layout.slot(uri).is_some_and(|slot| slot.listing.is_some());
    let state = if is_listed {
        bmc.try_look(Op::Read, uri).await.map(|(_, media)| media.state())
    } else {
        bmc.try_parts(Op::Read, uri).await.map(|parts| parts.slot)
    };
    match state {
        Ok(state) => Ok(state),
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
    Ok(bmc.parts(Op::Read, &bmc.discovery.layout.system).await?.progress)
}
