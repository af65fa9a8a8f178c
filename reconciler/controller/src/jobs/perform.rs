// SPDX-License-Identifier: AGPL-3.0-or-later
//! Brings one effect about on a BMC. Decides nothing: what is to be, the job says; here it is looked
//! at, written where it must be, and read back.

use std::time::Duration;

use shoal_core::job::{Effect, Failure, Job, Medium, Power, Report, Route, Rung};
use shoal_core::mistake::Mistake;
use shoal_redfish::{Bmc, Discovered, Error, ErrorKind, ImageKind, ImageRef, MediaUrl, Op, PowerState};
use shoal_schema::step::Step;
use shoal_schema::wire::task::Identity;

use crate::bmc::{ConnectError, with_call};
use crate::controller::Controller;

/// A connection that a job keeps over several effects.
#[derive(Default)]
pub(crate) struct Connection {
    bmc: Option<Box<dyn Bmc>>,
}

impl Connection {
    /// Ends the session, if there is one.
    pub(crate) async fn close(&mut self) {
        if let Some(bmc) = self.bmc.take() {
            crate::bmc::end(&*bmc).await;
        }
    }

    async fn get(&mut self, controller: &Controller, job: &Job) -> Result<&dyn Bmc, ConnectError> {
        if self.bmc.is_none() {
            let bmc = controller.bmcs.connect(controller, &job.server, &job.bmc, &job.identity).await?;
            self.bmc = Some(bmc);
        }
        Ok(&**self.bmc.as_ref().expect("it was put there just now"))
    }
}

/// Brings one effect about.
pub(crate) async fn perform(
    controller: &Controller,
    connection: &mut Connection,
    job: &Job,
    effect: Effect,
) -> Result<Report, Failure> {
    let result = match effect {
        Effect::Discover => discover(controller, connection, job).await,
        other => ensure(controller, connection, job, other).await.map(|()| Report::InForce),
    };
    if result.is_err() {
        // Whatever was wrong, the next try starts with a session of its own.
        connection.close().await;
    }
    result.map_err(|error| failure(&error))
}

async fn discover(
    controller: &Controller,
    connection: &mut Connection,
    job: &Job,
) -> Result<Report, ConnectError> {
    connection.close().await;
    let bmc = controller.bmcs.discover(controller, &job.server, &job.bmc, &job.identity).await?;
    let found = bmc.discovered().clone();
    if let Some(message) = &found.facts.missing_licence {
        let kind = ErrorKind::LicenceMissing { message: message.clone() };
        let error = Error::new(Op::Discover, job.bmc.address.as_str(), None, kind);
        crate::bmc::end(&*bmc).await;
        return Err(error.into());
    }
    let state = bmc.read_state().await;
    connection.bmc = Some(bmc);
    let power = match state?.power {
        PowerState::Off | PowerState::PoweringOff => Power::Off,
        _ => Power::On,
    };
    Ok(Report::Discovered {
        route: route(&found).map(Box::new),
        power,
        identity: identity(&found),
        warnings: found.warnings.iter().map(ToString::to_string).collect(),
    })
}

async fn ensure(
    controller: &Controller,
    connection: &mut Connection,
    job: &Job,
    effect: Effect,
) -> Result<(), ConnectError> {
    let bmc = connection.get(controller, job).await?;
    match effect {
        // Performed above.
        Effect::Discover => {}
        Effect::EnsureOff { graceful_ms } => {
            bmc.ensure_power_off(Duration::from_millis(graceful_ms)).await?;
        }
        Effect::EjectAll if Mistake::MediaAreForgotten.is_made() && job.outcome.is_some() => {}
        Effect::EjectAll => {
            for slot in slots(job, bmc) {
                bmc.eject(&slot).await?;
            }
        }
        Effect::Insert(medium) => {
            // Where the machine boots over HTTP there is no slot, and the override names the image.
            if let Some(slot) = slot(job, medium) {
                insert(bmc, slot, &image(controller, job, bmc.discovered(), medium)?).await?;
            }
        }
        Effect::SetOverride if boots_over_http(job) => {
            let image = image(controller, job, bmc.discovered(), Medium::Boot)?;
            bmc.set_boot_once_http(&image.url).await?;
        }
        Effect::SetOverride => {
            bmc.set_boot_once_cd_by(job.unread_boots as usize).await?;
        }
        Effect::EnsureOn => {
            bmc.ensure_power_on().await?;
        }
        Effect::ClearOverride if Mistake::OverrideIsForgotten.is_made() => {}
        Effect::ClearOverride => {
            bmc.clear_boot_override().await?;
        }
    }
    Ok(())
}

/// Somebody else's image in our slot, put in since we emptied it, is taken out once: the job was
/// agreed to, and the machine is off.
async fn insert(bmc: &dyn Bmc, slot: &str, image: &ImageRef) -> Result<(), ConnectError> {
    match bmc.insert(slot, image).await {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::SlotOccupied { .. } | ErrorKind::MediaConnectionsInUse { .. }
            ) =>
        {
            bmc.eject(slot).await?;
            bmc.insert(slot, image).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The slots of the job's route, task slot first.
fn slots(job: &Job, bmc: &dyn Bmc) -> Vec<String> {
    let (task, boot) = match &job.route {
        Some(route) => (&route.task_slot, &route.boot_slot),
        None => (&bmc.discovered().task_slot, &bmc.discovered().boot_slot),
    };
    task.iter().chain(boot).cloned().collect()
}

/// The slot that a medium goes into, if the route has one for it.
fn slot(job: &Job, medium: Medium) -> Option<&str> {
    let route = job.route.as_ref()?;
    match medium {
        Medium::Boot => route.boot_slot.as_deref(),
        Medium::Task => route.task_slot.as_deref(),
    }
}

fn boots_over_http(job: &Job) -> bool {
    job.route.as_ref().is_some_and(|route| route.rung == Rung::UefiHttp)
}

/// A medium of this attempt, under the first address that the BMC takes.
fn image(
    controller: &Controller,
    job: &Job,
    found: &Discovered,
    medium: Medium,
) -> Result<ImageRef, ConnectError> {
    let takes = |base: &String| {
        let scheme = base.split_once("://").map_or("", |(scheme, _)| scheme);
        found.facts.schemes.takes(scheme)
    };
    let base = controller.media_bases(job).into_iter().find(takes).ok_or_else(|| ConnectError::Target {
        what: "no media address that the BMC takes, mediaUrls,",
        address: job.bmc.address.clone(),
    })?;
    let rung = job.route.as_ref().map(|route| route.rung);
    let (kind, name) = match (medium, rung) {
        (Medium::Boot, _) => (ImageKind::Iso, "boot.iso"),
        (Medium::Task, Some(Rung::CdUsb)) => (ImageKind::RawDisk, "task.img"),
        (Medium::Task, _) => (ImageKind::Iso, "task.iso"),
    };
    let capability = controller.keys.capability(job, medium);
    let url = MediaUrl::new(format!("{}/media/{capability}/{name}", base.trim_end_matches('/')));
    Ok(ImageRef { url, kind })
}

fn route(found: &Discovered) -> Option<Route> {
    let boot_slot = found.boot_slot.clone();
    let (rung, task_slot) = match found.rung {
        shoal_redfish::Rung::TwoCd => (Rung::TwoCd, Some(found.task_slot.clone()?)),
        shoal_redfish::Rung::CdUsb => (Rung::CdUsb, Some(found.task_slot.clone()?)),
        shoal_redfish::Rung::Single => (Rung::Single, None),
        shoal_redfish::Rung::UefiHttp => {
            let rung = Rung::UefiHttp;
            return Some(Route { rung, boot_slot: None, task_slot: None, spare_slots: Vec::new() });
        }
        shoal_redfish::Rung::None => return None,
    };
    let spare_slots = found.facts.spare_slots.clone();
    Some(Route { rung, boot_slot: Some(boot_slot?), task_slot, spare_slots })
}

/// Who a BMC says that the machine is. A SKU is a service tag on Dell only.
pub(crate) fn identity(found: &Discovered) -> Identity {
    let dell = found.vendor.eq_ignore_ascii_case("dell");
    Identity {
        serial: found.serial.clone(),
        uuid: found.uuid.clone(),
        macs: Vec::new(),
        sku: found.sku.clone().filter(|_| dell),
    }
}

/// In a job's words.
pub(crate) fn failure(error: &ConnectError) -> Failure {
    let plain = |code: &str, message: String, hint: &str| Failure {
        step: None,
        unit: None,
        code: code.to_owned(),
        message,
        hint: Some(hint.to_owned()),
        log_tail: None,
        passing: false,
    };
    match error {
        ConnectError::Redfish(error) => redfish_failure(error),
        ConnectError::Credentials(error) => {
            let hint = "'shoal secret verify' checks the Secret; the controller's age key must be one of its recipients";
            Failure { step: Some(Step::ValidationServer), ..plain("credentials", chain(error), hint) }
        }
        ConnectError::Target { .. } => {
            let hint = "correct 'bmc' in the server's file, or mediaUrls in the Fleet";
            Failure { step: Some(Step::ValidationServer), ..plain("bmc_target", chain(error), hint) }
        }
    }
}

fn redfish_failure(error: &Error) -> Failure {
    let step = Step::ALL.iter().copied().find(|step| step.key() == error.step_key());
    Failure {
        step,
        unit: None,
        code: error.kind().label().to_owned(),
        message: with_call(chain(error), error),
        hint: Some(error.hint().to_owned()),
        log_tail: None,
        passing: error.retryable(),
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
