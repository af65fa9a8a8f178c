// SPDX-License-Identifier: AGPL-3.0-or-later
//! Against the registry that distributions ship, and with `skopeo` reading what we write.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use shoal_oci::{ImageReference, Reference, Tag};
use shoal_registry_client::{
    BlobPull, BlobSource, Client, ClientOptions, ExportItem, FilePush, ImportOptions, Retries, export,
    import, silent,
};
use shoal_tls::Trust;

use crate::world::{bytes, options, repository, sha256};

/// Whether programs are here. Without them the test says that it skips, unless `SHOAL_REQUIRE_PEERS=1`
/// asks for a failure: Debian's docker-registry starts a service of its own where it is installed, so that
/// the tests do not install it.
fn present(programs: &[&str]) -> bool {
    let missing: Vec<_> =
        programs.iter().filter(|program| Command::new(program).arg("--version").output().is_err()).collect();
    let required = std::env::var_os("SHOAL_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(missing.is_empty() || !required, "not installed, and SHOAL_REQUIRE_PEERS is 1: {missing:?}");
    if !missing.is_empty() {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: not installed: {missing:?}").unwrap();
    }
    missing.is_empty()
}

/// Debian's `docker-registry`, ended when dropped.
struct Registry {
    child: Child,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Registry {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp: {{addr: \"{address}\", secret: x}}\n",
            dir.path().join("data").display()
        );
        std::fs::write(dir.path().join("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { child, address, dir };
        // The client's own repetitions wait until it listens.
        let retries = Retries {
            attempts: 600,
            unanswered: 600,
            first_wait: Duration::from_millis(20),
            longest_wait: Duration::from_millis(50),
        };
        let options = ClientOptions { retries, ..ClientOptions::new(Trust::System) };
        Client::new(&address.to_string(), options).unwrap().ping().await.unwrap();
        registry
    }

    fn client(&self) -> Client {
        Client::new(&self.address.to_string(), options()).unwrap()
    }
}

fn run(program: &str, arguments: &[&str], home: &Path) -> String {
    let output = Command::new(program).args(arguments).env("HOME", home).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_registry_of_another_make_takes_and_gives_what_we_send() {
    if !present(&["docker-registry"]) {
        return;
    }
    let registry = Registry::start().await;
    let (client, name) = (registry.client(), repository("os/debian"));
    let path = registry.dir.path().join("disk.raw");
    let mut content = bytes(5500);
    content[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(&path, &content).unwrap();
    let push = FilePush {
        path,
        format: None,
        title: None,
        annotations: BTreeMap::new(),
        repository: name.clone(),
        tag: Some(Tag::parse("12").unwrap()),
    };
    let pushed = client.push_artifact(&push, &silent()).await.unwrap();
    let by_digest = Reference::Digest(pushed.digest.clone());
    let found = client.exists_deep(&name, &by_digest).await.unwrap();
    assert!(found.presence.is_present() && found.missing.is_empty());
    let mut out = Vec::new();
    let blob = BlobPull { repository: &name, digest: &pushed.layer.digest, size: Some(5500), limit: 5500 };
    client.pull_blob(&blob, &mut out, &silent()).await.unwrap();
    assert!(out == content);
    assert_eq!(client.list_tags(&name).await.unwrap(), [Tag::parse("12").unwrap()]);
    assert_eq!(client.list_repositories().await.unwrap(), std::slice::from_ref(&name));
    assert_eq!(client.referrers(&name, &pushed.digest).await.unwrap(), []);
    // Mounted, not sent.
    let source = BlobSource::bytes(content.clone());
    let outcome =
        client.push_blob(&repository("b"), &sha256(&content), &source, Some(&name), &silent()).await;
    assert_eq!(outcome.unwrap(), shoal_registry_client::BlobOutcome::Mounted);
    assert!(client.delete_manifest(&name, &by_digest).await.unwrap());
    assert!(!client.exists(&name, &by_digest).await.is_present());
}

#[tokio::test]
async fn skopeo_reads_our_bundles_and_we_read_its() {
    if !present(&["docker-registry", "skopeo"]) {
        return;
    }
    let registry = Registry::start().await;
    let (client, dir) = (registry.client(), registry.dir.path());
    let path = dir.join("files.tar");
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_cksum();
    builder.append_data(&mut header, "file", &b"abc"[..]).unwrap();
    std::fs::write(&path, builder.into_inner().unwrap()).unwrap();
    let push = FilePush {
        path,
        format: None,
        title: None,
        annotations: BTreeMap::new(),
        repository: repository("os/files"),
        tag: Some(Tag::parse("1").unwrap()),
    };
    let pushed = client.push_artifact(&push, &silent()).await.unwrap();
    let bundle = dir.join("bundle.tar");
    let reference = ImageReference { digest: None, ..pushed.reference.clone() };
    export(&[ExportItem { client: client.clone(), reference }], &bundle, &silent()).await.unwrap();

    let source = format!("oci-archive:{}:os/files:1", bundle.display());
    let raw = run("skopeo", &["--insecure-policy", "inspect", "--raw", &source], dir);
    assert_eq!(sha256(raw.as_bytes()), pushed.digest);
    let theirs = dir.join("theirs.tar");
    let target = format!("oci-archive:{}:again", theirs.display());
    run("skopeo", &["--insecure-policy", "copy", "-q", &source, &target], dir);
    let options = ImportOptions { repository: Some(repository("os/theirs")) };
    let imported = import(&client, &theirs, &options, &silent()).await.unwrap();
    assert_eq!(imported.images[0].reference.digest.as_ref(), Some(&pushed.digest));
    let tags = client.list_tags(&repository("os/theirs")).await.unwrap();
    assert_eq!(tags, [Tag::parse("again").unwrap()]);
}
