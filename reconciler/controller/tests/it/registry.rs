// SPDX-License-Identifier: AGPL-3.0-or-later
//! The registry inside the controller: what a machine may pull and for how long, and what is kept.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use shoal_controller::settings::{RegistryRules, RegistrySettings};
use shoal_registry::{Policy, Users};

use super::puppet::Script;
use super::world::{World, client};

/// Of the account that pushes.
const PASSWORD: &str = "a-password";

/// A registry that knows one account, and whose images the inventory's are.
pub(crate) fn settings(dir: std::path::PathBuf) -> RegistrySettings {
    // The cheapest hash that is taken: this is about who is let in, not about guessing.
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let users = format!("ada:{hash}\n");
    RegistrySettings {
        storage: dir,
        hosts: vec!["registry.test".to_owned()],
        rules: Arc::new(move || {
            let users = Users::parse(&users).map_err(|error| error.to_string())?;
            let policy = serde_json::json!({"minFree": "0%", "gc": {"grace": "1s", "quarantine": "0s"}});
            let policy = Policy::from_value(policy).map_err(|error| error.to_string())?;
            Ok(RegistryRules { users: Some(users), policy })
        }),
    }
}

/// Who asks.
enum Who<'a> {
    Nobody,
    Ada,
    Machine(&'a str),
    MachineAsUser(&'a str),
}

async fn ask(
    world: &World,
    method: Method,
    path: &str,
    who: Who<'_>,
    body: &'static str,
) -> (StatusCode, String) {
    let request = client().request(method, world.api(path)).body(body);
    let request = match who {
        Who::Nobody => request,
        Who::Ada => request.basic_auth("ada", Some(PASSWORD)),
        Who::Machine(token) => request.bearer_auth(token),
        Who::MachineAsUser(token) => request.basic_auth("job", Some(token)),
    };
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

/// Pushes a blob; answers with its digest.
async fn push(world: &World, repository: &str, content: &'static str) -> String {
    let digest = shoal_schema::Sha256::of(content.as_bytes()).to_string();
    let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    let (status, text) = ask(world, Method::POST, &path, Who::Ada, content).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_pulls_its_own_image_from_the_permit_to_the_end_of_its_job_and_nothing_else() {
    let mut world = World::new(&["idrac9-6"]).await;
    world.puppets[0].set(Script { silent_after_permit: true, ..Script::default() });
    world.start().await;
    let own = push(&world, "os/debian", "an image").await;
    let other = push(&world, "os/other", "another image").await;
    world.push("one server");
    world.wait_server(0, "a permit", |view| view["job"]["phase"] == "installing").await;
    let answer = loop {
        if let Some(answer) = world.puppets[0].seen().answers.last() {
            break answer.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let token = answer["registry_token"].as_str().expect("a token for the registry").to_owned();

    let blob = |repository: &str, digest: &str| format!("/v2/{repository}/blobs/{digest}");
    for who in [Who::Machine(&token), Who::MachineAsUser(&token)] {
        let (status, text) = ask(&world, Method::GET, &blob("os/debian", &own), who, "").await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "an image"));
    }
    let refused = [
        (Method::GET, blob("os/other", &other), Who::Machine(&token), StatusCode::FORBIDDEN),
        (
            Method::POST,
            "/v2/os/debian/blobs/uploads/".to_owned(),
            Who::Machine(&token),
            StatusCode::FORBIDDEN,
        ),
        (Method::DELETE, blob("os/debian", &own), Who::Machine(&token), StatusCode::FORBIDDEN),
        (Method::GET, blob("os/debian", &own), Who::Nobody, StatusCode::UNAUTHORIZED),
        (Method::GET, blob("os/debian", &own), Who::Machine("1.2"), StatusCode::UNAUTHORIZED),
    ];
    for (method, path, who, wanted) in refused {
        let (status, text) = ask(&world, method.clone(), &path, who, "").await;
        assert_eq!(status, wanted, "{method} {path}: {text}");
    }

    let task = world.puppets[0].seen().task.expect("a task medium");
    let report = client()
        .post(world.api(&format!("/api/v1/status-webhook/{}", task["identity"]["serial"].as_str().unwrap())))
        .header("x-webhook-secret", task["token"].as_str().unwrap())
        .json(&serde_json::json!({
            "status": "success", "job_id": task["job_id"], "attempt": task["attempt"],
            "epoch": task["epoch"], "delivery_id": "4be0643f-1d98-573b-97cd-ca98a65347dd",
        }));
    let answer = report.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    world.wait_job_complete(0, "succeeded").await;
    let (status, _) = ask(&world, Method::GET, &blob("os/debian", &own), Who::Machine(&token), "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "the token ends with the job");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_inventory_names_survives_a_collection_and_nothing_goes_before_git_was_read() {
    let mut world = World::new(&["idrac9-6"]).await;
    world.start().await;
    // A manifest without a tag, which only the inventory names.
    let manifest =
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let digest = shoal_schema::Sha256::of(manifest.as_bytes()).to_string();
    let path = format!("/v2/os/debian/manifests/{digest}");
    let put = client()
        .put(world.api(&path))
        .basic_auth("ada", Some(PASSWORD))
        .header("content-type", "application/vnd.oci.image.index.v1+json")
        .body(manifest);
    assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
    let orphan = push(&world, "os/debian", "nobody names this").await;
    world.write_json(
        "images/pinned.yaml",
        &serde_json::json!({
            "apiVersion": "shoal.dev/v1", "kind": "Image", "metadata": {"name": "pinned"},
            "spec": {"versions": {"1": {"oci": format!("registry.test/os/debian@{digest}")}}},
        }),
    );
    let commit = world.push("an image that is pinned");
    world.wait_status("summary.json", "the commit", |s| s["commit"] == commit.as_str()).await;
    // Older than the policy's grace of a second by the file's own time.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (status, task) = world.post("/api/v1/registry/gc", Value::Null).await;
    assert_eq!(status, 202, "{task}");
    let ended = loop {
        let tasks = world.get("/api/v1/registry/tasks").await;
        if let Some(ended) =
            tasks["ended"].as_array().and_then(|ended| ended.iter().find(|t| t["id"] == task["id"]))
        {
            break ended.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(ended["state"], "done", "{ended:#}");
    let (status, text) = ask(&world, Method::GET, &path, Who::Ada, "").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, manifest), "the inventory names it");
    let (status, _) = ask(&world, Method::GET, &format!("/v2/os/debian/blobs/{orphan}"), Who::Ada, "").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nothing names it: {ended:#}");
    world.stop().await;
}
