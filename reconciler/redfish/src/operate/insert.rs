// SPDX-License-Identifier: AGPL-3.0-or-later
//! Inserting an image, and seeing that it is there.

use serde_json::json;

use super::insert_body::InsertBody;
use super::patience::Patience;
use super::{RedfishBmc, Resource, oem};
use crate::contract::bmc::Effect;
use crate::contract::discovered::InsertVia;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::image::{ImageKind, ImageRef, MediaUrl};
use crate::contract::observe::Op;
use crate::discovery::report::schemes_of;
use crate::discovery::slots::Slot;
use crate::model::json::same_path;
use crate::model::media::Kinds;
use crate::model::oem::OemRoute;
use crate::rules::Rule;
use crate::wire::client::Failure;
use crate::wire::exchange::{Answer, Broken};
use crate::wire::refusal::Refusal;
use crate::wire::retry::Replay;
use crate::wire::task;

/// Bodies that are tried, one after the other.
const MOST_BODIES: u32 = 10;
/// Times that an insert is sent when the BMC fails ("eject still in progress", ironic story
/// 2008504) or its answer is lost. One that is busy is asked until the budget is over.
const MOST_FAILURES: u32 = 4;

pub(super) async fn insert(bmc: &RedfishBmc, uri: &str, image: &ImageRef) -> Result<Effect, Error> {
    let is_task_slot = bmc.discovered.task_slot.as_deref().is_some_and(|task| same_path(task, uri));
    let op = if is_task_slot { Op::InsertTask } else { Op::InsertBoot };
    let slot = bmc.slot(op, uri)?;
    let fail = |kind| bmc.wire.error(op, Some(uri), kind);
    for segment in image.url.capabilities() {
        bmc.wire.hide(segment);
    }
    check(bmc, slot, image).map_err(fail)?;

    oem::enable_remote_media(bmc, op).await?;
    let (resource, media) = bmc.look(op, uri).await?;
    if media.inserted {
        return if media.image.as_ref().is_some_and(|shown| is_it(bmc, image, shown)) {
            Ok(Effect::AlreadySo)
        } else {
            Err(fail(ErrorKind::SlotOccupied { image: media.image }))
        };
    }
    let patience = Patience::new(bmc.budgets.insert, bmc.budgets.poll);
    write(bmc, op, slot, image, resource, patience).await
}

/// What can be told before anything is sent.
fn check(bmc: &RedfishBmc, slot: &Slot, image: &ImageRef) -> Result<(), ErrorKind> {
    if slot.via == InsertVia::None {
        return Err(ErrorKind::NoInsertRoute);
    }
    let kinds = slot.media.kinds;
    let (kind, fits) = match image.kind {
        ImageKind::Iso => ("iso", kinds.cd),
        ImageKind::RawDisk => ("raw disk", kinds.usb || kinds.floppy),
    };
    if !fits && kinds != Kinds::default() {
        return Err(ErrorKind::WrongImageKind { kind, slot: kinds.label() });
    }
    let scheme = image.url.scheme().unwrap_or_default();
    let known = bmc.discovered.facts.schemes;
    let listed = schemes_of(&slot.parameters);
    if !(known.takes(&scheme) && listed.takes(&scheme)) {
        return Err(ErrorKind::UnsupportedImageScheme { scheme, offered: known.in_words().to_owned() });
    }
    if bmc.has(Rule::SupermicroTakesNoQuery) && image.url.expose().contains(['?', '=']) {
        return Err(ErrorKind::UnsupportedImageUrl { why: "it must hold neither `?` nor `=`" });
    }
    Ok(())
}

async fn write(
    bmc: &RedfishBmc,
    op: Op,
    slot: &Slot,
    image: &ImageRef,
    mut resource: Resource,
    mut patience: Patience,
) -> Result<Effect, Error> {
    let uri = &slot.media.uri;
    let mut body = InsertBody::new(slot.via, image, &slot.parameters, bmc.rules());
    let may_learn = bmc.has(Rule::InsertBodiesLearn);
    let may_fail_at_random = matches!(slot.media.oem, Some(OemRoute::VmmControl(_)))
        && slot.via == InsertVia::Oem
        && bmc.has(Rule::HuaweiConnectsAtRandom);
    let mut bodies = 1;
    let (mut failures, mut accepted) = (0, 0);
    loop {
        let mut pause = bmc.budgets.rewrite;
        let error = match send(bmc, op, slot, &resource, &body, image).await {
            Ok(answer) => {
                let end = task::wait(&bmc.wire, op, &answer, patience.deadline(), bmc.budgets.poll).await;
                match end {
                    Err(error)
                        if may_fail_at_random && matches!(error.kind(), ErrorKind::TaskFailed { .. }) =>
                    {
                        failures += 1;
                        if failures < MOST_FAILURES && patience.wait_for(bmc.budgets.rewrite).await {
                            continue;
                        }
                        return Err(error);
                    }
                    end => end?,
                };
                accepted += 1;
                if takes_effect(bmc, op, uri, image, &mut patience, accepted).await? {
                    return Ok(Effect::Changed);
                }
                resource = bmc.look(op, uri).await?.0;
                continue;
            }
            Err(Failure::Broken(Broken { unsent: false, passing: true, kind })) => {
                failures += 1;
                bmc.wire.error(op, Some(uri), kind)
            }
            Err(failure @ Failure::Broken(_)) => return Err(bmc.wire.failed(op, uri, failure)),
            Err(Failure::Refused(refusal)) => {
                let kind = reason(bmc, image, &refusal);
                match kind {
                    // A parameter that is named is wrong whatever became of an insert that was accepted before.
                    ErrorKind::Refused { .. }
                        if may_learn && bodies < MOST_BODIES && body.learn(&refusal) =>
                    {
                        bodies += 1;
                        continue;
                    }
                    // Accepted before and refused now: perhaps the first one is still under way.
                    kind if accepted > 0 && !refusal.is_not_now() => {
                        let error = bmc.wire.error(op, Some(uri), kind);
                        let shown = await_image(bmc, op, uri, image, &mut patience).await;
                        return shown.map(|()| Effect::Changed).map_err(|_| error);
                    }
                    ErrorKind::Busy { .. } | ErrorKind::ServerFault { .. } => {
                        pause = refusal.pause(pause);
                        failures += u32::from(!refusal.is_not_now());
                        bmc.wire.error(op, Some(uri), kind)
                    }
                    kind => return Err(bmc.wire.error(op, Some(uri), kind)),
                }
            }
        };
        // It failed, or nobody knows. The slot is asked before it is sent again.
        let most = if bmc.has(Rule::FailedInsertsAreSentAgain) { MOST_FAILURES } else { 1 };
        if failures >= most || !patience.wait_for(pause).await {
            return Err(error);
        }
        let media;
        (resource, media) = bmc.look(op, uri).await?;
        if media.inserted {
            return await_image(bmc, op, uri, image, &mut patience).await.map(|()| Effect::Changed);
        }
    }
}

/// Whether an insert that was accepted for the so many-th time comes to be. False when nothing
/// shows and it may be sent once more.
async fn takes_effect(
    bmc: &RedfishBmc,
    op: Op,
    uri: &str,
    image: &ImageRef,
    patience: &mut Patience,
    accepted: u32,
) -> Result<bool, Error> {
    let most = bmc.most_writes();
    if accepted < most {
        match await_image(bmc, op, uri, image, &mut patience.share(most)).await {
            Err(error) if matches!(error.kind(), ErrorKind::NoEffect { .. }) => {
                if !bmc.look(op, uri).await?.1.inserted {
                    return Ok(false);
                }
            }
            shown => return shown.map(|()| true),
        }
    }
    await_image(bmc, op, uri, image, patience).await.map(|()| true)
}

/// What a refused insert means.
fn reason(bmc: &RedfishBmc, image: &ImageRef, refusal: &Refusal) -> ErrorKind {
    if refusal.is_about_the_scheme() {
        let scheme = image.url.scheme().unwrap_or_default();
        let offered = if scheme == "http" { "https" } else { "http" };
        return ErrorKind::UnsupportedImageScheme { scheme, offered: format!("perhaps {offered}") };
    }
    match bmc.wire.kind_of(refusal) {
        ErrorKind::Refused { .. } | ErrorKind::ServerFault { .. }
            if bmc.has(Rule::OccupiedSlotsAreNamed) && says_occupied(refusal) =>
        {
            ErrorKind::SlotOccupied { image: None }
        }
        kind => kind,
    }
}

/// Firmware without a message key for it says it in words.
fn says_occupied(refusal: &Refusal) -> bool {
    refusal.messages.says("already")
        && ["mounted", "attached", "inserted", "connected", "in use"]
            .iter()
            .any(|word| refusal.messages.says(word))
}

async fn send(
    bmc: &RedfishBmc,
    op: Op,
    slot: &Slot,
    resource: &Resource,
    body: &InsertBody,
    image: &ImageRef,
) -> Result<Answer, Failure> {
    if let (InsertVia::Oem, Some(route)) = (slot.via, &slot.media.oem) {
        return oem::insert(bmc, op, route, resource, body.json(), &image.url).await;
    }
    let action = match slot.via {
        InsertVia::Action => slot.media.insert.as_ref(),
        InsertVia::Oem | InsertVia::Patch | InsertVia::None => None,
    };
    match action {
        Some(action) => bmc.post(op, &action.target, Some(body.json()), Replay::Unsent).await,
        None => bmc.patch(op, resource, &body.json()).await,
    }
}

/// Whether what the slot shows is our image.
fn is_it(bmc: &RedfishBmc, image: &ImageRef, shown: &MediaUrl) -> bool {
    if bmc.has(Rule::EchoesMayLackThePort) { image.url.same_image(shown) } else { image.url == *shown }
}

/// Waits until the slot shows the image. A slot that says `Inserted` and names no image is
/// believed; one that names another is waited for, since some show the old one for a while.
async fn await_image(
    bmc: &RedfishBmc,
    op: Op,
    uri: &str,
    image: &ImageRef,
    patience: &mut Patience,
) -> Result<(), Error> {
    loop {
        let (_, media) = bmc.look(op, uri).await?;
        let shown = media.image.as_ref();
        let is_there = media.inserted && shown.is_none_or(|shown| is_it(bmc, image, shown));
        if is_there || !bmc.reads_back() {
            return Ok(());
        }
        let is_another = media.inserted && !bmc.has(Rule::OldImagesMayShowForAWhile);
        if is_another || !patience.wait().await {
            let seen = json!({"Inserted": media.inserted, "Image": shown});
            let kind = ErrorKind::NoEffect { wanted: image.url.to_string(), seen: seen.to_string() };
            return Err(bmc.wire.error(op, Some(uri), kind));
        }
    }
}
