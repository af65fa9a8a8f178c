// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests share: archives by hand, a provision directory, a registry, tools that may be missing.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use shoal_oci::{Algorithm, Digest, media_type};
use shoal_steps::provision::Provision;

/// Whether a test may run that needs these programs, and root where `root` says so. One that may not says why.
pub(crate) fn can_run(programs: &[&str], root: bool) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| !is_there(name)).collect();
    let no_root = root && !rustix::process::getuid().is_root();
    if missing.is_empty() && !no_root {
        return true;
    }
    let why = format!("skipped: missing {missing:?}{}", if no_root { ", and not root" } else { "" });
    assert!(std::env::var_os("SHOAL_REQUIRE_E2E").is_none_or(|value| value != "1"), "{why}");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{why}\n").as_bytes());
    false
}

fn is_there(name: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|dir| Path::new(dir).join(name).exists())
}

/// Runs a program that must succeed, and gives what it wrote.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name)
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// An archive by hand.
#[derive(Clone, Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

impl Archive {
    /// A header with a correct checksum, and content behind it. The owner is whoever runs the test.
    pub(crate) fn raw(mut self, kind: u8, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        header.as_mut_bytes()[157..157 + link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
        header.as_mut_bytes()[156] = kind;
        header.set_mode(0o644);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        if matches!(kind, b'3' | b'4') {
            header.set_device_major(1).expect("a number");
            header.set_device_minor(3).expect("a number");
        }
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.raw(b'0', name.as_bytes(), b"", content)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.raw(b'5', name.as_bytes(), b"", b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(b'2', name.as_bytes(), target.as_bytes(), b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(b'1', name.as_bytes(), target.as_bytes(), b"")
    }

    /// With the end mark.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A provision directory for an image.
pub(crate) fn provision(
    dir: &Path,
    disk: &serde_json::Value,
    layout: &serde_json::Value,
    more: &[(&'static str, String)],
) -> Provision {
    use shoal_dispatcher::output::env_file;
    let text = |key: &str| disk[key].as_str().unwrap_or_default().to_owned();
    let mut variables = vec![("TARGET_DISK", text("path")), ("TARGET_DISK_SERIAL", text("serial"))];
    variables.extend(more.iter().cloned());
    fs::create_dir_all(dir.join("secret")).expect("made");
    fs::write(dir.join("recipe.env"), env_file::render(&variables).expect("rendered")).expect("written");
    let both = serde_json::json!({"disk": disk, "partitions": layout});
    fs::write(dir.join("layout.json"), both.to_string()).expect("written");
    Provision::read(dir).expect("read")
}

/// What a registry serves, and what it was asked.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) answers: HashMap<String, (String, Vec<u8>)>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) token: Option<String>,
}

/// A registry on this machine.
pub(crate) struct Registry {
    pub(crate) address: String,
    pub(crate) shelf: Arc<Shelf>,
    _runtime: tokio::runtime::Runtime,
}

impl Registry {
    /// Serves one image of one layer. `served` is what comes instead of the layer, where it differs.
    pub(crate) fn with(
        kind: &str,
        layer: &[u8],
        served: Option<Vec<u8>>,
        token: Option<&str>,
    ) -> (Self, Digest) {
        let of = |bytes: &[u8]| Digest::of(Algorithm::Sha256, bytes);
        let config = b"{}";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "config": {"mediaType": media_type::EMPTY_JSON, "size": 2, "digest": of(config).to_string()},
            "layers": [{"mediaType": kind, "size": layer.len(), "digest": of(layer).to_string()}],
        })
        .to_string()
        .into_bytes();
        let digest = of(&manifest);
        let mut shelf = Shelf { token: token.map(str::to_owned), ..Shelf::default() };
        let (at, bytes) = (format!("/v2/os/blobs/{}", of(layer)), served.unwrap_or_else(|| layer.to_vec()));
        shelf.answers.insert(at, ("application/octet-stream".into(), bytes));
        let at = format!("/v2/os/manifests/{digest}");
        shelf.answers.insert(at, (media_type::IMAGE_MANIFEST.into(), manifest));
        let shelf = Arc::new(shelf);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        let address = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address").to_string();
            tokio::spawn(async move { axum::serve(listener, router).await });
            address
        });
        (Self { address, shelf, _runtime: runtime }, digest)
    }
}

async fn answer(State(shelf): State<Arc<Shelf>>, headers: HeaderMap, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    shelf.asked.lock().expect("whole").push(path.clone());
    if let Some(token) = &shelf.token {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(&format!("Bearer {token}")) {
            let ask = [(header::WWW_AUTHENTICATE, "Bearer realm=\"shoal\"")];
            return (StatusCode::UNAUTHORIZED, ask, "").into_response();
        }
    }
    match shelf.answers.get(&path) {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind.clone())], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
