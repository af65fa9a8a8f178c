// SPDX-License-Identifier: AGPL-3.0-or-later
//! Runs like the demo's, with several servers, two versions one after the other, and kills at moments that a seed
//! chooses: at points, which come again in another run of the seed, and after so many milliseconds, which come about
//! again. In one of the lives the fleet is paused, and must be found paused.
//!
//! `SHOAL_CRASHES` is how many runs there are (20), `SHOAL_SEED` chooses their moments; without it the clock does, and
//! each run says which it was. `just crash 300` has the four tests in one program, with a count and a summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shoal_schema::api::StatusView;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use tokio::time::Instant;

use crate::judge::judge;
use crate::note;
use crate::person::Agreed;
use crate::points::{Act, Plan};
use crate::scene::Scene;

/// Tests that share the runs, so that several go on at the same time.
const PARTS: usize = 4;
const RUNS: usize = 20;
/// Runs of a part that go on at the same time: they wait more than they work.
const AT_ONCE: usize = 3;
/// Kills of a run, at most; a run that comes to its end before has had fewer.
const KILLS: u64 = 6;
/// The most points of a life, from the start to the kill.
const POINTS: u64 = 90;
/// The longest life that ends at no point.
const LIFE: Duration = Duration::from_secs(3);

/// Over all runs of this program, for the summary.
static KILLED: AtomicUsize = AtomicUsize::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);

/// Numbers from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below this one.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// At the point of this number.
    Point(u64),
    /// After so long.
    Time(Duration),
}

/// A number that whoever started the test chose.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Where the seeds begin: the one that is asked for. Else the same on every run of the tests, and another one each time
/// where somebody asks for a number of runs.
pub(crate) fn first_seed() -> u64 {
    let another = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        number("SHOAL_CRASHES").map_or(1, |_| now.as_nanos() as u64)
    };
    number("SHOAL_SEED").unwrap_or_else(another)
}

/// All runs of one part.
async fn part(part: usize) {
    let runs = number("SHOAL_CRASHES").map_or(RUNS, |runs| runs as usize);
    let seed = first_seed();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut all = JoinSet::new();
    for index in (0..runs).filter(|index| index % PARTS == part) {
        let (places, own) = (Arc::clone(&places), seed.wrapping_add(index as u64));
        all.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            let began = Instant::now();
            (own, tokio::spawn(run(own)).await, began.elapsed())
        });
    }
    let mut broken = Vec::new();
    while let Some(ended) = all.join_next().await {
        let (own, ended, took) = ended.expect("a run does not end like that");
        let (kills, wrong) = ended.unwrap_or_else(|error| (0, vec![error.to_string()]));
        let killed = KILLED.fetch_add(kills, Ordering::Relaxed) + kills;
        let done = DONE.fetch_add(1, Ordering::Relaxed) + 1;
        let word = if wrong.is_empty() { "as it must be" } else { "BROKEN" };
        note(&format!(
            "run {done} of {runs}: {word}, {kills} kills in {} s, SHOAL_SEED={own}",
            took.as_secs()
        ));
        if !wrong.is_empty() {
            note(&wrong.join("\n"));
            broken.push(format!("SHOAL_SEED={own} SHOAL_CRASHES=1"));
        }
        if done == runs {
            note(&format!("{runs} runs, in which the controller was killed {killed} times"));
        }
    }
    assert!(broken.is_empty(), "not as it must be, each to be told again by: {broken:#?}");
}

/// One run; how often the controller was killed, and what is not as it must be.
async fn run(seed: u64) -> (usize, Vec<String>) {
    let mut random = Random(seed);
    let servers = 2 + random.below(2) as usize;
    let ends: Vec<End> = (0..=random.below(KILLS))
        .map(|_| match random.below(3) {
            0 => End::Time(Duration::from_micros(random.below(LIFE.as_micros() as u64))),
            _ => End::Point(random.below(POINTS)),
        })
        .collect();
    let pauses = random.below(2) == 0;
    let mut scene = Scene::new(servers, seed, at_points(ends.clone())).await;
    let clock = by_the_clock(&scene, ends);
    let mut agreed = Agreed::default();
    scene.until_at_rest("1", &mut agreed).await;
    if pauses {
        is_still_paused(&mut scene).await;
    }
    for index in 0..servers {
        scene.write_server(index, "2");
    }
    block_in_place(|| scene.push("version 2"));
    let seen = scene.until_at_rest("2", &mut agreed).await;
    clock.abort();
    scene.points.spare();
    scene.keep_it_running().await;
    let kills = scene.points.kills().len();
    let wrong = judge(&mut scene, &seen, &agreed, "2").await;
    let told = if wrong.is_empty() { String::new() } else { scene.tell() };
    scene.machines.stop().await;
    (kills, if told.is_empty() { wrong } else { wrong.into_iter().chain([told]).collect() })
}

/// Kills each life at the point that was drawn for it.
fn at_points(ends: Vec<End>) -> Plan {
    let mut lives = ends.into_iter();
    let mut life = lives.next();
    let mut met = 0;
    let mut last = 0;
    Box::new(move |_, born| {
        if born != last {
            // Another life, and the one before ended as it was to, or by the clock.
            (met, last) = (0, born);
            if born > 1 {
                life = lives.next();
            }
        }
        met += 1;
        if matches!(life, Some(End::Point(end)) if met > end) { Act::Kill } else { Act::GoOn }
    })
}

/// Kills each life that no point ends.
fn by_the_clock(scene: &Scene, ends: Vec<End>) -> JoinHandle<()> {
    let points = scene.points.clone();
    tokio::spawn(async move {
        for (index, end) in ends.into_iter().enumerate() {
            let born = index as u64 + 1;
            while points.births() < born || points.births() == born && matches!(end, End::Point(_)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if let End::Time(life) = end {
                tokio::time::sleep(life).await;
                let points = points.clone();
                tokio::task::spawn_blocking(move || points.kill(born)).await.expect("it is killed");
            }
        }
    })
}

/// What was acknowledged holds in the next life: nothing is started while the fleet is paused.
async fn is_still_paused(scene: &mut Scene) {
    loop {
        scene.keep_it_running().await;
        let said = block_in_place(|| scene.shoal(&["pause", "--all"]));
        // It may have died before it answered.
        if said.is_some() {
            break;
        }
    }
    let (points, born) = (scene.points.clone(), scene.points.births());
    block_in_place(|| points.kill(born));
    let status = loop {
        scene.keep_it_running().await;
        if let Ok(status) = scene.peer().json::<StatusView>("/api/v1/status").await {
            break status;
        }
    };
    assert!(status.paused, "a pause was acknowledged and is forgotten: {status:?}\n{}", scene.tell());
    loop {
        scene.keep_it_running().await;
        if block_in_place(|| scene.shoal(&["pause", "--off"])).is_some() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_nothing_is_lost_and_nothing_is_done_twice() {
    part(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_once_more_nothing_is_lost_and_nothing_is_done_twice() {
    part(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_a_third_time_nothing_is_lost_and_nothing_is_done_twice() {
    part(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_a_fourth_time_nothing_is_lost_and_nothing_is_done_twice() {
    part(3).await;
}
