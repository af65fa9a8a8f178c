// SPDX-License-Identifier: AGPL-3.0-or-later
//! The stages behind a readable task, in their order.
//!
//! Nothing is asked of the controller before the recipe is valid and the machine is the right one; nothing is
//! written before the permit. A disk that cannot be chosen is still reported with the permit request, so that the
//! controller can show what the machine has.

use shoal_schema::disk::DiskSelector;
use shoal_schema::wire::permit::{DiskState, Grant, PermitRequest};

use super::error::RunError;
use super::hand_over::HandOver;
use super::{Passed, keep_session};
use crate::disk::{Choice, DiskError, Inspection, choose, inspect, place};
use crate::documents::{self, Recipe, TaskSheet};
use crate::host::Host;
use crate::identity::{self, IdentityError};
use crate::medium::TaskMedium;
use crate::permit::{self, Permit, PermitError};
use crate::redact::Redactor;
use crate::run_log::RunLog;
use crate::session::Session;
use crate::settings::Settings;

pub(super) struct Stages<'a, H: ?Sized> {
    pub(super) host: &'a H,
    pub(super) settings: &'a Settings,
    pub(super) sheet: &'a TaskSheet,
    pub(super) medium: &'a TaskMedium,
    pub(super) log: &'a mut RunLog,
}

/// The disk as far as it is known.
struct Disk {
    all: Vec<shoal_schema::disk::DiskFacts>,
    choice: Choice,
    state: Option<DiskState>,
    selector: String,
}

impl<H: Host + ?Sized> Stages<'_, H> {
    pub(super) async fn run(
        &mut self,
        session: &mut Session,
        redactor: &mut Redactor,
    ) -> Result<Passed, RunError> {
        // From here on other units can report, too.
        keep_session(self.host, session).await?;
        let recipe =
            documents::recipe(&self.medium.files, &self.settings.recipe_name, &self.settings.schema_name)?;
        let target = self.target(&recipe).await?;
        session.task_target = Some(target.clone());
        session.schema_id = Some(recipe.schema_id.clone());
        keep_session(self.host, session).await?;

        let wanted = &self.sheet.task.identity;
        let (source, wait) = (&self.settings.serial, self.settings.interface_wait);
        let machine = identity::prove(self.host, wanted, source, wait, self.log).await?;
        let boot_id = self.host.boot_id().await.map_err(IdentityError::BootId)?;
        let disk = self.disk(&recipe).await?;

        let request = PermitRequest {
            attempt: self.sheet.task.attempt,
            epoch: self.sheet.task.epoch,
            boot_id: boot_id.clone(),
            identity: machine.clone(),
            disk: disk.state.clone(),
            matching_disks: disk.choice.matching(),
            disks: disk.all.clone(),
            dispatcher_version: crate::VERSION.to_owned(),
        };
        let grant = match self.permit(&request, &disk, &recipe).await? {
            Permit::AlreadyInstalled => {
                self.log.note("installed already", "nothing is written");
                return Ok(Passed::AlreadyInstalled);
            }
            Permit::Granted(grant) => grant,
        };
        for secret in [&grant.user_data, &grant.unattend_xml, &grant.registry_token].into_iter().flatten() {
            redactor.add(secret);
        }
        self.check(&grant, &disk, &recipe)?;
        self.set_clock(&grant).await;
        let hand_over = HandOver {
            sheet: self.sheet,
            recipe: &recipe,
            grant: &grant,
            target: &target,
            disk: disk.state.as_ref().map(|state| &state.facts),
            identity: &machine,
            boot_id: &boot_id,
            session,
        };
        hand_over.write(self.host).await?;
        if self.settings.start {
            hand_over.start(self.host).await?;
            self.log.note("target started", &target);
        } else {
            self.log.note("target not started", "as told");
        }
        Ok(Passed::HandedOver { target })
    }

    /// The target, if this OS ships it. A recipe could name any unit that ends in `.target`, `poweroff` included.
    async fn target(&mut self, recipe: &Recipe) -> Result<String, RunError> {
        let target = self.settings.target_override.as_ref().unwrap_or(&recipe.recipe.task_target);
        let shipped = self.host.targets().await.map_err(RunError::Targets)?;
        if !shipped.contains(target) {
            return Err(RunError::UnknownTarget { target: target.clone() });
        }
        Ok(target.clone())
    }

    async fn disk(&mut self, recipe: &Recipe) -> Result<Disk, RunError> {
        let all = self.host.disks().await.map_err(DiskError::List)?;
        // The plan's own choice and the recipe's: a disk must fit both.
        let selectors: Vec<&DiskSelector> =
            [&self.sheet.task.disk, &recipe.recipe.target_disk].into_iter().flatten().collect();
        let selector = selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", and ");
        let choice = choose(&selectors, &all);
        let state = match &choice {
            Choice::One(facts) => {
                let failed = |source| DiskError::Inspect { disk: facts.describe(), source };
                let bytes = self.host.open_disk(facts).map_err(failed)?;
                // 32 MiB are read, from a disk that may be slow.
                let found = tokio::task::spawn_blocking(move || inspect(bytes.as_ref())).await;
                let found = found.map_err(std::io::Error::other).and_then(|found| found).map_err(failed)?;
                let Inspection { blank, contents, stamp } = found;
                let what = if blank { "blank".to_owned() } else { contents.join("; ") };
                self.log.note("disk chosen", format!("{}: {what}", facts.describe()));
                Some(DiskState { facts: facts.clone(), blank, contents, stamp })
            }
            Choice::Not(count) => {
                self.log.warn("disk not chosen", format!("{count} of {} fit {selector}", all.len()));
                None
            }
            Choice::NotWanted => None,
        };
        Ok(Disk { all, choice, state, selector })
    }

    async fn permit(
        &mut self,
        request: &PermitRequest,
        disk: &Disk,
        recipe: &Recipe,
    ) -> Result<Permit, RunError> {
        let task = &self.sheet.task;
        let transport = self.host.connect(&self.sheet.endpoint).map_err(PermitError::Setup)?;
        let policy = &self.settings.permit;
        let asked =
            permit::ask(transport.as_ref(), self.host, &task.job_id, &task.token, request, policy, self.log)
                .await;
        match (asked, disk.problem(recipe)) {
            // The machine knows better why than the controller can.
            (Err(PermitError::Refused { code, message }), Some(disk)) => {
                Err(RunError::DiskRefused { disk, code, message })
            }
            (Ok(_), Some(problem)) => Err(problem.into()),
            (asked, _) => Ok(asked?),
        }
    }

    /// What a grant cannot change: it must be ours, and the disk must do.
    fn check(&self, grant: &Grant, disk: &Disk, recipe: &Recipe) -> Result<(), RunError> {
        let (task, stamp) = (&self.sheet.task, &grant.stamp);
        let pairs = [
            ("job", stamp.job_id == task.job_id),
            ("ledger", stamp.ledger == task.ledger),
            ("plan entry", stamp.entry_digest == task.entry_digest),
        ];
        if let Some((what, _)) = pairs.into_iter().find(|(_, same)| !same) {
            return Err(PermitError::Mismatch { what }.into());
        }
        if let Some(problem) = disk.problem(recipe) {
            return Err(problem.into());
        }
        match &disk.state {
            Some(state) if task.require_blank && !state.blank => {
                Err(DiskError::NotBlank { disk: state.facts.describe(), contents: state.contents.join("; ") }
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Certificates and logs of the steps need a true clock. One that cannot be set is not worth failing for: under
    /// a pin no date counts.
    async fn set_clock(&mut self, grant: &Grant) {
        if !self.settings.set_clock {
            return;
        }
        match self.host.set(grant.time).await {
            Ok(()) => self.log.note("clock set", grant.time),
            Err(error) => self.log.warn("clock not set", error),
        }
    }
}

impl Disk {
    /// Why the disk will not do, whatever the controller says.
    fn problem(&self, recipe: &Recipe) -> Option<DiskError> {
        let (selector, present) = (self.selector.clone(), self.all.len());
        match &self.choice {
            Choice::NotWanted => None,
            Choice::Not(0) => Some(DiskError::NoneFits { selector, present }),
            Choice::Not(matching) => Some(DiskError::SeveralFit { selector, matching: *matching, present }),
            Choice::One(facts) => {
                let placed = place(&recipe.recipe.partition_layout, facts.size_bytes);
                placed.err().map(|source| DiskError::Layout { disk: facts.describe(), source })
            }
        }
    }
}
