// SPDX-License-Identifier: AGPL-3.0-or-later
//! The API, with what should and should not be sent to it.

use serde_json::json;

use shoal_controller::settings::{Account, Auth, Role};

use super::world::{OS_HASH, PASSWORD, World, client};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_token_of_an_attempt_gets_a_permit_or_reports() {
    let mut world = World::new(&["ilo5"]).await;
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "succeeded").await;
    let id = view["job"]["job_id"].as_str().unwrap();
    let serial = view["job"]["server_serial"].as_str().unwrap();
    for (path, body) in [
        (format!("/api/v1/jobs/{id}/permit"), json!({})),
        ("/api/v1/jobs/00000000000000000000000000000000/permit".to_owned(), json!({})),
        (format!("/api/v1/jobs/{id}/progress"), json!({})),
        ("/api/v1/jobs/00000000000000000000000000000000/progress".to_owned(), json!({})),
        (format!("/api/v1/status-webhook/{serial}"), json!({"status": "success"})),
    ] {
        let (code, answer) = world.post(&path, body).await;
        assert_eq!((code, answer["error"].as_str()), (401, Some("unauthorized")), "{path}: {answer}");
    }
    let (code, answer) =
        world.post("/api/v1/status-webhook/NOSUCHSERIAL", json!({"status": "success"})).await;
    assert_eq!((code, answer["error"].as_str()), (404, Some("not_found")));
    let (code, answer) =
        world.post("/api/v1/jobs", json!({"server_serial": serial, "recipe": {"task_target": "x"}})).await;
    assert_eq!((code, answer["error"].as_str()), (400, Some("validation_error")));
    assert!(answer["details"].as_array().unwrap().iter().any(|d| d["path"] == "/task_target"), "{answer}");
    let unknown = world.get("/api/v1/jobs/ffffffffffffffffffffffffffffffff").await;
    assert_eq!(unknown["error"], "not_found");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_that_is_over_is_gone_and_a_wrong_capability_looks_the_same() {
    let mut world = World::new(&["idrac9-6"]).await;
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    let inserted = world.farm.bmcs()[0]
        .log(0)
        .iter()
        .find_map(|record| {
            let text = serde_json::to_string(record).unwrap();
            text.split('"')
                .find(|part| part.contains("/media/") && part.starts_with("http"))
                .map(str::to_owned)
        })
        .expect("the BMC's log shows an inserted image");
    for url in
        [inserted.clone(), inserted.replace("boot.iso", "task.iso"), inserted.replace("/media/", "/media/x")]
    {
        let code = client().get(&url).send().await.unwrap().status().as_u16();
        assert_eq!(code, 404, "{url}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_found_nowhere_outside_of_the_permit() {
    let mut world = World::new(&["ilo5"]).await;
    world.push("one server");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    world.wait_status("servers/rack-a/web-00.json", "it", |s| s["job"]["outcome"] == "succeeded").await;
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for path in [
        "/api/v1/servers",
        "/api/v1/jobs",
        "/api/v1/plan",
        "/api/v1/status",
        "/metrics",
        "/api/v1/servers/web-00",
    ] {
        let body = client().get(world.api(path)).send().await.unwrap().bytes().await.unwrap();
        places.push((path.to_owned(), body.to_vec()));
    }
    world.stop().await;
    places.push(("the database".into(), std::fs::read(world.path("state/db/shoal.redb")).unwrap()));
    let history = world.git(&["--git-dir", "repo.git", "log", "-p", "shoal/status"]);
    places.push(("the status branch".into(), history.into_bytes()));
    use base64::Engine as _;
    for secret in [PASSWORD, OS_HASH] {
        let hex = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
        for form in [secret.to_owned(), hex, base64[..base64.len() - 2].to_owned()] {
            for (place, bytes) in &places {
                let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!found, "{secret} stands in {place} as {form}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_in_words_and_never_repeated() {
    let mut world = World::new(&["ilo5"]).await;
    world.write_fleet("approve");
    world.push("one server");
    world.start().await;
    let marker = "canary-in-the-body";
    let long = vec![b' '; 10 << 20];
    for (path, body, wanted) in [
        ("/api/v1/jobs", marker.as_bytes().to_vec(), (400, "invalid_json")),
        ("/api/v1/jobs", b"[]".to_vec(), (400, "invalid_request")),
        ("/api/v1/jobs", b"\xff\xfe".to_vec(), (400, "invalid_json")),
        ("/api/v1/pause", b"{\"paused\":\"yes\"}".to_vec(), (400, "invalid_request")),
        ("/api/v1/accept", b"{}".to_vec(), (400, "invalid_request")),
        ("/api/v1/apply", b"null".to_vec(), (400, "invalid_request")),
        ("/api/v1/nothing", b"{}".to_vec(), (404, "not_found")),
        ("/api/v1/jobs/zzz/cancel", b"".to_vec(), (404, "not_found")),
        ("/api/v1/servers/nobody/retry", b"".to_vec(), (404, "not_found")),
    ] {
        let answer = client().post(world.api(path)).body(body).send().await.unwrap();
        let code = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert!(!text.contains(marker), "{text}");
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, answer["error"].as_str().unwrap()), wanted, "{path}: {answer}");
    }
    for path in ["/api/v1/jobs", "/api/v1/pause", "/api/v1/status-webhook/X", "/api/v1/jobs/x/permit"] {
        let answer = client().post(world.api(path)).body(long.clone()).send().await;
        // The other side may close before it has read all of it.
        let code = answer.map_or(413, |answer| answer.status().as_u16());
        assert!(matches!(code, 401 | 404 | 413), "{path}: {code}");
    }
    let page = client().post(world.api("/api/v1/pause")).header("origin", "http://evil.test");
    assert_eq!(page.json(&json!({"paused": true})).send().await.unwrap().status().as_u16(), 403);
    let rebound = client().get(world.api("/api/v1/status")).header("host", "evil.test");
    assert_eq!(rebound.send().await.unwrap().status().as_u16(), 403);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_cannot_be_guessed_quickly_not_even_all_at_once() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| {
        let hash = bcrypt::hash("right", 4).unwrap();
        let account = |user: &str, role| Account { user: user.to_owned(), hash: hash.clone(), role };
        settings.auth = Auth::Basic(vec![account("ops", Role::Admin), account("eye", Role::Reader)]);
    };
    world.push("one server");
    world.start().await;
    let get = |user: &'static str, password: &'static str| {
        let request = client().get(world.api("/api/v1/status")).basic_auth(user, Some(password));
        async move { request.send().await.unwrap() }
    };
    assert_eq!(client().get(world.api("/api/v1/status")).send().await.unwrap().status().as_u16(), 401);
    assert_eq!(get("eye", "right").await.status().as_u16(), 200);
    let pause = client().post(world.api("/api/v1/pause")).basic_auth("eye", Some("right"));
    assert_eq!(pause.json(&json!({"paused": true})).send().await.unwrap().status().as_u16(), 403);
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..12 {
        guesses.spawn(get("ops", "wrong"));
    }
    let (mut wrong, mut later) = (0, 0);
    while let Some(answer) = guesses.join_next().await {
        let answer = answer.unwrap();
        match answer.status().as_u16() {
            401 => wrong += 1,
            429 => {
                assert!(answer.headers().contains_key("retry-after"));
                later += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!((wrong, later), (5, 7));
    // Who has proved himself before is not locked out by somebody else at the same address.
    assert_eq!(get("eye", "right").await.status().as_u16(), 200);
    world.stop().await;
}
