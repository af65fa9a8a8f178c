// SPDX-License-Identifier: AGPL-3.0-or-later
//! Processes that know nothing yet: `shoal validate` and `shoal plan` over a directory, and other people's validators
//! over the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use shoal_testbed_site::{Place, Programs};

use super::{Args, Line};
use crate::ran::{Ran, run};
use crate::report::{Row, median, say, table};

/// What our own commands cost, by round.
pub(super) struct Cold {
    validate: Vec<Ran>,
    plan: Vec<Ran>,
}

/// A plain directory with the files of the place's repository.
pub(super) fn directory(place: &Place) -> PathBuf {
    place.root().join("plain")
}

pub(super) fn measure(programs: &Programs, place: &Place, rounds: usize) -> Result<Cold> {
    let plain = directory(place);
    if !plain.exists() {
        let to = format!("--prefix={}/", plain.display());
        programs.git(&place.checkout(), &["checkout-index", "--all", &to])?;
    }
    let mut cold = Cold { validate: Vec::new(), plan: Vec::new() };
    for round in 0..rounds {
        cold.validate.push(run(programs.shoal_command().current_dir(&plain).arg("validate"), &[0])?);
        let plan = ["plan", "--without-status", "--format", "json"];
        cold.plan.push(run(programs.shoal_command().current_dir(&plain).args(plan), &[3])?);
        say(&format!("round {} of {rounds} done", round + 1));
    }
    Ok(cold)
}

fn of(ran: &[Ran], what: fn(&Ran) -> f64) -> f64 {
    median(&ran.iter().map(what).collect::<Vec<_>>()).unwrap_or_default()
}

pub(super) fn lines(count: usize, cold: &Cold, lines: &mut Vec<Line>) {
    let said = |ran: &[Ran]| {
        format!(
            "{:.2} s, {:.2} s of processor, {:.0} MiB",
            of(ran, |ran| ran.wall),
            of(ran, |ran| ran.cpu),
            of(ran, |ran| ran.peak)
        )
    };
    lines.push(Line(format!("load and validate {count} servers, cold"), said(&cold.validate), ""));
    let what = format!("load, validate and plan {count} servers, cold");
    lines.push(Line(what, said(&cold.plan), "1 s, 200 MB"));
}

pub(super) fn growth(args: &Args, small: &Cold, large: &Cold, out: &mut Vec<Line>) {
    lines(args.large, large, out);
    let times = of(&large.plan, |ran| ran.cpu) / of(&small.plan, |ran| ran.cpu);
    let what = format!("processor time of {} over {} servers", args.large, args.servers);
    out.push(Line(what, format!("{times:.1} times"), "as many times as servers"));
}

/// Wall clock of the peers over the servers' files, and of ours.
pub(super) struct Peers {
    check_jsonschema: Vec<Ran>,
    ajv: Vec<Ran>,
}

pub(super) fn peers(args: &Args, place: &Place) -> Result<Peers> {
    let mut peers = Peers { check_jsonschema: Vec::new(), ajv: Vec::new() };
    let plain = directory(place);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas/server.json");
    let files = files(&plain.join("servers"))?;
    for round in 0..args.peer_rounds {
        let mut ajv = Command::new(std::path::absolute(&args.ajv)?);
        ajv.current_dir(&plain).args([
            "validate",
            "--all-errors",
            "--strict=false",
            "-c",
            "ajv-formats",
            "-s",
        ]);
        ajv.arg(&schema).args(["-d", "servers/**/*.yaml"]);
        peers.ajv.push(run(&mut ajv, &[0])?);
        let mut check = Command::new(std::path::absolute(&args.check_jsonschema)?);
        check.current_dir(&plain).arg("--schemafile").arg(&schema).args(&files);
        peers.check_jsonschema.push(run(&mut check, &[0])?);
        say(&format!("peers: round {} of {} done", round + 1, args.peer_rounds));
    }
    Ok(peers)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    Ok(all)
}

pub(super) fn beside(cold: &Cold, peers: &Peers) -> String {
    let row = |what: &str, unit, of: fn(&Ran) -> f64| Row {
        what: what.to_owned(),
        unit,
        rounds: [&cold.validate, &peers.check_jsonschema, &peers.ajv]
            .map(|ran| ran.iter().map(of).collect())
            .to_vec(),
    };
    let rows = [
        row("validate: wall clock", "s", |ran| ran.wall),
        row("validate: processor time", "s", |ran| ran.cpu),
        row("validate: peak memory", "MiB", |ran| ran.peak),
    ];
    table(&["shoal", "check-jsonschema", "ajv-cli"], &rows)
}
