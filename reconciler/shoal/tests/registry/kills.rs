// SPDX-License-Identifier: AGPL-3.0-or-later
//! `kill -9` of the real process: while it receives, while it finishes, while it takes a manifest, while it
//! collects, and at moments that a seed chooses. What it acknowledged is there afterwards, whole; what it
//! did not can be taken up where the registry says that it is.
//!
//! `SHOAL_KILLS` is how many random moments are tried (12), `SHOAL_SEED` chooses them; without it the clock
//! does, and the test says which it was.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shoal_oci::{Digest, media_type};

use crate::content::{Random, blob_path, bytes, digest, manifest, manifest_path};
use crate::harness::Sandbox;
use crate::http::Http;
use crate::server::{Server, sandbox, until};

/// The next seed.
fn seed() -> u64 {
    let given = std::env::var("SHOAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        now.as_nanos() as u64
    });
    note(&format!("SHOAL_SEED={seed}"));
    seed
}

/// For whoever looks into what a failed test did.
fn note(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("stderr");
}

/// Lets the registry work for a while that the seed chooses: the moment of the kill, and nothing that the
/// test's result depends on.
fn a_moment(random: &mut Random, most: Duration) {
    std::thread::sleep(Duration::from_micros(random.below(most.as_micros() as u64)));
}

/// Everything in the directory is what its digest says.
#[track_caller]
fn is_sound(sandbox: &Sandbox) {
    let scrubbed = sandbox.run(&["image", "scrub", "--storage", "images", "--json"]).ends(0).json();
    assert_eq!(scrubbed["corrupt"], serde_json::json!([]));
}

#[test]
fn an_upload_goes_on_after_a_kill_with_all_that_was_reported() {
    let sandbox = sandbox("");
    let content = bytes(31, 12 << 20);
    let sent = 7 << 20;
    let server = Server::start(&sandbox);
    let http = server.http();
    let location = http.begin_upload("os/a");
    let headers = [("Content-Length", &*content.len().to_string())];
    let mut sending = http.begin("PATCH", &location, &headers).expect("a connection");
    sending.stream.write_all(&content[..sent]).expect("it reads");
    let mut before = 0;
    until("half of it arrived", || {
        before = http.received(&location).expect("the upload");
        before >= 4 << 20
    });
    server.kill();

    let server = Server::start(&sandbox);
    let after = server.http().received(&location).expect("the upload is still there");
    assert!((before..=sent as u64).contains(&after), "{before} were reported, {after} are there");
    server.http().resume(&location, &content).is(201);
    server.http().has_blob("os/a", &content);
    server.kill();
    is_sound(&sandbox);
}

#[test]
fn a_kill_at_the_end_of_an_upload_leaves_the_blob_or_the_upload_whole() {
    let mut random = Random(seed());
    let sandbox = sandbox("");
    let mut server = Server::start(&sandbox);
    let mut all = Vec::new();
    for round in 0..6 {
        let content = bytes(random.next(), 3 << 20);
        let http = server.http();
        let location = http.begin_upload("os/a");
        http.send("PATCH", &location, &[], &content).is(202);
        let target = format!("{location}?digest={}", digest(&content));
        let finishing = http.begin("PUT", &target, &[("Content-Length", "0")]).expect("a connection");
        a_moment(&mut random, Duration::from_millis(25));
        server.kill();
        let acknowledged = finishing.answer().is_ok_and(|answer| answer.status == 201);
        note(&format!("round {round}: acknowledged: {acknowledged}"));

        server = Server::start(&sandbox);
        let http = server.http();
        if http.head(&blob_path("os/a", &digest(&content))).status != 200 {
            assert!(!acknowledged, "round {round}: a blob is lost");
            assert_eq!(http.received(&location), Some(content.len() as u64), "round {round}");
            http.resume(&location, &content).is(201);
        }
        all.push(content);
        for content in &all {
            http.has_blob("os/a", content);
        }
    }
    server.kill();
    is_sound(&sandbox);
}

#[test]
fn a_kill_at_a_manifest_leaves_the_tag_at_the_old_one_or_at_the_new_one() {
    let mut random = Random(seed());
    let sandbox = sandbox("");
    let layer = bytes(33, 1000);
    let mut server = Server::start(&sandbox);
    server.http().push_image("os/a", "latest", &layer);
    let mut current = manifest(&layer, "latest");
    for round in 0..8 {
        let next = manifest(&layer, &format!("round {round}"));
        let headers =
            [("Content-Type", media_type::IMAGE_MANIFEST), ("Content-Length", &*next.len().to_string())];
        let target = manifest_path("os/a", "latest");
        let mut pushing = server.http().begin("PUT", &target, &headers).expect("a connection");
        pushing.stream.write_all(&next).expect("it reads");
        a_moment(&mut random, Duration::from_millis(20));
        server.kill();
        let acknowledged = pushing.answer().is_ok_and(|answer| answer.status == 201);
        note(&format!("round {round}: acknowledged: {acknowledged}"));

        server = Server::start(&sandbox);
        let http = server.http();
        let tag = http.get(&target).is(200);
        if tag.body == next {
            http.has_manifest("os/a", &digest(&next).to_string(), &next);
        } else {
            assert!(!acknowledged, "round {round}: a manifest is lost");
            assert!(tag.body == current, "round {round}: {}", tag.text());
            http.push_manifest("os/a", "latest", &next).is(201);
        }
        assert_eq!(http.tags("os/a"), ["latest"]);
        http.has_manifest("os/a", &digest(&current).to_string(), &current);
        current = next;
    }
    server.kill();
    is_sound(&sandbox);
}

#[test]
fn a_collection_that_is_killed_takes_nothing_that_is_needed_and_is_taken_up_again() {
    let mut random = Random(seed());
    let sandbox = sandbox("gc: {grace: 1s}\n");
    let mut server = Server::start(&sandbox);
    let layer = |number: u64| bytes(1000 + number, 20_000);
    let (kept, dropped) = (0..8, 8..16);
    for number in kept.start..dropped.end {
        server.http().push_image("os/a", &format!("v{number}"), &layer(number));
    }
    for number in 0..40 {
        server.http().push_blob("os/loose", &bytes(2000 + number, 5000)).is(201);
    }
    for number in dropped.clone() {
        server.http().delete(&manifest_path("os/a", &format!("v{number}"))).is(202);
    }
    until("all of it is older than the grace", || {
        let collected = server.task("gc?dryRun=true")["collected"].clone();
        // A manifest, its link's content, its layer, of eight images; and the loose blobs with their links.
        let content = collected["removed"].as_array().expect("a list").iter();
        content.filter(|removed| removed["kind"] == "content").count() >= 8 + 8 + 40
    });

    let is_kept = |http: &Http| {
        for number in kept.clone() {
            let tag = format!("v{number}");
            http.has_manifest("os/a", &tag, &manifest(&layer(number), &tag));
            http.has_blob("os/a", &layer(number));
        }
        assert_eq!(http.tags("os/a").len(), 8);
    };
    for _ in 0..6 {
        server.http().send("POST", "/api/v1/registry/gc", &[], b"").is(202);
        until("it takes things out", || {
            let tasks = server.http().get("/api/v1/registry/tasks").is(200).json();
            let running = tasks["running"].as_array().expect("a list");
            running.is_empty() || running[0]["progress"]["stage"] == "sweep"
        });
        a_moment(&mut random, Duration::from_millis(40));
        server.kill();
        server = Server::start(&sandbox);
        is_kept(&server.http());
        let left = server.http().get("/api/v1/registry/usage").is(200).json();
        note(&format!("{} contents are left", left["blobs"]));
    }
    server.task("gc");
    let http = server.http();
    is_kept(&http);
    for number in 0..40 {
        let gone = digest(&bytes(2000 + number, 5000));
        assert_eq!(http.head(&blob_path("os/loose", &gone)).status, 404, "{number}");
    }
    // What it took comes back, however often it was killed meanwhile.
    for number in dropped {
        let wanted = manifest(&layer(number), &format!("v{number}"));
        let wanted_digest = digest(&wanted).to_string();
        assert_eq!(http.head(&manifest_path("os/a", &wanted_digest)).status, 404);
        http.send("POST", &format!("/api/v1/registry/restore?digest={wanted_digest}"), &[], b"").is(200);
        http.has_manifest("os/a", &wanted_digest, &wanted);
        http.has_blob("os/a", &layer(number));
    }
    server.kill();
    is_sound(&sandbox);
}

/// A client that pushes until nobody answers, and remembers what was acknowledged.
struct Worker {
    repository: String,
    random: Random,
    /// Seeds and lengths of blobs that are there.
    blobs: Vec<(u64, usize)>,
    /// Manifests that are there, each under a tag of its own.
    manifests: Vec<Vec<u8>>,
    /// What `latest` was set to.
    latest: Option<Digest>,
    /// What else it may be set to, because that was not answered.
    perhaps: Vec<Digest>,
    /// An upload that is not done.
    upload: Option<(String, u64, usize)>,
    /// Of the blobs, so many were compared byte by byte.
    compared: usize,
}

impl Worker {
    fn new(number: u64, seed: u64) -> Self {
        Self {
            repository: format!("work/w{number}"),
            random: Random(seed ^ number),
            blobs: Vec::new(),
            manifests: Vec::new(),
            latest: None,
            perhaps: Vec::new(),
            upload: None,
            compared: 0,
        }
    }

    /// One image after the other, until a connection breaks.
    fn work(&mut self, http: &Http) {
        while self.image(http).is_ok() {}
    }

    fn image(&mut self, http: &Http) -> std::io::Result<()> {
        let (seed, length) = self.blob(http)?;
        let layer = bytes(seed, length);
        let repository = self.repository.clone();
        let empty = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(b"{}"));
        http.attempt("POST", &empty, &[], b"{}")?.is(201);
        let tag = format!("v{}", self.manifests.len());
        let content = manifest(&layer, &tag);
        let headers = [("Content-Type", media_type::IMAGE_MANIFEST)];
        http.attempt("PUT", &manifest_path(&repository, &tag), &headers, &content)?.is(201);
        self.manifests.push(content.clone());
        self.perhaps.push(digest(&content));
        http.attempt("PUT", &manifest_path(&repository, "latest"), &headers, &content)?.is(201);
        self.latest = Some(digest(&content));
        self.perhaps.clear();
        Ok(())
    }

    /// A blob in two chunks, or the rest of the one that is not done.
    fn blob(&mut self, http: &Http) -> std::io::Result<(u64, usize)> {
        let (location, seed, length) = match &self.upload {
            Some(upload) => upload.clone(),
            None => {
                let target = format!("/v2/{}/blobs/uploads/", self.repository);
                let begun = http.attempt("POST", &target, &[], b"")?.is(202);
                let length = 1000 + self.random.below(2 << 20) as usize;
                self.upload = Some((begun.the("location").to_owned(), self.random.next(), length));
                self.upload.clone().expect("just set")
            }
        };
        let content = bytes(seed, length);
        let status = http.attempt("GET", &location, &[], b"")?.is(204);
        let last = status.the("range").strip_prefix("0-").and_then(|last| last.parse().ok());
        let at = last.map(|last: usize| if last == 0 { 0 } else { last + 1 }).expect("a range");
        let middle = at.max(length / 2);
        for (from, to) in [(at, middle), (middle, length)] {
            if from < to {
                let range = format!("{from}-{}", to - 1);
                http.attempt("PATCH", &location, &[("Content-Range", &range)], &content[from..to])?.is(202);
            }
        }
        let target = format!("{location}?digest={}", digest(&content));
        http.attempt("PUT", &target, &[], b"")?.is(201);
        self.upload = None;
        self.blobs.push((seed, length));
        Ok((seed, length))
    }

    /// Everything that was acknowledged is there.
    fn look(&mut self, http: &Http) {
        let repository = &self.repository;
        if let Some((location, seed, length)) = self.upload.clone() {
            let content = bytes(seed, length);
            match http.received(&location) {
                Some(received) => assert!(received <= length as u64),
                // Its end was not answered, and yet done.
                None => {
                    http.has_blob(repository, &content);
                    self.blobs.push((seed, length));
                    self.upload = None;
                }
            }
        }
        for (seed, length) in &self.blobs[self.compared..] {
            http.has_blob(repository, &bytes(*seed, *length));
        }
        self.compared = self.blobs.len();
        for (number, content) in self.manifests.iter().enumerate() {
            http.has_manifest(repository, &format!("v{number}"), content);
        }
        let latest = http.get(&manifest_path(repository, "latest"));
        if latest.status == 200 {
            let found = digest(&latest.body);
            assert_eq!(latest.the("docker-content-digest"), found.to_string());
            let known = self.perhaps.contains(&found) || self.latest.as_ref() == Some(&found);
            assert!(known, "latest of {repository} is {found}, which nobody set last");
            self.latest = Some(found);
        } else {
            assert!(self.latest.is_none(), "latest of {repository} is lost: {}", latest.status);
        }
        self.perhaps.clear();
        // A tag whose push was not answered is there whole or not at all.
        let next = http.get(&manifest_path(repository, &format!("v{}", self.manifests.len())));
        if next.status == 200 {
            let value: Value = next.json();
            let layer = value["layers"][0]["digest"].as_str().expect("a digest");
            http.head(&format!("/v2/{repository}/blobs/{layer}")).is(200);
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_whenever_it_is_killed() {
    let kills = std::env::var("SHOAL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let seed = seed();
    let mut random = Random(seed);
    let sandbox = sandbox("");
    let mut workers: Vec<Worker> = (0..3).map(|number| Worker::new(number, seed)).collect();
    for _ in 0..kills {
        let server = Server::start(&sandbox);
        let http = server.http();
        std::thread::scope(|scope| {
            for worker in &mut workers {
                let http = http.clone();
                scope.spawn(move || {
                    worker.look(&http);
                });
            }
        });
        std::thread::scope(|scope| {
            for worker in &mut workers {
                let http = http.clone();
                scope.spawn(move || worker.work(&http));
            }
            a_moment(&mut random, Duration::from_millis(250));
            server.kill();
        });
    }
    let server = Server::start(&sandbox);
    for worker in &mut workers {
        worker.compared = 0;
        worker.look(&server.http());
    }
    server.kill();
    is_sound(&sandbox);
    let pushed: usize = workers.iter().map(|worker| worker.manifests.len()).sum();
    note(&format!("{pushed} images were acknowledged"));
    assert!(pushed > 0, "nothing was acknowledged in any round");
}
