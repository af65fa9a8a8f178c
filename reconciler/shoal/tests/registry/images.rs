// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image` and `shoal validate --images` with a registry that runs.

use serde_json::json;
use shoal_oci::Digest;

use crate::content::{blob_path, bytes, digest, manifest_path};
use crate::harness::{Ran, Sandbox};
use crate::runnable::tar;
use crate::server::{Server, sandbox, until};

/// A file whose bytes at an offset are these.
fn write(sandbox: &Sandbox, name: &str, offset: usize, magic: &[u8]) {
    // Another content for each name: what is there already is not sent again.
    let seed = name.bytes().fold(61, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
    let mut content = bytes(seed, (offset + magic.len()).max(40_000));
    content[..512.min(offset)].fill(0);
    content[offset..offset + magic.len()].copy_from_slice(magic);
    std::fs::write(sandbox.path(name), content).expect("a file");
}

/// What it printed, with the registry's address replaced.
fn golden(ran: &Ran, server: &Server<'_>) -> String {
    ran.golden().replace(&server.address.to_string(), "<registry>")
}

/// `HOST/REPOSITORY@DIGEST`, as a push printed it: the digest.
fn printed_digest(ran: &Ran) -> Digest {
    let (_, digest) = ran.stdout.trim_end().rsplit_once('@').expect("a digest");
    Digest::parse(digest).expect("a digest")
}

#[test]
fn a_file_of_each_format_is_pushed_and_its_reference_printed() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let http = server.http();
    std::fs::write(sandbox.path("debian.tar"), tar("etc/hostname", b"debian")).expect("a file");
    let zstd = [0x28, 0xb5, 0x2f, 0xfd];
    write(&sandbox, "debian.tar.zst", 0, &zstd);
    write(&sandbox, "debian.tar.gz", 0, &[0x1f, 0x8b]);
    write(&sandbox, "disk.raw", 510, &[0x55, 0xaa]);
    write(&sandbox, "disk.img.zst", 0, &zstd);
    write(&sandbox, "install.wim", 0, b"MSWIM\0\0\0");
    write(&sandbox, "installer.iso", 32_769, b"CD001");
    let mut said = String::new();
    for (file, format) in [
        ("debian.tar", "rootfs-tar"),
        ("debian.tar.zst", "rootfs-tar"),
        ("debian.tar.gz", "rootfs-tar"),
        ("disk.raw", "raw-disk"),
        ("disk.img.zst", "raw-disk"),
        ("install.wim", "wim"),
        ("installer.iso", "iso"),
    ] {
        let tag = file.to_ascii_lowercase();
        let reference = server.reference(&format!("os-images/all:{tag}"));
        let ran = sandbox.run(&["image", "push", file, &reference]).ends(0);
        said.push_str(&golden(&ran, &server));
        let content = std::fs::read(sandbox.path(file)).expect("the file");
        http.has_blob("os-images/all", &content);
        let manifest = http.get(&manifest_path("os-images/all", &tag)).is(200);
        assert_eq!(manifest.the("docker-content-digest"), printed_digest(&ran).to_string());
        assert_eq!(manifest.json()["layers"][0]["digest"], digest(&content).to_string());
        let again = sandbox.run(&["image", "push", file, &reference, "--json"]).ends(0).json();
        assert_eq!((&again["sent"], &again["format"]), (&json!(false), &json!(format)));
        assert_eq!(again["oci"], ran.stdout.trim_end());
    }
    insta::assert_snapshot!("push-formats", said);
    let ran =
        sandbox.run(&["image", "push", "disk.raw", &server.reference("os-images/all:disk.raw")]).ends(0);
    assert!(ran.stderr.contains("there already"), "{}", ran.stderr);

    let listed =
        sandbox.run(&["image", "list", "os-images/*", "--json", "--url", &server.url()]).ends(0).json();
    let rows = listed["images"].as_array().expect("a list");
    assert_eq!(rows.len(), 7);
    assert_eq!((&rows[0]["repository"], &rows[0]["tag"]), (&json!("os-images/all"), &json!("debian.tar")));
    assert_eq!(
        sandbox.run(&["image", "list", "tools/*", "--json", "--url", &server.url()]).json()["images"],
        json!([])
    );
    let _ =
        sandbox.run(&["image", "list", "--url", &server.url()]).ends(0).prints("os-images/all:installer.iso");
}

#[test]
fn a_file_that_is_no_image_is_refused_before_anything_is_sent() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    write(&sandbox, "disk.qcow2", 0, b"QFI\xfb");
    std::fs::write(sandbox.path("empty.raw"), b"").expect("a file");
    let to = server.reference("os-images/a:1");
    let ran = sandbox.run(&["image", "push", "disk.qcow2", &to]).prints_nothing().says("qemu-img convert");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(sandbox.run(&["image", "push", "empty.raw", &to]).says("empty.raw is empty").code, 1);
    assert_eq!(sandbox.run(&["image", "push", "nowhere.raw", &to]).says("nowhere.raw").code, 1);
    let _ = sandbox.run(&["image", "push", "disk.qcow2", "a/b"]).ends(1).says("HOST[:PORT]/REPOSITORY:TAG");
    assert_eq!(server.http().get("/api/v1/registry/usage").json()["blobs"], 0);
}

#[test]
fn a_registry_that_does_not_answer_is_said_with_what_to_do() {
    let sandbox = sandbox("");
    write(&sandbox, "disk.raw", 510, &[0x55, 0xaa]);
    // A port that was free a moment ago: nobody listens there.
    let gone = Server::start(&sandbox);
    let to = gone.reference("os-images/a:1");
    gone.kill();
    let ran = sandbox.run(&["image", "push", "disk.raw", &to]).ends(69).prints_nothing();
    let _ = ran.says("Connection refused").says("check that the name and the port are right");
}

#[test]
fn a_login_is_asked_for_and_a_wrong_one_refused() {
    let sandbox = sandbox("");
    write(&sandbox, "disk.raw", 510, &[0x55, 0xaa]);
    sandbox.write("users", &format!("ada:{}\n", bcrypt::hash("s3cret", 4).expect("a hash")));
    let server = Server::with(&sandbox, &["--users-file", "users"]);
    let to = server.reference("os-images/a:1");
    let push = |login: Option<&str>| {
        let shoal = sandbox.shoal(&["image", "push", "disk.raw", &to]);
        match login {
            Some(login) => shoal.env("SHOAL_REGISTRY_TOKEN", login).run(),
            None => shoal.run(),
        }
    };
    let _ = push(None).ends(1).says("401").says("log in");
    let ran = push(Some("ada:wr0ng")).ends(1).says("401");
    assert!(!ran.stderr.contains("wr0ng"), "{}", ran.stderr);
    let _ = push(Some("ada:s3cret")).ends(0);
    sandbox.write("login", "ada:s3cret\n");
    sandbox.mode("login", 0o600);
    let _ = sandbox.run(&["image", "rm", &to, "--login-file", "login"]).ends(0);
    assert!(!server.log().contains("s3cret") && !server.log().contains("wr0ng"));
}

#[test]
fn what_a_collection_took_out_is_brought_back() {
    let sandbox = sandbox("gc: {grace: 1s}\n");
    let server = Server::start(&sandbox);
    write(&sandbox, "disk.raw", 510, &[0x55, 0xaa]);
    let to = server.reference("os-images/a:1");
    let pushed = printed_digest(&sandbox.run(&["image", "push", "disk.raw", &to]).ends(0));
    let url = server.url();
    let _ = sandbox.run(&["image", "gc", "--url", &url]).ends(0).prints_nothing().says("nothing to take out");
    let _ = sandbox.run(&["image", "rm", &to]).ends(0).says("removed");
    let _ = sandbox.run(&["image", "rm", &to]).ends(1).says("is not there");
    let mut dry = None;
    until("it is older than the grace", || {
        let ran = sandbox.run(&["image", "gc", "--dry-run", "--url", &url, "--json"]).ends(0);
        let count = ran.json()["removed"].as_array().expect("a list").len();
        // The manifest, its layer and the empty configuration, with what says that they are there.
        dry = Some(ran.json());
        count >= 4
    });
    let path = manifest_path("os-images/a", &pushed.to_string());
    server.http().get(&path).is(200);
    let done = sandbox.run(&["image", "gc", "--url", &url, "--json"]).ends(0).json();
    assert_eq!(done["removed"], dry.expect("a dry run")["removed"], "a dry run says what a run does");
    assert_eq!(server.http().get(&path).status, 404);
    let _ = sandbox.run(&["image", "restore", &pushed.to_string(), "--url", &url]).ends(0).says("is back");
    server.http().get(&path).is(200);
    server.http().has_blob("os-images/a", &std::fs::read(sandbox.path("disk.raw")).expect("the file"));
    let _ = sandbox.run(&["image", "restore", &digest(b"never").to_string(), "--url", &url]).ends(1);
    // A directory is collected only where somebody says which images are needed.
    server.stop();
    let _ = sandbox.run(&["image", "gc", "--storage", "images"]).ends(1).says("--default-policy");
    let ran = sandbox.run(&["image", "gc", "--storage", "images", "--default-policy"]);
    let _ = ran.ends(1).says("--without-inventory");
    let offline = ["image", "gc", "--storage", "images", "--without-inventory", "--dry-run"];
    let _ = sandbox.run(&offline).ends(1).says("--default-policy");
    let _ = sandbox.run(&[&offline[..], &["--default-policy"]].concat()).ends(0);
}

#[test]
fn a_flipped_byte_is_never_served_and_a_push_mends_it() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let http = server.http();
    // Larger than one piece of what is checked at a time, and damaged in the last one; and a small one.
    for (file, at) in [(bytes(62, 3 << 20), (3 << 20) - 5), (bytes(63, 3000), 17)] {
        http.push_blob("os/a", &file).is(201);
        let wanted = digest(&file);
        http.has_blob("os/a", &file);
        let path = sandbox.path("images/blobs/sha256").join(wanted.hex());
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        // In place: the same file, which the registry may have open.
        let kept = std::fs::File::options().write(true).open(&path).expect("the blob's file");
        std::os::unix::fs::FileExt::write_all_at(&kept, &damaged[at..=at], at as u64).expect("it is written");
        match http.attempt("GET", &blob_path("os/a", &wanted), &[], b"") {
            // What was sent before the damage was found is right, and the body breaks off.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}"),
            Ok(answer) => assert_eq!(answer.status, 500, "{}", answer.text()),
        }
        let after = http.get(&blob_path("os/a", &wanted));
        assert!(after.status == 404 || after.status == 500, "{}", after.status);
        http.push_blob("os/a", &file).is(201);
        http.has_blob("os/a", &file);
    }

    // Found by a scrub, before anybody asks for it.
    std::fs::write(sandbox.path("a.tar"), tar("etc/a", &bytes(64, 600_000))).expect("a file");
    let to = server.reference("os/b:1");
    let _ = sandbox.run(&["image", "push", "a.tar", &to]).ends(0);
    let content = std::fs::read(sandbox.path("a.tar")).expect("the file");
    let path = sandbox.path("images/blobs/sha256").join(digest(&content).hex());
    let kept = std::fs::File::options().write(true).open(&path).expect("the blob's file");
    std::os::unix::fs::FileExt::write_all_at(&kept, b"x", 300_000).expect("it is written");
    let ran = sandbox.run(&["image", "scrub", "--url", &server.url()]).ends(1);
    let _ =
        ran.prints(&format!("damaged  {}", digest(&content))).says("push the images that name them again");
    assert!(http.get(&blob_path("os/b", &digest(&content))).status >= 400);
    let _ = sandbox.run(&["image", "push", "a.tar", &to]).ends(0).says("pushed");
    http.has_blob("os/b", &content);
    let _ = sandbox.run(&["image", "scrub", "--url", &server.url()]).ends(0);
}

#[test]
fn a_bundle_carries_images_from_one_registry_to_another() {
    let (here, there) = (sandbox(""), sandbox(""));
    let (from, to) = (Server::start(&here), Server::start(&there));
    let mut digests = Vec::new();
    for (name, seed) in [("debian:13", 65), ("tools/partition:1", 66)] {
        std::fs::write(here.path("a.tar"), tar("etc/a", &bytes(seed, 100_000))).expect("a file");
        digests.push(printed_digest(&here.run(&["image", "push", "a.tar", &from.reference(name)]).ends(0)));
    }
    let names = [from.reference("debian:13"), from.reference("tools/partition:1")];
    let _ = here.run(&["image", "export", "-o", "bundle.tar", &names[0], &names[1]]).ends(0).says("2 images");
    let _ = here.run(&["image", "export", "-o", "again.tar", &names[0], &names[1]]).ends(0);
    let bundle = std::fs::read(here.path("bundle.tar")).expect("the bundle");
    assert!(
        bundle == std::fs::read(here.path("again.tar")).expect("the bundle"),
        "the same images, other bytes"
    );

    // One byte of a layer is wrong: nothing is pushed.
    let layer = bytes(65, 100_000);
    let within =
        bundle.windows(64).position(|window| window == &layer[500..564]).expect("the layer is in it");
    let mut damaged = bundle.clone();
    damaged[within] ^= 1;
    std::fs::write(there.path("damaged.tar"), damaged).expect("a file");
    let _ = there.run(&["image", "import", "damaged.tar", &to.address.to_string()]).ends(1).prints_nothing();
    assert_eq!(to.http().get("/api/v1/registry/usage").json()["blobs"], 0);

    std::fs::write(there.path("bundle.tar"), &bundle).expect("a file");
    let ran = there.run(&["image", "import", "bundle.tar", &to.address.to_string()]).ends(0);
    for (name, digest) in ["debian", "tools/partition"].iter().zip(&digests) {
        assert!(
            ran.stdout.contains(&format!("{name}:")) && ran.stdout.contains(digest.as_str()),
            "{}",
            ran.stdout
        );
        let sent = from.http().get(&manifest_path(name, digest.as_str())).is(200);
        to.http().has_manifest(name, digest.as_str(), &sent.body);
    }
    to.http().has_blob("tools/partition", &tar("etc/a", &bytes(66, 100_000)));
    let _ =
        there.run(&["image", "import", "bundle.tar", &to.address.to_string()]).ends(0).says("0 blobs sent");
}

#[test]
fn an_inventory_whose_images_are_not_all_there_is_not_valid() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    std::fs::write(sandbox.path("a.tar"), tar("etc/a", b"a")).expect("a file");
    let pushed = sandbox.run(&["image", "push", "a.tar", &server.reference("os/debian:13")]).ends(0);
    let absent = format!("{}@{}", server.reference("os/debian"), digest(b"absent"));
    sandbox.write(
        "fleet/shoal.yaml",
        "apiVersion: shoal.dev/v1\nkind: Fleet\nmetadata:\n  name: fleet\nspec: {}\n",
    );
    let image = |versions: &str| {
        let head = "apiVersion: shoal.dev/v1\nkind: Image\nmetadata:\n  name: debian\nspec:\n  versions:\n";
        sandbox.write("fleet/images/debian.yaml", &format!("{head}{versions}"));
    };
    image(&format!("    \"13.1\":\n      oci: {}\n", pushed.stdout.trim_end()));
    let _ = sandbox.run(&["validate", "fleet", "--images"]).ends(0).prints_nothing();
    image(&format!(
        "    \"13.1\":\n      oci: {}\n    \"13.2\":\n      oci: {absent}\n",
        pushed.stdout.trim_end()
    ));
    let _ = sandbox.run(&["validate", "fleet"]).ends(0).prints_nothing();
    let ran = sandbox.run(&["validate", "fleet", "--images"]).ends(7);
    insta::assert_snapshot!("validate-images", golden(&ran, &server));

    // A manifest that is there and lacks its layer is no image either.
    let content = tar("etc/a", b"a");
    server.http().delete(&blob_path("os/debian", &digest(&content))).is(202);
    let _ = sandbox.run(&["validate", "fleet", "--images"]).ends(7).prints("lacks 1 of what it names");
}
