// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is done to a machine without a job: media of ours taken out, our boot override cleared, power.
//!
//! Guarantees: never while a job is active on the server, one deed at a time per server, and never
//! within 15 minutes of an outside change of power: a technician's hands may be in there.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use shoal_core::record;
use shoal_redfish::{Bmc, ErrorKind};
use shoal_schema::plan::{Action, Entry};
use shoal_schema::status::RecordState;
use shoal_schema::wire::task::Identity;
use tracing::Instrument as _;

use super::ConnectError;
use super::seen;
use crate::controller::Controller;
use crate::rows::ServerRow;
use crate::world::known_as;

/// After an outside change of power nothing is corrected for so long.
const HANDS_OFF: SignedDuration = SignedDuration::from_mins(15);
/// How long an operating system may take to shut down.
const GRACEFUL: Duration = Duration::from_secs(120);

/// Does what a plan entry says, in the background.
pub(crate) fn spawn(controller: &Arc<Controller>, entry: &Entry, action: Action) {
    let now = controller.now();
    let (row, left_alone) = {
        let world = controller.world();
        (world.servers.get(&entry.server).cloned(), world.servers.left_alone())
    };
    // Its medium may be in use, too.
    let is_left_alone = row.as_ref().is_some_and(|row| row.is_left_alone());
    if is_left_alone || left_alone.contains_key(&known_as(&entry.machine)) {
        return;
    }
    let recently =
        row.and_then(|row| row.power_changed_at).is_some_and(|at| now.duration_since(at) < HANDS_OFF);
    if recently && matches!(action, Action::PowerOn | Action::PowerOff) {
        return;
    }
    let (controller, server) = (Arc::clone(controller), entry.server.clone());
    let tasks = controller.tasks.clone();
    tasks.spawn(async move {
        let Ok(_one) = controller.deeds.claim(&server) else { return };
        let span = tracing::info_span!("deed", server, worker_id = controller.worker_id());
        if let Err(error) = perform(&controller, &server, action).instrument(span).await {
            tracing::warn!(server, error = %error.told(), "not brought about; tried again at the next sweep");
            remember_refusal(&controller, &server, &error).await;
        }
        controller.sweep_soon(&server);
    });
}

async fn perform(controller: &Controller, server: &str, action: Action) -> Result<(), ConnectError> {
    let Some(row) = controller.world().servers.get(server).cloned() else { return Ok(()) };
    if controller.world().active.contains_key(server) {
        return Ok(());
    }
    let bmc = connect(controller, &row).await?;
    let deed = async {
        match action {
            Action::Tidy => tidy(controller, &*bmc, row.left_behind).await,
            Action::PowerOn => bmc.ensure_power_on().await.map(|_| ()).map_err(Into::into),
            Action::PowerOff => bmc.ensure_power_off(GRACEFUL).await.map(|_| ()).map_err(Into::into),
            _ => Ok(()),
        }
    };
    let result = tokio::select! {
        biased;
        result = deed => result,
        // The machine may be another controller's by now.
        () = controller.until_fenced() => Ok(()),
    };
    super::end(&*bmc).await;
    if result.is_ok() {
        tracing::info!(server, ?action, "brought about");
    }
    result
}

async fn connect(controller: &Controller, row: &ServerRow) -> Result<Box<dyn Bmc>, ConnectError> {
    let target = row.target.clone().ok_or_else(|| ConnectError::Target {
        what: "the address, which is not known,",
        address: row.status.name.clone(),
    })?;
    if row.refused_credentials.is_some() && row.refused_credentials == target.credentials_digest {
        return Err(ConnectError::Target {
            what: "the account, which was refused and is not tried again before its Secret changes,",
            address: target.address,
        });
    }
    let identity = Identity {
        serial: row.status.record.serial.clone(),
        uuid: row.status.record.uuid.clone(),
        ..Identity::default()
    };
    controller.bmcs.connect(controller, &row.status.name, &target, &identity).await
}

/// Takes out what is ours and nothing else: somebody may have put in something of theirs since, and another
/// machine may stand behind the BMC.
async fn tidy(controller: &Controller, bmc: &dyn Bmc, left_behind: bool) -> Result<(), ConnectError> {
    let left = seen::left_over(&bmc.read_state().await?, &controller.all_media_bases(), left_behind);
    // The override first: it counts as ours by the media of ours beside it, so that whatever happens between the
    // two, the next look still knows it.
    if left.boot_override {
        bmc.clear_boot_override().await?;
    }
    for slot in &left.slots {
        bmc.eject(slot).await?;
    }
    Ok(())
}

/// A server left Git: it is forgotten, its media of ours are taken out, nothing else is done to it.
pub(crate) async fn release(controller: &Arc<Controller>, server: &str) {
    let _held = controller.lock(server).await;
    // A job is finished or cancelled first; its own end leaves the machine in order. Somebody may
    // have put the server back in the meantime, too.
    {
        let world = controller.world();
        if world.active.contains_key(server) || world.inventory.servers.contains_key(server) {
            return;
        }
    }
    let Some(row) = controller.world().servers.get(server).cloned() else { return };
    if row.status.record.state == RecordState::Released {
        return;
    }
    let mut row = (*row).clone();
    row.status_mut().record = record::released(&row.status.record);
    let seen = row.status.bmc.as_ref().is_some_and(|bmc| bmc.own_media || bmc.boot_override);
    // What a job left may not have been seen yet.
    row.releasing = seen || row.left_behind;
    row.stalled = None;
    row.status_mut().next_try = None;
    match controller.put_row(row, true).await {
        Ok(()) => tracing::info!(server, "released: it left Git; nothing is wiped or powered off"),
        Err(error) => error.tell(server, "the release was not kept"),
    }
}

/// Takes media of ours out of a released machine. Tried at every sweep until it worked.
pub(crate) async fn finish_release(controller: &Controller, row: &ServerRow) -> Result<(), ConnectError> {
    let bmc = connect(controller, row).await?;
    let result = tidy(controller, &*bmc, row.left_behind).await;
    super::end(&*bmc).await;
    result?;
    let _held = controller.lock(&row.status.name).await;
    let Some(row) = controller.world().servers.get(&row.status.name).cloned() else { return Ok(()) };
    let mut row = (*row).clone();
    row.releasing = false;
    row.left_behind = false;
    if let Some(bmc) = &mut row.status_mut().bmc {
        bmc.own_media = false;
        bmc.boot_override = false;
    }
    let server = row.status.name.clone();
    if let Err(error) = controller.put_row(row, false).await {
        error.tell(&server, "a finished release was not kept");
    }
    Ok(())
}

/// BMCs lock accounts: one that was refused is not tried again before its Secret changes.
pub(super) async fn remember_refusal(controller: &Controller, server: &str, error: &ConnectError) {
    if !matches!(error, ConnectError::Redfish(error) if matches!(error.kind(), ErrorKind::CredentialsRejected))
    {
        return;
    }
    let _held = controller.lock(server).await;
    let Some(row) = controller.world().servers.get(server).cloned() else { return };
    let mut row = (*row).clone();
    row.refused_credentials = row.target.as_ref().and_then(|target| target.credentials_digest.clone());
    if let Err(error) = controller.put_row(row, false).await {
        error.tell(server, "a refused account was not kept");
    }
}
