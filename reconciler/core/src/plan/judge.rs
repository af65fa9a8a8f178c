// SPDX-License-Identifier: AGPL-3.0-or-later
//! One server: its entry in the plan, put together from what is to be done about its disk, its power
//! and its name, what holds it back, and whether people agreed.

use std::borrow::Cow;

use shoal_schema::kinds::{ApprovedAction, FirstInstall, Labels};
use shoal_schema::plan::{Action, ApprovalState, Class, Effect, Entry, EntryKey, Reason};
use shoal_schema::status::{Record, RecordState};

use super::approvals::{Approvals, Asked};
use super::{PlanError, class_of, entry_digest, holds, losses, power, preflight, verdict};
use crate::desired::Desired;
use crate::known_disk::expected_disk;
use crate::observed::{Observed, observed_digest, unknown_record};
use crate::record;

/// The steps of an install, as the plan names them.
const INSTALL_STEPS: [&str; 9] = [
    "power off",
    "eject our slots",
    "insert the maintenance OS",
    "insert the task medium",
    "boot from it once",
    "power on",
    "permit, partition, image, bootloader, configuration",
    "power off, eject, clear the boot override",
    "power on",
];

/// All that one server is judged by.
pub(super) struct Judge<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) renamed_from: Option<&'a str>,
    pub(super) approvals: &'a Approvals,
    /// What is asked of them.
    pub(super) asked: &'a mut Asked,
    /// The commit that is planned, if any, is the one in force.
    pub(super) commit: PlannedCommit,
    pub(super) now: jiff::Timestamp,
}

/// How the planned commit stands to the one in force.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PlannedCommit {
    /// It is in force: what it lifts, it lifted itself.
    InForce,
    /// It is another one.
    Another,
    /// There are no commits.
    None,
}

impl Judge<'_> {
    /// The server's entry, or nothing where all is as wanted and nothing is worth saying.
    pub(super) fn entry(self) -> Result<Option<Entry>, PlanError> {
        let desired = self.desired;
        let name = self.renamed_from.unwrap_or(&desired.name);
        let status = self.observed.servers.get(name).map(AsRef::as_ref);
        let record: Cow<'_, Record> = match (status, self.renamed_from) {
            (None, _) => Cow::Owned(unknown_record()),
            (Some(status), None) => Cow::Borrowed(&status.record),
            (Some(status), Some(_)) => {
                let there = self.observed.servers.get(&desired.name).map(|status| &status.record);
                Cow::Owned(record::renamed(&status.record, there))
            }
        };
        let observed_digest = observed_digest(&record)
            .map_err(|source| PlanError::Digest { subject: format!("the record of {name}"), source })?;
        let digest = |action: Action| {
            entry_digest(&EntryKey {
                server: &desired.name,
                machine: &desired.machine,
                action,
                desired: desired.install.as_ref().map(|install| &install.digest),
                observed: &observed_digest,
                record: record.number,
                ledger: self.observed.ledger.as_ref(),
            })
        };
        let mut verdict = verdict::of(desired, &record);
        let mut approval = ApprovalState::NotNeeded;
        if matches!(verdict.action, Action::Install | Action::Reinstall) {
            let adopt = self.asked.state(self.approvals, ApprovedAction::Adopt, digest(Action::Adopt)?);
            if matches!(adopt, ApprovalState::Approved { .. }) {
                verdict.action = Action::Adopt;
                verdict.reason = Reason::AdoptionApproved;
                verdict.notes = vec!["recorded as it is, unverified; nothing is touched".to_owned()];
                verdict.changes.iter_mut().for_each(|change| change.effect = Effect::Now);
                approval = adopt;
            } else {
                let install = digest(verdict.action)?;
                let state = self.asked.state(self.approvals, ApprovedAction::Install, install);
                approval = blank_only(desired, &record, state);
            }
        }
        let mut steps = Vec::new();
        let mut loses = Vec::new();
        let mut preflight = None;
        if class_of(verdict.action) == Class::Destructive {
            steps = INSTALL_STEPS.map(Cow::Borrowed).to_vec();
            loses = losses::of(desired, &record, &approval);
            if let Some(target) = &desired.install
                && expected_disk(&record, &desired.identity, target).is_none()
            {
                let note = "the disk is not known yet: it is written only if exactly one fits";
                verdict.notes.push(format!("{note} ({})", target.disk));
            }
            preflight = status.and_then(|status| preflight::of(status.bmc.as_ref()?));
            verdict.notes.extend(preflight.as_ref().and_then(preflight::note));
        }
        let mut notes = std::mem::take(&mut verdict.notes);
        if let Some(old) = self.renamed_from {
            notes.insert(0, format!("renamed from {old}: same machine, its record moves along"));
            // The record moves first; what else there is to do, the next plan says.
            if verdict.action == Action::None {
                verdict.action = Action::Rename;
                verdict.reason = Reason::Renamed;
            }
        }
        if let Some(status) = status {
            notes.extend(power::notes(desired, status, verdict.action));
            if verdict.action == Action::None
                && let Some(deed) = power::deed(desired, status)
            {
                verdict.action = deed.action;
                verdict.reason = deed.reason;
                verdict.changes.extend(deed.changes);
                steps = deed.steps;
            }
        }
        if verdict.action == Action::None && verdict.changes.is_empty() && notes.is_empty() {
            return Ok(None);
        }
        if verdict.action == Action::None && verdict.reason == Reason::UpToDate {
            verdict.reason = Reason::Drift;
        }
        let holds = holds::of(&holds::Held {
            desired,
            observed: self.observed,
            status,
            record: &record,
            action: verdict.action,
            approval: &approval,
            commit: self.commit,
            now: self.now,
        });
        let mut entry = Entry {
            server: desired.name.clone(),
            machine: desired.machine.clone(),
            labels: Labels::clone(&desired.labels),
            action: verdict.action,
            class: class_of(verdict.action),
            reason: verdict.reason,
            changes: verdict.changes,
            loses,
            notes,
            record: record.number,
            desired_digest: desired.install.as_ref().map(|install| install.digest.clone()),
            digest: digest(verdict.action)?,
            observed_digest,
            approval,
            holds,
            steps,
            preflight,
        };
        if let Some(status) = status
            && entry.action != Action::Tidy
            && power::tidies(&entry, status)
        {
            entry
                .notes
                .push("media or a boot override of ours are left over; they are taken out before".to_owned());
        }
        // A plan is kept as long as nothing changes, and mostly of servers that wait.
        entry.changes.shrink_to_fit();
        entry.loses.shrink_to_fit();
        entry.notes.shrink_to_fit();
        entry.holds.shrink_to_fit();
        Ok(Some(entry))
    }
}

/// A machine that nobody has met needs no approval where the fleet installs blank disks without one.
fn blank_only(desired: &Desired, record: &Record, state: ApprovalState) -> ApprovalState {
    let first = record.state == RecordState::Unknown && desired.first_install == FirstInstall::BlankOnly;
    match state {
        ApprovalState::Needed | ApprovalState::Expired { .. } if first => ApprovalState::BlankOnly,
        other => other,
    }
}
