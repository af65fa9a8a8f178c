// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies of every wrong kind, for every route of the OpenAPI document.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shoal_controller::http::openapi;

use super::outage::waiting_for_its_permit;
use super::world::{World, client};

/// A value that no answer may repeat.
const CANARY: &str = "c4n4ry-in-the-body";

/// One `post` of the document.
struct Route {
    path: String,
    operation: Value,
    /// The schema of its body, where it takes one.
    schema: Option<Value>,
}

/// Every `post` of the document, with a job and a server that are there in its path.
fn posts(document: &Value, task: &Value, serial: &str) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(operation) = methods.get("post") else { continue };
        let schema = operation.pointer("/requestBody/content/application~1json/schema");
        let schema = schema.map(|schema| {
            let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            document["components"]["schemas"][name].clone()
        });
        let path = path
            .replace("{id}", task["job_id"].as_str().unwrap())
            .replace("{name}", "web-00")
            .replace("{serial}", serial);
        assert!(!path.contains('{'), "{path}: a parameter that this test does not know");
        routes.push(Route { path, operation: operation.clone(), schema });
    }
    routes
}

/// What is sent, and what the answer says: its code, and a word of its message.
type Case = (Vec<u8>, &'static str, String);

fn cases(schema: &Value) -> Vec<Case> {
    let json =
        |value: Value, word: &str| (value.to_string().into_bytes(), "invalid_request", word.to_owned());
    let mut cases: Vec<Case> = vec![
        (Vec::new(), "invalid_json", "the body is empty".to_owned()),
        (CANARY.into(), "invalid_json", "no JSON: line 1 column 1".to_owned()),
        (format!("field={CANARY}").into(), "invalid_json", "no JSON: line 1".to_owned()),
        (format!("{{\"a\":\"{CANARY}").into(), "invalid_json", "no JSON: line 1".to_owned()),
        (b"\xff\xfe{\0}\0".to_vec(), "invalid_json", "no JSON: line 1".to_owned()),
        ("[".repeat(100_000).into(), "invalid_json", "nested too deep".to_owned()),
        ("{\"a\":".repeat(100_000).into(), "invalid_json", "nested too deep".to_owned()),
        json(json!([CANARY]), "expected a mapping"),
        json(json!(CANARY), "expected a mapping"),
        json(Value::Null, "expected a mapping"),
        json(json!(1.5), "expected a mapping"),
    ];
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    if !required.is_empty() {
        cases.push(json(json!({}), "` is missing"));
    }
    for (name, property) in schema["properties"].as_object().unwrap() {
        // What takes anything is judged by its own rules.
        if property.get("type").is_none() && property.get("$ref").is_none() && property.get("anyOf").is_none()
        {
            continue;
        }
        for wrong in [json!([[CANARY]]), json!({"unheardof": {}}), json!(-1.5)] {
            let mut body = json!({});
            body[name] = wrong;
            cases.push(json(body, name));
        }
        let twice = format!("{{\"{name}\":[[]],\"{name}\":\"{CANARY}\"}}");
        cases.push((twice.into_bytes(), "invalid_request", String::new()));
    }
    if schema["additionalProperties"] == json!(false) {
        cases.push(json(json!({"unheardof": CANARY}), "`unheardof`"));
    }
    cases
}

/// An answer of the one form, and its status.
async fn told(what: &str, answer: Response) -> (u16, Value) {
    let (status, kind) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
    let text = answer.text().await.unwrap();
    assert!(text.len() < 40_000, "{what}: {} bytes", text.len());
    assert!(!text.contains(CANARY), "{what}: {text}");
    assert!(kind.is_some_and(|kind| kind == "application/json"), "{what}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
    assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{what}: {text}");
    assert!(body["message"].as_str().is_some_and(|message| message.len() > 9), "{what}: {text}");
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_takes_a_body_names_what_is_wrong_with_it() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.budgets.boot_ms = 600_000;
    let task = waiting_for_its_permit(&mut world).await;
    let document = openapi::document();
    let routes = posts(&document, &task, &world.farm.bmcs()[0].identity().serial);
    assert!(routes.len() > 8 && routes.iter().filter(|route| route.schema.is_some()).count() > 6);
    let client = client();
    let token = task["token"].as_str().unwrap();
    for route in &routes {
        let Some(schema) = &route.schema else { continue };
        let url = world.api(&route.path);
        let post = |body: Vec<u8>| client.post(&url).header("x-webhook-secret", token).body(body);
        for (body, error, word) in cases(schema) {
            let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let what = format!("{} {start:?}", route.path);
            let (status, answer) = told(&what, post(body.clone()).send().await.unwrap()).await;
            assert_eq!((status, answer["error"].as_str()), (400, Some(error)), "{what}: {answer}");
            let said = format!("{} {}", answer["message"].as_str().unwrap(), answer["details"]);
            assert!(said.contains(&word), "{what}: {word:?} is not in {said}");
            assert!(answer["hint"].as_str().unwrap().contains("/openapi.json"), "{what}: {answer}");
            assert!(
                route.operation["responses"].get("400").is_some(),
                "{}: 400 is not documented",
                route.path
            );
            // What the body is said to be changes nothing.
            let as_text = post(body).header("content-type", "text/plain; charset=utf-16");
            assert_eq!(told(&what, as_text.send().await.unwrap()).await, (status, answer), "{what}");
        }
    }
    let view = world.get("/api/v1/servers/web-00").await;
    assert_eq!(view["job"]["status"], "provisioning", "{view:#}");
    assert_eq!(world.get("/api/v1/status").await["paused"], false);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| settings.budgets.boot_ms = 600_000;
    let task = waiting_for_its_permit(&mut world).await;
    let document = openapi::document();
    let address = world.api("").trim_start_matches("http://").to_owned();
    for route in posts(&document, &task, &world.farm.bmcs()[0].identity().serial) {
        if route.schema.is_none() {
            continue;
        }
        let limit_mib = if route.path.ends_with("/apply") { 256 } else { 1 };
        for (token, status) in [(task["token"].as_str().unwrap(), 413), ("none", 401)] {
            if status == 401 && route.operation["security"][0].get("jobToken").is_none() {
                continue;
            }
            let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
            let head = format!(
                "POST {} HTTP/1.1\r\nhost: {address}\r\nx-webhook-secret: {token}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                route.path,
                (10_u64 << 30) + 1,
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // Not one byte of the ten gigabytes is sent, and the answer is there.
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {answer}", route.path);
            if status == 413 {
                let words = format!("the body is over {limit_mib} MiB, the most that is taken here");
                assert!(answer.contains(&words) && answer.contains("too_large"), "{answer}");
                assert!(route.operation["responses"].get("413").is_some(), "{}: 413", route.path);
            }
        }
    }
    // Without a length: so much is read, and no more.
    let pieces = (0..160).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let endless = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = client().post(world.api("/api/v1/pause")).body(endless).send().await;
    // The other side may close before it has been sent all of it.
    let status = answer.map_or(413, |answer| answer.status().as_u16());
    assert_eq!(status, 413);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_and_wrong_paths_are_refused_in_the_one_form() {
    let mut world = World::new(&["ilo5"]).await;
    world.push("one server");
    world.start().await;
    let document = openapi::document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let known: Vec<&String> = methods.as_object().unwrap().keys().collect();
        let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::GET, Method::POST] {
            if known.iter().any(|known| known.eq_ignore_ascii_case(method.as_str())) {
                continue;
            }
            let answer = client().request(method.clone(), world.api(&path)).send().await.unwrap();
            let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
            let what = format!("{method} {path}");
            let (status, body) = told(&what, answer).await;
            assert_eq!((status, body["error"].as_str()), (405, Some("wrong_method")), "{what}: {body}");
            let allow = allow.unwrap_or_else(|| panic!("{what}: nothing is allowed"));
            for known in &known {
                let known = known.to_ascii_uppercase();
                assert!(allow.contains(&known), "{what}: {allow}");
                assert!(body["message"].as_str().unwrap().contains(&known), "{what}: {body}");
            }
        }
    }
    for (method, path, status) in [
        (Method::POST, "/api/v1/paus", 404),
        (Method::POST, "/api/v1/pause/", 404),
        (Method::POST, "//api/v1/pause", 404),
        (Method::POST, "/api/v2/pause", 404),
        (Method::POST, "/api/v1/jobs/%ff/cancel", 400),
        (Method::GET, "/api/v1/servers/%ff%fe", 400),
        (Method::GET, "/api/v1/servers/..%2f..%2fetc", 404),
        (Method::GET, "/api/v1/servers/%00", 404),
        (Method::GET, "/static/..%2f..%2fetc%2fpasswd", 404),
    ] {
        let what = format!("{method} {path}");
        let request = client().request(method, world.api(path)).body("{\"no");
        let (found, body) = told(&what, request.send().await.unwrap()).await;
        assert_eq!(found, status, "{what}: {body}");
        assert!(status != 404 || body["error"] == "not_found", "{what}: {body}");
    }
    world.stop().await;
}
