// SPDX-License-Identifier: AGPL-3.0-or-later
//! `podman` and `buildah`, as root with storage of their own. No container runs.

use serde_json::Value;

use crate::content::{bytes, digest};
use crate::harness::Sandbox;
use crate::runnable::tar;
use crate::server::{Server, sandbox};
use crate::tools::{fails, is_root, present, run, with_password};

/// A tool with storage in the sandbox.
struct Tool<'a> {
    sandbox: &'a Sandbox,
    program: &'static str,
    roots: [String; 6],
}

impl<'a> Tool<'a> {
    fn new(sandbox: &'a Sandbox, program: &'static str) -> Self {
        let path = |name: &str| sandbox.path(name).display().to_string();
        let roots = ["--storage-driver", "vfs", "--root", &path("store"), "--runroot", &path("run")];
        Self { sandbox, program, roots: roots.map(ToOwned::to_owned) }
    }

    fn args<'b>(&'b self, args: &[&'b str]) -> Vec<&'b str> {
        self.roots.iter().map(String::as_str).chain(args.iter().copied()).collect()
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        run(self.sandbox, self.program, &self.args(args))
    }

    #[track_caller]
    fn fails(&self, args: &[&str]) -> String {
        fails(self.sandbox, self.program, &self.args(args))
    }

    /// Logs in, after a wrong password was refused.
    #[track_caller]
    fn login(&self, server: &Server<'_>) {
        let host = server.address.to_string();
        let login = [
            "login",
            "--tls-verify=false",
            "--authfile",
            "auth.json",
            "-u",
            "ada",
            "--password-stdin",
            &host,
        ];
        assert!(!with_password(self.sandbox, self.program, &self.args(&login), "wrong"));
        assert!(with_password(self.sandbox, self.program, &self.args(&login), "s3cret"));
    }

    /// Pushes, and compares the digest that the tool says with the registry's.
    #[track_caller]
    fn push(&self, server: &Server<'_>, image: &str, name: &str, more: &[&str]) -> String {
        let to = format!("docker://{}", server.reference(name));
        let flags = ["push", "-q", "--tls-verify=false", "--authfile", "auth.json", "--digestfile", "digest"];
        self.run(&[&flags[..], more, &[image, &to]].concat());
        let said = self.sandbox.read("digest").trim().to_owned();
        let (repository, tag) = name.split_once(':').expect("a tag");
        let http = server.http().login("ada", "s3cret");
        let answer = http.head(&format!("/v2/{repository}/manifests/{tag}")).is(200);
        assert_eq!(answer.the("docker-content-digest"), said);
        said
    }
}

/// With one account.
fn with_ada() -> Sandbox {
    let sandbox = sandbox("");
    sandbox.write("users", &format!("ada:{}\n", bcrypt::hash("s3cret", 4).expect("a hash")));
    sandbox
}

#[test]
fn podman_pushes_pulls_lists_and_logs_in() {
    if !present(&["podman"]) || !is_root("give podman a storage of its own without user namespaces") {
        return;
    }
    let sandbox = with_ada();
    let server = Server::with(&sandbox, &["--users-file", "users"]);
    let podman = Tool::new(&sandbox, "podman");
    let layer = tar("etc/data", &bytes(11, 500_000));
    std::fs::write(sandbox.path("root.tar"), &layer).expect("a file");
    podman.run(&["import", "-q", "root.tar", "made:1"]);
    let said = podman.fails(&["push", "-q", "--tls-verify=false", "made:1", &server.reference("tools/p:0")]);
    assert!(said.contains("unauthorized") || said.contains("authentication required"), "{said}");
    podman.login(&server);

    let pushed = podman.push(&server, "made:1", "tools/p:1", &[]);
    podman.push(&server, "made:1", "tools/p:z", &["--compression-format", "zstd"]);
    podman.push(&server, "made:1", "tools/p:chunked", &["--compression-format", "zstd:chunked"]);
    let name = server.reference("tools/p");
    let args = ["search", "--list-tags", "--tls-verify=false", "--authfile", "auth.json"];
    let listed = podman.run(&[&args[..], &[&name]].concat());
    let tags: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(tags, ["1", "chunked", "z"]);

    for tag in ["1", "z", "chunked"] {
        podman.run(&["rmi", "-a", "-f"]);
        let image = format!("{name}:{tag}");
        podman.run(&["pull", "-q", "--tls-verify=false", "--authfile", "auth.json", &image]);
        let seen: Value = serde_json::from_str(&podman.run(&["inspect", &image])).expect("JSON");
        // The digest of the layer's bytes without compression, which podman compared while it unpacked.
        assert_eq!(seen[0]["RootFS"]["Layers"][0], digest(&layer).to_string(), "{tag}");
        if tag == "1" {
            assert_eq!(seen[0]["Digest"], pushed);
        }
    }
}

#[test]
fn buildah_pushes_what_it_built_and_pulls_it_again() {
    if !present(&["buildah"]) || !is_root("give buildah a storage of its own without user namespaces") {
        return;
    }
    let sandbox = with_ada();
    let server = Server::with(&sandbox, &["--users-file", "users"]);
    let buildah = Tool::new(&sandbox, "buildah");
    let content = bytes(12, 700_000);
    std::fs::write(sandbox.path("data"), &content).expect("a file");
    buildah.login(&server);
    let container = buildah.run(&["from", "scratch"]);
    buildah.run(&["add", "-q", &container, "data", "/data"]);
    buildah.run(&["commit", "-q", "--rm", &container, "built:1"]);
    buildah.push(&server, "built:1", "tools/b:1", &[]);
    buildah.run(&["rmi", "-a", "-f"]);

    let image = server.reference("tools/b:1");
    buildah.run(&["pull", "-q", "--tls-verify=false", "--authfile", "auth.json", &image]);
    let container = buildah.run(&["from", "--pull-never", &image]);
    let mounted = buildah.run(&["mount", &container]);
    let found = std::fs::read(std::path::Path::new(&mounted).join("data")).expect("the file");
    buildah.run(&["umount", &container]);
    assert!(found == content);
}
