// SPDX-License-Identifier: AGPL-3.0-or-later
//! Disks that fill up: the one of the database at every commit of an install, the Git server's at every push. Nothing
//! is lost, it is said once with what to do, and everything goes on when there is room.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::judge::judge;
use crate::note;
use crate::person::Agreed;
use crate::points::{Act, Plan, Point, Points, may_be_missed};
use crate::scene::Scene;

/// Lives that go on at the same time: they wait more than they work.
const AT_ONCE: usize = 6;
/// How often a point is looked for.
const TRIES: usize = 4;
/// A disk is full for so long: what cannot be kept is tried again in the meantime.
const FULL_FOR: Duration = Duration::from_millis(2500);
/// Warnings and errors that a full disk may bring beside those that come without one.
const LINES: usize = 8;

/// What a life of one server met, where something filled up, and what was logged.
async fn life(plan: Plan) -> (Vec<Point>, Option<Point>, String) {
    let mut scene = Scene::new(1, 7, plan).await;
    let room = make_room_later(scene.points.clone());
    let mut agreed = Agreed::default();
    let seen = scene.until_at_rest("1", &mut agreed).await;
    scene.until_quiet().await;
    let filled = scene.points.filled();
    if filled.is_some() {
        room.await.expect("there is room in the end");
        // What it was last that could not be kept is kept by now, or never was to be.
        scene.until_at_rest("1", &mut agreed).await;
        scene.until_quiet().await;
    } else {
        room.abort();
    }
    scene.points.spare();
    let met = scene.points.met();
    let wrong = judge(&mut scene, &seen, &agreed, "1").await;
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", scene.tell());
    let log = scene.log();
    scene.machines.stop().await;
    (met, filled, log)
}

fn make_room_later(points: Points) -> JoinHandle<()> {
    tokio::spawn(async move {
        while points.filled().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(FULL_FOR).await;
        points.make_room();
    })
}

/// Lines that want somebody's attention.
fn complaints(log: &str) -> Vec<&str> {
    let is_complaint =
        |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ") || line.starts_with("error");
    log.lines().filter(is_complaint).collect()
}

/// Fills something at every point of a kind, one life each.
async fn at_every(act: Act, is_wanted: fn(&Point) -> bool, judge_log: fn(&str) -> Result<(), String>) {
    let (met, ..) = life(Box::new(|_, _| Act::GoOn)).await;
    let (again, ..) = life(Box::new(|_, _| Act::GoOn)).await;
    let counted: BTreeSet<Point> =
        met.into_iter().filter(|point| !point.after && is_wanted(point) && again.contains(point)).collect();
    assert!(counted.len() >= 4, "only {} points: {counted:?}", counted.len());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut lives = JoinSet::new();
    for point in counted.clone() {
        let places = Arc::clone(&places);
        lives.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            let lived = tokio::spawn(full_at(act, point.clone())).await;
            (point, lived)
        });
    }
    let (mut tried, mut missed, mut broken) = (0, Vec::new(), Vec::new());
    while let Some(ended) = lives.join_next().await {
        let (point, lived) = ended.expect("a life does not end like that");
        let verdict = match lived {
            Ok(Some(log)) => {
                judge_log(&log).map_err(|why| format!("{why}:\n{}", complaints(&log).join("\n")))
            }
            Ok(None) => {
                missed.push(point);
                continue;
            }
            Err(error) => Err(error.to_string()),
        };
        match verdict {
            Ok(()) => tried += 1,
            Err(why) => {
                note(&format!("{act:?} {point}: {why}"));
                broken.push(point);
            }
        }
    }
    note(&format!("{act:?} at {tried} of {} points", counted.len()));
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(tried + missed.len(), counted.len());
    assert!(may_be_missed(missed.len(), counted.len()), "these were never come to: {missed:#?}");
}

/// The log of a life in which something filled up at this point.
async fn full_at(act: Act, point: Point) -> Option<String> {
    for _ in 0..TRIES {
        let (own, mut done) = (point.clone(), false);
        let plan: Plan = Box::new(move |met, _| {
            let here = !done && *met == own;
            done |= here;
            if here { act } else { Act::GoOn }
        });
        let (_, filled, log) = life(plan).await;
        if filled.is_some() {
            return Some(log);
        }
    }
    None
}

/// Said once, or by a controller that cannot start at all; with the database's name and what to do. That it is over
/// is said with the next commit, which the end of a life may not have.
fn disk_is_told_once(log: &str) -> Result<(), String> {
    let of = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    if of("error[run.not-started]") > 0 {
        let told = log.contains("the disk is full: make room for") && log.contains("shoal.redb");
        return if told { Ok(()) } else { Err("it does not start and does not say why".to_owned()) };
    }
    let full = "the disk of the database is full";
    let names_it = log.lines().any(|line| line.contains(full) && line.contains("shoal.redb"));
    match (of(full), of("there is room for the database again"), complaints(log).len()) {
        (1, 0 | 1, lines) if names_it && lines <= LINES => Ok(()),
        (full, over, lines) => Err(format!(
            "told {full} times that it is full and {over} times that it is over, in {lines} lines"
        )),
    }
}

/// Said once, with the branch, what the server said, and what to do.
fn server_is_told_once(log: &str) -> Result<(), String> {
    let of = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    let full = "No space left on device";
    let told = log.lines().find(|line| line.contains(full)).unwrap_or_default();
    let helps = told.contains("shoal/status") && told.contains("the disk of the Git server is full");
    match (of(full), complaints(log).len()) {
        (1, lines) if helps && lines <= LINES => Ok(()),
        (times, lines) => Err(format!("told {times} times in {lines} lines")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_is_full_at_any_commit_of_an_install_loses_nothing() {
    let is_commit = |point: &Point| !point.what.starts_with("BMC") && !point.what.starts_with("push");
    at_every(Act::FillDisk, is_commit, disk_is_told_once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_git_server_that_is_full_at_any_push_of_status_loses_nothing() {
    at_every(Act::FillServer, |point| point.what.starts_with("push"), server_is_told_once).await;
}
