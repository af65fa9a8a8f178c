// SPDX-License-Identifier: AGPL-3.0-or-later
//! A forge on 127.0.0.1: plain HTTP in front of `git http-backend`, or one that misbehaves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use shoal_git::RemoteUrl;

use crate::common::{git, git_command};

/// How the forge behaves.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Serves the repositories below a directory to everybody.
    Open(PathBuf),
    /// Serves them to whoever shows this `Authorization` header.
    Guarded(PathBuf, &'static str),
    /// Answers everything with a status line and headers.
    Always(&'static str),
    /// Sends everybody to another address.
    Redirect(String),
    /// Takes connections and never answers.
    Silent,
    /// Speaks TLS with a certificate that it made itself, and nothing behind it.
    Tls,
    /// Lists the branches and then never sends the pack.
    SilentAfterListing(PathBuf),
}

/// What a forge was asked: method, path, and the `Authorization` header.
pub(crate) type Log = Arc<Mutex<Vec<(String, String, Option<String>)>>>;

/// Runs until dropped.
pub(crate) struct Forge {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) log: Log,
}

struct Request {
    method: String,
    path: String,
    query: String,
    authorization: Option<String>,
    content_type: String,
    protocol: String,
    body: Vec<u8>,
}

impl Forge {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let log = Log::default();
        let thread = {
            let (stop, open, log) = (Arc::clone(&stop), Arc::clone(&open), Arc::clone(&log));
            thread::spawn(move || {
                let mut workers = Vec::new();
                for stream in listener.incoming() {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    let stream = stream.expect("a connection");
                    open.lock().expect("unpoisoned").push(stream.try_clone().expect("a handle"));
                    let (manner, log) = (manner.clone(), Arc::clone(&log));
                    workers.push(thread::spawn(move || serve(stream, &manner, &log)));
                }
                for worker in workers {
                    worker.join().expect("the forge does not panic");
                }
            })
        };
        Self { address, stop, open, thread: Some(thread), log }
    }

    /// `user` is what stands before the host: `name:password@`, or nothing.
    pub(crate) fn url(&self, user: &str, repository: &str) -> RemoteUrl {
        let url = format!("http://{user}{}/{repository}", self.address);
        RemoteUrl::parse(&url).expect("valid")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn asked(&self) -> Vec<(String, String, Option<String>)> {
        self.log.lock().expect("unpoisoned").clone()
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the accept; whoever still hangs at a connection is let go.
        drop(TcpStream::connect(self.address));
        for stream in self.open.lock().expect("unpoisoned").drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the forge panicked");
        }
    }
}

fn serve(mut stream: TcpStream, manner: &Manner, log: &Log) {
    if matches!(manner, Manner::Tls) {
        // The client ends it when it sees the certificate.
        let _ = handshake(stream);
        return;
    }
    let Some(request) = read(&stream) else {
        return;
    };
    log.lock().expect("unpoisoned").push((
        request.method.clone(),
        request.path.clone(),
        request.authorization.clone(),
    ));
    let answer = match manner {
        Manner::Open(root) => backend(root, &request),
        Manner::Guarded(root, wanted) => {
            if request.authorization.as_deref() == Some(wanted) {
                backend(root, &request)
            } else {
                head("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n")
            }
        }
        Manner::Always(status) => head(status, ""),
        Manner::Redirect(location) => head("302 Found", &format!("Location: {location}\r\n")),
        Manner::SilentAfterListing(root) if request.method == "GET" => backend(root, &request),
        Manner::Tls | Manner::Silent | Manner::SilentAfterListing(_) => {
            // Until the client or the end of the forge closes it.
            let _ = stream.read(&mut [0]);
            return;
        }
    };
    // A client that gave up does not take the answer.
    let _ = stream.write_all(&answer);
}

fn handshake(mut stream: TcpStream) -> Result<(), std::io::Error> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a pair");
    let mut connection = rustls::ServerConnection::new(Arc::new(config)).expect("a connection");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    connection.complete_io(&mut stream).map(drop)
}

fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into()
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: None,
        content_type: String::new(),
        protocol: String::new(),
        body: Vec::new(),
    };
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.authorization = Some(value.to_owned()),
            "content-type" => request.content_type = value.to_owned(),
            "git-protocol" => request.protocol = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            "transfer-encoding" => chunked = value == "chunked",
            _ => {}
        }
    }
    while chunked {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = Vec::new();
        reader.by_ref().take(size + 2).read_to_end(&mut chunk).ok()?;
        chunk.truncate(size as usize);
        request.body.append(&mut chunk);
        chunked = size > 0;
    }
    let mut rest = Vec::new();
    reader.take(length).read_to_end(&mut rest).ok()?;
    request.body.append(&mut rest);
    Some(request)
}

fn backend(root: &Path, request: &Request) -> Vec<u8> {
    let exec = PathBuf::from(git(root, &["--exec-path"]));
    let program = exec.join("git-http-backend");
    let mut command = std::process::Command::new(program);
    for (name, value) in git_command(root).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let mut child = command
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", &request.content_type)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("GIT_PROTOCOL", &request.protocol)
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend runs");
    let mut stdin = child.stdin.take().expect("piped");
    let body = request.body.clone();
    let feeder = thread::spawn(move || {
        // It may answer without reading all.
        let _ = stdin.write_all(&body);
    });
    let output = child.wait_with_output().expect("it ends").stdout;
    feeder.join().expect("fed");
    let split = output.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let headers = String::from_utf8_lossy(&output[..split]).into_owned();
    let body = &output[split + 4..];
    let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}
