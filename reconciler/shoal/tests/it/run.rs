// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal run`: settings that are refused, and a controller that starts, answers and stops.

use std::io::Read as _;

use serde_json::Value;

use super::harness::Sandbox;
use super::repository::{Team, write_inventory};
use super::running::{Running, nobody_answers, write_iso};

#[test]
fn wrong_settings_are_all_said_and_end_with_their_own_code() {
    let sandbox = Sandbox::new();
    sandbox.write("shoal.env", "WORKER_CONCURENCY=4\nBASIC_PASS_HASH=c4n4ry\nLOG_LEVEL=loud\n");
    let ran = sandbox
        .shoal(&["run", "--config", "shoal.env", "--redfish-retries", "none"])
        .env("SIGNED_URL_SECRET", "c4n4ry")
        .env("ENABLE_REGISTRY", "true")
        .run()
        .ends(78)
        .prints_nothing();
    assert!(!ran.stderr.contains("c4n4ry"), "{}", ran.stderr);
    insta::assert_snapshot!("run-wrong-settings", ran.golden());
    assert!(!sandbox.exists("state"));
}

#[test]
fn a_configuration_file_that_is_not_there_is_named() {
    let ran = Sandbox::new().run(&["run", "--config", "nowhere.env"]).ends(78).prints_nothing();
    assert!(ran.stderr.contains("nowhere.env"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_opened_is_said_with_what_to_do() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    sandbox.write("m.iso", "no image");
    let args = ["run", "--repo", "fleet", "--maintenance-iso", "m.iso", "--storage-root", "state"];
    let mut args = args.to_vec();
    args.extend(["--socket", "off", "--http-addr", "127.0.0.1:0"]);
    sandbox.run(&args).ends(69).prints_nothing().says("m.iso is no ISO 9660 image");
}

#[test]
fn a_controller_answers_over_its_socket_and_over_tls_and_stops_when_asked() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    nobody_answers(&sandbox);
    write_iso(&sandbox);
    let controller = Running::start(&sandbox, "fleet", &[]);
    controller.until("the inventory is in force", |controller| {
        controller.shoal(&["status"]).stdout.contains("web-01")
    });
    let status = controller.shoal(&["status", "--json"]).ends(0).json();
    assert_eq!(status["servers"].as_array().expect("a list").len(), 3);
    controller.shoal(&["explain", "web-01"]).ends(0).prints("servers/rack-a/web-01.yaml");
    controller.shoal(&["explain", "nope"]).ends(1).says("not_found");
    controller.shoal(&["pause", "--all"]).ends(0).prints("paused");
    controller.shoal(&["status"]).ends(0).prints("paused: ");
    controller.shoal(&["pause", "--off"]).ends(0);
    controller.shoal(&["reconcile"]).ends(0).prints("reconciled");
    controller.shoal(&["jobs"]).ends(0).prints_nothing().says("no jobs");
    controller.shoal(&["jobs", "cancel", "0123456789ab"]).ends(1);
    controller.shoal(&["takeover"]).ends(1);
    controller.shoal(&["accept", "0123456789ab"]).ends(1);

    // Over TLS, known by its key and by nothing else.
    let url = format!("https://{}", controller.addresses["apiTls"].as_str().expect("an address"));
    let pin = controller.addresses["pin"].as_str().expect("a pin");
    sandbox.run(&["status", "--url", &url, "--pin", pin]).ends(0).prints("web-01");
    let other = "0".repeat(64);
    let ran = sandbox.run(&["status", "--url", &url, "--pin", &other]).ends(69);
    assert!(ran.stderr.contains("controller.untrusted") && ran.stderr.contains("--pin"), "{}", ran.stderr);

    // Nobody else can open its database.
    let mut args = vec!["run", "--repo", "fleet", "--maintenance-iso", "m.iso", "--storage-root", "state"];
    args.extend(["--socket", "other.sock", "--http-addr", "127.0.0.1:0"]);
    sandbox.run(&args).ends(69).says("one controller");

    controller.signal("-HUP");
    controller.until("it heard SIGHUP", |controller| {
        controller.sandbox.read("log").contains("reading certificates and accounts again")
    });
    assert_eq!(controller.stop(), Some(0));
    assert!(!sandbox.exists("s.sock"));
    let log = sandbox.read("log");
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(entry["level"].is_string() && entry["time"].is_string(), "{line}");
    }
    assert!(log.contains("SHOAL_AGE_KEY_FILE is not set") && log.contains("\"listening\""), "{log}");
    // What a person needs to know next time.
    sandbox.run(&["status", "--socket", "s.sock"]).ends(69).says("shoal run");
}

#[test]
fn accounts_are_asked_for_over_the_network_and_not_over_the_socket() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    nobody_answers(&sandbox);
    write_iso(&sandbox);
    // bcrypt of "c4n4ry", cost 4.
    let hash = bcrypt("c4n4ry");
    sandbox.write("shoal.env", &format!("BASIC_USER=ada\nBASIC_PASS_HASH='{hash}'\n"));
    sandbox.mode("shoal.env", 0o640);
    let controller = Running::start(&sandbox, "fleet", &["--config", "shoal.env"]);
    let url = format!("http://{}", controller.addresses["api"].as_str().expect("an address"));
    let ask = |token: &str| {
        let shoal = sandbox.shoal(&["status", "--url", &url]);
        if token.is_empty() { shoal.run() } else { shoal.env("SHOAL_TOKEN", token).run() }
    };
    assert!(ask("").ends(1).says("unauthorized").stderr.contains("SHOAL_TOKEN"));
    ask("ada:wrong").ends(1).says("unauthorized");
    ask("ada:c4n4ry").ends(0);
    controller.shoal(&["status"]).ends(0);
    assert_eq!(controller.stop(), Some(0));
    assert!(!sandbox.read("log").contains("c4n4ry"));
}

/// A bcrypt hash, made by the library that the controller checks it with.
fn bcrypt(password: &str) -> String {
    bcrypt::hash(password, 4).expect("a hash")
}

#[test]
fn a_push_is_planned_by_ci_as_by_the_controller_and_an_approval_counts() {
    let team = Team::without_status();
    let sandbox = &team.sandbox;
    nobody_answers(sandbox);
    let fleet = sandbox.read("fleet/shoal.yaml");
    sandbox.write("fleet/shoal.yaml", &format!("{fleet}  status:\n    flushSeconds: 0\n"));
    team.push("nobody answers, and status is published at once");
    write_iso(sandbox);
    let controller = Running::start(sandbox, "origin.git", &["--sweep-interval", "1s"]);
    controller.until("status is published", |_| {
        sandbox.git("", &["ls-remote", "origin.git", "shoal/status"]).contains("shoal/status")
    });
    team.fetch();
    let planned = sandbox.shoal(&["plan", "--out", "../plan.json"]).at("fleet").run().ends(3);
    assert!(planned.stdout.contains("! web-01  install (SN-WEB-01)"), "{}", planned.stdout);
    let applied = controller.shoal(&["apply", "plan.json", "--json"]).ends(6).json();
    let states: Vec<&str> =
        applied["entries"].as_array().expect("entries").iter().filter_map(|e| e["state"].as_str()).collect();
    assert_eq!(states, ["held", "held", "held"], "nobody agreed to anything yet");
    controller.shoal(&["apply", "plan.json"]).ends(4).says("works once");

    sandbox.shoal(&["approve", "web-01", "--reason", "first install"]).at("fleet").run().ends(0);
    sandbox.git("fleet", &["push", "-q", "origin", "main"]);
    controller.shoal(&["reconcile"]).ends(0);
    controller.until("the approval is in force", |controller| {
        let view = controller.shoal(&["explain", "web-01", "--json"]).json();
        view["entry"]["approval"]["state"] == "approved" || !view["job"].is_null()
    });
    // A plan of another commit is no longer what would happen.
    controller.shoal(&["apply", "0123456789ab"]).ends(4).says("stale");
    assert_eq!(controller.stop(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_anything() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    nobody_answers(&sandbox);
    write_iso(&sandbox);
    let mut controller = Running::start(&sandbox, "fleet", &["--log-format", "text"]);
    controller.signal("-INT");
    controller.signal("-TERM");
    let code = controller.child.wait().expect("it ends").code();
    // It may be done before the second one arrives.
    assert!(matches!(code, Some(0 | 130 | 143)), "{code:?}");
    let mut log = String::new();
    std::fs::File::open(sandbox.path("log"))
        .and_then(|mut file| file.read_to_string(&mut log))
        .expect("a log");
    assert!(log.contains("listening") && !log.contains("\u{1b}["), "{log}");
}
