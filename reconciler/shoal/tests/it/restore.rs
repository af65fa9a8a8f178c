// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal restore`: a database out of a backup, and a controller that starts on it.

use serde_json::Value;

use super::backup::{made, names};
use super::harness::Sandbox;
use super::repository::Team;
use super::running::{Running, nobody_answers, write_iso};

/// A team whose controller publishes at once, and whose BMCs do not answer.
pub(crate) fn team() -> Team {
    let team = Team::without_status();
    nobody_answers(&team.sandbox);
    let fleet = team.sandbox.read("fleet/shoal.yaml");
    team.sandbox.write("fleet/shoal.yaml", &format!("{fleet}  status:\n    flushSeconds: 0\n"));
    team.push("nobody answers, and status is published at once");
    write_iso(&team.sandbox);
    team
}

fn explained(controller: &Running<'_>, server: &str) -> Value {
    controller.shoal(&["explain", server, "--json"]).json()
}

/// Agrees to something in Git, and waits until the controller took it.
fn agree(team: &Team, controller: &Running<'_>, command: &[&str]) {
    controller.until("a status that plans can be made from", |_| {
        let there = team.sandbox.git("", &["ls-remote", "origin.git", "shoal/status"]);
        there.contains("shoal/status")
    });
    team.fetch();
    team.sandbox.shoal(command).at("fleet").run().ends(0);
    team.sandbox.git("fleet", &["push", "-q", "origin", "main"]);
    controller.shoal(&["reconcile"]).ends(0);
}

#[test]
fn a_held_server_stays_held_on_a_restored_database_although_git_has_an_approval_of_the_old_one() {
    let team = team();
    let sandbox = &team.sandbox;
    let controller = Running::start(sandbox, "origin.git", &["--sweep-interval", "1s"]);
    controller.until("the inventory is in force", |c| c.shoal(&["status"]).stdout.contains("web-01"));
    agree(&team, &controller, &["adopt", "web-02", "--reason", "installed by hand"]);
    controller
        .until("web-02 is adopted", |c| explained(c, "web-02")["status"]["record"]["state"] == "adopted");
    controller.shoal(&["backup", "vault.backup"]).ends(0);
    agree(&team, &controller, &["approve", "web-01", "--reason", "first install"]);
    controller.until("the approval counts", |c| {
        let view = explained(c, "web-01");
        view["entry"]["approval"]["state"] == "approved" || !view["job"].is_null()
    });
    let before = controller.shoal(&["status", "--json"]).json()["controller"]["ledger"].clone();

    // Not while it runs.
    let ran = sandbox.run(&["restore", "vault.backup", "--database", "state/db/shoal.redb"]).ends(5);
    assert!(ran.stderr.contains("stop the controller first"), "{}", ran.stderr);
    assert_eq!(controller.stop(), Some(0));
    // Not over what is there, unless told.
    sandbox.write("shoal.env", "STORAGE_ROOT=state\n");
    let restore = ["restore", "vault.backup", "--config", "shoal.env"];
    sandbox.run(&restore).ends(1).says("--replace").says("3 servers").prints_nothing();
    let ran = sandbox.run(&[&restore[..], &["--replace"]].concat()).ends(0);
    for words in
        ["every approval in Git is void", "kept     the database of before", "shoal adopt", "fleet    fleet"]
    {
        assert!(ran.stdout.contains(words), "{words:?} is not in {}", ran.stdout);
    }
    let kept = names(sandbox, "state/db");
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[1].starts_with("shoal.redb.before-restore-"), "{kept:?}");

    let controller = Running::start(sandbox, "origin.git", &["--sweep-interval", "1s"]);
    controller.until("everything was decided on anew", |c| {
        explained(c, "web-01")["entry"]["digest"].is_string()
            && explained(c, "web-02")["entry"]["digest"].is_string()
    });
    controller.shoal(&["reconcile"]).ends(0);
    let (held, adopted) = (explained(&controller, "web-01"), explained(&controller, "web-02"));
    assert_eq!(held["entry"]["approval"]["state"], "needed", "{held:#}");
    assert!(held["job"].is_null(), "{held:#}");
    assert_eq!(adopted["status"]["record"]["state"], "restored", "{adopted:#}");
    assert_eq!(adopted["entry"]["approval"]["state"], "needed", "{adopted:#}");
    let status = controller.shoal(&["status", "--json"]).json();
    assert_ne!(status["controller"]["ledger"], before);
    assert_eq!(status["controller"]["observe_only"], false, "{status:#}");
    // Agreed to anew, it goes on.
    controller.until("the new ledger is published", |_| {
        let summary = sandbox.git("", &["--git-dir", "origin.git", "show", "shoal/status:summary.json"]);
        summary.contains(status["controller"]["ledger"].as_str().expect("an id"))
    });
    agree(&team, &controller, &["adopt", "web-02", "--reason", "as Git says"]);
    controller.until("web-02 is adopted anew", |c| {
        explained(c, "web-02")["status"]["record"]["state"] == "adopted"
    });
    assert_eq!(controller.stop(), Some(0));
}

#[test]
fn the_backup_of_another_fleet_only_observes() {
    let team = team();
    let sandbox = &team.sandbox;
    // The status on the branch is of the ledger 07070707…, which nobody here ever had.
    team.publish(&["web-01"]);
    sandbox
        .write("other/shoal.yaml", &sandbox.read("fleet/shoal.yaml").replace("name: fleet", "name: other"));
    for dir in ["secrets/bmc/all", "recipes/debian", "images/debian", "servers/rack-a/web-01"] {
        sandbox.write(&format!("other/{dir}.yaml"), &sandbox.read(&format!("fleet/{dir}.yaml")));
    }
    let controller = Running::start(sandbox, "other", &[]);
    controller.until("the inventory is in force", |c| c.shoal(&["status"]).stdout.contains("web-01"));
    controller.shoal(&["backup", "other.backup"]).ends(0);
    assert_eq!(controller.stop(), Some(0));
    sandbox
        .run(&["restore", "other.backup", "--database", "fresh/db/shoal.redb"])
        .ends(1)
        .says("does not exist");
    std::fs::create_dir(sandbox.path("fresh")).expect("a directory");
    let ran =
        sandbox.run(&["restore", "other.backup", "--database", "fresh/db/shoal.redb", "--json"]).ends(0);
    let done = ran.json();
    assert_eq!(
        (&done["fleet"], &done["keptAs"], &done["jobsOver"]),
        (&"other".into(), &Value::Null, &0.into())
    );
    assert_ne!(done["ledger"], done["formerLedger"]);

    let controller = Running::start(sandbox, "origin.git", &["--db-path", "fresh/db/shoal.redb"]);
    controller.until("it found out", |c| c.shoal(&["status"]).stdout.contains("only observing"));
    controller.shoal(&["status", "rebuild"]).ends(1).says("takeover");
    let summary = sandbox.git("", &["--git-dir", "origin.git", "show", "shoal/status:summary.json"]);
    assert!(summary.contains(&"07".repeat(16)), "{summary}");
    assert_eq!(controller.stop(), Some(0));
}

#[test]
fn a_place_that_cannot_be_used_is_named() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("whole"), made(1, "fleet")).expect("a file");
    std::fs::create_dir(sandbox.path("dir")).expect("a directory");
    sandbox.write("text", "no database");
    for (path, words) in [
        ("dir", "is not a regular file"),
        ("nowhere/db/x.redb", "does not exist"),
        ("text/x.redb", "does not exist"),
        ("text", "--replace"),
    ] {
        let ran = sandbox.run(&["restore", "whole", "--database", path]).ends(1).prints_nothing();
        assert!(ran.stderr.contains(words), "{path}: {}", ran.stderr);
    }
    assert_eq!(sandbox.read("text"), "no database");
    sandbox
        .run(&["restore", "whole", "--database", "text", "--replace"])
        .ends(0)
        .prints("text.before-restore-");
    sandbox.run(&["backup", "again", "--database", "nowhere.redb"]).ends(1).says("nowhere.redb");
    assert!(!sandbox.exists("nowhere.redb") && !sandbox.exists("again"));
    sandbox.run(&["backup", "again", "--database", "text"]).ends(0);
    sandbox.run(&["backup", "verify", "again"]).ends(0).prints("counter 1,");
    for command in [["restore", "whole"], ["backup", "third"]] {
        let ran = sandbox.run(&[&command[..], &["--config", "nowhere.env"]].concat()).ends(78);
        assert!(ran.stderr.contains("nowhere.env"), "{}", ran.stderr);
    }
    sandbox.shoal(&["restore", "whole"]).env("DB_PATH", "from-environment").run().ends(0);
    assert!(sandbox.exists("from-environment"));
}

#[test]
fn who_may_not_read_or_write_there_is_told_so() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("whole"), made(1, "fleet")).expect("a file");
    sandbox.run(&["restore", "whole", "--database", "db/x.redb"]).ends(0);
    sandbox.mode("whole", 0o600);
    // As somebody else than the owner; only root can become somebody else.
    let nobody = |args: &[&str]| {
        let command = sandbox.shoal(args).command();
        let mut wrapped = std::process::Command::new("setpriv");
        wrapped.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        wrapped.arg(command.get_program()).args(command.get_args()).current_dir("/").env_clear();
        wrapped.output().expect("setpriv runs")
    };
    let path = |name: &str| sandbox.path(name).display().to_string();
    let probe = nobody(&["--version"]);
    if !probe.status.success() {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "SKIPPED: nobody else can be become here").expect("stderr");
        return;
    }
    for args in [
        vec!["backup".to_owned(), "verify".into(), path("whole")],
        vec!["restore".to_owned(), path("whole"), "--database".into(), "/nowhere.redb".into()],
        vec!["backup".to_owned(), "-".into(), "--database".into(), path("db/x.redb")],
    ] {
        let output = nobody(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("Permission denied"), "{args:?}: {said}");
    }
}
