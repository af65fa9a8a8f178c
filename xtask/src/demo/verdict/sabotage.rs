// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every fact is sabotaged, in every way that it can be wrong, and is seen to fail.

use std::collections::BTreeSet;

use super::sample::good;
use super::{FACTS, judge};
use crate::demo::evidence::{Boot, Evidence, JobFound, Machine, ServerFound, StampFound};

/// A fact's name, what is done to the evidence, and how.
type Sabotage = (&'static str, &'static str, fn(&mut Evidence));

/// Works on any good evidence that has a machine which fails and one that is bumped.
pub(crate) const SABOTAGE: &[Sabotage] = &[
    ("the controller was killed in the middle of installs", "it ended by itself", |e| e.crash.signal = None),
    ("the controller was killed in the middle of installs", "SIGTERM", |e| e.crash.signal = Some(15)),
    ("the controller was killed in the middle of installs", "idle", |e| e.crash.in_flight.clear()),
    ("SIGTERM ended the controller in good order", "a crash", |e| e.crash.stopped = None),
    ("SIGTERM ended the controller in good order", "an error", |e| e.crash.stopped = Some(70)),
    ("the version bump was held until it was approved", "plan content", |e| e.bump.plan_exit = Some(0)),
    ("the version bump was held until it was approved", "entry missing", |e| e.bump.planned.clear()),
    ("the version bump was held until it was approved", "no approval needed", |e| {
        planned(e).approval = "not-needed".to_owned();
    }),
    ("the version bump was held until it was approved", "first install", |e| {
        planned(e).action = "install".to_owned();
    }),
    ("the version bump was held until it was approved", "not published", |e| e.bump.held_as.clear()),
    ("the version bump was held until it was approved", "it went ahead", |e| {
        e.bump.happened_while_held.push("web-01: powered off".to_owned());
    }),
    ("no secret is in anything that people or logs can read", "leak", |e| {
        e.search.found.push("log: password, plain".to_owned());
    }),
    ("no secret is in anything that people or logs can read", "blind", |e| e.search.proven = false),
    ("no secret is in anything that people or logs can read", "nothing planted", |e| e.search.planted = 0),
    ("no secret is in anything that people or logs can read", "nothing searched", |e| {
        e.search.searched.clear();
    }),
    ("no secret is in anything that people or logs can read", "empty log", |e| {
        e.search.searched.insert("log".to_owned(), 0);
    }),
    ("the commit in force is the one that was pushed last", "behind", |e| e.git.main = "0".repeat(40)),
    ("the commit in force is the one that was pushed last", "none", |e| e.git.in_force = None),
    ("the status branch is one line of commits by one database", "a merge", |e| e.git.commits[0].parents = 2),
    ("the status branch is one line of commits by one database", "a second root", |e| {
        e.git.commits[1].parents = 0;
    }),
    ("the status branch is one line of commits by one database", "another ledger", |e| {
        e.git.commits[1].ledger = "1".repeat(32);
    }),
    ("the status branch is one line of commits by one database", "gone", |e| e.git.commits.clear()),
    ("every machine but one runs what Git says", "old version", |e| {
        good_server(e).version = Some("11.0".to_owned());
    }),
    ("every machine but one runs what Git says", "dirty", |e| {
        good_server(e).state = "dirty".to_owned();
    }),
    ("every machine but one runs what Git says", "job failed", |e| {
        good_server(e).outcome = Some("failed".to_owned());
    }),
    ("every machine but one runs what Git says", "never seen", |e| {
        e.git.servers.values_mut().for_each(|server| server.boot_observed = false);
    }),
    ("every machine but one runs what Git says", "not ready", |e| {
        good_server(e).conditions.clear();
    }),
    ("every machine but one runs what Git says", "no status", |e| {
        let name = good_name(e);
        e.git.servers.remove(&name);
    }),
    ("the machine that failed says where and why", "silent", |e| bad_server(e).error = None),
    ("the machine that failed says where and why", "elsewhere", |e| {
        bad_server(e).error.as_mut().expect("it failed").step = "workflow.partition".to_owned();
    }),
    ("the machine that failed says where and why", "no unit", |e| {
        bad_server(e).error.as_mut().expect("it failed").unit = None;
    }),
    ("the machine that failed says where and why", "no reason", |e| {
        bad_server(e).error.as_mut().expect("it failed").message.clear();
    }),
    ("the machine that failed says where and why", "no hint", |e| {
        bad_server(e).error.as_mut().expect("it failed").hint.clear();
    }),
    ("the machine that failed says where and why", "not stalled", |e| bad_server(e).conditions.clear()),
    ("the machine that failed says where and why", "clean record", |e| {
        bad_server(e).state = "installed".to_owned();
    }),
    ("the machine that failed says where and why", "nobody failed", |e| {
        e.cast.iter_mut().for_each(|actor| actor.fails_in = None);
    }),
    ("the approval in Git names what was planned, and that was done", "nothing approved", |e| {
        e.git.approved.clear();
    }),
    ("the approval in Git names what was planned, and that was done", "something else", |e| {
        e.git.approved[0].1 = "sha256:other".to_owned();
    }),
    ("the approval in Git names what was planned, and that was done", "more than planned", |e| {
        e.git.approved.push(("db-01".to_owned(), "sha256:more".to_owned()));
    }),
    ("the approval in Git names what was planned, and that was done", "not carried out", |e| {
        let name = e.git.approved[0].0.clone();
        e.git.servers.get_mut(&name).expect("it has a status").applied_entry = None;
    }),
    ("there is one job for each install, and no other", "one too many", |e| {
        let job = e.api.jobs[0].clone();
        e.api.jobs.push(job);
    }),
    ("there is one job for each install, and no other", "one lost", |e| {
        e.api.jobs.pop();
    }),
    ("there is one job for each install, and no other", "of a stranger", |e| {
        let stranger = JobFound { server: "stranger".to_owned(), ..e.api.jobs[0].clone() };
        e.api.jobs.push(stranger);
    }),
    ("there is one job for each install, and no other", "not over", |e| {
        e.api.jobs[0].status = "provisioning".to_owned();
    }),
    ("there is one job for each install, and no other", "other outcome", |e| e.api.jobs[0].outcome = None),
    ("there is one job for each install, and no other", "other step", |e| {
        bad_job(e).failed_step = Some("workflow.partition".to_owned());
    }),
    ("jobs that were interrupted went on in the same attempt", "gone", |e| e.api.jobs.clear()),
    ("jobs that were interrupted went on in the same attempt", "not resumed", |e| {
        e.api.jobs.iter_mut().for_each(|job| job.resumed = false);
    }),
    ("jobs that were interrupted went on in the same attempt", "began anew", |e| {
        let bad = bad_name(e);
        for job in e.api.jobs.iter_mut().filter(|job| job.server != bad) {
            job.attempt += 1;
        }
    }),
    ("jobs that were interrupted went on in the same attempt", "none", |e| e.crash.in_flight.clear()),
    ("nothing is left to do but for the machine that failed", "more to do", |e| {
        e.api.pending.push("web-01".to_owned());
    }),
    ("nothing is left to do but for the machine that failed", "forgotten", |e| e.api.pending.clear()),
    ("nothing is left to do but for the machine that failed", "not ready", |e| e.api.ready = false),
    ("no machine booted an install twice", "same medium", |e| {
        let machine = good_machine(e);
        let boot = machine.media_boots().next().expect("it was installed").clone();
        machine.boots.push(boot);
    }),
    ("no machine booted an install twice", "another medium", |e| {
        let machine = good_machine(e);
        let boot = machine.media_boots().next().expect("it was installed").clone();
        machine.boots.push(Boot { image: Some("http://127.0.0.1:1/media/x/boot.iso".to_owned()), ..boot });
    }),
    ("no machine booted an install twice", "never", |e| {
        good_machine(e).boots.retain(|boot| boot.image.is_none());
    }),
    ("no machine booted an install twice", "one attempt more", |e| bad_job(e).attempt += 1),
    ("every machine started its own disk after each install", "never", |e| {
        good_machine(e).boots.retain(|boot| boot.image.is_some());
    }),
    ("every machine started its own disk after each install", "half written", |e| {
        let name = bad_name(e);
        let machine = e.machines.get_mut(&name).expect("it is known");
        let at = machine.boots[0].at;
        machine.boots.push(Boot { at, image: None });
    }),
    ("machines were switched on and off, and never reset", "reset", |e| {
        good_machine(e).resets.push("ForceRestart".to_owned());
    }),
    ("machines were switched on and off, and never reset", "never on", |e| good_machine(e).resets.clear()),
    ("every medium was made for one machine and one attempt", "shared", |e| {
        let image = good_machine(e).inserted[0].clone();
        let name = bad_name(e);
        e.machines.get_mut(&name).expect("it is known").inserted.push(image);
    }),
    ("every medium was made for one machine and one attempt", "from nowhere", |e| {
        good_machine(e).inserted.clear();
    }),
    ("every medium was made for one machine and one attempt", "a stranger's", |e| {
        good_machine(e).inserted.push("http://198.51.100.1/evil.iso".to_owned());
    }),
    ("every medium was made for one machine and one attempt", "none", |e| {
        e.machines.values_mut().for_each(|machine| {
            machine.inserted.clear();
            machine.boots.clear();
        });
    }),
    ("no more machines of a rack were in flight than the Fleet allows", "all at once", |e| {
        e.rack_limit = 0;
    }),
    ("no more machines of a rack were in flight than the Fleet allows", "none", |e| {
        e.machines.values_mut().for_each(|machine| machine.boots.clear());
    }),
    ("no BMC refused an account", "wrong password", |e| good_machine(e).refused_logins = 1),
    ("every slot is empty", "left in", |e| {
        good_machine(e).media.push("http://127.0.0.1:1/media/x/boot.iso".to_owned());
    }),
    ("no boot override stands", "left", |e| good_machine(e).boot_override = "Once".to_owned()),
    ("power is as wanted: running where installed, off where it failed", "off", |e| {
        good_machine(e).power = "Off".to_owned();
    }),
    ("power is as wanted: running where installed, off where it failed", "in the firmware", |e| {
        good_machine(e).progress = "OSBootStarted".to_owned();
    }),
    ("power is as wanted: running where installed, off where it failed", "half written and on", |e| {
        let name = bad_name(e);
        e.machines.get_mut(&name).expect("it is known").power = "On".to_owned();
    }),
    ("every disk has the partitions of its recipe", "one less", |e| {
        good_disk(e).partitions.pop();
    }),
    ("every disk has the partitions of its recipe", "overlap", |e| {
        good_disk(e).misplaced.push("1 and 2".to_owned());
    }),
    ("every disk has the partitions of its recipe", "no boot loader", |e| good_disk(e).bootable = false),
    ("every disk has the partitions of its recipe", "not read", |e| e.disks.clear()),
    ("every stamp names the job, entry and database that Git names", "none", |e| good_disk(e).stamp = None),
    ("every stamp names the job, entry and database that Git names", "another job", |e| {
        stamp(e).job = "other".to_owned();
    }),
    ("every stamp names the job, entry and database that Git names", "another entry", |e| {
        stamp(e).entry = "sha256:other".to_owned();
    }),
    ("every stamp names the job, entry and database that Git names", "another database", |e| {
        stamp(e).ledger = "1".repeat(32);
    }),
    ("every stamp names the job, entry and database that Git names", "another machine", |e| {
        stamp(e).server = "other".to_owned();
    }),
    ("every seed has the machine's own host name", "another", |e| {
        good_disk(e).hostname = Some("other".to_owned());
    }),
    ("every seed has the machine's own host name", "none", |e| good_disk(e).hostname = None),
    ("the disk of the machine that failed passes for no install", "seeded", |e| {
        bad_disk(e).hostname = Some("web-01".to_owned());
    }),
    ("the disk of the machine that failed passes for no install", "stamped", |e| {
        let stamp = stamp(e).clone();
        bad_disk(e).stamp = Some(stamp);
    }),
    ("no disk but the one that Git names was written", "another disk", |e| {
        good_disk(e).others_written.push("/dev/sdb".to_owned());
    }),
    ("no disk but the one that Git names was written", "not read", |e| e.disks.clear()),
];

fn good_name(evidence: &Evidence) -> String {
    let good = evidence.cast.iter().find(|actor| actor.fails_in.is_none());
    good.expect("somebody is installed").name.clone()
}

fn bad_name(evidence: &Evidence) -> String {
    evidence.cast.iter().find(|actor| actor.fails_in.is_some()).expect("somebody fails").name.clone()
}

fn planned(evidence: &mut Evidence) -> &mut crate::demo::evidence::Planned {
    evidence.bump.planned.values_mut().next().expect("somebody is bumped")
}

fn good_server(evidence: &mut Evidence) -> &mut ServerFound {
    let name = good_name(evidence);
    evidence.git.servers.get_mut(&name).expect("it has a status")
}

fn bad_server(evidence: &mut Evidence) -> &mut ServerFound {
    let name = bad_name(evidence);
    evidence.git.servers.get_mut(&name).expect("it has a status")
}

fn bad_job(evidence: &mut Evidence) -> &mut JobFound {
    let name = bad_name(evidence);
    evidence.api.jobs.iter_mut().find(|job| job.server == name).expect("it had a job")
}

fn good_machine(evidence: &mut Evidence) -> &mut Machine {
    let name = good_name(evidence);
    evidence.machines.get_mut(&name).expect("it is known")
}

fn good_disk(evidence: &mut Evidence) -> &mut crate::demo::evidence::DiskFound {
    let name = good_name(evidence);
    evidence.disks.get_mut(&name).expect("it was read")
}

fn bad_disk(evidence: &mut Evidence) -> &mut crate::demo::evidence::DiskFound {
    let name = bad_name(evidence);
    evidence.disks.get_mut(&name).expect("it was read")
}

fn stamp(evidence: &mut Evidence) -> &mut StampFound {
    good_disk(evidence).stamp.as_mut().expect("it was installed")
}

/// Does each damage to good evidence and asks for the one fact that must fail.
pub(crate) fn every_fact_fails_when_sabotaged(good: &Evidence) {
    for (name, how, damage) in SABOTAGE {
        let mut evidence = good.clone();
        damage(&mut evidence);
        let facts = judge(&evidence);
        let fact = facts.iter().find(|fact| fact.name == *name).expect("the fact exists");
        assert!(!fact.holds, "{name}: {how} went unnoticed: {}", fact.evidence);
        assert!(!fact.evidence.is_empty(), "{name}: {how} is not explained");
    }
}

#[test]
fn where_all_is_well_every_fact_holds_and_says_what_it_saw() {
    for fact in judge(&good()) {
        assert!(fact.holds, "{}: {}", fact.name, fact.evidence);
        assert!(!fact.evidence.is_empty(), "{} says nothing", fact.name);
    }
}

#[test]
fn every_fact_that_is_sabotaged_fails() {
    every_fact_fails_when_sabotaged(&good());
}

#[test]
fn no_fact_is_without_its_sabotage_and_no_sabotage_without_its_fact() {
    let facts: Vec<&str> = FACTS.iter().flat_map(|facts| facts.iter()).map(|check| check.name).collect();
    let named: BTreeSet<&str> = facts.iter().copied().collect();
    assert_eq!(named.len(), facts.len(), "two facts share a name");
    let sabotaged: BTreeSet<&str> = SABOTAGE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(named, sabotaged);
}

#[test]
fn evidence_survives_a_round_trip_through_json() {
    let text = serde_json::to_string(&good()).expect("evidence is plain data");
    let back: Evidence = serde_json::from_str(&text).expect("own output");
    assert!(judge(&back).iter().all(|fact| fact.holds));
}
