// SPDX-License-Identifier: AGPL-3.0-or-later
//! `skopeo`: copies in every direction, and the registry's directory as it is.

use serde_json::Value;

use crate::content::digest;
use crate::runnable::{Runnable, push_index};
use crate::server::{Server, sandbox, until};
use crate::tools::{fails, present, run, with_password};

const PLAIN: [&str; 4] = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests", "-q"];

/// `skopeo copy` over plain HTTP, digests as they are.
#[track_caller]
fn copy(server: &Server<'_>, more: &[&str], from: &str, to: &str) {
    let args = [&["copy"], &PLAIN[..], more, &[from, to]].concat();
    run(server.sandbox, "skopeo", &args);
}

fn docker(server: &Server<'_>, name: &str) -> String {
    format!("docker://{}", server.reference(name))
}

fn inspect(server: &Server<'_>, args: &[&str]) -> Value {
    let text = run(server.sandbox, "skopeo", &[&["inspect"], args].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_image_goes_to_a_directory_and_back_and_is_listed_and_deleted() {
    if !present(&["skopeo"]) {
        return;
    }
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, image) = (server.http(), Runnable::new("amd64", 1, 300_000));
    image.push(&http, "tools/a", "1");

    copy(&server, &[], &docker(&server, "tools/a:1"), "dir:pulled");
    let pulled = std::fs::read(sandbox.path("pulled").join(digest(&image.layer).hex())).expect("the layer");
    assert!(pulled == image.layer);
    copy(&server, &[], "dir:pulled", &docker(&server, "copies/a:2"));
    image.is_in(&http, "copies/a", "2");

    let seen = inspect(&server, &["--tls-verify=false", &docker(&server, "copies/a:2")]);
    assert_eq!(seen["Digest"], digest(&image.manifest).to_string());
    assert_eq!(seen["Layers"][0], digest(&image.layer).to_string());
    let args = ["list-tags", "--tls-verify=false", &docker(&server, "copies/a")];
    let listed: Value = serde_json::from_str(&run(&sandbox, "skopeo", &args)).expect("JSON");
    assert_eq!(listed["Tags"], serde_json::json!(["2"]));

    // By its digest, as `skopeo delete` does: every tag of it is gone, and nothing elsewhere.
    run(&sandbox, "skopeo", &["delete", "--tls-verify=false", &docker(&server, "copies/a:2")]);
    assert_eq!(http.head("/v2/copies/a/manifests/2").status, 404);
    image.is_in(&http, "tools/a", "1");
}

#[test]
fn an_index_is_copied_with_all_of_its_images() {
    if !present(&["skopeo"]) {
        return;
    }
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let http = server.http();
    let images = [Runnable::new("amd64", 2, 100_000), Runnable::new("arm64", 3, 200_000)];
    let index = push_index(&http, "tools/multi", "1", &images);
    let from = docker(&server, "tools/multi:1");
    copy(&server, &["--all"], &from, &docker(&server, "copies/multi:1"));
    copy(&server, &["--all"], &from, "dir:all");
    copy(&server, &["--all"], "dir:all", &docker(&server, "copies/again:1"));
    for repository in ["copies/multi", "copies/again"] {
        http.has_manifest(repository, "1", &index);
        for image in &images {
            image.is_in(&http, repository, &digest(&image.manifest).to_string());
        }
    }
}

#[test]
fn the_directory_is_an_image_layout_while_the_registry_serves_it() {
    if !present(&["skopeo"]) {
        return;
    }
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let image = Runnable::new("amd64", 4, 100_000);
    image.push(&server.http(), "tools/a", "1");
    until("the tag is in index.json", || sandbox.read("images/index.json").contains("tools/a:1"));
    let seen = inspect(&server, &["oci:images:tools/a:1"]);
    assert_eq!(seen["Digest"], digest(&image.manifest).to_string());
    copy(&server, &[], "oci:images:tools/a:1", "dir:out");
    let pulled = std::fs::read(sandbox.path("out").join(digest(&image.layer).hex())).expect("the layer");
    assert!(pulled == image.layer);
}

#[test]
fn archives_of_both_kinds_are_pushed_and_pulled() {
    if !present(&["skopeo"]) {
        return;
    }
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, image) = (server.http(), Runnable::new("amd64", 5, 400_000));
    image.push(&http, "tools/a", "1");

    // Docker's archive has layers without compression: the registry gets others, the content is the same.
    let plain = ["--src-tls-verify=false", "--dest-tls-verify=false", "-q"];
    let pulled = [&["copy"], &plain[..], &[&docker(&server, "tools/a:1"), "docker-archive:saved.tar:a:1"]];
    run(&sandbox, "skopeo", &pulled.concat());
    let pushed = [&["copy"], &plain[..], &["docker-archive:saved.tar", &docker(&server, "docker/a:1")]];
    run(&sandbox, "skopeo", &pushed.concat());
    let config = inspect(&server, &["--tls-verify=false", "--config", &docker(&server, "docker/a:1")]);
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([digest(&image.layer).to_string()]));
    let loaded = [&["copy"], &plain[..], &["--dest-decompress", &docker(&server, "docker/a:1"), "dir:plain"]];
    run(&sandbox, "skopeo", &loaded.concat());
    let layer = std::fs::read(sandbox.path("plain").join(digest(&image.layer).hex())).expect("the layer");
    assert!(layer == image.layer);

    // What `shoal image export` writes is an archive that skopeo reads.
    sandbox.run(&["image", "export", "-o", "bundle.tar", &server.reference("tools/a:1")]).ends(0);
    copy(&server, &[], "oci-archive:bundle.tar:tools/a:1", &docker(&server, "bundle/a:1"));
    image.is_in(&http, "bundle/a", "1");
    // And the other way round.
    copy(&server, &[], &docker(&server, "tools/a:1"), "oci-archive:theirs.tar:tools/b:1");
    sandbox.run(&["image", "import", "theirs.tar", &server.address.to_string()]).ends(0);
    image.is_in(&http, "tools/b", "1");
}

#[test]
fn an_account_logs_in_over_tls_with_the_registrys_own_certificate() {
    if !present(&["skopeo"]) {
        return;
    }
    let sandbox = sandbox("");
    let hash = bcrypt::hash("s3cret", 4).expect("a hash");
    sandbox.write("users", &format!("ada:{hash}\n"));
    let server = Server::with(&sandbox, &["--tls-mode", "own", "--users-file", "users"]);
    sandbox.write("ca/registry.crt", &sandbox.read("images/keys/registry.crt"));
    let host = format!("localhost:{}", server.address.port());
    let login =
        ["login", "--cert-dir", "ca", "--authfile", "auth.json", "-u", "ada", "--password-stdin", &host];
    assert!(!with_password(&sandbox, "skopeo", &login, "wrong"));
    assert!(with_password(&sandbox, "skopeo", &login, "s3cret"));

    let image = Runnable::new("amd64", 6, 200_000);
    let layout = sandbox.path("layout");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("a directory");
    for content in [&image.config, &image.layer, &image.manifest] {
        std::fs::write(blobs.join(digest(content).hex()), content).expect("a blob");
    }
    std::fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").expect("a file");
    let entry = serde_json::json!({"schemaVersion": 2, "manifests": [{
        "mediaType": shoal_oci::media_type::IMAGE_MANIFEST,
        "digest": digest(&image.manifest).to_string(),
        "size": image.manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": "1"},
    }]});
    std::fs::write(layout.join("index.json"), entry.to_string()).expect("a file");

    let there = format!("docker://{host}/tools/a:1");
    let push = ["copy", "-q", "--preserve-digests", "--dest-cert-dir", "ca"];
    run(&sandbox, "skopeo", &[&push[..], &["--authfile", "auth.json", "oci:layout:1", &there]].concat());
    let pull = ["copy", "-q", "--preserve-digests", "--src-cert-dir", "ca"];
    run(&sandbox, "skopeo", &[&pull[..], &["--authfile", "auth.json", &there, "dir:pulled"]].concat());
    let pulled = std::fs::read(sandbox.path("pulled").join(digest(&image.layer).hex())).expect("the layer");
    assert!(pulled == image.layer);

    // Neither without an account, nor to somebody whose certificate is not known.
    let said = fails(&sandbox, "skopeo", &[&pull[..], &["--src-no-creds", &there, "dir:no"]].concat());
    assert!(said.contains("unauthorized") || said.contains("authentication required"), "{said}");
    let said = fails(&sandbox, "skopeo", &["copy", "-q", "--authfile", "auth.json", &there, "dir:no"]);
    assert!(said.contains("x509"), "{said}");
    assert!(server.http().attempt("GET", "/v2/", &[], b"").is_err(), "it speaks TLS alone");
    // Our own command takes the login that skopeo left, and the key's pin or the certificate.
    let rm = |trust: &[&str]| {
        let image = format!("{host}/tools/a:1");
        let args = [&["image", "rm", &image], trust].concat();
        sandbox.shoal(&args).env("REGISTRY_AUTH_FILE", sandbox.path("auth.json")).run()
    };
    let _ = rm(&["--registry-pin", &"0".repeat(64)]).ends(69).says("certificate is not trusted");
    let pin = server.pin.as_deref().expect("a pin");
    let _ = rm(&["--registry-pin", pin]).ends(0).says("removed");
    let _ = rm(&["--registry-ca", "ca/registry.crt"]).ends(1).says("is not there");
}
