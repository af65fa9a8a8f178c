// SPDX-License-Identifier: AGPL-3.0-or-later
//! What every event means in every phase: `job_table.txt`, read by people, checked cell by cell.
//!
//! Rows are events that meet a first attempt (the second one in `BO`), columns are phases. A cell is
//! the phase afterwards, the attempt, and `+` or `-` once the outcome is known.

use std::collections::BTreeMap;

use shoal_core::job::event::Consequence;
use shoal_core::job::{Event, Job, Outcome, Phase, Power};

use crate::support::disk;
use crate::support::jobs::{
    after, cancel, cleaning_after_failure, discovered, discovered_another, discovered_no_route, elapsed,
    failure, granted, in_force, in_phase, refused, reported,
};

const TABLE: &str = include_str!("job_table.txt");

fn code(phase: Phase) -> &'static str {
    match phase {
        Phase::Queued => "Q",
        Phase::Discover => "D",
        Phase::PowerOff => "PO",
        Phase::Eject => "E",
        Phase::InsertBoot => "IB",
        Phase::InsertTask => "IT",
        Phase::Override => "OV",
        Phase::PowerOn => "ON",
        Phase::AwaitPermit => "AP",
        Phase::AwaitResult => "AR",
        Phase::Backoff => "BO",
        Phase::CleanOff => "cO",
        Phase::CleanEject => "cE",
        Phase::CleanOverride => "cV",
        Phase::CleanPower => "cP",
        Phase::Complete => "C",
    }
}

fn cell(job: &Job) -> String {
    let outcome = match job.outcome {
        None => "",
        Some(Outcome::Succeeded) => "+",
        Some(Outcome::Failed) => "-",
    };
    format!("{}{}{outcome}", code(job.phase), job.attempt)
}

/// Every phase on the way to success, then the phases of cleanup after a failure before any permit.
fn columns() -> Vec<(String, Job)> {
    let mut columns: Vec<(String, Job)> =
        Phase::ALL.into_iter().map(|phase| (code(phase).to_owned(), in_phase(phase))).collect();
    for phase in [Phase::CleanOff, Phase::CleanEject, Phase::CleanOverride, Phase::CleanPower] {
        columns.push((format!("{}-", code(phase)), cleaning_after_failure(phase)));
    }
    columns
}

type Row = (&'static str, fn(&Job) -> Event);

/// Every kind of event, in every variant that can mean something else.
fn rows() -> Vec<Row> {
    vec![
        ("started", |_| Event::Started),
        ("resumed", |_| Event::Resumed),
        ("performed", |_| in_force()),
        ("discovered", |_| discovered(Power::On)),
        ("discovered-other", |_| discovered_another()),
        ("discovered-no-way", |_| discovered_no_route()),
        ("not-performed", |_| Event::NotPerformed(failure(true))),
        ("never-performable", |_| Event::NotPerformed(failure(false))),
        ("second-passed", |_| elapsed(1000)),
        ("day-passed", |_| elapsed(24 * 3_600_000)),
        ("read", |job| Event::MediumRead { attempt: job.attempt }),
        ("read-stale", |job| Event::MediumRead { attempt: job.attempt - 1 }),
        ("granted", |job| granted(job.attempt)),
        ("granted-stale", |job| granted(job.attempt - 1)),
        ("refused-ignore", |job| refused(job.attempt, Consequence::Ignore)),
        ("refused-next", |job| refused(job.attempt, Consequence::NextAttempt)),
        ("refused-fail", |job| refused(job.attempt, Consequence::Fail)),
        ("refused-stale", |job| refused(job.attempt - 1, Consequence::Fail)),
        ("already", |job| Event::AlreadyInstalled { attempt: job.attempt, disk: disk("D", "/dev/sda") }),
        ("already-stale", |job| Event::AlreadyInstalled {
            attempt: job.attempt - 1,
            disk: disk("D", "/dev/sda"),
        }),
        ("success", |job| reported(job.attempt, None)),
        ("success-stale", |job| reported(job.attempt - 1, None)),
        ("failed-passing", |job| reported(job.attempt, Some(failure(true)))),
        ("failed-lasting", |job| reported(job.attempt, Some(failure(false)))),
        ("failed-stale", |job| reported(job.attempt - 1, Some(failure(false)))),
        ("found-off", |_| Event::FoundOff),
        ("cancel", |_| cancel()),
    ]
}

fn actual() -> String {
    let columns = columns();
    let mut out = format!("{:18}", "");
    for (name, _) in &columns {
        out.push_str(&format!("{name:5}"));
    }
    for (name, event) in rows() {
        out = format!("{}\n{name:18}", out.trim_end());
        for (_, job) in &columns {
            out.push_str(&format!("{:5}", cell(&after(job.clone(), event(job)))));
        }
    }
    format!("{}\n", out.trim_end())
}

#[test]
fn every_event_has_its_meaning_in_every_phase() {
    let mut expected: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut lines = TABLE.lines();
    let head: Vec<&str> = lines.next().expect("a head").split_whitespace().collect();
    for line in lines {
        let mut cells = line.split_whitespace();
        let row = cells.next().expect("a row has a name");
        let cells: Vec<&str> = cells.collect();
        assert_eq!(cells.len(), head.len(), "a cell of row {row} is empty");
        expected.extend(head.iter().zip(cells).map(|(column, cell)| ((row, *column), cell)));
    }
    let columns = columns();
    assert_eq!(expected.len(), columns.len() * rows().len(), "the table has no row or column too many");
    let mut wrong = Vec::new();
    for (row, event) in rows() {
        for (column, job) in &columns {
            let seen = cell(&after(job.clone(), event(job)));
            match expected.get(&(row, column.as_str())) {
                Some(cell) if *cell == seen => {}
                other => wrong.push(format!("{row} in {column}: {seen}, not {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nas it is:\n{}", wrong.join("\n"), actual());
}

#[test]
fn what_changes_nothing_leaves_no_trace_in_a_job_that_is_over() {
    let job = in_phase(Phase::Complete);
    for (name, event) in rows() {
        assert_eq!(after(job.clone(), event(&job)), job, "{name}");
    }
}
