// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ejecting.
//!
//! A slot that looks empty is ejected all the same: iDRAC reports stale states for a while,
//! and a stale address equal to ours would make an insert be skipped and boot nothing (ironic
//! `redfish/boot.py`). Whatever the BMC answers, what the slot then shows decides.

use serde_json::json;

use super::patience::Patience;
use super::{RedfishBmc, Resource, oem};
use crate::contract::bmc::Effect;
use crate::contract::discovered::InsertVia;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::discovery::slots::Slot;
use crate::model::media::Media;
use crate::rules::Rule;
use crate::wire::client::Failure;
use crate::wire::exchange::{Answer, Broken};
use crate::wire::task;

const OP: Op = Op::Eject;
/// Times that an eject is sent when the BMC fails or its answer is lost.
const MOST_FAILURES: u32 = 4;

pub(super) async fn eject(bmc: &RedfishBmc, uri: &str) -> Result<Effect, Error> {
    let slot = bmc.slot(OP, uri)?;
    let mut patience = Patience::new(bmc.budgets.eject, bmc.budgets.poll);
    let mut effect = Effect::AlreadySo;
    let (mut failures, mut accepted) = (0, 0);
    loop {
        let Some((resource, media)) = look(bmc, uri).await? else {
            return Ok(effect);
        };
        if media.inserted {
            effect = Effect::Changed;
        } else if accepted > 0 || is_believed_empty(bmc) {
            return Ok(effect);
        }
        let mut pause = bmc.budgets.rewrite;
        let error = match send(bmc, slot, &resource, &media).await {
            None => return Ok(effect),
            Some(Ok(answer)) => {
                let task = task::wait(&bmc.wire, OP, &answer, patience.deadline(), bmc.budgets.poll).await;
                match task {
                    // A task that fails on an empty slot has nothing to do.
                    Err(error) if is_inserted(bmc, uri).await? => return Err(error),
                    _ => accepted += 1,
                }
                let most = bmc.most_writes();
                let mut share = patience.share(if accepted < most { most } else { 1 });
                match await_empty(bmc, uri, &mut share).await {
                    Err(error) if accepted < most && matches!(error.kind(), ErrorKind::NoEffect { .. }) => {
                        continue;
                    }
                    shown => return shown.map(|()| effect),
                }
            }
            // Nobody knows whether it arrived: the slot will tell.
            Some(Err(Failure::Broken(Broken { unsent: false, passing: true, kind }))) => {
                failures += 1;
                bmc.wire.error(OP, Some(uri), kind)
            }
            Some(Err(failure @ Failure::Broken(_))) => return Err(bmc.wire.failed(OP, uri, failure)),
            Some(Err(Failure::Refused(refusal))) => {
                pause = refusal.pause(pause);
                let fails = !refusal.is_not_now() && (refusal.status >= 500 || refusal.status == 409);
                let passes = fails || refusal.is_not_now();
                failures += u32::from(fails);
                let holds_nothing = refusal.is_about_an_empty_slot();
                let error = bmc.wire.failed(OP, uri, Failure::Refused(refusal));
                let judged = bmc.has(Rule::EjectsAreJudgedByTheSlot);
                if !judged || (!passes && matches!(error.kind(), ErrorKind::CredentialsRejected)) {
                    return Err(error);
                }
                // Accepted before and refused now: it is out, and only shown.
                if holds_nothing || (accepted > 0 && (fails || !passes)) {
                    return await_empty(bmc, uri, &mut patience).await.map(|()| effect);
                }
                if !is_inserted(bmc, uri).await? {
                    return Ok(effect);
                }
                if !passes {
                    return Err(error);
                }
                error
            }
        };
        if failures >= MOST_FAILURES || !patience.wait_for(pause).await {
            return if is_inserted(bmc, uri).await? { Err(error) } else { Ok(effect) };
        }
    }
}

/// Whether a slot that shows nothing holds nothing.
fn is_believed_empty(bmc: &RedfishBmc) -> bool {
    bmc.has(Rule::OpenBmcSlotsAreHonest) || !bmc.has(Rule::EmptySlotsAreEjectedAllTheSame)
}

/// The slot now; none when it vanished, which is as good as empty.
async fn look(bmc: &RedfishBmc, uri: &str) -> Result<Option<(Resource, Media)>, Error> {
    match bmc.try_look(OP, uri).await {
        Ok(seen) => Ok(Some(seen)),
        Err(Failure::Refused(refusal))
            if matches!(refusal.status, 404 | 410) && bmc.has(Rule::VanishedSlotsAreEmpty) =>
        {
            Ok(None)
        }
        Err(failure) => Err(bmc.wire.failed(OP, uri, failure)),
    }
}

async fn is_inserted(bmc: &RedfishBmc, uri: &str) -> Result<bool, Error> {
    Ok(look(bmc, uri).await?.is_some_and(|(_, media)| media.inserted))
}

/// Sends the eject on the slot's own route; none when there is nothing to send and nothing to
/// eject. Supermicro shows the eject action only while something is inserted.
async fn send(
    bmc: &RedfishBmc,
    slot: &Slot,
    resource: &Resource,
    media: &Media,
) -> Option<Result<Answer, Failure>> {
    let via = slot.via;
    // As the slot shows itself now, not as it did when it was discovered.
    let now = if bmc.has(Rule::EjectMayShowOnlyWhenFull) { media } else { &slot.media };
    if let Some(route) = media.oem.as_ref().filter(|_| via == InsertVia::Oem || now.eject.is_none()) {
        let sent = oem::eject(bmc, OP, route).await;
        if sent.is_some() {
            return sent;
        }
    }
    if let Some(action) = &now.eject {
        return Some(oem::post(bmc, OP, &action.target).await);
    }
    if via == InsertVia::Patch || media.inserted {
        let body = json!({"Image": null, "Inserted": false});
        return Some(bmc.patch(OP, resource, &body).await);
    }
    None
}

async fn await_empty(bmc: &RedfishBmc, uri: &str, patience: &mut Patience) -> Result<(), Error> {
    loop {
        match look(bmc, uri).await? {
            Some((_, media)) if media.inserted && bmc.reads_back() => {
                if !patience.wait().await {
                    let kind = ErrorKind::NoEffect {
                        wanted: "an empty slot".to_owned(),
                        seen: media
                            .image
                            .map_or_else(|| "Inserted true".to_owned(), |image| image.to_string()),
                    };
                    return Err(bmc.wire.error(OP, Some(uri), kind));
                }
            }
            _ => return Ok(()),
        }
    }
}
