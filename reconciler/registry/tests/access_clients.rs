// SPDX-License-Identifier: AGPL-3.0-or-later
//! Accounts and rules with clients that people use. A registry where something is for everybody and the
//! rest for accounts is where clients differ from the specification and from each other.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_http::listen::{Serving, listen};
use shoal_oci::{Algorithm, Digest, Manifest, RepositoryName, Tag, media_type};
use shoal_registry::{
    Patience, Policy, Registry, RegistryAuth, RegistryConfig, RegistryMetrics, RootsSource, Users,
};
use shoal_registry_storage::{Clock, Options, PutRules, Storage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Of the password `secret`.
const HASH: &str = "$2y$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu";

/// Whether programs are here. Without them the test says that it skips, unless `SHOAL_REQUIRE_TOOLS=1`
/// asks for a failure.
fn present(programs: &[&str]) -> bool {
    let missing: Vec<_> =
        programs.iter().filter(|program| Command::new(program).arg("--version").output().is_err()).collect();
    let required = std::env::var_os("SHOAL_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(missing.is_empty() || !required, "not installed, and SHOAL_REQUIRE_TOOLS is 1: {missing:?}");
    if !missing.is_empty() {
        let mut errors = std::io::stderr().lock();
        writeln!(errors, "SKIPPED: not installed: {missing:?}").unwrap();
    }
    missing.is_empty()
}

#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        "2126-01-02T03:04:05Z".parse().unwrap()
    }
}

struct Alone;

impl RootsSource for Alone {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        Some(BTreeSet::new())
    }
}

/// A registry that listens, with accounts ada and bob and an image `public/motd:1`.
struct Server {
    address: SocketAddr,
    directory: tempfile::TempDir,
    serving: Serving,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.shutdown.cancel();
    }
}

impl Server {
    async fn start(access: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Now);
        let storage = Storage::open(&directory.path().join("images"), Options::new(clock.clone())).unwrap();
        image(&storage, "public/motd", "1");
        let users = format!("ada:{HASH}\nbob:{HASH}\n");
        let config = RegistryConfig {
            policy: Policy::from_value(json!({"minFree": "0%", "access": access})).unwrap(),
            auth: RegistryAuth::Basic(Users::parse(&users).unwrap()),
            tokens: None,
            clock,
            roots: Arc::new(Alone),
            metrics: RegistryMetrics::register(&prometheus::Registry::new()).unwrap(),
            patience: Patience::default(),
        };
        let router = Registry::new(storage, config).router();
        let serving = Serving { shutdown: CancellationToken::new(), tasks: TaskTracker::new() };
        let (listener, address) = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        serving.tcp(listener, None, router);
        std::fs::write(
            directory.path().join("policy.json"),
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        )
        .unwrap();
        Self { address, directory, serving }
    }

    /// Runs a program with a home of its own, while the server serves.
    async fn run(&self, program: &'static str, args: Vec<String>) -> Output {
        let home = self.directory.path().to_owned();
        tokio::task::spawn_blocking(move || {
            let mut command = Command::new(program);
            command.args(args).current_dir(&home).env("HOME", &home).env("XDG_RUNTIME_DIR", &home);
            command.env("REGISTRY_AUTH_FILE", home.join("auth.json")).env_remove("https_proxy");
            command.env_remove("http_proxy").output().unwrap()
        })
        .await
        .unwrap()
    }

    /// Copies an image inside the registry or out of it. `Err` is what skopeo says.
    async fn copy(&self, source: &str, target: &str, options: &[&str]) -> Result<(), String> {
        let policy = self.directory.path().join("policy.json").display().to_string();
        let place = |text: &str| match text.strip_prefix("dir:") {
            Some(name) => format!("dir:{name}"),
            None => format!("docker://{}/{text}", self.address),
        };
        let mut args: Vec<String> = ["--policy", policy.as_str(), "copy", "-q"].map(str::to_owned).to_vec();
        args.extend(["--src-tls-verify=false", "--dest-tls-verify=false"].map(str::to_owned));
        args.extend(options.iter().map(|option| (*option).to_owned()));
        args.extend([place(source), place(target)]);
        let output = self.run("skopeo", args).await;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn out(&self, name: &str) -> bool {
        Path::new(self.directory.path()).join(name).join("manifest.json").is_file()
    }
}

fn image(storage: &Storage, repository: &str, tag: &str) {
    let repository = RepositoryName::parse(repository).unwrap();
    let blob = |bytes: &[u8]| {
        let id = storage.begin(&repository, Algorithm::Sha256).unwrap();
        let mut writer = storage.writer(&repository, id).unwrap();
        writer.write(bytes).unwrap();
        let digest = Digest::of(Algorithm::Sha256, bytes);
        writer.finish(&digest).unwrap();
        digest
    };
    let config =
        br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}"#;
    let bytes = json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": blob(config),
            "size": config.len(),
        },
        "layers": [{"mediaType": media_type::LAYER_TAR, "digest": blob(&[0; 1024]), "size": 1024}],
    })
    .to_string();
    let manifest = Manifest::read(media_type::IMAGE_MANIFEST, bytes.as_bytes()).unwrap();
    let digest = Digest::of(Algorithm::Sha256, bytes.as_bytes());
    let (tags, kind) = ([Tag::parse(tag).unwrap()], media_type::IMAGE_MANIFEST);
    storage
        .put_manifest(&repository, &digest, &tags, kind, bytes.as_bytes(), &manifest, PutRules::default())
        .unwrap();
}

#[tokio::test]
async fn skopeo_pulls_without_an_account_and_pushes_with_one_from_the_same_registry() {
    if !present(&["skopeo"]) {
        return;
    }
    let server = Server::start(json!([
        {"users": ["anonymous"], "repositories": ["public/*"], "allow": ["pull"]},
        {"users": ["*"], "repositories": ["tools/*"], "allow": ["pull"]},
        {"users": ["ada"], "repositories": ["*"], "allow": ["push"]},
    ]))
    .await;
    server.copy("public/motd:1", "dir:one", &[]).await.unwrap();
    assert!(server.out("one"));
    let refused = server.copy("public/motd:1", "tools/motd:1", &[]).await.unwrap_err();
    assert!(refused.contains("unauthorized"), "{refused}");
    server.copy("public/motd:1", "tools/motd:1", &["--dest-creds=ada:secret"]).await.unwrap();
    let refused = server.copy("tools/motd:1", "dir:two", &[]).await.unwrap_err();
    assert!(refused.contains("unauthorized"), "{refused}");
    server.copy("tools/motd:1", "dir:three", &["--src-creds=bob:secret"]).await.unwrap();
    assert!(server.out("three") && !server.out("two"));
    let refused = server.copy("public/motd:1", "tools/b:1", &["--dest-creds=bob:secret"]).await.unwrap_err();
    assert!(refused.contains("bob may not push to tools/b"), "{refused}");
}

#[tokio::test]
async fn podman_learns_from_a_login_whether_the_password_is_right() {
    if !present(&["podman", "skopeo"]) {
        return;
    }
    // The same with and without something for everybody.
    let rules = json!({"users": ["*"], "repositories": ["*"], "allow": ["push"]});
    let open = json!({"users": ["anonymous"], "repositories": ["public/*"], "allow": ["pull"]});
    for access in [json!([rules]), json!([rules, open])] {
        let server = Server::start(access).await;
        let login = |password: &str| {
            let address = server.address.to_string();
            let args = ["login", "--tls-verify=false", "--username=ada", "--password", password, &address];
            server.run("podman", args.map(str::to_owned).to_vec())
        };
        let wrong = login("wrong").await;
        assert!(!wrong.status.success(), "{wrong:?}");
        let right = login("secret").await;
        assert!(right.status.success(), "{right:?}");
        // skopeo finds what podman kept.
        server.copy("public/motd:1", "tools/motd:1", &[]).await.unwrap();
    }
}
