// SPDX-License-Identifier: AGPL-3.0-or-later
//! Evidence of a run in which all is well: three machines, one of which fails and one of which is
//! bumped. For tests.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::demo::evidence::{
    Actor, Api, Boot, Bump, Crash, DiskFound, ErrorFound, Evidence, Git, InFlight, JobFound, Machine,
    Planned, Search, ServerFound, StampFound, StatusCommit,
};

const LEDGER: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
const FAILING: &str = "bootloader-linux.service";

/// Evidence of a run in which all is well.
pub(super) fn good() -> Evidence {
    let cast = vec![
        actor("cache-01", None, false),
        actor("db-01", None, true),
        actor("web-01", Some("12.8"), false),
    ];
    let names: Vec<String> = cast.iter().map(|actor| actor.name.clone()).collect();
    Evidence {
        rack_limit: 2,
        crash: Crash {
            signal: Some(9),
            in_flight: names.iter().take(2).map(|name| in_flight(name)).collect(),
            stopped: Some(0),
        },
        bump: Bump {
            plan_exit: Some(3),
            planned: BTreeMap::from([("web-01".to_owned(), planned())]),
            held_as: BTreeMap::from([("web-01".to_owned(), "ApprovalNeeded".to_owned())]),
            happened_while_held: Vec::new(),
            held_ms: 1500,
        },
        git: Git {
            main: "c0ffee".repeat(6),
            in_force: Some("c0ffee".repeat(6)),
            ledger: LEDGER.to_owned(),
            commits: (0..4).map(commit).collect(),
            servers: cast.iter().map(|actor| (actor.name.clone(), server(actor))).collect(),
            approved: vec![("web-01".to_owned(), planned().digest)],
        },
        api: Api {
            ready: true,
            jobs: vec![job("cache-01", 1), job("db-01", 1), job("web-01", 1), job("web-01", 2)],
            pending: vec!["db-01".to_owned()],
        },
        machines: cast.iter().map(|actor| (actor.name.clone(), machine(actor))).collect(),
        disks: cast.iter().map(|actor| (actor.name.clone(), disk(actor))).collect(),
        search: Search {
            planted: 3,
            searched: BTreeMap::from([("log".to_owned(), 4096)]),
            found: Vec::new(),
            proven: true,
        },
        cast,
    }
}

fn actor(name: &str, bumped_from: Option<&str>, fails: bool) -> Actor {
    Actor {
        name: name.to_owned(),
        rack: "a".to_owned(),
        profile: "idrac9-6".to_owned(),
        tells_progress: name == "cache-01",
        version: "13.1".to_owned(),
        bumped_from: bumped_from.map(str::to_owned),
        fails_in: fails.then(|| FAILING.to_owned()),
        partitions: vec!["esp".to_owned(), "root".to_owned()],
    }
}

fn in_flight(server: &str) -> InFlight {
    InFlight {
        job: format!("{server}-1"),
        server: server.to_owned(),
        attempt: 1,
        phase: "installing".to_owned(),
    }
}

fn planned() -> Planned {
    Planned {
        digest: "sha256:web-01-2".to_owned(),
        approval: "needed".to_owned(),
        action: "reinstall".to_owned(),
    }
}

fn commit(number: usize) -> StatusCommit {
    StatusCommit { id: format!("{number:040}"), parents: usize::from(number < 3), ledger: LEDGER.to_owned() }
}

/// The number of a server's last job.
fn last(actor: &Actor) -> usize {
    actor.installs().max(1)
}

fn server(actor: &Actor) -> ServerFound {
    let fails = actor.fails_in.is_some();
    let condition = if fails { ("Stalled", "DiskWritten") } else { ("Ready", "AsWanted") };
    ServerFound {
        state: if fails { "dirty" } else { "installed" }.to_owned(),
        version: (!fails).then(|| actor.version.clone()),
        boot_observed: !fails,
        job: Some(format!("{}-{}", actor.name, last(actor))),
        outcome: Some(if fails { "failed" } else { "succeeded" }.to_owned()),
        applied_entry: (!fails).then(|| format!("sha256:{}-{}", actor.name, last(actor))),
        conditions: BTreeMap::from([(condition.0.to_owned(), condition.1.to_owned())]),
        error: fails.then(|| ErrorFound {
            step: "workflow.bootloader-linux".to_owned(),
            unit: Some(FAILING.to_owned()),
            message: "the boot loader could not be written".to_owned(),
            hint: "look at the console".to_owned(),
        }),
    }
}

fn job(server: &str, number: usize) -> JobFound {
    let fails = server == "db-01";
    JobFound {
        id: format!("{server}-{number}"),
        server: server.to_owned(),
        status: "complete".to_owned(),
        outcome: Some(if fails { "failed" } else { "succeeded" }.to_owned()),
        attempt: if fails { 3 } else { 1 },
        failed_step: fails.then(|| "workflow.bootloader-linux".to_owned()),
        resumed: number == 1 && server != "web-01",
    }
}

fn image(server: &str, number: usize) -> String {
    format!("http://127.0.0.1:1/media/{server}-{number}/boot.iso")
}

/// `second` seconds into a story of its own, so that no two machines are in flight together.
fn at(actor: &Actor, second: usize) -> Timestamp {
    let start = if actor.name == "db-01" { 1000 } else { 0 };
    Timestamp::from_second((start + second) as i64).expect("within range")
}

fn machine(actor: &Actor) -> Machine {
    let fails = actor.fails_in.is_some();
    let media = if fails { 3 } else { actor.installs() };
    let mut boots = Vec::new();
    let mut stops = Vec::new();
    for number in 1..=media {
        boots.push(Boot { at: at(actor, number * 100), image: Some(image(&actor.name, number)) });
        stops.push(at(actor, number * 100 + 50));
        if !fails {
            boots.push(Boot { at: at(actor, number * 100 + 60), image: None });
            stops.push(at(actor, number * 100 + 90));
        }
    }
    Machine {
        boots,
        stops,
        resets: vec!["On".to_owned(), "ForceOff".to_owned(), "On".to_owned()],
        inserted: (1..=media).map(|number| image(&actor.name, number)).collect(),
        media: Vec::new(),
        boot_override: "Disabled".to_owned(),
        power: if fails { "Off" } else { "On" }.to_owned(),
        progress: if fails { "None" } else { "OSRunning" }.to_owned(),
        refused_logins: 0,
    }
}

fn disk(actor: &Actor) -> DiskFound {
    let fails = actor.fails_in.is_some();
    let number = last(actor);
    DiskFound {
        partitions: actor.partitions.clone(),
        misplaced: Vec::new(),
        stamp: (!fails).then(|| StampFound {
            job: format!("{}-{number}", actor.name),
            entry: format!("sha256:{}-{number}", actor.name),
            ledger: LEDGER.to_owned(),
            server: actor.name.clone(),
        }),
        bootable: !fails,
        hostname: (!fails).then(|| actor.name.clone()),
        others_written: Vec::new(),
    }
}
