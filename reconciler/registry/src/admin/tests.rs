// SPDX-License-Identifier: AGPL-3.0-or-later

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shoal_oci::{Algorithm, Manifest, RepositoryName, Tag, media_type};
use shoal_registry_storage::{Clock, Options, PutRules, Storage};
use tower::ServiceExt as _;

use super::*;
use crate::api::{TaskKind, TaskState};
use crate::{Patience, Policy, RegistryAuth, RegistryConfig, RegistryMetrics, RootsSource, Users};

/// `htpasswd -nbB ada secret`
const ADA: &str = "ada:$2y$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu";

/// Time as a test sets it; later than the times that the system gives to files.
#[derive(Debug)]
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn turn(&self, hours: i64) {
        let mut now = self.0.lock().unwrap();
        *now += SignedDuration::from_hours(hours);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Needed(Option<BTreeSet<Digest>>);

impl RootsSource for Needed {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        self.0.clone()
    }
}

struct Fixture {
    registry: Registry,
    hands: Arc<Hands>,
    counts: prometheus::Registry,
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::with(RegistryAuth::None, json!({}), Some(BTreeSet::new()))
    }

    fn with(auth: RegistryAuth, policy: Value, roots: Option<BTreeSet<Digest>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands(Mutex::new("2126-01-02T03:04:05Z".parse().unwrap())));
        let storage = Storage::open(directory.path(), Options::new(hands.clone())).unwrap();
        let counts = prometheus::Registry::new();
        let config = RegistryConfig {
            policy: Policy::from_value(policy).unwrap(),
            auth,
            tokens: None,
            clock: hands.clone(),
            roots: Arc::new(Needed(roots)),
            metrics: RegistryMetrics::register(&counts).unwrap(),
            patience: Patience::default(),
        };
        Self { registry: Registry::new(storage, config), hands, counts, directory }
    }

    /// Pushes an image of one layer; returns its digest and the layer's.
    fn push(&self, repository: &str, tag: &str, content: &[u8]) -> (Digest, Digest) {
        let storage = &self.registry.inner.storage;
        let repository = RepositoryName::parse(repository).unwrap();
        let blob = |bytes: &[u8]| {
            let id = storage.begin(&repository, Algorithm::Sha256).unwrap();
            let mut writer = storage.writer(&repository, id).unwrap();
            writer.write(bytes).unwrap();
            let digest = Digest::of(Algorithm::Sha256, bytes);
            writer.finish(&digest).unwrap();
            digest
        };
        let (config, layer) = (blob(b"{}"), blob(content));
        let bytes = json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "config": {"mediaType": media_type::EMPTY_JSON, "digest": config, "size": 2},
            "layers": [{"mediaType": media_type::LAYER_TAR, "digest": layer, "size": content.len()}],
        })
        .to_string();
        let manifest = Manifest::read(media_type::IMAGE_MANIFEST, bytes.as_bytes()).unwrap();
        let digest = Digest::of(Algorithm::Sha256, bytes.as_bytes());
        let tags = [Tag::parse(tag).unwrap()];
        let (kind, rules) = (media_type::IMAGE_MANIFEST, PutRules::default());
        storage.put_manifest(&repository, &digest, &tags, kind, bytes.as_bytes(), &manifest, rules).unwrap();
        (digest, layer)
    }

    async fn ask(
        &self,
        router: Router,
        request: http::Request<Body>,
    ) -> (StatusCode, Value, http::HeaderMap) {
        let response = router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap(), headers)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = http::Request::get(format!("/api/v1/registry/{path}")).body(Body::empty()).unwrap();
        let (status, body, _) = self.ask(self.registry.admin_router(), request).await;
        (status, body)
    }

    async fn post(&self, path: &str) -> (StatusCode, Value) {
        let request = http::Request::post(format!("/api/v1/registry/{path}")).body(Body::empty()).unwrap();
        let (status, body, _) = self.ask(self.registry.admin_router(), request).await;
        (status, body)
    }

    /// Begins a task by the API, and waits for its end.
    async fn run(&self, path: &str) -> crate::api::Task {
        let (status, begun) = self.post(path).await;
        assert_eq!(status, 202, "{begun}");
        loop {
            let (_, tasks) = self.get("tasks").await;
            let tasks: Tasks = serde_json::from_value(tasks).unwrap();
            if let Some(task) = tasks.ended.into_iter().find(|task| task.id == begun["id"]) {
                return task;
            }
            tokio::task::yield_now().await;
        }
    }

    fn count(&self, name: &str) -> f64 {
        let families = self.counts.gather();
        let family = families.iter().find(|f| f.name().ends_with(name)).unwrap();
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }

    fn tags(&self, repository: &str) -> Vec<String> {
        let repository = RepositoryName::parse(repository).unwrap();
        let page = self.registry.inner.storage.tags(&repository, None, None).unwrap();
        page.map_or_else(Vec::new, |page| page.tags.iter().map(ToString::to_string).collect())
    }
}

#[tokio::test]
async fn images_are_listed_with_the_digest_that_an_inventory_names() {
    let fixture = Fixture::new();
    let (debian, _) = fixture.push("os-images/debian", "13", b"debian");
    fixture.push("tools/oras", "1", b"oras");
    let (status, body) = fixture.get("images?repository=os-images/*").await;
    assert_eq!(status, 200);
    let images: Images = serde_json::from_value(body).unwrap();
    let [image] = images.images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.repository.as_str(), &image.digest), ("os-images/debian", &debian));
    assert_eq!(image.tag.as_ref().unwrap().as_str(), "13");
    let (_, all) = fixture.get("images").await;
    assert_eq!(all["images"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn usage_says_what_is_stored_and_how_much_of_each_quota_is_used() {
    let quotas = json!({"quotas": [{"repositories": "tools/*", "max": "1G"}], "minFree": "0%"});
    let fixture = Fixture::with(RegistryAuth::None, quotas, None);
    fixture.push("tools/oras", "1", &[7; 1000]);
    fixture.push("os-images/debian", "13", &[8; 5000]);
    let (status, body) = fixture.get("usage").await;
    assert_eq!(status, 200);
    let usage: Usage = serde_json::from_value(body).unwrap();
    assert_eq!(usage.blobs, 5, "two layers, two manifests and one configuration");
    assert!(usage.bytes > 6000 && usage.total > usage.free);
    let [quota] = usage.quotas.as_slice() else { panic!("{usage:?}") };
    assert_eq!((quota.repositories.as_str(), quota.max), ("tools/*", 1 << 30));
    assert!((1000..5000).contains(&quota.used), "{}", quota.used);
    assert!((fixture.count("blob_count") - 5.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_a_real_run_takes_it() {
    let policy = json!({"retention": [{"repositories": "tools/*", "keepLast": 1}]});
    let fixture = Fixture::with(RegistryAuth::None, policy, Some(BTreeSet::new()));
    fixture.push("tools/oras", "1", b"old");
    fixture.hands.turn(1);
    fixture.push("tools/oras", "2", b"new");
    fixture.hands.turn(48);
    let dry = fixture.run("gc?dryRun=true").await;
    assert_eq!((dry.kind, dry.state, dry.by.as_str()), (TaskKind::GcDryRun, TaskState::Done, "-"));
    let listed = dry.collected.unwrap();
    assert!(listed.removed.iter().any(|row| row.kind == "tag" && row.name == "tools/oras:1"), "{listed:?}");
    assert_eq!(fixture.tags("tools/oras"), ["1", "2"]);
    let real = fixture.run("gc").await;
    assert_eq!((real.kind, real.state), (TaskKind::Gc, TaskState::Done));
    assert_eq!(real.collected.unwrap().removed, listed.removed);
    assert_eq!(fixture.tags("tools/oras"), ["2"]);
    let contents = listed.removed.iter().filter(|row| row.kind == "content").count();
    assert!(contents > 0, "{listed:?}");
    assert!((fixture.count("gc_removed_total") - contents as f64).abs() < f64::EPSILON);
    assert!(fixture.count("quarantined_bytes") > 0.0);
}

#[tokio::test]
async fn what_the_inventory_needs_stays_whatever_retention_says() {
    let policy = json!({"retention": [{"repositories": "tools/*", "keepLast": 1}]});
    let probe = Fixture::new();
    let (needed, layer) = probe.push("tools/oras", "1", b"old");
    let roots = BTreeSet::from([needed.clone()]);
    let fixture = Fixture::with(RegistryAuth::None, policy, Some(roots));
    fixture.push("tools/oras", "1", b"old");
    fixture.hands.turn(1);
    fixture.push("tools/oras", "2", b"new");
    fixture.hands.turn(48);
    fixture.run("gc").await;
    let repository = RepositoryName::parse("tools/oras").unwrap();
    assert!(fixture.registry.inner.storage.blob(&repository, &layer).unwrap().is_some());
    assert_eq!(fixture.tags("tools/oras"), ["1", "2"]);
}

#[tokio::test]
async fn nothing_is_collected_before_an_inventory_was_read() {
    let fixture = Fixture::with(RegistryAuth::None, json!({}), None);
    let (status, body) = fixture.post("gc").await;
    assert_eq!((status.as_u16(), &body["error"]), (409, &json!("roots_unknown")));
    assert!(body["hint"].as_str().unwrap().contains("readyz"));
}

#[tokio::test]
async fn a_second_task_of_a_kind_is_refused_while_one_runs() {
    let fixture = Fixture::new();
    let begin = |kind| fixture.registry.inner.maintenance.board().begin(kind, "ada").unwrap().1;
    let scrub = begin(TaskKind::Scrub);
    let (status, body) = fixture.post("scrub").await;
    assert_eq!((status.as_u16(), &body["error"]), (409, &json!("busy")));
    assert!(body["message"].as_str().unwrap().starts_with("a scrub runs already"), "{body}");
    assert_eq!(fixture.run("gc?dryRun=true").await.state, TaskState::Done);
    assert_eq!(fixture.run("gc").await.state, TaskState::Done, "a scrub takes hours");
    drop(scrub);
    let gc = begin(TaskKind::Gc);
    for path in ["gc", "gc?dryRun=true"] {
        let (status, body) = fixture.post(path).await;
        assert_eq!((status.as_u16(), &body["error"]), (409, &json!("busy")), "{path}");
        assert!(body["message"].as_str().unwrap().starts_with("a garbage collection runs already"), "{body}");
    }
    assert_eq!(fixture.run("scrub").await.state, TaskState::Done);
    let (_, tasks) = fixture.get("tasks").await;
    assert_eq!(tasks["running"].as_array().unwrap().len(), 1);
    assert_eq!(tasks["running"][0]["kind"], "gc");
    drop(gc);
}

#[tokio::test]
async fn a_scrub_finds_damage_and_says_which_image_needs_it() {
    let fixture = Fixture::new();
    let (_, layer) = fixture.push("os-images/debian", "13", b"debian");
    let path = fixture.directory.path().join("blobs/sha256").join(layer.hex());
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file in a test's own directory")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).unwrap();
    std::fs::write(&path, b"debiam").unwrap();
    let task = fixture.run("scrub").await;
    assert_eq!((task.kind, task.state), (TaskKind::Scrub, TaskState::Done));
    let found = task.scrubbed.unwrap();
    assert_eq!(found.corrupt, std::slice::from_ref(&layer));
    let [affected] = found.affected.as_slice() else { panic!("{found:?}") };
    assert_eq!((affected.repository.as_str(), affected.tags[0].as_str()), ("os-images/debian", "13"));
    assert!((fixture.count("corrupt_blobs_total") - 1.0).abs() < f64::EPSILON);
    let repository = RepositoryName::parse("os-images/debian").unwrap();
    assert!(fixture.registry.inner.storage.blob(&repository, &layer).unwrap().is_none());
}

#[tokio::test]
async fn what_was_collected_can_be_restored_by_its_digest() {
    let fixture = Fixture::new();
    let (digest, layer) = fixture.push("tools/oras", "1", b"old");
    let repository = RepositoryName::parse("tools/oras").unwrap();
    let storage = &fixture.registry.inner.storage;
    storage.delete_tag(&repository, &Tag::parse("1").unwrap()).unwrap();
    fixture.hands.turn(48);
    fixture.run("gc").await;
    assert!(storage.blob(&repository, &layer).unwrap().is_none());
    let (status, body) = fixture.post(&format!("restore?digest={digest}")).await;
    assert_eq!((status.as_u16(), &body["digest"]), (200, &json!(digest)));
    assert!(storage.blob(&repository, &layer).unwrap().is_some());
    let again = async || {
        let (status, body) = fixture.post(&format!("restore?digest={digest}")).await;
        assert_eq!((status.as_u16(), &body["error"]), (404, &json!("not_found")));
    };
    again().await;
    // It has a tag again, and an image that has parts of it goes.
    fixture.push("tools/oras", "1", b"old");
    fixture.push("tools/other", "1", b"other");
    storage.delete_tag(&RepositoryName::parse("tools/other").unwrap(), &Tag::parse("1").unwrap()).unwrap();
    fixture.hands.turn(48);
    fixture.run("gc").await;
    again().await;
    let never = Digest::of(Algorithm::Sha512, b"never stored");
    let (status, body) = fixture.post(&format!("restore?digest={never}")).await;
    assert_eq!((status.as_u16(), &body["error"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn a_query_that_is_not_understood_does_nothing() {
    let fixture = Fixture::new();
    for path in ["gc?dryrun=true", "gc?dryRun=maybe", "scrub?fast=1", "restore", "restore?digest=x"] {
        let (status, body) = fixture.post(path).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("bad_query")), "{path}");
    }
    let (status, _) = fixture.get("images?repository=UPPER").await;
    assert_eq!(status, 400);
    let (_, tasks) = fixture.get("tasks").await;
    assert_eq!(tasks, json!({"running": [], "ended": []}));
}

#[tokio::test]
async fn a_registry_that_stands_alone_is_maintained_by_its_admins() {
    let rules = json!({"access": [{"users": ["ada"], "repositories": ["*"], "allow": ["admin"]}]});
    let users = RegistryAuth::Basic(Users::parse(ADA).unwrap());
    let fixture = Fixture::with(users, rules, Some(BTreeSet::new()));
    for path in ["images", "usage", "tasks"] {
        let request = http::Request::get(format!("/api/v1/registry/{path}")).body(Body::empty()).unwrap();
        let (status, body, headers) = fixture.ask(fixture.registry.guarded_admin_router(), request).await;
        assert_eq!((status.as_u16(), &body["error"]), (401, &json!("unauthorized")), "{path}");
        assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    }
    let request = http::Request::post("/api/v1/registry/gc")
        .header("authorization", "Basic YWRhOnNlY3JldA==")
        .body(Body::empty())
        .unwrap();
    let (status, task, headers) = fixture.ask(fixture.registry.guarded_admin_router(), request).await;
    assert_eq!((status.as_u16(), &task["by"]), (202, &json!("ada")));
    assert_eq!(headers["location"], TASKS);
}

#[tokio::test]
async fn without_accounts_only_this_machine_maintains() {
    let fixture = Fixture::new();
    for (peer, expected) in [("127.0.0.1:4000", 200), ("192.0.2.1:4000", 403)] {
        let request = http::Request::get("/api/v1/registry/usage")
            .header("host", "127.0.0.1:5000")
            .extension(Peer(peer.parse().unwrap()))
            .body(Body::empty())
            .unwrap();
        let (status, body, _) = fixture.ask(fixture.registry.guarded_admin_router(), request).await;
        assert_eq!(status.as_u16(), expected, "{peer}: {body}");
    }
}
