// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small registry in memory that follows the specification, except where a test tells it not to.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use shoal_oci::{Algorithm, Digest, Manifest, RepositoryName};
use shoal_tls::OwnCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Something that goes wrong once, at the first request that it fits.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// An answer instead of the work.
    Status(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// So many bytes of the request's body are taken, then the connection breaks.
    CutBody(usize),
    /// The work is done, and the connection breaks before the answer.
    CutAnswer,
    /// So many bytes of the answer come, then the connection breaks.
    CutContent(usize),
    /// A header of the answer is another one.
    Header(&'static str, &'static str),
    /// A header of the answer is not there.
    NoHeader(&'static str),
    /// The content is another one of the same size.
    WrongContent,
    /// The content is this.
    Content(&'static [u8]),
    /// All uploads are forgotten before the work.
    ForgetUploads,
    /// There is never an answer.
    Silence,
}

/// Who is let in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Door {
    #[default]
    Open,
    /// `user:secret` by Basic.
    Basic,
    /// Tokens of the server at this address; those given before this number are not taken any more.
    Token { realm: String, oldest: usize },
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) blobs: BTreeMap<(String, String), Bytes>,
    pub(crate) manifests: BTreeMap<(String, String), (String, Bytes)>,
    pub(crate) tags: BTreeMap<(String, String), String>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) door: Door,
    pub(crate) no_referrers: bool,
    /// What does not end after one request.
    pub(crate) always: BTreeSet<&'static str>,
    pub(crate) tokens: usize,
    counter: usize,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    world: Arc<Mutex<World>>,
}

/// The connection is to be closed without an answer.
#[derive(Clone)]
struct Cut;

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls(own: &OwnCertificate) -> Self {
        Self::serve(Some(TlsAcceptor::from(own.config().unwrap()))).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { address: listener.local_addr().unwrap(), world: Arc::default() };
        let router = Router::new().fallback(handle).with_state(fake.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (router, tls) = (router.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(stream, router).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                connection(stream, router).await;
                            }
                        }
                    }
                });
            }
        });
        fake
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn fault(&self, method: &'static str, path: &'static str, what: What) {
        self.world().faults.push(Fault { method, path, what });
    }

    /// Method and path of every request so far, without those to the token server.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.world().seen.iter().map(|seen| seen.line.clone()).collect()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(method)).count()
    }

    pub(crate) fn add_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        let key = (repository.to_owned(), digest.to_string());
        self.world().blobs.insert(key, Bytes::copy_from_slice(bytes));
        digest
    }

    pub(crate) fn add_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        let mut world = self.world();
        let content = (media_type.to_owned(), Bytes::copy_from_slice(bytes));
        world.manifests.insert((repository.to_owned(), digest.to_string()), content);
        if let Some(tag) = tag {
            world.tags.insert((repository.to_owned(), tag.to_owned()), digest.to_string());
        }
        digest
    }
}

/// Serves one connection. One that ends badly is what many tests want.
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = hyper::service::service_fn(move |request| {
        let router = router.clone();
        async move {
            let answer = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
            if answer.extensions().get::<Cut>().is_some() {
                return Err(io::Error::other("cut"));
            }
            Ok(answer)
        }
    });
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

fn error(status: u16, code: &str) -> Response {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"no {code}\"}}]}}");
    answer(status, &[("content-type", "application/json")], body)
}

fn cut() -> Response {
    let mut answer = answer(500, &[], "");
    answer.extensions_mut().insert(Cut);
    answer
}

async fn handle(State(fake): State<Fake>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let path_and_query = parts.uri.path_and_query().map_or("", |one| one.as_str()).to_owned();
    let line = format!("{} {path_and_query}", parts.method);
    let fault = {
        let mut world = fake.world();
        world.seen.push(Seen { line: line.clone(), headers: parts.headers.clone() });
        let fits = |fault: &Fault| parts.method == fault.method && path_and_query.contains(fault.path);
        let at = world.faults.iter().position(fits);
        at.map(|at| world.faults.remove(at).what)
    };
    if let Some(refused) = door(&fake, parts.uri.path(), &parts.uri, &parts.headers) {
        return refused;
    }
    let mut bytes = Vec::new();
    match &fault {
        Some(What::Status(status, headers, text)) => return answer(*status, headers, *text),
        Some(What::Silence) => std::future::pending().await,
        Some(What::ForgetUploads) => fake.world().uploads.clear(),
        Some(What::CutBody(limit)) => {
            while bytes.len() < *limit {
                let Some(Ok(frame)) = body.frame().await else { break };
                bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
            bytes.truncate(*limit);
            if parts.method == Method::PATCH {
                fake.work(&parts.method, &parts.uri, &parts.headers, Bytes::from(bytes), false);
            }
            return cut();
        }
        _ => {}
    }
    match body.collect().await {
        Ok(all) => bytes.extend_from_slice(&all.to_bytes()),
        Err(_) => return cut(),
    }
    let mut headers = parts.headers.clone();
    if fake.world().always.contains("ignore range") {
        headers.remove("range");
    }
    let done = fake.work(&parts.method, &parts.uri, &headers, Bytes::from(bytes), true);
    spoil(fault, done).await
}

async fn spoil(fault: Option<What>, mut done: Response) -> Response {
    match fault {
        Some(What::CutAnswer) => cut(),
        Some(What::Header(name, value)) => {
            done.headers_mut().insert(name, value.parse().unwrap());
            done
        }
        Some(What::NoHeader(name)) => {
            done.headers_mut().remove(name);
            done
        }
        Some(What::CutContent(limit)) => {
            let (parts, body) = done.into_parts();
            let all = body.collect().await.unwrap().to_bytes();
            let first = futures_util::stream::iter([Ok(all.slice(..limit))]);
            // The server sends what it has whenever there is nothing new: so much has left when it breaks.
            let rest = futures_util::stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut"))
            });
            let mut answer = Response::from_parts(parts, Body::from_stream(first.chain(rest)));
            answer.headers_mut().insert("content-length", all.len().into());
            answer
        }
        Some(What::WrongContent) => {
            let (parts, body) = done.into_parts();
            let size = body.collect().await.unwrap().to_bytes().len();
            Response::from_parts(parts, Body::from(vec![b'!'; size]))
        }
        Some(What::Content(other)) => {
            done.headers_mut().remove("content-length");
            // Without a length.
            let pieces = [Ok::<_, Infallible>(other)];
            *done.body_mut() = Body::from_stream(futures_util::stream::iter(pieces));
            done
        }
        _ => done,
    }
}

/// Who is not let in gets this.
fn door(fake: &Fake, path: &str, uri: &axum::http::Uri, headers: &HeaderMap) -> Option<Response> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    // user:secret
    let basic = authorization == Some("Basic dXNlcjpzZWNyZXQ=");
    if path == "/token" {
        if authorization.is_some() && !basic {
            return Some(error(401, "UNAUTHORIZED"));
        }
        let mut world = fake.world();
        world.tokens += 1;
        let who = if basic { "user" } else { "anonymous" };
        let query = uri.query().unwrap_or_default();
        let token = format!("{{\"token\":\"{}.{who}.{query}\",\"expires_in\":300}}", world.tokens);
        return Some(answer(200, &[("content-type", "application/json")], token));
    }
    let door = fake.world().door.clone();
    match door {
        Door::Open => None,
        Door::Basic if basic => None,
        Door::Basic => Some(answer(401, &[("www-authenticate", "Basic realm=\"fake\"")], "")),
        Door::Token { realm, oldest } => {
            let token = authorization.and_then(|text| text.strip_prefix("Bearer "));
            let number = token.and_then(|token| token.split('.').next()?.parse::<usize>().ok());
            if token == Some("given") || number.is_some_and(|number| number >= oldest) {
                return None;
            }
            let challenge = format!("Bearer realm=\"{realm}\",service=\"fake\",scope=\"repository:a:pull\"");
            Some(answer(401, &[("www-authenticate", &challenge)], ""))
        }
    }
}

impl Fake {
    fn work(
        &self,
        method: &Method,
        uri: &axum::http::Uri,
        headers: &HeaderMap,
        body: Bytes,
        whole: bool,
    ) -> Response {
        let path = uri.path().strip_prefix("/v2/").unwrap_or_default().to_owned();
        let query: BTreeMap<String, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/")))
            .collect();
        if path.is_empty() {
            return answer(200, &[], "{}");
        }
        if path == "_catalog" {
            return self.catalog();
        }
        if let Some((repository, id)) = path.split_once("/blobs/uploads/") {
            return self.upload(method, repository, id, &query, headers, body, whole);
        }
        if let Some((repository, digest)) = path.split_once("/blobs/") {
            return self.blob(method, repository, digest, headers);
        }
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            return self.manifest(method, repository, reference, headers, body);
        }
        if let Some((repository, digest)) = path.split_once("/referrers/") {
            return self.referrers(repository, digest);
        }
        match path.strip_suffix("/tags/list") {
            Some(repository) => self.tags(repository, &query),
            None => error(404, "NAME_UNKNOWN"),
        }
    }

    fn catalog(&self) -> Response {
        let world = self.world();
        let names: BTreeSet<&String> = world.tags.keys().map(|(repository, _)| repository).collect();
        answer(200, &[], serde_json::json!({ "repositories": names }).to_string())
    }

    /// One tag on a page.
    fn tags(&self, repository: &str, query: &BTreeMap<String, String>) -> Response {
        let world = self.world();
        let last = query.get("last").cloned().unwrap_or_default();
        let of = |key: &&(String, String)| key.0 == repository && key.1 > last;
        let mut tags = world.tags.keys().filter(of).map(|key| key.1.clone());
        let (first, more) = (tags.next(), tags.next().is_some());
        let body = serde_json::json!({ "name": repository, "tags": first.iter().collect::<Vec<_>>() });
        let link =
            format!("</v2/{repository}/tags/list?n=1&last={}>; rel=\"next\"", first.unwrap_or_default());
        let headers: &[(&str, &str)] = if more { &[("link", &link)] } else { &[] };
        answer(200, headers, body.to_string())
    }

    fn referrers(&self, repository: &str, digest: &str) -> Response {
        let world = self.world();
        if world.no_referrers {
            return answer(404, &[], "404 page not found");
        }
        let mut found = Vec::new();
        for ((_, own), (media_type, bytes)) in world.manifests.iter().filter(|entry| entry.0.0 == repository)
        {
            let manifest = Manifest::read(media_type, bytes).unwrap();
            if manifest.subject.as_ref().is_some_and(|subject| subject.digest.as_str() == digest) {
                found.push(manifest.referrer(&Digest::parse(own).unwrap(), media_type, bytes.len() as u64));
            }
        }
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": found });
        answer(200, &[("content-type", "application/vnd.oci.image.index.v1+json")], index.to_string())
    }

    fn blob(&self, method: &Method, repository: &str, digest: &str, headers: &HeaderMap) -> Response {
        let mut world = self.world();
        let key = (repository.to_owned(), digest.to_owned());
        if *method == Method::DELETE {
            let there = world.blobs.remove(&key).is_some();
            return if there { answer(202, &[], "") } else { error(404, "BLOB_UNKNOWN") };
        }
        let Some(bytes) = world.blobs.get(&key).cloned() else { return error(404, "BLOB_UNKNOWN") };
        let total = bytes.len();
        let range = headers.get("range").and_then(|value| value.to_str().ok());
        let first =
            range.and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        match first {
            Some(first) if first >= total => answer(416, &[], ""),
            Some(first) => {
                let range = format!("bytes {first}-{}/{total}", total - 1);
                answer(206, &[("content-range", &range)], bytes.slice(first..))
            }
            None => answer(200, &[("docker-content-digest", digest)], bytes),
        }
    }

    fn manifest(
        &self,
        method: &Method,
        repository: &str,
        reference: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let mut world = self.world();
        let is_digest = reference.contains(':');
        if *method == Method::PUT {
            let media_type = headers.get("content-type").unwrap().to_str().unwrap();
            let digest = Digest::of(Algorithm::Sha256, &body).to_string();
            let manifest = Manifest::read(media_type, &body).unwrap();
            let known =
                |digest: &Digest| world.blobs.contains_key(&(repository.to_owned(), digest.to_string()));
            let has =
                |digest: &Digest| world.manifests.contains_key(&(repository.to_owned(), digest.to_string()));
            let children_are_there = manifest.children().iter().all(|one| has(&one.digest));
            let is_list = world.no_referrers && reference.starts_with("sha256-");
            if !manifest.blobs().all(|blob| known(&blob.digest)) || !(children_are_there || is_list) {
                return error(404, "MANIFEST_BLOB_UNKNOWN");
            }
            if !is_digest {
                world.tags.insert((repository.to_owned(), reference.to_owned()), digest.clone());
            }
            world.manifests.insert((repository.to_owned(), digest.clone()), (media_type.to_owned(), body));
            let location = format!("/v2/{repository}/manifests/{digest}");
            let mut done = answer(201, &[("location", &location)], "");
            if let Some(subject) = manifest.subject.filter(|_| !world.no_referrers) {
                done.headers_mut().insert("oci-subject", subject.digest.as_str().parse().unwrap());
            }
            return done;
        }
        let tag = (repository.to_owned(), reference.to_owned());
        let digest = if is_digest { Some(reference.to_owned()) } else { world.tags.get(&tag).cloned() };
        let Some(digest) = digest else { return error(404, "MANIFEST_UNKNOWN") };
        let key = (repository.to_owned(), digest.clone());
        if *method == Method::DELETE {
            let there = world.manifests.remove(&key).is_some();
            return if there { answer(202, &[], "") } else { error(404, "MANIFEST_UNKNOWN") };
        }
        let Some((media_type, bytes)) = world.manifests.get(&key).cloned() else {
            return error(404, "MANIFEST_UNKNOWN");
        };
        answer(200, &[("content-type", &media_type), ("docker-content-digest", &digest)], bytes)
    }

    #[expect(clippy::too_many_arguments, reason = "one request, taken apart")]
    fn upload(
        &self,
        method: &Method,
        repository: &str,
        id: &str,
        query: &BTreeMap<String, String>,
        headers: &HeaderMap,
        body: Bytes,
        whole: bool,
    ) -> Response {
        let mut world = self.world();
        let location = |id: &str| format!("/v2/{repository}/blobs/uploads/{id}?state=kept");
        if *method == Method::POST {
            if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
                && let Some(bytes) = world.blobs.get(&(from.clone(), digest.clone())).cloned()
            {
                world.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                return answer(201, &[("location", &format!("/v2/{repository}/blobs/{digest}"))], "");
            }
            world.counter += 1;
            let id = format!("u{}", world.counter);
            world.uploads.insert(id.clone(), Vec::new());
            return answer(202, &[("location", &location(&id))], "");
        }
        if query.get("state").map(String::as_str) != Some("kept")
            || RepositoryName::parse(repository).is_err()
        {
            return error(400, "BLOB_UPLOAD_INVALID");
        }
        let Some(have) = world.uploads.get(id).map(Vec::len) else {
            return error(404, "BLOB_UPLOAD_UNKNOWN");
        };
        let range = |have: usize| format!("0-{}", have.saturating_sub(1));
        let wanted = headers.get("content-range").and_then(|value| value.to_str().ok());
        if let Some(first) = wanted.and_then(|text| text.split_once('-')).map(|(first, _)| first)
            && first != have.to_string()
        {
            return error(416, "BLOB_UPLOAD_INVALID");
        }
        match method.as_str() {
            "DELETE" => {
                world.uploads.remove(id);
                answer(204, &[], "")
            }
            "GET" => answer(204, &[("location", &location(id)), ("range", &range(have))], ""),
            "PATCH" => {
                assert!(!whole || headers["content-length"].to_str().unwrap() == body.len().to_string());
                let upload = world.uploads.get_mut(id).unwrap();
                upload.extend_from_slice(&body);
                let have = upload.len();
                let mut done = answer(202, &[("location", &location(id)), ("range", &range(have))], "");
                if world.always.contains("no range") {
                    done.headers_mut().remove("range");
                }
                done
            }
            "PUT" => {
                let mut upload = world.uploads.remove(id).unwrap();
                upload.extend_from_slice(&body);
                let wanted = Digest::parse(&query["digest"]).unwrap();
                if Digest::of(wanted.algorithm(), &upload) != wanted {
                    return error(400, "DIGEST_INVALID");
                }
                let key = (repository.to_owned(), wanted.to_string());
                world.blobs.insert(key, Bytes::from(upload));
                answer(201, &[("location", &format!("/v2/{repository}/blobs/{wanted}"))], "")
            }
            _ => answer(StatusCode::METHOD_NOT_ALLOWED.as_u16(), &[], ""),
        }
    }
}
