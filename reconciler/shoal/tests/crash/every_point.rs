// SPDX-License-Identifier: AGPL-3.0-or-later
//! One install, lived once for each point of it: killed there, started again, judged.
//!
//! Which commits and pushes there are depends a little on timing: what comes at the same time is published together.
//! So the points that count are those that two lives without a kill have in common, and one that a life did not come to
//! is tried again. What only one of the two met is tried once.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::judge::judge;
use crate::note;
use crate::person::Agreed;
use crate::points::{Act, Plan, Point, may_be_missed};
use crate::scene::Scene;

/// Lives that go on at the same time: they wait more than they work.
const AT_ONCE: usize = 6;
/// How often a point is looked for.
const TRIES: usize = 4;
/// So many there are at least of each kind, before and after.
const LEAST: usize = 20;

/// What a life of one server met, and where it was killed: an approved install, from the controller's first start on.
async fn life(plan: Plan) -> (Vec<Point>, Vec<Point>) {
    let mut scene = Scene::new(1, 7, plan).await;
    let mut agreed = Agreed::default();
    scene.until_at_rest("1", &mut agreed).await;
    scene.until_quiet().await;
    // What was killed at the very end comes back.
    let seen = scene.until_at_rest("1", &mut agreed).await;
    scene.points.spare();
    let (met, kills) = (scene.points.met(), scene.points.kills());
    let wrong = judge(&mut scene, &seen, &agreed, "1").await;
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", scene.tell());
    scene.machines.stop().await;
    (met, kills)
}

/// Kills at every point of a kind, one life each.
async fn at_every(what: &str, is_wanted: fn(&Point) -> bool) {
    let of_a_life = || async {
        let (met, _) = life(Box::new(|_, _| Act::GoOn)).await;
        met.into_iter().filter(is_wanted).collect::<BTreeSet<Point>>()
    };
    let (first, second) = (of_a_life().await, of_a_life().await);
    let counted: BTreeSet<Point> = first.intersection(&second).cloned().collect();
    let by_chance: BTreeSet<Point> = first.symmetric_difference(&second).cloned().collect();
    assert!(counted.len() >= LEAST, "{what}: only {} points: {counted:?}", counted.len());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut lives = JoinSet::new();
    for point in counted.iter().chain(&by_chance).cloned() {
        let places = Arc::clone(&places);
        let tries = if counted.contains(&point) { TRIES } else { 1 };
        lives.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            let died = tokio::spawn(killed_at(point.clone(), tries)).await;
            (point, died)
        });
    }
    let (mut tried, mut extra, mut missed, mut broken) = (0, 0, Vec::new(), Vec::new());
    while let Some(ended) = lives.join_next().await {
        let (point, died) = ended.expect("a life does not end like that");
        match died {
            Ok(true) if counted.contains(&point) => tried += 1,
            Ok(true) => extra += 1,
            Ok(false) if counted.contains(&point) => missed.push(point),
            Ok(false) => {}
            Err(error) => {
                note(&format!("{what}: killed {point}: {error}"));
                broken.push(point);
            }
        }
    }
    note(&format!(
        "{what}: killed at {tried} of {} points, and at {extra} that not every life has",
        counted.len()
    ));
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(tried + missed.len(), counted.len());
    assert!(may_be_missed(missed.len(), counted.len()), "these were never come to: {missed:#?}");
}

/// Whether a life came to this point and was killed there.
async fn killed_at(point: Point, tries: usize) -> bool {
    for _ in 0..tries {
        let own = point.clone();
        let (_, kills) = life(Box::new(move |met, _| if *met == own { Act::Kill } else { Act::GoOn })).await;
        if !kills.is_empty() {
            return true;
        }
    }
    false
}

fn is_outside(point: &Point) -> bool {
    point.what.starts_with("BMC") || point.what.starts_with("push")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_request_to_a_bmc_or_to_git_an_install_goes_on() {
    at_every("requests", is_outside).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_commit_of_its_database_an_install_goes_on() {
    at_every("commits", |point| !is_outside(point)).await;
}
