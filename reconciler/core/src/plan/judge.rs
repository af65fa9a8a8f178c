// SPDX-License-Identifier: AGPL-3.0-or-later
//! One server: what would be done to it, and why.

use shoal_schema::kinds::{ApprovedAction, FirstInstall};
use shoal_schema::plan::{
    Action, ApprovalState, Change, Class, Effect, Entry, EntryKey, Hold, HoldCode, Reason,
};
use shoal_schema::status::{Record, RecordState, ServerStatus};

use super::approvals::Approvals;
use super::{PlanError, entry_digest, power};
use crate::desired::{Desired, InstallTarget, LINUX_TARGET};
use crate::observed::{Observed, observed_digest, unknown_record};

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
    /// The planned commit is the one in force: protection that it lifts still counts.
    pub(super) same_commit: bool,
    pub(super) now: jiff::Timestamp,
}

/// What is to be done about the disk.
struct Verdict {
    action: Action,
    reason: Reason,
    changes: Vec<Change>,
    notes: Vec<String>,
}

impl Judge<'_> {
    /// The server's entry, or nothing where all is as wanted and nothing is worth saying.
    pub(super) fn entry(&self) -> Result<Option<Entry>, PlanError> {
        let name = self.renamed_from.unwrap_or(&self.desired.name);
        let status = self.observed.servers.get(name).map(AsRef::as_ref);
        let unknown = unknown_record();
        let record = status.map_or(&unknown, |status| &status.record);
        let observed_digest = observed_digest(record)
            .map_err(|source| PlanError::Digest { subject: format!("the record of {name}"), source })?;
        let mut verdict = self.verdict(record);
        let digest = |action: Action| {
            entry_digest(&EntryKey {
                server: &self.desired.name,
                machine: &self.desired.machine,
                action,
                desired: self.desired.install.as_ref().map(|install| &install.digest),
                observed: &observed_digest,
                record: record.number,
                ledger: self.observed.ledger.as_ref(),
            })
        };
        let mut approval = ApprovalState::NotNeeded;
        if matches!(verdict.action, Action::Install | Action::Reinstall) {
            let adopt = self.approvals.state(ApprovedAction::Adopt, &digest(Action::Adopt)?);
            if matches!(adopt, ApprovalState::Approved { .. }) {
                verdict.action = Action::Adopt;
                verdict.reason = Reason::AdoptionApproved;
                verdict.notes = vec!["recorded as it is, unverified; nothing is touched".to_owned()];
                approval = adopt;
            } else {
                approval = self.approval(record, &digest(verdict.action)?);
            }
        }
        let mut steps = Vec::new();
        let mut class = match verdict.action {
            Action::Install | Action::Reinstall => {
                steps = INSTALL_STEPS.map(str::to_owned).to_vec();
                Class::Destructive
            }
            Action::Adopt => Class::Safe,
            _ => Class::None,
        };
        let mut notes = std::mem::take(&mut verdict.notes);
        if let Some(status) = status {
            notes.extend(power::notes(self.desired, status));
            if verdict.action == Action::None
                && let Some(deed) = power::deed(self.desired, status)
            {
                verdict.action = deed.action;
                verdict.reason = deed.reason;
                verdict.changes.extend(deed.changes);
                class = deed.class;
                steps = deed.steps;
            }
        }
        if let Some(old) = self.renamed_from {
            notes.insert(0, format!("renamed from {old}: same machine, its record moves along"));
            if verdict.action == Action::None {
                verdict.action = Action::Rename;
                verdict.reason = Reason::Renamed;
                class = Class::Safe;
            }
        }
        if verdict.action == Action::None && verdict.changes.is_empty() && notes.is_empty() {
            return Ok(None);
        }
        if verdict.action == Action::None && verdict.reason == Reason::UpToDate {
            verdict.reason = Reason::Drift;
        }
        let holds = self.holds(status, record, verdict.action, class, &approval);
        Ok(Some(Entry {
            server: self.desired.name.clone(),
            machine: self.desired.machine.clone(),
            labels: self.desired.labels.clone(),
            action: verdict.action,
            class,
            reason: verdict.reason,
            changes: verdict.changes,
            loses: if class == Class::Destructive { self.loses(record) } else { Vec::new() },
            notes,
            record: record.number,
            desired_digest: self.desired.install.as_ref().map(|install| install.digest.clone()),
            digest: digest(verdict.action)?,
            observed_digest,
            approval,
            holds,
            steps,
        }))
    }

    fn verdict(&self, record: &Record) -> Verdict {
        let nothing =
            |reason| Verdict { action: Action::None, reason, changes: Vec::new(), notes: Vec::new() };
        let Some(target) = &self.desired.install else { return nothing(Reason::UpToDate) };
        let fresh = |action, reason, note: &str| Verdict {
            action,
            reason,
            changes: fresh_changes(record, target),
            notes: if note.is_empty() { Vec::new() } else { vec![note.to_owned()] },
        };
        match record.state {
            RecordState::Unknown => {
                let note = "no record of this machine: what is on its disks is unknown;                             'shoal adopt' records it as it is";
                fresh(Action::Install, Reason::NoRecord, note)
            }
            RecordState::Released => {
                let note = "it left Git before and was released; 'shoal adopt' takes it back as it is";
                fresh(Action::Install, Reason::NoRecord, note)
            }
            RecordState::Restored => {
                let note = "the record comes from an older copy; 'shoal adopt' takes it back as it is";
                fresh(Action::Reinstall, Reason::Restored, note)
            }
            RecordState::Dirty => {
                let note = "the last install began to write and did not end well";
                fresh(Action::Reinstall, Reason::Unfinished, note)
            }
            RecordState::Installed | RecordState::Adopted => {
                if let Some(change) = self.machine_change(record) {
                    let mut verdict = fresh(Action::Reinstall, Reason::MachineChanged, "");
                    verdict.changes.insert(0, change);
                    verdict.notes.push("another machine stands behind this name now".to_owned());
                    return verdict;
                }
                compare(record, target)
            }
        }
    }

    /// A serial or UUID that differs from the record's.
    fn machine_change(&self, record: &Record) -> Option<Change> {
        let differs = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => !a.eq_ignore_ascii_case(b),
            _ => false,
        };
        let identity = &self.desired.identity;
        let (field, before, after) = if differs(&record.serial, &identity.serial) {
            ("serial", &record.serial, &identity.serial)
        } else if differs(&record.uuid, &identity.uuid) {
            ("uuid", &record.uuid, &identity.uuid)
        } else {
            return None;
        };
        Some(Change {
            field: field.to_owned(),
            before: before.clone(),
            after: after.clone(),
            sensitive: false,
            from: None,
            effect: Effect::Reinstalls,
        })
    }

    fn approval(&self, record: &Record, digest: &shoal_schema::Sha256) -> ApprovalState {
        let state = self.approvals.state(ApprovedAction::Install, digest);
        let first = record.state == RecordState::Unknown;
        match state {
            ApprovalState::Needed | ApprovalState::Expired { .. }
                if first && self.desired.first_install == FirstInstall::BlankOnly =>
            {
                ApprovalState::BlankOnly
            }
            other => other,
        }
    }

    fn loses(&self, record: &Record) -> Vec<String> {
        let mut loses = Vec::new();
        let selector = self.desired.install.as_ref().map(|i| i.disk.to_string()).unwrap_or_default();
        let on = record.installed.as_ref().and_then(|installed| installed.on.as_ref());
        match (&record.installed, on) {
            (Some(installed), Some(disk)) => {
                loses.push(format!("{}: {} {}", disk.describe(), installed.image, installed.version));
            }
            (Some(installed), None) => {
                loses.push(format!("{} {} on the disk with {selector}", installed.image, installed.version));
            }
            (None, _) => loses.push(format!("whatever is on the disk with {selector}")),
        }
        loses
    }

    fn holds(
        &self,
        status: Option<&ServerStatus>,
        record: &Record,
        action: Action,
        class: Class,
        approval: &ApprovalState,
    ) -> Vec<Hold> {
        let mut holds = Vec::new();
        let mut hold = |code, message: String, hint: Option<String>| holds.push(Hold { code, message, hint });
        if class == Class::None {
            return holds;
        }
        let name = &self.desired.name;
        if let Some(suspended) = &self.desired.suspended
            && suspended.until.is_none_or(|until| until > self.now)
        {
            let until =
                suspended.until.map_or_else(|| "until it is lifted".to_owned(), |t| format!("until {t}"));
            hold(HoldCode::Suspended, format!("suspended {until}: {}", suspended.reason), None);
        }
        if class == Class::Destructive {
            self.destructive_holds(record, approval, &mut hold);
        }
        if action != Action::Adopt && action != Action::Rename {
            if let Some(unreachable) =
                status.and_then(|s| s.bmc.as_ref()).and_then(|b| b.unreachable.as_ref())
            {
                hold(
                    HoldCode::BmcUnreachable,
                    format!("blocked: BMC unreachable since {}: {}", unreachable.since, unreachable.message),
                    Some("it goes on by itself when the BMC answers again".to_owned()),
                );
            }
            let rung = status.and_then(|s| s.bmc.as_ref()).and_then(|b| b.rung.as_deref());
            if class == Class::Destructive && rung == Some("none") {
                hold(
                    HoldCode::NoRoute,
                    "the BMC offers no way to bring media to this machine".to_owned(),
                    Some(format!("'shoal explain {name}' shows what the BMC offers")),
                );
            }
        }
        holds
    }

    fn destructive_holds(
        &self,
        record: &Record,
        approval: &ApprovalState,
        hold: &mut dyn FnMut(HoldCode, String, Option<String>),
    ) {
        let name = &self.desired.name;
        if self.observed.ledger.is_none() {
            hold(
                HoldCode::NoLedger,
                "no controller has published a ledger yet, so nothing can be agreed to".to_owned(),
                Some("start 'shoal run' once, then 'git fetch origin shoal/status'".to_owned()),
            );
        }
        match approval {
            ApprovalState::Needed => hold(
                HoldCode::ApprovalNeeded,
                "needs an approval in Git".to_owned(),
                Some(format!("shoal approve {name}")),
            ),
            ApprovalState::Expired { by } => hold(
                HoldCode::ApprovalExpired,
                format!("the approval in {by} has run out"),
                Some(format!("shoal approve {name}")),
            ),
            ApprovalState::NotNeeded | ApprovalState::BlankOnly | ApprovalState::Approved { .. } => {}
        }
        let lifted_now = if self.same_commit { record.protected_before } else { record.protected };
        if self.desired.protect {
            hold(
                HoldCode::Protected,
                "protected in Git".to_owned(),
                Some("take 'protect: true' out in a commit of its own first".to_owned()),
            );
        } else if lifted_now {
            hold(
                HoldCode::Protected,
                "protection is lifted by this very commit; it counts from the next one on".to_owned(),
                Some("commit the change again once this commit is in force".to_owned()),
            );
        }
        if let Some(target) = &self.desired.install
            && target.target != LINUX_TARGET
        {
            hold(
                HoldCode::Unsupported,
                format!("{} has no guarded workflow in this version", target.target),
                Some(
                    "ESXi runs no dispatcher and so asks for no permit; Windows and firmware come later"
                        .to_owned(),
                ),
            );
        }
    }
}

fn change(field: &str, before: Option<String>, after: String, from: &str, effect: Effect) -> Change {
    Change {
        field: field.to_owned(),
        before,
        after: Some(after),
        sensitive: false,
        from: (!from.is_empty()).then(|| from.to_owned()),
        effect,
    }
}

/// What a machine without a usable record gets.
fn fresh_changes(record: &Record, target: &InstallTarget) -> Vec<Change> {
    let installed = record.installed.as_ref();
    vec![
        change(
            "os",
            installed.map(|i| format!("{} {}", i.image, i.version)),
            format!("{} {}", target.image, target.version),
            &target.places.version,
            Effect::Reinstalls,
        ),
        change(
            "disk",
            installed.map(|i| i.disk.clone()),
            target.disk.to_string(),
            &target.places.disk,
            Effect::Reinstalls,
        ),
    ]
}

/// A known machine: what reinstalls it is image digest, layout, disk and the raised counter, and
/// nothing else.
fn compare(record: &Record, target: &InstallTarget) -> Verdict {
    let Some(installed) = &record.installed else {
        return Verdict {
            action: Action::Reinstall,
            reason: Reason::Unfinished,
            changes: fresh_changes(record, target),
            notes: Vec::new(),
        };
    };
    let mut reinstalls = Vec::new();
    let mut reason = None;
    if installed.image_digest != target.image_digest {
        reason.get_or_insert(Reason::ImageChanged);
        reinstalls.push(change(
            "os.version",
            Some(format!("{} {}", installed.image, installed.version)),
            format!("{} {}", target.image, target.version),
            &target.places.version,
            Effect::Reinstalls,
        ));
        reinstalls.push(change(
            "image digest",
            Some(installed.image_digest.clone()),
            target.image_digest.clone(),
            &target.places.image,
            Effect::Reinstalls,
        ));
    }
    if installed.layout_digest != target.layout_digest {
        reason.get_or_insert(Reason::LayoutChanged);
        reinstalls.push(change(
            "layout",
            Some(installed.layout_digest.short().to_owned()),
            target.layout_digest.short().to_owned(),
            &target.places.layout,
            Effect::Reinstalls,
        ));
    }
    // Another way to name the disk that was written is no change.
    let same_disk = installed.disk == target.disk.to_string()
        || installed.on.as_ref().is_some_and(|disk| target.disk.is_stable() && target.disk.matches(disk));
    if !same_disk {
        reason.get_or_insert(Reason::DiskChanged);
        reinstalls.push(change(
            "disk",
            Some(installed.disk.clone()),
            target.disk.to_string(),
            &target.places.disk,
            Effect::Reinstalls,
        ));
    }
    if target.reinstall > record.reinstall {
        reason.get_or_insert(Reason::ReinstallRaised);
        reinstalls.push(change(
            "reinstall",
            Some(record.reinstall.to_string()),
            target.reinstall.to_string(),
            &target.places.reinstall,
            Effect::Reinstalls,
        ));
    }
    let mut notes = Vec::new();
    let mut later = Vec::new();
    if installed.config_digest.as_ref().is_some_and(|digest| *digest != target.config_digest) {
        later.push(Change {
            field: "configuration".to_owned(),
            before: installed.config_digest.as_ref().map(|d| d.short().to_owned()),
            after: Some(target.config_digest.short().to_owned()),
            sensitive: true,
            from: None,
            effect: Effect::NextInstall,
        });
        if reason.is_none() {
            notes.push(
                "user-data, variables, keys or network changed: applies at the next install".to_owned(),
            );
        }
    }
    match reason {
        Some(reason) => {
            reinstalls.extend(later);
            Verdict { action: Action::Reinstall, reason, changes: reinstalls, notes }
        }
        None => {
            let reason = if later.is_empty() { Reason::UpToDate } else { Reason::NextInstall };
            Verdict { action: Action::None, reason, changes: later, notes }
        }
    }
}
