// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine asks whether it may write. Decided by the core; here Git is fetched first, the grant is
//! made durable, and what must not stand on a medium is put into the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shoal_core::job::{Event, Job, PermitRecord};
use shoal_core::network_config::network_config;
use shoal_core::permit::{PermitContext, PermitVerdict, decide};
use shoal_core::superseded::superseded;
use shoal_core::template::{self, Value};
use shoal_schema::kinds::Template;
use shoal_schema::wire::permit::{Grant, PermitAnswer, PermitRequest};
use shoal_schema::wire::stamp::Stamp;
use shoal_schema::{JobId, SecretString};

use super::perform::chain;
use crate::controller::{Brought, ChangeError, Controller};
use crate::secrets;

/// How long the fetch before a decision may take; then the age of the last good one decides.
const FETCH_PATIENCE: Duration = Duration::from_secs(10);
/// How long a machine is kept waiting until its permit is known on the status branch.
const FENCE_PATIENCE: Duration = Duration::from_secs(20);
/// What a machine that has to wait is told, in seconds.
const RETRY_AFTER: u32 = 10;

/// Answers a request for a permit.
///
/// Of two controllers on copies of one database only one can move the status branch, and an older copy that is put back
/// later is behind the branch: what may end in a permit moves the counter and is published first, and is decided on
/// after that.
pub(crate) async fn answer(
    controller: &Arc<Controller>,
    id: &JobId,
    request: &PermitRequest,
) -> Result<PermitAnswer, ChangeError> {
    controller.fetch_and_wait(FETCH_PATIENCE).await;
    if !controller.world().loaded {
        // Judged by an empty inventory the job would look as if Git no longer wanted it.
        return Ok(wait(controller, "the controller just started and has not read Git yet".to_owned()));
    }
    let server = controller.world().jobs.get(id).map(|job| job.server.clone());
    let server = server.ok_or_else(|| ChangeError::NoJob { id: id.clone() })?;
    let first = {
        let _held = controller.lock(&server).await;
        judge(controller, id, request)?.1
    };
    let gives =
        |verdict: &PermitVerdict| matches!(verdict, PermitVerdict::Grant(_) | PermitVerdict::Repeat(_));
    let announced = gives(&first);
    if announced && let Err(why) = announce(controller, matches!(first, PermitVerdict::Grant(_))).await {
        return Ok(wait(controller, format!("the permit is not known on the status branch yet: {why}")));
    }
    let _held = controller.lock(&server).await;
    let (job, verdict) = judge(controller, id, request)?;
    match verdict {
        // A pause that ended meanwhile, say: what is given now was not announced.
        given if gives(&given) && !announced => {
            Ok(wait(controller, "the job moved on while it was asked about".to_owned()))
        }
        PermitVerdict::Grant(record) => {
            // Rendered before the grant is kept: a secret that cannot be had must not use it up.
            let grant = match grant(controller, &job, &record) {
                Ok(grant) => grant,
                Err(reason) => return Ok(wait(controller, reason)),
            };
            let brought = Brought { disks: &request.disks, ..Brought::default() };
            controller.brought_event_locked(id, None, Event::Granted(record), &brought).await?;
            controller.metrics.permit("granted");
            Ok(PermitAnswer::Granted(Box::new(grant)))
        }
        PermitVerdict::Repeat(record) => match grant(controller, &job, &record) {
            Ok(grant) => {
                controller.metrics.permit("repeated");
                Ok(PermitAnswer::Granted(Box::new(grant)))
            }
            Err(reason) => Ok(wait(controller, reason)),
        },
        PermitVerdict::Wait { reason } => Ok(wait(controller, reason)),
        PermitVerdict::AlreadyInstalled(disk) => {
            controller.metrics.permit("already_installed");
            let event = Event::AlreadyInstalled { attempt: request.attempt, disk };
            controller.job_event_locked(id, None, event).await?;
            Ok(PermitAnswer::AlreadyInstalled)
        }
        PermitVerdict::Refuse(refusal) => {
            controller.metrics.permit("refused");
            tracing::warn!(job_id = %id, server = %job.server, code = refusal.code, "permit refused");
            let answer =
                PermitAnswer::Refused { code: refusal.code.to_owned(), message: refusal.message.clone() };
            let disks: &[_] = if refusal.code == "disk_changed" { &request.disks } else { &[] };
            let brought = Brought { disks, ..Brought::default() };
            let event = Event::Refused {
                attempt: request.attempt,
                code: refusal.code.to_owned(),
                message: refusal.message,
                step: refusal.step,
                consequence: refusal.consequence,
            };
            controller.brought_event_locked(id, None, event, &brought).await?;
            Ok(answer)
        }
    }
}

fn wait(controller: &Controller, reason: String) -> PermitAnswer {
    controller.metrics.permit("wait");
    PermitAnswer::Wait { reason, retry_after_seconds: RETRY_AFTER }
}

/// The core's decision by what is known now. The caller holds the server's lock.
fn judge(
    controller: &Controller,
    id: &JobId,
    request: &PermitRequest,
) -> Result<(Arc<Job>, PermitVerdict), ChangeError> {
    let job = controller.world().jobs.get(id).cloned();
    let job = job.ok_or_else(|| ChangeError::NoJob { id: id.clone() })?;
    let (inventory, fleet) = {
        let world = controller.world();
        (Arc::clone(&world.inventory), Arc::clone(&world.fleet))
    };
    let superseded = superseded(&inventory, &fleet, &job, controller.now());
    let world = controller.world();
    let context = PermitContext {
        fetch_age_ms: world.fetched_at.map_or(u64::MAX, |at| at.elapsed().as_millis() as u64),
        paused: world.control.paused,
        superseded: superseded.as_deref(),
        unreadable: world.inventory.last_good.contains(&job.server),
        observe_only: world.control.observe_only,
        now: controller.now(),
    };
    let verdict = decide(&job, request, &context);
    drop(world);
    Ok((job, verdict))
}

/// The outside knows that this controller is about to give a permit, or has given one.
async fn announce(controller: &Arc<Controller>, anew: bool) -> Result<(), String> {
    // Not dropped with the machine's connection: one publication goes on at a time.
    let fence = controller.tasks.spawn({
        let controller = Arc::clone(controller);
        async move {
            if anew {
                controller.count_on("that a permit may be given").await.map_err(|error| chain(&error))?;
            }
            controller.fence().await
        }
    });
    match tokio::time::timeout(FENCE_PATIENCE, fence).await {
        Ok(Ok(published)) => published,
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the repository has not answered".to_owned()),
    }
}

/// What comes with a permit, or why it cannot be had now.
fn grant(controller: &Controller, job: &Job, record: &PermitRecord) -> Result<Grant, String> {
    Ok(Grant {
        stamp: Stamp {
            job_id: job.id.clone(),
            entry_digest: job.entry_digest.clone(),
            desired_digest: job.install.digest.clone(),
            ledger: job.ledger.clone(),
            record: job.record,
            server: job.server.clone(),
            granted_at: record.granted_at,
        },
        time: controller.now(),
        user_data: render(controller, job, job.install.user_data.as_ref())?,
        unattend_xml: render(controller, job, job.install.unattend_xml.as_ref())?,
        network_config: network_config(&job.install.network),
        registry_token: controller.registry_token(job),
    })
}

fn render(
    controller: &Controller,
    job: &Job,
    template: Option<&Template>,
) -> Result<Option<SecretString>, String> {
    let Some(template) = template else { return Ok(None) };
    let mut values: BTreeMap<String, SecretString> = BTreeMap::new();
    for (name, reference) in &template.secrets {
        let opened = secrets::open(controller, &reference.secret).map_err(|error| chain(&error))?;
        let value = opened
            .get(&reference.key)
            .ok_or_else(|| format!("Secret {} has no key {}", reference.secret, reference.key))?;
        values.insert(format!("{}{name}", template::SECRET_PREFIX), value.clone());
    }
    let lookup = |name: &str| {
        values
            .get(name)
            .map(|secret| Value::Secret(secret.clone()))
            .or_else(|| job.install.vars.get(name).map(|text| Value::Plain(text.clone())))
    };
    template::render(&template.text, &lookup).map(Some).map_err(|error| chain(&error))
}
