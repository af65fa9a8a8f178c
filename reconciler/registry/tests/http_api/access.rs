// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who is let in, and what every answer looks like.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shoal_oci::RepositoryName;
use shoal_registry::access::{JobAccess, JobTokens, RegistryAuth, Users};

use crate::support::{Server, Setup, header, refusal, sha256};

/// Of the password `secret`, by `htpasswd -nbB`, at the lowest cost.
const HASH: &str = "$2y$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu";

struct OneJob;

impl JobTokens for OneJob {
    fn access(&self, token: &str) -> Option<JobAccess> {
        let repository = RepositoryName::parse("os-images/debian").unwrap();
        (token == "token-of-the-job").then(|| JobAccess { repository, job: "7".to_owned() })
    }
}

fn accounts() -> Setup {
    let policy = json!({"access": [
        {"users": ["ada"], "repositories": ["*"], "allow": ["pull", "push", "delete"]},
        {"users": ["ci"], "repositories": ["tools/*"], "allow": ["pull", "push"]},
    ]});
    let users = Users::parse(&format!("ada:{HASH}\nci:{HASH}\n")).unwrap();
    Setup { auth: RegistryAuth::Basic(users), tokens: Some(Arc::new(OneJob)), ..Setup::policy(policy) }
}

async fn as_user(server: &Server, user: &str, method: Method, path: &str) -> reqwest::Response {
    server.request(method, path).basic_auth(user, Some("secret")).send().await.unwrap()
}

/// Pushes an image as `ada`.
async fn stocked(server: &Server, repository: &str) {
    let digest = sha256(b"content");
    let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    let request = server.request(Method::POST, &path).basic_auth("ada", Some("secret"));
    assert_eq!(request.body("content").send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn the_base_says_that_this_is_a_registry() {
    let server = Server::start().await;
    for path in ["/v2/", "/v2"] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "docker-distribution-api-version"), "registry/2.0");
    }
}

#[tokio::test]
async fn what_is_no_endpoint_is_not_found() {
    let server = Server::start().await;
    for path in ["/v2/a", "/v2/a/b/c", "/v2/a/blobs/", "/v2/a%2Fb/manifests/x", "/v2/a/tags/list/x"] {
        let response = server.get(path).await;
        assert_eq!(header(&response, "docker-distribution-api-version"), "registry/2.0");
        assert_eq!(refusal(response).await, (404, "UNSUPPORTED".to_owned()), "{path}");
    }
    for path in ["/v2/A/manifests/x", "/v2/a..b/tags/list", "/v2/-/blobs/x", "/v2/_a/manifests/x"] {
        assert_eq!(refusal(server.get(path).await).await, (404, "NAME_INVALID".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_method_without_a_meaning_is_refused_with_those_that_have_one() {
    let server = Server::start().await;
    for (method, path, allowed) in [
        (Method::POST, "/v2/", "GET, HEAD"),
        (Method::PUT, "/v2/a/blobs/x", "GET, HEAD, DELETE"),
        (Method::GET, "/v2/a/blobs/uploads/", "POST"),
        (Method::POST, "/v2/a/blobs/uploads/x", "GET, HEAD, PATCH, PUT, DELETE"),
        (Method::PATCH, "/v2/a/manifests/x", "GET, HEAD, PUT, DELETE"),
        (Method::DELETE, "/v2/a/tags/list", "GET, HEAD"),
        (Method::OPTIONS, "/v2/a/referrers/x", "GET, HEAD"),
    ] {
        let response = server.request(method.clone(), path).send().await.unwrap();
        assert_eq!(header(&response, "allow"), allowed, "{method} {path}");
        assert_eq!(refusal(response).await, (405, "UNSUPPORTED".to_owned()));
    }
}

#[tokio::test]
async fn whoever_has_no_account_is_asked_to_log_in_whatever_they_want() {
    let server = Server::with(accounts()).await;
    stocked(&server, "a").await;
    let digest = sha256(b"content");
    for (method, path) in [
        (Method::GET, "/v2/".to_owned()),
        (Method::GET, "/v2/_catalog".to_owned()),
        (Method::GET, format!("/v2/a/blobs/{digest}")),
        (Method::GET, "/v2/nowhere/manifests/v1".to_owned()),
        (Method::POST, "/v2/a/blobs/uploads/".to_owned()),
        (Method::PUT, "/v2/a/manifests/v1".to_owned()),
        (Method::DELETE, format!("/v2/a/blobs/{digest}")),
    ] {
        let response = server.request(method.clone(), &path).send().await.unwrap();
        assert!(header(&response, "www-authenticate").starts_with("Basic realm="), "{method} {path}");
        assert_eq!(refusal(response).await, (401, "UNAUTHORIZED".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_a_rule_does_not_allow_is_denied_whether_it_is_there_or_not() {
    let server = Server::with(accounts()).await;
    stocked(&server, "secret/a").await;
    let digest = sha256(b"content");
    for path in [format!("/v2/secret/a/blobs/{digest}"), format!("/v2/secret/nowhere/blobs/{digest}")] {
        let response = as_user(&server, "ci", Method::GET, &path).await;
        assert_eq!(refusal(response).await, (403, "DENIED".to_owned()), "{path}");
    }
    assert_eq!(as_user(&server, "ci", Method::POST, "/v2/tools/a/blobs/uploads/").await.status(), 202);
    let deleted = as_user(&server, "ci", Method::DELETE, &format!("/v2/tools/a/blobs/{digest}")).await;
    assert_eq!(refusal(deleted).await, (403, "DENIED".to_owned()));
}

#[tokio::test]
async fn nothing_is_mounted_from_a_repository_that_the_caller_may_not_pull_from() {
    let server = Server::with(accounts()).await;
    stocked(&server, "secret/a").await;
    stocked(&server, "tools/b").await;
    let digest = sha256(b"content");
    for (query, status) in [("&from=secret/a", 202), ("&from=tools/b", 201)] {
        let path = format!("/v2/tools/a/blobs/uploads/?mount={digest}{query}");
        assert_eq!(as_user(&server, "ci", Method::POST, &path).await.status(), status, "{query}");
    }
    let gone = as_user(&server, "ada", Method::DELETE, &format!("/v2/tools/b/blobs/{digest}")).await;
    assert_eq!(gone.status(), 202);
    let path = format!("/v2/tools/c/blobs/uploads/?mount={digest}");
    assert_eq!(as_user(&server, "ci", Method::POST, &path).await.status(), 201, "of tools/a");
    for repository in ["tools/a", "tools/c"] {
        let path = format!("/v2/{repository}/blobs/{digest}");
        assert_eq!(as_user(&server, "ada", Method::DELETE, &path).await.status(), 202);
    }
    assert_eq!(as_user(&server, "ci", Method::POST, &path).await.status(), 202, "only secret/a has it");
}

#[tokio::test]
async fn the_catalog_shows_what_the_caller_may_pull() {
    let server = Server::with(accounts()).await;
    for repository in ["secret/a", "tools/a", "os-images/debian"] {
        stocked(&server, repository).await;
    }
    for (user, expected) in
        [("ada", json!(["os-images/debian", "secret/a", "tools/a"])), ("ci", json!(["tools/a"]))]
    {
        let body: Value = as_user(&server, user, Method::GET, "/v2/_catalog").await.json().await.unwrap();
        assert_eq!(body["repositories"], expected, "{user}");
    }
}

#[tokio::test]
async fn a_job_pulls_from_its_repository_and_does_nothing_else() {
    let server = Server::with(accounts()).await;
    stocked(&server, "os-images/debian").await;
    let digest = sha256(b"content");
    let ask =
        |method: Method, path: String| server.request(method, &path).bearer_auth("token-of-the-job").send();
    let pulled = ask(Method::GET, format!("/v2/os-images/debian/blobs/{digest}")).await.unwrap();
    assert_eq!(pulled.status(), 200);
    for (method, path) in [
        (Method::GET, "/v2/os-images/other/tags/list".to_owned()),
        (Method::POST, "/v2/os-images/debian/blobs/uploads/".to_owned()),
        (Method::DELETE, format!("/v2/os-images/debian/blobs/{digest}")),
    ] {
        assert_eq!(refusal(ask(method, path).await.unwrap()).await, (403, "DENIED".to_owned()));
    }
}
