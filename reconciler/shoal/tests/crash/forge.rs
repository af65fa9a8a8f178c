// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the controller fetches and pushes: `git http-backend` behind plain HTTP on loopback, with somebody who stands
//! at the door of every push.
//!
//! Guarantees: a push that has arrived is carried out, whoever sent it lives or not.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Whether there is any for a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// As usual.
    Enough,
    /// Its disk is full.
    None,
}

/// Who stands at the door.
pub(crate) trait Doorkeeper: Send + Sync + 'static {
    /// A push is about to be carried out, or was.
    fn push(&self, after: bool) -> Room;
}

/// What a repository says to a push for which there is no room.
const FULL_HOOK: &str = "#!/bin/sh
[ -z \"$SHOAL_TEST_FULL\" ] && exit 0
echo 'fatal: write error: No space left on device' >&2
exit 1
";

/// Makes a repository one that may be full.
pub(crate) fn may_be_full(repository: &Path) {
    let hook = repository.join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("a directory");
    fs::write(&hook, FULL_HOOK).expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// A forge that serves one directory of repositories. It ends when it is dropped.
pub(crate) struct Forge {
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct House {
    root: PathBuf,
    backend: PathBuf,
    keeper: Arc<dyn Doorkeeper>,
}

impl Forge {
    /// Serves the repositories below `root`.
    pub(crate) async fn start(root: PathBuf, keeper: Arc<dyn Doorkeeper>) -> Self {
        let exec = Command::new("git").arg("--exec-path").output().expect("git runs").stdout;
        let exec = String::from_utf8(exec).expect("a path");
        let backend = PathBuf::from(exec.trim()).join("git-http-backend");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(serve).with_state(House { root, backend, keeper });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, task }
    }

    /// The address of a repository.
    pub(crate) fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}", self.address)
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    State(house): State<House>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<axum::body::Body> {
    // By itself: the connection ends with the controller, and takes what waits on it along.
    let carried_out = tokio::task::spawn_blocking(move || {
        let is_push = method == Method::POST && uri.path().ends_with("/git-receive-pack");
        let room = if is_push { house.keeper.push(false) } else { Room::Enough };
        let answer = ask_git(&house, &method, &uri, &headers, &body, room);
        if is_push {
            house.keeper.push(true);
        }
        answer
    });
    carried_out.await.expect("the forge does not panic")
}

fn ask_git(
    house: &House,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    room: Room,
) -> Response<axum::body::Body> {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new(&house.backend)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", &house.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", of("content-type"))
        .env("HTTP_CONTENT_ENCODING", of("content-encoding"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", of("git-protocol"))
        .env("SHOAL_TEST_FULL", if room == Room::None { "yes" } else { "" })
        .env("REMOTE_USER", "controller")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend runs");
    let (mut stdin, body) = (child.stdin.take().expect("piped"), body.clone());
    let feeder = std::thread::spawn(move || {
        // It may answer without reading all.
        let _ = stdin.write_all(&body);
    });
    let output = child.wait_with_output().expect("it ends").stdout;
    feeder.join().expect("fed");
    let split = output.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let mut answer = Response::builder().status(StatusCode::OK);
    for line in String::from_utf8_lossy(&output[..split]).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            let code = value.split_whitespace().next().and_then(|code| code.parse::<u16>().ok());
            answer = answer.status(code.expect("a status"));
        } else {
            answer = answer.header(name, value);
        }
    }
    let body = output[split + 4..].to_vec();
    answer.header(header::CONNECTION, "close").body(body.into()).expect("an answer")
}
