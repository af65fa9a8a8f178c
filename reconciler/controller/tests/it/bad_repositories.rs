// SPDX-License-Identifier: AGPL-3.0-or-later
//! Repositories that are empty, away, rewritten, too large: each is named, and the last good state
//! stays in force.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::world::{World, client};

/// Waits until the controller says of itself what is wanted.
async fn status(world: &World, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while tokio::time::Instant::now() < end {
        last = world.get("/api/v1/status").await;
        if fits(&last) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what} was never said; last: {last:#}");
}

fn says(view: &Value, words: &[&str]) -> bool {
    view["source_error"].as_str().is_some_and(|error| words.iter().all(|word| error.contains(word)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_a_commit_is_named_and_what_to_do_until_there_is_one() {
    let mut world = World::new(&["ilo5"]).await;
    world.start().await;
    status(&world, "an empty repository", |view| says(view, &["is empty", "no commit yet", "("])).await;
    let ready = client().get(world.api("/readyz")).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert!(ready["message"].as_str().unwrap().contains("is empty"), "{ready}");
    for (path, error) in [("/api/v1/reconcile", "source"), ("/api/v1/servers/web-00/retry", "not_found")] {
        let (_, answer) = world.post(path, json!({})).await;
        assert_eq!(answer["error"], error, "{path}: {answer}");
    }
    world.push("the first commit");
    world.wait_job_complete(0, "succeeded").await;
    assert_eq!(world.get("/api/v1/status").await["source_error"], Value::Null);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_branch_is_refused_until_it_is_accepted_by_its_own_id() {
    let mut world = World::new(&["ilo5"]).await;
    let first = world.push("one server");
    world.write_server(0, "13.1");
    let second = world.push("a newer version");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.git(&["-C", "work", "reset", "-q", "--hard", &first]);
    world.write("notes.txt", "another history\n");
    world.git(&["-C", "work", "add", "-A"]);
    world.git(&["-C", "work", "commit", "-q", "-m", "another history"]);
    world.git(&["-C", "work", "push", "-q", "--force", "origin", "main"]);
    let tip = world.git(&["-C", "work", "rev-parse", "HEAD"]).trim().to_owned();
    let view = status(&world, "a refused commit", |view| view["refused"]["commit"] == tip.as_str()).await;
    let message = view["refused"]["message"].as_str().unwrap();
    for word in ["main", &tip[..7], &second[..7], "was rewritten", "shoal accept", "last good state"] {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
    assert_eq!(view["commit"], second.as_str());
    for (revision, code, error) in
        [(&tip[..6], 409, "other_commit"), (&*second, 409, "other_commit"), ("main", 409, "other_commit")]
    {
        let (found, answer) = world.post("/api/v1/accept", json!({"revision": revision})).await;
        assert_eq!((found, &answer["error"]), (code, &json!(error)), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(&tip), "{answer}");
    }
    let (code, answer) = world.post("/api/v1/accept", json!({"revision": &tip[..7]})).await;
    assert_eq!(code, 200, "{answer}");
    let view = status(&world, "the accepted commit", |view| view["commit"] == tip.as_str()).await;
    assert_eq!(view["refused"], Value::Null);
    let (code, answer) = world.post("/api/v1/accept", json!({"revision": tip})).await;
    assert_eq!((code, &answer["error"]), (409, &json!("nothing_refused")), "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_too_many_files_is_refused_as_a_whole_and_one_that_is_away_is_named() {
    let mut world = World::new(&["ilo5"]).await;
    let good = world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    many_files(&world, 200_001);
    let view = status(&world, "too many files", |view| {
        says(view, &["200000", "entries", "keep only the inventory"])
    })
    .await;
    assert_eq!(view["commit"], good.as_str(), "{view:#}");
    let server = world.get("/api/v1/servers/web-00").await;
    assert_eq!(
        (&server["in_git"], &server["status"]["record"]["state"]),
        (&json!(true), &json!("installed"))
    );
    std::fs::rename(world.path("repo.git"), world.path("away.git")).unwrap();
    let view =
        status(&world, "no repository", |view| says(view, &["repo.git", "("]) && !says(view, &["200000"]))
            .await;
    assert_eq!(view["commit"], good.as_str(), "{view:#}");
    let (code, answer) = world.post("/api/v1/reconcile", json!({})).await;
    assert_eq!((code, &answer["error"]), (502, &json!("source")), "{answer}");
    assert_eq!(answer["hint"], "the last good state stays in force");
    std::fs::rename(world.path("away.git"), world.path("repo.git")).unwrap();
    // As many as there may be, and the inventory among them, is read.
    world.git(&["--git-dir", "repo.git", "update-ref", "refs/heads/main", &good]);
    world.write("servers/rack-a/note.txt", "back again\n");
    let back = world.push("back again");
    status(&world, "the next commit", |view| {
        view["commit"] == back.as_str() && view["source_error"].is_null()
    })
    .await;
    world.stop().await;
}

/// So many files beside the inventory, in one commit on top of it.
fn many_files(world: &World, count: usize) {
    let mut stream = String::from("blob\nmark :1\ndata 1\nx\ncommit refs/heads/main\n");
    stream.push_str(
        "committer Test <test@example.org> 1700000000 +0000\ndata 4\nmany\nfrom refs/heads/main^0\n",
    );
    for number in 0..count {
        stream.push_str(&format!("M 100644 :1 servers/many/{:03}/{number}.yaml\n", number % 256));
    }
    stream.push_str("\ndone\n");
    let mut import = Command::new("git")
        .args(["--git-dir", "repo.git", "fast-import", "--quiet", "--done"])
        .current_dir(world.dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
}
