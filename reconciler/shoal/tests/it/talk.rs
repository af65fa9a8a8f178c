// SPDX-License-Identifier: AGPL-3.0-or-later
//! Commands that talk to a controller, against answers of the test's own: over the socket and over
//! HTTP.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::harness::Sandbox;

/// One request, as it came.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    authorization: Option<String>,
    body: String,
}

type Log = Arc<Mutex<Vec<Seen>>>;
/// Answers by method and path.
type Answers = Arc<dyn Fn(&str, usize) -> (u16, Value) + Send + Sync>;

fn serve<S: Read + Write>(stream: S, log: &Log, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let Some(first) = head.first() else { return };
    let header = |name: &str| {
        head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let line = first.rsplit_once(' ').map_or(first.as_str(), |(line, _)| line).to_owned();
    let before = {
        let mut log = log.lock().expect("a list");
        let before = log.iter().filter(|seen| seen.line == line).count();
        log.push(Seen {
            line: line.clone(),
            authorization: header("authorization"),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        before
    };
    let (status, answer) = answers(&line, before);
    let text = answer.to_string();
    let reply = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = reader.get_mut().write_all(reply.as_bytes());
}

fn on_socket(path: &Path, answers: Answers) -> Log {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream, &seen, &answers);
        }
    });
    log
}

fn on_port(answers: Answers) -> (String, Log) {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream, &seen, &answers);
        }
    });
    (url, log)
}

fn always(status: u16, body: Value) -> Answers {
    Arc::new(move |_, _| (status, body.clone()))
}

const LEDGER: &str = "07070707070707070707070707070707";
const JOB: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f809";

fn job(status: &str, phase: &str, outcome: Value, events: usize) -> Value {
    let all = [
        json!({"time": "2024-11-21T10:00:00Z", "level": "info", "message": "powered off"}),
        json!({"time": "2024-11-21T10:01:00Z", "level": "warning", "message": "tried again", "step": "redfish.reset"}),
        json!({"time": "2024-11-21T10:02:00Z", "level": "error", "message": "no disk", "step": "workflow.disk"}),
    ];
    let failed = outcome == "failed";
    let error = json!({"step": "workflow.disk", "unit": "partition.service", "code": "no_disk",
        "message": "no disk fits", "hint": "correct the selector", "log_tail": "line one\nline two"});
    json!({
        "job_id": JOB, "server_serial": "SN-1", "server": "web-01", "status": status, "outcome": outcome,
        "attempt": 2, "phase": phase, "failed_step": if failed { json!("workflow.disk") } else { Value::Null },
        "error": if failed { rename(error) } else { Value::Null },
        "created_at": "2024-11-21T09:59:00Z", "last_update": "2024-11-21T10:02:00Z",
        "events": all[..events].to_vec(),
    })
}

/// Errors are written in camel case.
fn rename(mut error: Value) -> Value {
    let map = error.as_object_mut().expect("an object");
    let tail = map.remove("log_tail").expect("a log");
    map.insert("logTail".to_owned(), tail);
    error
}

fn status() -> Value {
    json!({
        "version": "0.1.0", "ledger": LEDGER, "counter": 7,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "refused": {"commit": "fedcba9876543210fedcba9876543210fedcba98", "message": "branch main was rewritten"},
        "source_error": null, "source_age_seconds": 12, "paused": true, "observe_only": false,
        "active_jobs": 1, "plan": null,
        "summary": {"servers": 2, "unchanged": 1, "safe": 0, "disruptive": 0, "destructive": 1,
            "unapproved": 1, "held": 1, "broken": 0},
        "guards": [], "problems": [
            {"place": "servers/x.yaml:3:1", "code": "schema.type", "message": "expected text"}
        ],
    })
}

fn server(name: &str, kind: &str, message: &str) -> Value {
    json!({
        "status": {
            "apiVersion": "shoal.dev/v1", "name": name,
            "record": {"number": 3, "state": "unknown", "reinstall": 0},
            "bmc": {"reachable": true, "vendor": "Acme", "model": "A1", "power": "On", "rung": "two-cd"},
            "conditions": [{"type": kind, "status": true, "reason": "X", "message": message,
                "since": "2024-11-21T10:00:00Z"}],
            "nextTry": "2036-11-21T10:00:00Z",
        },
        "file": format!("servers/{name}.yaml"), "in_git": true, "entry": null,
        "waits": null, "job": job("complete", "complete", json!("failed"), 3),
    })
}

/// Times differ from run to run.
fn without_ages(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([')', ',', ':']);
        let number = bare.trim_end_matches(['d', 'h', 'm', 's']);
        let is_age = number != bare && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if is_age { word.replace(bare, "<age>") } else { word.to_owned() }
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn status_shows_the_controller_and_every_server() {
    let sandbox = Sandbox::new();
    let answers: Answers = Arc::new(|line, _| match line {
        "GET /api/v1/status" => (200, status()),
        "GET /api/v1/servers" => {
            (200, json!([server("db-01", "Ready", "as wanted"), server("web-01", "Stalled", "disk written")]))
        }
        _ => (404, json!({"error": "not_found", "message": line})),
    });
    on_socket(&sandbox.path("s.sock"), answers);
    let ran = sandbox.run(&["status", "--socket", "s.sock"]).ends(0);
    insta::assert_snapshot!("status", ran.golden());
    let json =
        sandbox.shoal(&["status", "--json", "web-01"]).env("SHOAL_SOCKET", "s.sock").run().ends(0).json();
    assert_eq!(json["servers"].as_array().expect("a list").len(), 1);
    assert_eq!(json["controller"]["counter"], 7);
    sandbox.run(&["status", "--socket", "s.sock", "nope"]).ends(1).prints_nothing().says("nope");
}

#[test]
fn explain_says_what_is_known_and_why_the_last_job_failed() {
    let sandbox = Sandbox::new();
    let log = on_socket(&sandbox.path("s.sock"), always(200, server("web-01", "Stalled", "disk written")));
    let ran = sandbox.run(&["explain", "web-01", "--socket", "s.sock"]).ends(0);
    insta::assert_snapshot!("explain", without_ages(&ran.golden()));
    assert_eq!(log.lock().expect("a list")[0].line, "GET /api/v1/servers/web-01");
}

#[test]
fn what_a_machine_or_a_branch_says_cannot_act_on_a_terminal() {
    let sandbox = Sandbox::new();
    let mut view = server("web-01", "Stalled", "evil \u{1b}]0;title\u{7}");
    view["status"]["bmc"]["model"] = json!("A1\u{1b}[2J");
    view["job"]["error"]["logTail"] = json!("\u{1b}[31mred\rgone");
    let answers: Answers = Arc::new(move |line, _| match line {
        "GET /api/v1/servers" => (200, json!([view])),
        "GET /api/v1/status" => (200, status()),
        "GET /api/v1/servers/web-01" => (200, view.clone()),
        _ => (404, json!({"error": "not_found", "message": "bad \u{1b}[2J", "hint": "\u{202e}x"})),
    });
    on_socket(&sandbox.path("s.sock"), answers);
    for args in [&["explain", "web-01"][..], &["status"], &["retry", "x"], &["status", "--json"]] {
        let mut args = args.to_vec();
        args.extend(["--socket", "s.sock"]);
        let ran = sandbox.run(&args);
        for text in [&ran.stdout, &ran.stderr] {
            let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(acts), "{args:?}: {text:?}");
        }
    }
}

#[test]
fn a_name_cannot_lead_to_another_route() {
    let sandbox = Sandbox::new();
    let log =
        on_socket(&sandbox.path("s.sock"), always(404, json!({"error": "not_found", "message": "none"})));
    for (name, path) in [("../status", "..%2Fstatus"), ("a?b", "a%3Fb"), ("..", "%2E%2E")] {
        sandbox.run(&["retry", name, "--socket", "s.sock"]).ends(1).says("error[not_found]: none");
        let line = log.lock().expect("a list").last().expect("a request").line.clone();
        assert_eq!(line, format!("POST /api/v1/servers/{path}/retry"));
    }
}

#[test]
fn jobs_are_listed_watched_and_cancelled_by_their_whole_id() {
    let sandbox = Sandbox::new();
    let answers: Answers = Arc::new(|line, before| match line {
        "GET /api/v1/jobs" => (200, json!([job("provisioning", "boot", Value::Null, 0)])),
        "GET /api/v1/jobs/1a2b3c4d" => match before {
            0 => (200, job("provisioning", "boot", Value::Null, 1)),
            1 => (200, job("provisioning", "boot", Value::Null, 2)),
            _ => (200, job("complete", "complete", json!("failed"), 3)),
        },
        "POST /api/v1/jobs/1a2b3c4d5e6f708192a3b4c5d6e7f809/cancel" => {
            (200, json!({"ok": true, "message": "cancelled"}))
        }
        _ => (404, json!({"error": "not_found", "message": line})),
    });
    let log = on_socket(&sandbox.path("s.sock"), answers);
    let listed = sandbox.run(&["jobs", "--socket", "s.sock"]).ends(0);
    insta::assert_snapshot!("jobs", without_ages(&listed.golden()));
    let watched = sandbox.run(&["jobs", "show", "1a2b3c4d", "--watch", "--socket", "s.sock"]).ends(1);
    insta::assert_snapshot!("jobs-watch", watched.golden());
    sandbox.run(&["jobs", "cancel", "1a2b3c4d", "--socket", "s.sock"]).ends(0).prints("cancelled");
    let last = log.lock().expect("a list").last().expect("a request").line.clone();
    assert!(last.contains(JOB), "{last}");
}

#[test]
fn watching_goes_on_when_the_controller_is_restarted() {
    let sandbox = Sandbox::new();
    let answers: Answers = Arc::new(|_, before| match before {
        0 => (200, job("provisioning", "boot", Value::Null, 1)),
        1 | 2 => (503, json!({"error": "not_ready", "message": "starting"})),
        _ => (200, job("complete", "complete", json!("succeeded"), 2)),
    });
    on_socket(&sandbox.path("s.sock"), answers);
    let ran = sandbox.run(&["jobs", "show", "1a2b3c4d", "--watch", "--socket", "s.sock"]).ends(0);
    assert_eq!(ran.stderr, "the controller does not answer; waiting for it\n");
    assert!(ran.stdout.ends_with("warning: tried again\n"), "{}", ran.stdout);
}

#[test]
fn switches_send_what_they_say() {
    let sandbox = Sandbox::new();
    let log = on_socket(&sandbox.path("s.sock"), always(200, json!({"ok": true, "message": "done"})));
    for (args, line, body) in [
        (&["pause", "--all"][..], "POST /api/v1/pause", json!({"paused": true})),
        (&["pause", "--off"], "POST /api/v1/pause", json!({"paused": false})),
        (&["reconcile"], "POST /api/v1/reconcile", json!({})),
        (&["takeover"], "POST /api/v1/takeover", json!({})),
        (&["accept", "0123456789AB"], "POST /api/v1/accept", json!({"revision": "0123456789ab"})),
        (&["retry", "web-01"], "POST /api/v1/servers/web-01/retry", json!({})),
    ] {
        let mut args = args.to_vec();
        args.extend(["--socket", "s.sock"]);
        assert_eq!(sandbox.run(&args).ends(0).stdout, "done\n");
        let seen = log.lock().expect("a list").last().expect("a request").clone();
        assert_eq!(seen.line, line);
        assert_eq!(serde_json::from_str::<Value>(&seen.body).expect("JSON"), body);
    }
}

#[test]
fn applying_sends_the_plan_or_its_id_and_ends_as_the_outcome_says() {
    let team = super::repository::Team::new();
    let sandbox = &team.sandbox;
    sandbox.shoal(&["plan", "--out", "../plan.json"]).at("fleet").run().ends(3);
    let plan: Value = serde_json::from_str(&sandbox.read("plan.json")).expect("a plan");
    let answers: Answers = Arc::new(|_, before| {
        let entry = |state: &str| json!({"server": "web-02", "state": state, "message": "why"});
        let outcome = |partial, state| json!({"plan": format!("sha256:{}", "0".repeat(64)), "partial": partial, "entries": [entry(state)]});
        match before {
            0 => (200, outcome(false, "started")),
            1 => (200, outcome(true, "held")),
            2 => (409, json!({"error": "stale", "message": "web-02 changed", "hint": "plan again"})),
            _ => (409, json!({"error": "consumed", "message": "applied before"})),
        }
    });
    let log = on_socket(&sandbox.path("s.sock"), answers);
    let apply = |args: &[&str]| {
        let mut all = vec!["apply"];
        all.extend(args);
        all.extend(["--socket", "s.sock"]);
        sandbox.run(&all)
    };
    apply(&["plan.json"]).ends(0).prints("started");
    apply(&["plan.json", "--partial"]).ends(6).prints("held");
    apply(&["0123456789ab"]).ends(4).prints_nothing().says("hint: plan again");
    apply(&["plan.json"]).ends(4).says("applied before");
    let bodies: Vec<Value> = log
        .lock()
        .expect("a list")
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).expect("JSON"))
        .collect();
    assert_eq!(bodies[0]["plan"]["id"], plan["id"]);
    assert_eq!((&bodies[1]["partial"], &bodies[2]["id"]), (&json!(true), &json!("0123456789ab")));
}

#[test]
fn elsewhere_the_account_is_sent_and_shown_to_nobody_else() {
    let (url, log) = on_port(always(200, json!({"ok": true, "message": "done"})));
    let sandbox = Sandbox::new();
    let run = |url: &str| {
        sandbox.shoal(&["reconcile"]).env("SHOAL_URL", url).env("SHOAL_TOKEN", "ada:c4n4ry").run()
    };
    run(&url).ends(0);
    let seen = log.lock().expect("a list")[0].authorization.clone();
    assert_eq!(seen.as_deref(), Some("Basic YWRhOmM0bjRyeQ=="));
    let ran = run("http://192.0.2.1:9").ends(1).says("not encrypted");
    assert!(!ran.stderr.contains("c4n4ry"), "{}", ran.stderr);
    // A flag weighs more than the environment.
    let args = ["reconcile", "--socket", "nowhere.sock"];
    sandbox.shoal(&args).env("SHOAL_URL", &url).run().ends(69).says("nowhere.sock");
}

#[test]
fn a_controller_that_is_not_there_or_is_none_is_named_with_what_to_do() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["status", "--socket", "gone.sock"]).ends(69).prints_nothing();
    insta::assert_snapshot!("controller-gone", ran.golden());
    let (url, _) = on_port(always(200, json!("hello")));
    sandbox.run(&["status", "--url", &url]).ends(69).says("something else than expected");
    let (url, _) = on_port(always(502, json!("bad gateway")));
    sandbox.run(&["status", "--url", &url]).ends(69).says("502");
}
