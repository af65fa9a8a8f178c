// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `oras` library for Python, which has no command of its own: a script uses it. It is installed from
//! PyPI below the build directory, once.

use serde_json::{Value, json};
use shoal_testbed::python;

use crate::content::bytes;
use crate::server::{Server, sandbox};
use crate::tools::{succeeded, tool};

#[test]
fn an_artifact_of_the_oras_library_comes_back_as_it_was() {
    let requirements = include_str!("oras.txt");
    let Some(python) = python::for_tests(env!("CARGO_TARGET_TMPDIR"), "oras", requirements) else { return };
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
