// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `oras` library for Python, which has no command of its own: a script uses it. It is installed from
//! PyPI below the build directory, once.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::content::bytes;
use crate::server::{Server, sandbox};
use crate::tools::{present, required, skip, succeeded, tool};

/// What is installed, as pip reads it.
const PACKAGES: [&str; 3] = ["oras==0.2.43", "requests==2.34.2", "jsonschema==4.26.0"];

/// A Python that has the library; nothing, with a reason, where there is none.
fn python() -> Option<PathBuf> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGES.join("-").replace('=', ""));
    let python = kept.join("bin/python");
    if python.exists() {
        return Some(python);
    }
    if !present(&["python3"]) {
        return None;
    }
    // Made under another name: one that broke off is not taken for a whole one.
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let steps: [(&Path, Vec<&str>); 2] = [
        (Path::new("python3"), vec!["-m", "venv", "."]),
        (&made.path().join("bin/python"), [&["-m", "pip", "install", "--quiet"], &PACKAGES[..]].concat()),
    ];
    for (program, args) in steps {
        let output = Command::new(program).args(&args).current_dir(made.path()).output().expect("it runs");
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!required(), "SHOAL_REQUIRE_TOOLS is 1, and {args:?} failed: {why}");
            skip(&format!("{args:?} failed: {why}"));
            return None;
        }
    }
    let path = made.keep();
    if std::fs::rename(&path, &kept).is_err() {
        // Somebody else was faster.
        std::fs::remove_dir_all(&path).expect("it goes");
    }
    Some(python)
}

#[test]
fn an_artifact_of_the_oras_library_comes_back_as_it_was() {
    let Some(python) = python() else { return };
    let sandbox = sandbox("");
    sandbox.write("users", &format!("ada:{}\n", bcrypt::hash("s3cret", 4).expect("a hash")));
    sandbox.write("round_trip.py", include_str!("oras_round_trip.py"));
    let content = bytes(21, 350_000);
    std::fs::write(sandbox.path("data.bin"), &content).expect("a file");
    let server = Server::with(&sandbox, &["--users-file", "users"]);
    let host = server.address.to_string();
    let args = ["round_trip.py", &host, "ada", "s3cret", "data.bin", "pulled"];
    let output = tool(&sandbox, python.to_str().expect("text"), &args).output().expect("it runs");
    let printed = succeeded(output, &args);
    let said: Value = printed.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("JSON");

    assert!(said["refused"].is_string(), "a wrong password was taken: {said}");
    assert_eq!((&said["before"], &said["after"]), (&json!(["1", "2"]), &json!(["2"])));
    assert!(std::fs::read(sandbox.path("pulled/data.bin")).expect("the file") == content);
    let http = server.http().login("ada", "s3cret");
    http.has_blob("tools/oras", &content);
    // The tag that is left has what the library said of the other one, but for the annotation.
    let left = http.get("/v2/tools/oras/manifests/2").is(200);
    assert_ne!(said["digest"], left.the("docker-content-digest"));
    assert_eq!(
        http.get(&format!("/v2/tools/oras/manifests/{}", said["digest"].as_str().expect("text"))).status,
        404
    );
}
