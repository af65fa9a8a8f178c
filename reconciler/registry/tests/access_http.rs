// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may do what, as clients see it: over HTTP, on every route.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_oci::{Algorithm, Digest, RepositoryName};
use shoal_registry::{
    JobAccess, JobTokens, Patience, Policy, Registry, RegistryAuth, RegistryConfig, RegistryMetrics,
    RootsSource, Users,
};
use shoal_registry_storage::{Clock, Options, Storage};
use tower::ServiceExt as _;

/// Of the password `secret`.
const HASH: &str = "$2y$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu";
const TOKEN: &str = "j-17.token";

#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        "2126-01-02T03:04:05Z".parse().unwrap()
    }
}

struct Alone;

impl RootsSource for Alone {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        Some(BTreeSet::new())
    }
}

struct Tokens;

impl JobTokens for Tokens {
    fn access(&self, token: &str) -> Option<JobAccess> {
        let repository = RepositoryName::parse("os-images/debian").unwrap();
        (token == TOKEN).then(|| JobAccess { repository, job: "j-17".to_owned() })
    }
}

/// A registry with accounts ada, ci and bob, and a blob in each of three repositories.
struct Fixture {
    router: Router,
    _directory: tempfile::TempDir,
}

fn blob() -> Digest {
    Digest::of(Algorithm::Sha256, b"blob")
}

fn auth(user: &str) -> String {
    use base64::Engine as _;
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:secret"));
    format!("Basic {login}")
}

impl Fixture {
    fn new() -> Self {
        let policy = json!({"minFree": "0%", "access": [
            {"users": ["ada"], "repositories": ["*"], "allow": ["push", "delete", "admin"]},
            {"users": ["ci"], "repositories": ["os-images/*"], "allow": ["push"]},
            {"users": ["*"], "repositories": ["tools/*"], "allow": ["pull"]},
            {"users": ["anonymous"], "repositories": ["public/*"], "allow": ["pull"]},
        ]});
        Self::with(&policy)
    }

    fn with(policy: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Now);
        let storage = Storage::open(directory.path(), Options::new(clock.clone())).unwrap();
        for repository in ["os-images/debian", "tools/oras", "public/motd"] {
            let repository = RepositoryName::parse(repository).unwrap();
            let id = storage.begin(&repository, Algorithm::Sha256).unwrap();
            let mut writer = storage.writer(&repository, id).unwrap();
            writer.write(b"blob").unwrap();
            writer.finish(&blob()).unwrap();
        }
        let users = format!("ada:{HASH}\nci:{HASH}\nbob:{HASH}\n");
        let config = RegistryConfig {
            policy: Policy::from_value(policy.clone()).unwrap(),
            auth: RegistryAuth::Basic(Users::parse(&users).unwrap()),
            tokens: Some(Arc::new(Tokens)),
            clock,
            roots: Arc::new(Alone),
            metrics: RegistryMetrics::register(&prometheus::Registry::new()).unwrap(),
            patience: Patience::default(),
        };
        let registry = Registry::new(storage, config);
        let router = registry.router().merge(registry.guarded_admin_router());
        Self { router, _directory: directory }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        authorization: Option<&str>,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::builder().method(method).uri(path).header("host", "registry.lan");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn status(&self, method: Method, path: &str, authorization: Option<&str>) -> u16 {
        self.ask(method, path, authorization).await.0.as_u16()
    }
}

#[tokio::test]
async fn a_ping_says_how_to_log_in_and_stays_open_where_something_is_for_everybody() {
    let mixed = Fixture::new();
    let (status, headers, _) = mixed.ask(Method::GET, "/v2/", None).await;
    assert_eq!(status, 200);
    assert_eq!(headers["www-authenticate"], "Basic realm=\"shoal-registry\", charset=\"UTF-8\"");
    let closed = Fixture::with(&json!({"minFree": "0%"}));
    let (status, headers, body) = closed.ask(Method::GET, "/v2/", None).await;
    assert_eq!((status.as_u16(), &body["errors"][0]["code"]), (401, &json!("UNAUTHORIZED")));
    assert_eq!(headers["www-authenticate"], "Basic realm=\"shoal-registry\", charset=\"UTF-8\"");
    for fixture in [mixed, closed] {
        let (status, headers, _) = fixture.ask(Method::GET, "/v2/", Some(&auth("bob"))).await;
        assert_eq!(status, 200);
        assert!(!headers.contains_key("www-authenticate"));
        assert_eq!(fixture.status(Method::GET, "/v2/", Some("Basic eDp5")).await, 401, "a wrong login");
    }
}

#[tokio::test]
async fn what_is_for_everybody_needs_no_account_and_the_rest_asks_for_one() {
    let fixture = Fixture::new();
    let path = |repository: &str| format!("/v2/{repository}/blobs/{}", blob());
    assert_eq!(fixture.status(Method::GET, &path("public/motd"), None).await, 200);
    for repository in ["os-images/debian", "tools/oras"] {
        let (status, headers, _) = fixture.ask(Method::GET, &path(repository), None).await;
        assert_eq!(status, 401);
        assert!(headers.contains_key("www-authenticate"), "{repository}");
    }
    assert_eq!(fixture.status(Method::POST, "/v2/public/motd/blobs/uploads/", None).await, 401);
    // As podman says that it has no account, after a challenge.
    assert_eq!(fixture.status(Method::GET, &path("public/motd"), Some("Basic Og==")).await, 200);
    assert_eq!(fixture.status(Method::GET, &path("tools/oras"), Some("Basic Og==")).await, 401);
}

/// One request of every kind in a repository, with the right that it takes.
fn requests(repository: &str) -> Vec<(Method, String, &'static str)> {
    let (of, digest) = (format!("/v2/{repository}"), blob());
    vec![
        (Method::GET, format!("{of}/blobs/{digest}"), "pull"),
        (Method::HEAD, format!("{of}/blobs/{digest}"), "pull"),
        (Method::GET, format!("{of}/manifests/latest"), "pull"),
        (Method::HEAD, format!("{of}/manifests/{digest}"), "pull"),
        (Method::GET, format!("{of}/tags/list"), "pull"),
        (Method::GET, format!("{of}/referrers/{digest}"), "pull"),
        (Method::POST, format!("{of}/blobs/uploads/"), "push"),
        (Method::POST, format!("{of}/blobs/uploads/?mount={digest}&from=tools/oras"), "push"),
        (Method::GET, format!("{of}/blobs/uploads/5a4b1f6e-5f3c-4a63-b34a-3a2a2a2a2a2a"), "push"),
        (Method::PATCH, format!("{of}/blobs/uploads/5a4b1f6e-5f3c-4a63-b34a-3a2a2a2a2a2a"), "push"),
        (
            Method::PUT,
            format!("{of}/blobs/uploads/5a4b1f6e-5f3c-4a63-b34a-3a2a2a2a2a2a?digest={digest}"),
            "push",
        ),
        (Method::DELETE, format!("{of}/blobs/uploads/5a4b1f6e-5f3c-4a63-b34a-3a2a2a2a2a2a"), "push"),
        (Method::PUT, format!("{of}/manifests/latest"), "push"),
        (Method::DELETE, format!("{of}/manifests/latest"), "delete"),
        (Method::DELETE, format!("{of}/blobs/{digest}"), "delete"),
    ]
}

#[tokio::test]
async fn every_route_asks_for_its_right() {
    let fixture = Fixture::new();
    let ci = auth("ci");
    let token = format!("Bearer {TOKEN}");
    let callers: [(&str, &str, &[&str]); 5] = [
        ("os-images/debian", &ci, &["pull", "push"]),
        ("tools/oras", &ci, &["pull"]),
        ("os-images/debian", &auth("bob"), &[]),
        ("os-images/debian", &token, &["pull"]),
        ("tools/oras", &token, &[]),
    ];
    for (repository, caller, rights) in callers {
        for (method, path, right) in requests(repository) {
            let (status, _, body) = fixture.ask(method.clone(), &path, Some(caller)).await;
            if rights.contains(&right) {
                assert!(!matches!(status.as_u16(), 401 | 403), "{method} {path}: {status} {body}");
            } else {
                assert_eq!(status, 403, "{method} {path}");
                assert!(
                    method == Method::HEAD || body["errors"][0]["code"] == "DENIED",
                    "{method} {path} {body}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_repository_that_one_may_not_pull_looks_as_if_it_did_not_exist() {
    let fixture = Fixture::new();
    let answers = async |repository: &str, caller: Option<&str>| {
        let mut all = Vec::new();
        for (method, path, _) in requests(repository) {
            let (status, _, body) = fixture.ask(method, &path, caller).await;
            all.push((status, body.to_string().replace(repository, "REPOSITORY")));
        }
        all
    };
    let (bob, token) = (auth("bob"), format!("Bearer {TOKEN}"));
    for caller in [None, Some(bob.as_str())] {
        assert_eq!(answers("os-images/debian", caller).await, answers("os-images/nothing", caller).await);
    }
    let caller = Some(token.as_str());
    assert_eq!(answers("tools/oras", caller).await, answers("tools/nothing", caller).await);
}

#[tokio::test]
async fn a_mount_takes_nothing_from_where_one_may_not_pull() {
    let fixture = Fixture::with(&json!({"minFree": "0%", "access": [
        {"users": ["ci"], "repositories": ["mine/*", "tools/*"], "allow": ["push"]},
    ]}));
    let digest = blob();
    let ci = auth("ci");
    let mount = async |query: String| {
        fixture.status(Method::POST, &format!("/v2/mine/a/blobs/uploads/?mount={query}"), Some(&ci)).await
    };
    assert_eq!(mount(format!("{digest}&from=os-images/debian")).await, 202, "an ordinary upload begins");
    assert_eq!(mount(format!("{digest}&from=os-images/nothing")).await, 202, "the same");
    assert_eq!(mount(format!("{digest}&from=tools/oras")).await, 201);
    let hidden = Fixture::with(&json!({"minFree": "0%", "access": [
        {"users": ["ci"], "repositories": ["mine/*"], "allow": ["push"]},
    ]}));
    let path = format!("/v2/mine/a/blobs/uploads/?mount={digest}");
    assert_eq!(hidden.status(Method::POST, &path, Some(&ci)).await, 202, "from anywhere is from nowhere");
}

#[tokio::test]
async fn the_catalog_shows_what_one_may_pull() {
    let fixture = Fixture::new();
    let catalog = async |caller: Option<&str>| {
        let (status, _, body) = fixture.ask(Method::GET, "/v2/_catalog", caller).await;
        (status.as_u16(), body["repositories"].clone())
    };
    assert_eq!(
        catalog(Some(&auth("ada"))).await,
        (200, json!(["os-images/debian", "public/motd", "tools/oras"]))
    );
    assert_eq!(catalog(Some(&auth("bob"))).await, (200, json!(["public/motd", "tools/oras"])));
    let (_, of_a_job) = catalog(Some(&format!("Bearer {TOKEN}"))).await;
    assert!(!of_a_job.to_string().contains("tools"), "a job lists no others: {of_a_job}");
    let (_, of_nobody) = catalog(None).await;
    assert!(!of_nobody.to_string().contains("os-images"), "{of_nobody}");
}

#[tokio::test]
async fn a_wrong_token_and_a_wrong_password_are_refused_on_every_route() {
    let fixture = Fixture::new();
    for wrong in ["Bearer j-17.wrong", "Basic am9iOndyb25n", "Basic YWRhOndyb25n", "Bearer", "Negotiate x"] {
        for (method, path, _) in requests("public/motd") {
            let (status, headers, _) = fixture.ask(method.clone(), &path, Some(wrong)).await;
            assert_eq!(status, 401, "{wrong}: {method} {path}");
            assert!(headers.contains_key("www-authenticate"));
        }
    }
}

#[tokio::test]
async fn a_job_is_no_administrator_and_neither_is_an_account_without_that_right() {
    let fixture = Fixture::new();
    let path = "/api/v1/registry/images";
    assert_eq!(fixture.status(Method::GET, path, None).await, 401);
    assert_eq!(fixture.status(Method::GET, path, Some(&format!("Bearer {TOKEN}"))).await, 403);
    assert_eq!(fixture.status(Method::GET, path, Some(&auth("ci"))).await, 403);
    assert_eq!(fixture.status(Method::GET, path, Some(&auth("ada"))).await, 200);
}
