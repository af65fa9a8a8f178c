// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk that fills up: the storage on a file system in memory of 24 MiB, which is the server's alone and
//! ends with it (a mount namespace). Needs root.

use std::process::Command;

use crate::content::{bytes, digest, manifest as image, manifest_path};
use crate::harness::Sandbox;
use crate::server::{SERVE, Server, sandbox, until};
use crate::tools::{is_root, skip};

/// A server whose directory `images` is on a small disk. Nothing, with a reason, where that is not allowed.
fn start(sandbox: &Sandbox) -> Option<Server<'_>> {
    if !is_root("mount a small disk") {
        return None;
    }
    let mount = "mount -t tmpfs -o size=24M tmpfs images";
    std::fs::create_dir_all(sandbox.path("images")).expect("a directory");
    let tried = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount])
        .current_dir(sandbox.path(""))
        .output()
        .expect("unshare runs");
    if !tried.status.success() {
        skip(&format!("no file system can be mounted here: {}", String::from_utf8_lossy(&tried.stderr)));
        return None;
    }
    let command = sandbox.shoal(&[]).command();
    let inner = format!("{mount} && exec \"$0\" \"$@\"");
    let program = command.get_program().to_owned();
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "sh", "-c", &inner]).arg(program).args(SERVE).current_dir(sandbox.path(""));
    wrapped.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.stdin(std::process::Stdio::null());
    Some(Server::spawn(sandbox, wrapped))
}

/// Images of 1 MiB until one is refused with 507: the layers that were taken whole.
fn fill(server: &Server<'_>) -> Vec<Vec<u8>> {
    let http = server.http();
    let mut taken = Vec::new();
    for number in 0..64 {
        let layer = bytes(100 + number, 1 << 20);
        for content in [&layer[..], b"{}"] {
            let answer = http.push_blob("os/a", content);
            if answer.status != 201 {
                assert_eq!(answer.is(507).code(), "DENIED");
                return taken;
            }
        }
        let manifest = image(&layer, &format!("v{number}"));
        let answer = http.push_manifest("os/a", &format!("v{number}"), &manifest);
        if answer.status != 201 {
            assert_eq!(answer.is(507).code(), "DENIED");
            return taken;
        }
        taken.push(layer);
    }
    panic!("the disk takes everything");
}

/// Everything that was taken can be read.
#[track_caller]
fn is_there(server: &Server<'_>, layers: &[Vec<u8>]) {
    for (number, layer) in layers.iter().enumerate() {
        let tag = format!("v{number}");
        server.http().has_manifest("os/a", &tag, &image(layer, &tag));
        server.http().has_blob("os/a", layer);
    }
}

/// Half of it goes, and then there is room.
#[track_caller]
fn frees_and_pushes(server: &Server<'_>, layers: &[Vec<u8>]) {
    let http = server.http();
    let half = layers.len() / 2;
    for (number, layer) in layers.iter().enumerate().skip(half) {
        let manifest = image(layer, &format!("v{number}"));
        http.delete(&manifest_path("os/a", &digest(&manifest).to_string())).is(202);
    }
    // What lies there is young, and goes once it is older than a second.
    until("a collection makes room", || {
        server.task("gc");
        let usage = http.get("/api/v1/registry/usage").is(200).json();
        usage["blobs"].as_u64().expect("a number") <= half as u64 * 2 + 1
    });
    is_there(server, &layers[..half]);
    let again = bytes(99, 1 << 20);
    http.push_image("os/b", "new", &again);
    http.has_blob("os/b", &again);
    let scrubbed = server.task("scrub")["scrubbed"].clone();
    assert_eq!(scrubbed["corrupt"], serde_json::json!([]));
}

#[test]
fn a_full_disk_is_answered_with_507_and_loses_nothing() {
    let sandbox = sandbox("gc: {grace: 1s, quarantine: 0s}\n");
    let Some(server) = start(&sandbox) else { return };
    let taken = fill(&server);
    assert!(taken.len() >= 16, "{} of 24", taken.len());
    is_there(&server, &taken);
    let usage = server.http().get("/api/v1/registry/usage").is(200).json();
    assert!(usage["free"].as_u64().expect("a number") < 2 << 20, "{usage}");
    frees_and_pushes(&server, &taken);
}

#[test]
fn pushes_end_before_they_reach_what_the_policy_keeps_free() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.yaml", "minFree: 12M\ngc: {grace: 1s, quarantine: 0s}\n");
    let Some(server) = start(&sandbox) else { return };
    let taken = fill(&server);
    assert!((8..=12).contains(&taken.len()), "{} of 12", taken.len());
    let usage = server.http().get("/api/v1/registry/usage").is(200).json();
    assert!(usage["free"].as_u64().expect("a number") >= 12 << 20, "{usage}");
    is_there(&server, &taken);
    frees_and_pushes(&server, &taken);
}
