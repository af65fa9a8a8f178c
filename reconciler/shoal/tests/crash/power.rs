// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power that goes while the database is written: of what the controller wrote since its last sync, each sector of 512
//! bytes is there or not, in any combination; what it synced is there. Everything that anybody was told is kept.
//!
//! The controller is killed at one operation on its file, before it is done, and the file becomes what a disk may hold
//! then. Which operation, and which sectors, comes from a seed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::at_random::{Random, first_seed};
use crate::judge::judge;
use crate::note;
use crate::person::Agreed;
use crate::points::Act;
use crate::scene::Scene;

const SECTOR: usize = 512;
/// Runs, and how many go on at the same time.
const RUNS: u64 = 24;
const AT_ONCE: usize = 6;
/// Less than there are in an install; a life that comes to its end before is one without a cut.
const OPERATIONS: u64 = 360;

/// The database file between two syncs.
pub(crate) struct Power {
    file: PathBuf,
    synced: Vec<u8>,
    was_sync: bool,
    done: u64,
    cut_at: u64,
    random: Random,
}

impl Power {
    /// Goes when so many operations are done.
    pub(crate) fn new(file: PathBuf, cut_at: u64, seed: u64) -> Self {
        Self { file, synced: Vec::new(), was_sync: false, done: 0, cut_at, random: Random(seed) }
    }

    /// Something is about to be done to the file. Whether the power goes instead.
    pub(crate) fn goes(&mut self, operation: &str) -> bool {
        if self.was_sync {
            // Whoever goes on has synced.
            self.synced = fs::read(&self.file).unwrap_or_default();
        }
        self.was_sync = operation == "sync";
        self.done += 1;
        self.done == self.cut_at
    }

    /// What the disk holds when the power comes back. The process is dead.
    pub(crate) fn tear(&mut self) {
        // Before it has its name there is nothing to lose.
        let Ok(seen) = fs::read(&self.file) else { return };
        if self.synced.is_empty() {
            return;
        }
        let fate = self.random.below(4);
        let mut found = self.synced.clone();
        found.resize(if self.random.below(2) == 0 { seen.len() } else { found.len() }, 0);
        for (place, new) in found.chunks_mut(SECTOR).zip(seen.chunks(SECTOR)) {
            let kept = match fate {
                0 => false,
                1 => true,
                _ => self.random.below(2) == 0,
            };
            if kept && place.len() == new.len() {
                place.copy_from_slice(new);
            }
        }
        fs::write(&self.file, &found).expect("a file");
    }
}

/// One install in which the power goes once. Whether it did.
async fn run(seed: u64) -> bool {
    let mut random = Random(seed);
    let cut_at = 1 + random.below(OPERATIONS);
    let mut scene = Scene::new(1, seed, Box::new(|_, _| Act::GoOn)).await;
    scene.points.cut_power(Power::new(scene.place.database(), cut_at, seed));
    let mut agreed = Agreed::default();
    scene.until_at_rest("1", &mut agreed).await;
    scene.until_quiet().await;
    let seen = scene.until_at_rest("1", &mut agreed).await;
    let cut = !scene.points.kills().is_empty();
    let wrong = judge(&mut scene, &seen, &agreed, "1").await;
    assert!(wrong.is_empty(), "operation {cut_at}: {wrong:#?}\n{}", scene.tell());
    scene.machines.stop().await;
    cut
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_power_goes_nothing_that_was_acknowledged_is_lost() {
    let seed = first_seed();
    note(&format!("SHOAL_SEED={seed}"));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for index in 0..RUNS {
        let (places, own) = (Arc::clone(&places), seed.wrapping_add(index));
        runs.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            (own, tokio::spawn(run(own)).await)
        });
    }
    let mut cuts = 0;
    while let Some(ended) = runs.join_next().await {
        let (own, cut) = ended.expect("a run does not end like that");
        cuts += u64::from(cut.unwrap_or_else(|error| panic!("SHOAL_SEED={own}: {error}")));
    }
    note(&format!("the power went in {cuts} of {RUNS} runs"));
    assert!(cuts > RUNS / 3, "the power went in {cuts} runs");
}
