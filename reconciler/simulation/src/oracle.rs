// SPDX-License-Identifier: AGPL-3.0-or-later
//! What must hold, judged from what happened in the world and from what people wrote, and never from what the
//! controller says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shoal_core::job::Budgets;
use shoal_schema::status::{RecordState, ServerStatus};

use crate::controllers::Incarnation;
use crate::hardware::{Content, Machine, Writing};
use crate::people::Wanted;
use crate::world::State;

/// How long the controller may go on by an older commit: permits are judged by a fetch that is at most 15 minutes old,
/// and the decision itself takes its time.
const STALE: Duration = Duration::from_secs(16 * 60);

/// How long what is published may lag behind a disk: a permit's answer travels, and changes are published together.
const STATUS_LAG: Duration = Duration::from_secs(120);

/// More than any world needs, by far.
const COMMITS: u64 = 50_000;

/// What somebody agreed to, seen as they saw it.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    /// The machine that the plan named.
    pub serial: String,
    /// The image that it would get.
    pub image: char,
}

/// What stood in Git.
#[derive(Clone, Debug)]
pub(crate) struct Stood {
    /// From when.
    pub from: Duration,
    /// Until when; nothing while it may still be in force.
    pub until: Option<Duration>,
    /// What.
    pub wanted: Wanted,
}

/// What a machine says of itself when it begins to write.
pub(crate) struct Write<'a> {
    /// The job.
    pub job: &'a str,
    /// The server as which it is installed.
    pub server: &'a str,
    /// The boot that got the permit.
    pub boot: &'a str,
    /// The plan's entry.
    pub entry: &'a str,
    /// The image.
    pub image: char,
}

/// The permits that were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permits {
    /// Which boot got the permit of a job's attempt.
    boots: BTreeMap<(String, u64), String>,
    /// The newest attempt of a job that got a permit.
    newest: BTreeMap<String, u64>,
}

/// What was and what must not be.
#[derive(Default)]
pub(crate) struct Oracle {
    /// What is not as it must be; the first one ends the run.
    pub violation: Option<String>,
    /// Agreed entries by digest.
    pub agreed: BTreeMap<String, Agreed>,
    /// Which job used an agreed entry for a permit.
    used: BTreeMap<String, String>,
    /// Permits.
    permits: Permits,
    /// What stood in Git, and could be in force: from when, until when.
    pub wants: Vec<Stood>,
    /// When a boot was granted the permit of a job, answer lost or not.
    first_grant: BTreeMap<(String, String), Duration>,
    /// Disks that were blank when a job got its permit: disk serial, job.
    began_blank: BTreeSet<(String, String)>,
    /// Writes to disks.
    pub writes: u64,
    /// Commits that were asked for.
    commits: u64,
}

impl Oracle {
    /// Something is not as it must be.
    pub(crate) fn broken(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// What stood in Git at some time from then until then, newest first.
    fn wanted_within(&self, from: Duration, to: Duration) -> impl Iterator<Item = &Wanted> {
        let there = move |stood: &&Stood| stood.from <= to && stood.until.is_none_or(|until| until >= from);
        self.wants.iter().rev().filter(there).map(|stood| &stood.wanted)
    }

    /// Something else stands in Git. `also`: what stood there may stay in force, since the branch was rewritten.
    pub(crate) fn stands(&mut self, now: Duration, wanted: Wanted, also: bool) {
        if !also {
            self.only_the_last_counts(now);
            if let Some(last) = self.wants.last_mut() {
                last.until.get_or_insert(now);
            }
        }
        self.wants.push(Stood { from: now, until: None, wanted });
    }

    /// The rewritten branch was accepted.
    pub(crate) fn only_the_last_counts(&mut self, now: Duration) {
        let count = self.wants.len();
        for stood in self.wants.iter_mut().take(count.saturating_sub(1)) {
            stood.until.get_or_insert(now);
        }
    }

    /// A controller answered a machine.
    pub(crate) fn answered(&mut self, job: &str, boot: &str, now: Duration) {
        self.first_grant.entry((job.to_owned(), boot.to_owned())).or_insert(now);
    }

    /// The permits that were given so far.
    pub(crate) fn permits(&self) -> Permits {
        self.permits.clone()
    }

    /// Nobody can know of permits that were given later.
    pub(crate) fn knows_only(&mut self, permits: Permits) {
        self.permits = permits;
    }

    /// The branch was rewritten; what a controller fetched last stays in force.
    pub(crate) fn stays(&mut self, now: Duration, wanted: Wanted) {
        self.wants.push(Stood { from: now, until: None, wanted });
    }

    /// A controller asks its database to keep something.
    pub(crate) fn asked_of_store(&mut self) {
        self.commits += 1;
        if self.commits > COMMITS {
            self.broken(format!(
                "the database was asked to keep something {COMMITS} times: something turns in circles"
            ));
        }
    }

    /// A BMC was written to.
    pub(crate) fn touched(&mut self, bmc: usize, what: &'static str, now: Duration) {
        // Media of ours may be taken out of whatever they are in.
        if matches!(what, "eject" | "clear the boot override") {
            return;
        }
        let since = now.saturating_sub(LEFT_ALONE);
        let may = self
            .wanted_within(since, now)
            .flat_map(|wanted| wanted.servers.values())
            .any(|server| server.bmc == bmc && !server.suspended);
        if !may && !self.wants.is_empty() {
            self.broken(format!(
                "{what} on BMC {bmc}, whose server was released or suspended for all of the last {} minutes",
                LEFT_ALONE.as_secs() / 60
            ));
        }
    }
}

/// A job that is under way when its server is suspended or removed is carried to its end, which takes at most its own
/// limit and the cleanup.
const LEFT_ALONE: Duration = Duration::from_secs(6 * 3600);

impl State {
    /// A controller keeps that a job may write to a disk. Where that is blank by now, what is on it later counts as
    /// written by the job, also where the answer never arrived.
    pub(crate) fn permitted(&mut self, job: &str, disk: &str) {
        let blank = |machine: &Machine| machine.disk.serial == disk && machine.disk.content == Content::Blank;
        if self.machines.iter().any(blank) {
            self.oracle.began_blank.insert((disk.to_owned(), job.to_owned()));
        }
    }

    /// A machine was granted the permit.
    pub(crate) fn granted(&mut self, job: &str, attempt: u64, boot: &str) {
        let key = (job.to_owned(), attempt);
        let before = self.oracle.permits.boots.insert(key, boot.to_owned());
        if before.as_ref().is_some_and(|before| before != boot) {
            let text = format!("job {job} attempt {attempt}: a permit for {boot} after one for {before:?}");
            self.oracle.broken(text);
        }
        let newest = self.oracle.permits.newest.entry(job.to_owned()).or_default();
        if attempt < *newest {
            let text = format!("job {job}: a permit for attempt {attempt} after one for {newest}");
            self.oracle.broken(text);
        } else {
            *newest = attempt;
        }
    }

    /// A machine read the task medium that is in its BMC.
    pub(crate) fn read_medium(&mut self, job: &str, attempt: u64) {
        let newest = self.oracle.permits.newest.entry(job.to_owned()).or_default();
        *newest = attempt.max(*newest);
    }

    /// A machine is switched off by its BMC, as the controller of a side asks.
    pub(crate) fn switched_off(&mut self, machine: usize, by: usize) {
        if let Some(Writing { job, since, side }) = &self.machines[machine].writes
            && since.elapsed() < Duration::from_millis(Budgets::default().result_ms)
            && (*side == by || !self.two_cannot_meet())
        {
            let text = format!("machine {machine} is switched off while it writes for job {job}");
            self.oracle.broken(text);
        }
    }

    /// Two controllers run on copies of one database, and Git, where they find each other out, cannot be reached:
    /// neither can know what the other one permitted. What is written is judged all the same.
    fn two_cannot_meet(&self) -> bool {
        let second = |incarnation: &Incarnation| incarnation.side == 1 && !incarnation.power.is_cancelled();
        self.git_down && self.incarnations.iter().any(second)
    }

    /// A status is published.
    pub(crate) fn told(&mut self, status: &ServerStatus, now: Duration) {
        let record = &status.record;
        let Some(installed) = record.installed.as_ref().filter(|_| record.state == RecordState::Installed)
        else {
            return;
        };
        let Some(machine) =
            self.machines.iter().find(|machine| Some(&machine.serial) == record.serial.as_ref())
        else {
            return;
        };
        let image = self.wanted.images.get(&installed.version);
        let is_so = image.is_some_and(|image| machine.disk.content == Content::System(*image));
        if !is_so && !machine.tampered && now.saturating_sub(machine.disk.since) > STATUS_LAG {
            self.oracle.broken(format!(
                "{} is said to have {}, and for {} s there has been {:?}",
                status.name,
                installed.version,
                now.saturating_sub(machine.disk.since).as_secs(),
                machine.disk.content
            ));
        }
    }

    /// A machine begins to write its disk.
    pub(crate) fn writes(&mut self, machine: usize, write: &Write<'_>, now: Duration) {
        let Write { job, server, boot, entry, image } = *write;
        let (serial, disk) = (self.machines[machine].serial.clone(), self.machines[machine].disk.clone());
        let oracle = &mut self.oracle;
        oracle.writes += 1;
        let what = format!("job {job} writes image {image} to machine {serial} as {server}");
        let granted = oracle.first_grant.get(&(job.to_owned(), boot.to_owned())).copied().unwrap_or(now);
        // Somebody wanted exactly this when the permit was granted, or a moment before.
        let wants = oracle.wanted_within(granted.saturating_sub(STALE), granted).find_map(|wanted| {
            let there = wanted.servers.get(server)?;
            let same = there.serial == serial && wanted.image(there) == Some(image);
            (same && !there.suspended && !there.protected).then_some(wanted.blank_only)
        });
        let Some(blank_only) = wants else {
            return oracle
                .broken(format!("{what}, which nobody wanted in the last {} minutes", STALE.as_secs() / 60));
        };
        match oracle.agreed.get(entry).cloned() {
            Some(agreed) if agreed.serial == serial && agreed.image == image => {
                let by = oracle.used.entry(entry.to_owned()).or_insert_with(|| job.to_owned()).clone();
                if by != job {
                    let text = format!("{what} under an approval that job {by} has used");
                    oracle.broken(text);
                }
            }
            Some(agreed) => {
                let text = format!("{what}, where {agreed:?} was agreed to");
                oracle.broken(text);
            }
            None if oracle.began_blank.contains(&(disk.serial, job.to_owned())) => {
                // A job freezes the rule that it began under, at most its own limit ago.
                let began = granted.saturating_sub(LEFT_ALONE);
                if !blank_only && !oracle.wanted_within(began, granted).any(|wanted| wanted.blank_only) {
                    oracle.broken(format!("{what}, a blank disk, which needs an approval here"));
                }
            }
            None => oracle.broken(format!("{what}, a disk with {:?}, that nobody agreed to", disk.content)),
        }
    }
}
