// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steady look: system, boot resource if it is another one, chosen slots, and what a maker has of its
//! own for the override.

use super::{RedfishBmc, boot_by_config, boot_by_import};
use crate::contract::error::Error;
use crate::contract::observe::Op;
use crate::contract::state::{BmcState, BootOverride, SlotState};
use crate::model::json;
use crate::rules::Rule;
use crate::wire::client::Failure;

pub(super) async fn read(bmc: &RedfishBmc) -> Result<BmcState, Error> {
    let layout = &bmc.layout();
    let system = bmc.parts(Op::Read, &layout.system).await?;
    let boot = match &layout.boot.resource {
        Some(resource) if !json::same_path(resource, &layout.system) => {
            bmc.parts(Op::Read, resource).await?.boot
        }
        _ => system.boot,
    };
    let found = &bmc.discovered;
    let mut slots = Vec::new();
    for uri in [&found.boot_slot, &found.task_slot].into_iter().flatten() {
        slots.push(slot(bmc, uri).await?);
    }
    let boot = own_override(bmc, &slots).await?.unwrap_or(boot);
    Ok(BmcState { power: system.power, boot, slots, boot_progress: system.progress })
}

/// The override where the maker keeps it in a place of its own. The attributes of an iDRAC are long, so
/// that they are read only while there is something in a slot that could be started.
async fn own_override(bmc: &RedfishBmc, slots: &[SlotState]) -> Result<Option<BootOverride>, Error> {
    if let Some(shown) = boot_by_config::shown(bmc, Op::Read).await? {
        return Ok(Some(shown));
    }
    if slots.iter().any(|slot| slot.inserted) {
        return boot_by_import::shown(bmc, Op::Read).await;
    }
    Ok(None)
}

/// A slot that vanished is empty: some BMCs show slots only while they are in use.
async fn slot(bmc: &RedfishBmc, uri: &str) -> Result<SlotState, Error> {
    let is_listed = bmc.layout().slot(uri).is_some_and(|slot| slot.listing.is_some());
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
    if !bmc.discovered.facts.boot_progress {
        return Ok(None);
    }
    Ok(bmc.parts(Op::Read, &bmc.layout().system).await?.progress)
}
