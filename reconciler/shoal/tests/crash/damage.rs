// SPDX-License-Identifier: AGPL-3.0-or-later
//! The database of a fleet that runs, damaged or replaced while the controller was down: it stops with the file's name
//! and what to do, or goes on as before; and no machine is touched.

use std::fs;
use std::path::PathBuf;

use shoal_schema::api::{ServerView, StatusView};
use shoal_store::{FORMAT, Opening, Reader as _, RedbStore, STEPS, Step, Table};
use tokio::task::block_in_place;

use crate::judge::is_worth_telling;
use crate::note;
use crate::person::Agreed;
use crate::points::Act;
use crate::scene::Scene;

/// What a damaged database is told with.
const WAY_OUT: [&str; 3] =
    ["error[run.not-started]", "is damaged or not a database", "restore a backup with `shoal restore`"];

/// A fleet that was installed, whose controller is down.
struct Fleet {
    scene: Scene,
    database: PathBuf,
    good: Vec<u8>,
}

impl Fleet {
    async fn installed() -> Self {
        let mut scene = Scene::new(1, 7, Box::new(|_, _| Act::GoOn)).await;
        scene.until_at_rest("1", &mut Agreed::default()).await;
        scene.until_quiet().await;
        scene.stop_controller().await;
        let database = scene.place.database();
        let good = fs::read(&database).expect("a database");
        Self { scene, database, good }
    }

    /// How often anything was done to the machine.
    fn deeds(&self) -> usize {
        self.scene.machines.farm.bmcs()[0].log(0).iter().filter(|record| is_worth_telling(record)).count()
    }

    /// Starts a controller on this content. Nothing where it starts; else what it said.
    async fn started_on(&mut self, what: &str, content: &[u8]) -> Option<String> {
        fs::write(&self.database, content).expect("a file");
        let _ = fs::remove_file(self.scene.place.controller_log());
        if self.scene.start_once().await.is_ok() {
            return None;
        }
        let said = self.scene.log();
        let path = self.database.display().to_string();
        assert!(said.contains(&path), "{what}: it does not name {path}:\n{said}");
        // Its reader may have tried to mend it: what was refused once is not taken the next time.
        assert!(self.scene.start_once().await.is_err(), "{what}: it starts at the second try");
        Some(said)
    }

    /// The controller that started knows what it knew, and does nothing.
    async fn is_as_before(&mut self, what: &str, before: &[ServerView]) {
        let seen = self.scene.until_at_rest("1", &mut Agreed::default()).await;
        assert_eq!(seen[0].status.record, before[0].status.record, "{what}");
        self.scene.stop_controller().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_database_stops_the_controller_with_a_way_out_or_harms_nothing() {
    let mut fleet = Fleet::installed().await;
    let before = {
        fleet.scene.keep_it_running().await;
        let seen = fleet.scene.until_at_rest("1", &mut Agreed::default()).await;
        fleet.scene.stop_controller().await;
        fleet.good = fs::read(&fleet.database).expect("a database");
        seen
    };
    let deeds = fleet.deeds();
    let good = fleet.good.clone();
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for length in [0, 1, 9, 320, 4096, good.len() / 4, good.len() / 2, good.len() - 4096, good.len() - 1] {
        cases.push((format!("a cut at {length}"), good[..length].to_vec()));
    }
    cases.push(("garbage".to_owned(), vec![b'x'; 10_000]));
    // One bit of a page; pages that hold nothing are many, and a flip in them is found or harms nothing.
    let is_used = |page: &&usize| good[**page * 4096..].iter().take(4096).any(|byte| *byte != 0);
    let pages: Vec<usize> = (0..good.len() / 4096).collect();
    let used: Vec<usize> = pages.iter().filter(is_used).copied().collect();
    let step = used.len().div_ceil(24).max(1);
    for page in used.iter().step_by(step) {
        for byte in [17, 1031] {
            let mut flipped = good.clone();
            flipped[page * 4096 + byte] ^= 1 << (page % 8);
            cases.push((format!("a flipped bit in byte {byte} of page {page}"), flipped));
        }
    }
    let cut = cases.iter().filter(|(what, _)| !what.contains("flipped")).count();
    let (mut stopped, mut harmless) = (0, 0);
    for (what, content) in cases {
        if let Some(said) = fleet.started_on(&what, &content).await {
            for words in WAY_OUT {
                assert!(said.contains(words), "{what}: {words:?} is not in:\n{said}");
            }
            stopped += 1;
        } else {
            assert!(!what.starts_with("a cut") && what != "garbage", "{what} was not noticed");
            fleet.is_as_before(&what, &before).await;
            harmless += 1;
        }
    }
    note(&format!("damaged databases: {stopped} refused, {harmless} as good as whole"));
    // Which pages hold what is redb's own affair; some of those that are looked at at a start are among them.
    assert!(stopped >= cut + 5, "of the flipped bits only {} were noticed", stopped.saturating_sub(cut));
    assert_eq!(fleet.deeds(), deeds, "a machine was touched\n{}", fleet.scene.tell());
    // The way out that needs no backup: an empty database learns from the branch, and installs nothing by itself.
    fs::remove_file(&fleet.database).expect("it is moved away");
    fleet.scene.keep_it_running().await;
    let seen = fleet.scene.until_seen(|seen| seen.iter().any(|server| server.entry.is_some())).await;
    assert_eq!(format!("{:?}", seen[0].status.record.state), "Restored", "{seen:#?}");
    assert_eq!(fleet.deeds(), deeds);
    fleet.scene.stop_controller().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_of_a_newer_version_is_refused_by_name_and_left_to_the_newer_program() {
    let mut fleet = Fleet::installed().await;
    let deeds = fleet.deeds();
    // As the next version leaves it.
    let mut steps = STEPS.to_vec();
    steps.push(Step { what: "a step of the next version", run: |_| Ok(()) });
    let opening = Opening::new("shoal 99.0.0", jiff::Timestamp::UNIX_EPOCH);
    drop(RedbStore::open(&fleet.database, &Opening { steps: &steps, ..opening }).expect("it is upgraded"));
    let newer = fs::read(&fleet.database).expect("a database");
    let said = fleet.started_on("a newer one", &newer).await.expect("it is refused");
    for words in
        [&format!("has format {}", FORMAT + 1), "shoal 99.0.0", "run the newer program, or restore a backup"]
    {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    assert_eq!(fleet.deeds(), deeds);
    // The newer program still has it.
    let opening = Opening { steps: &steps, ..Opening::new("shoal 99.0.1", jiff::Timestamp::UNIX_EPOCH) };
    let store = RedbStore::open(&fleet.database, &opening).expect("it is whole");
    assert!(store.get(Table::Records, b"web-00").expect("it is read").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_of_another_fleet_only_observes_and_says_how_to_go_on() {
    let other = Fleet::installed().await;
    let mut fleet = Fleet::installed().await;
    let deeds = fleet.deeds();
    let foreign = other.good.clone();
    assert!(fleet.started_on("another fleet's", &foreign).await.is_none(), "{}", fleet.scene.tell());
    // A version that would be installed, were it its own fleet.
    fleet.scene.write_server(0, "2");
    block_in_place(|| fleet.scene.push("version 2"));
    fleet.scene.until_log("only observing until 'shoal takeover'").await;
    let status: StatusView = fleet.scene.peer().json("/api/v1/status").await.expect("a status");
    assert!(status.observe_only, "{status:?}");
    let log = fleet.scene.log();
    assert!(log.contains(&fleet.database.display().to_string()), "{log}");
    // The branch of its own fleet is another one: it is not even read.
    fleet.scene.until_log("was rewritten").await;
    fleet.scene.until_quiet().await;
    assert_eq!(fleet.deeds(), deeds, "a machine was touched\n{}", fleet.scene.tell());
    fleet.scene.stop_controller().await;
    // Said once for each tip of the branch, however often it is looked at.
    let log = fleet.scene.log();
    assert!(log.matches("commit refused").count() <= 2, "{log}");
    // Its own database still fits.
    let good = fleet.good.clone();
    assert!(fleet.started_on("its own", &good).await.is_none());
    let status: StatusView = fleet.scene.peer().json("/api/v1/status").await.expect("a status");
    assert!(!status.observe_only, "{status:?}");
    fleet.scene.stop_controller().await;
}
