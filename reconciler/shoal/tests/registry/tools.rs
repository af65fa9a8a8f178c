// SPDX-License-Identifier: AGPL-3.0-or-later
//! Other people's programs: whether they are here, and how they are run.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::harness::Sandbox;

/// Whether programs are here. Without them the test says that it skips, unless `SHOAL_REQUIRE_TOOLS=1`
/// asks for a failure.
pub(crate) fn present(programs: &[&str]) -> bool {
    let missing: Vec<_> =
        programs.iter().filter(|program| Command::new(program).arg("--version").output().is_err()).collect();
    assert!(missing.is_empty() || !required(), "not installed, and SHOAL_REQUIRE_TOOLS is 1: {missing:?}");
    if !missing.is_empty() {
        skip(&format!("not installed: {missing:?}"));
    }
    missing.is_empty()
}

/// Whether a missing tool is a failure.
fn required() -> bool {
    std::env::var_os("SHOAL_REQUIRE_TOOLS").is_some_and(|value| value == "1")
}

/// Whether this process may do everything on this machine. Without it the test says that it skips: no
/// package brings that.
pub(crate) fn is_root(what_for: &str) -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    let root = output.stdout == b"0\n";
    if !root {
        skip(&format!("only root can {what_for}"));
    }
    root
}

/// Says why a test does nothing.
pub(crate) fn skip(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("stderr");
}

/// A program in a sandbox's directory, with nobody's environment and no proxy.
pub(crate) fn tool(sandbox: &Sandbox, program: &str, args: &[&str]) -> Command {
    let home = sandbox.path("home");
    std::fs::create_dir_all(&home).expect("a directory");
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(sandbox.path(""))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &home)
        .env("XDG_RUNTIME_DIR", &home)
        .env("TMPDIR", sandbox.tmp())
        .stdin(Stdio::null());
    command
}

/// Runs it; it must succeed: what it printed.
#[track_caller]
pub(crate) fn run(sandbox: &Sandbox, program: &str, args: &[&str]) -> String {
    succeeded(tool(sandbox, program, args).output().expect("it runs"), args)
}

/// Runs it; it must fail: what it said.
#[track_caller]
pub(crate) fn fails(sandbox: &Sandbox, program: &str, args: &[&str]) -> String {
    let output = tool(sandbox, program, args).output().expect("it runs");
    assert!(!output.status.success(), "{program} {args:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs it with a password on its standard input; whether it succeeded.
pub(crate) fn with_password(sandbox: &Sandbox, program: &str, args: &[&str], password: &str) -> bool {
    let mut child = tool(sandbox, program, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(password.as_bytes()).expect("it reads");
    child.wait().expect("it ends").success()
}

#[track_caller]
pub(crate) fn succeeded(output: Output, what: &[&str]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "{what:?}: {}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
