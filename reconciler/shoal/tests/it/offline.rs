// SPDX-License-Identifier: AGPL-3.0-or-later
//! Signals, pipes and colour.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use super::harness::Sandbox;
use super::repository::Team;

/// Waits until something is so; a test that waits for ever says what for.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error_worth_talking_about() {
    let team = Team::new();
    let mut child = team.sandbox.shoal(&["plan", "--json"]).at("fleet").command().spawn().expect("it starts");
    drop(child.stdout.take());
    let mut talk = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut talk).expect("text");
    let status = child.wait().expect("it ends");
    assert!(status.signal().is_none() && !talk.contains("panicked") && !talk.contains("error"), "{talk}");
}

#[test]
fn a_signal_during_an_edit_wipes_the_clear_text() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init", "fleet"]).ends(0);
    let key = sandbox.run(&["secret", "keygen", "--out", "me.key"]).ends(0).stdout;
    let text = sandbox.read("fleet/shoal.yaml");
    sandbox.write("fleet/shoal.yaml", &format!("{text}  recipients:\n    - name: me\n      key: {key}"));
    let editor = sandbox.path("editor.sh");
    let ready = sandbox.path("ready");
    let script = format!("#!/bin/sh\necho $$ > {0}.tmp; mv {0}.tmp {0}\nexec sleep 300\n", ready.display());
    std::fs::write(&editor, script).expect("a script");
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut child = sandbox
        .shoal(&["secret", "new", "x"])
        .at("fleet")
        .env("EDITOR", &editor)
        .env("XDG_RUNTIME_DIR", sandbox.tmp())
        .command()
        .spawn()
        .expect("it starts");
    until("the editor runs", || ready.exists());
    assert_eq!(std::fs::read_dir(sandbox.tmp()).expect("a directory").count(), 1);
    // Ctrl-C is for the editor.
    kill(child.id(), "-INT");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().expect("it is ours").is_none(), "it ended with the editor's ctrl-c");
    kill(child.id(), "-TERM");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(143));
    assert_eq!(std::fs::read_dir(sandbox.tmp()).expect("a directory").count(), 0);
    let editor = std::fs::read_to_string(&ready).expect("a process id");
    kill(editor.trim().parse().expect("a number"), "-KILL");
}

#[test]
fn colour_comes_when_it_is_asked_for_and_only_then() {
    let team = Team::new();
    let run = |args: &[&str]| team.sandbox.shoal(args).at("fleet").run().ends(3);
    assert!(!run(&["plan"]).stdout.contains('\u{1b}'));
    let coloured = run(&["plan", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}[1;31m! db-01"), "{}", coloured.stdout);
    assert!(!run(&["plan", "--color", "never"]).stdout.contains('\u{1b}'));
    assert!(!run(&["plan", "--color", "always", "--json"]).stdout.contains('\u{1b}'));
}

#[test]
fn ctrl_c_during_a_fetch_leaves_no_copy_behind() {
    // Takes a connection and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/fleet.git", listener.local_addr().expect("an address"));
    let sandbox = Sandbox::new();
    let mut child = sandbox.shoal(&["plan", "--repo", &address]).command().spawn().expect("it starts");
    let (_held, _) = listener.accept().expect("a connection");
    assert_eq!(std::fs::read_dir(sandbox.tmp()).expect("a directory").count(), 1);
    kill(child.id(), "-INT");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(std::fs::read_dir(sandbox.tmp()).expect("a directory").count(), 0);
}
