// SPDX-License-Identifier: AGPL-3.0-or-later
//! A registry's client that costs little: one connection, no TLS, bodies that are counted and dropped.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::content::Content;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One connection.
pub(super) struct Client {
    to: SocketAddr,
    sender: SendRequest<Body>,
}

impl Client {
    /// Connects.
    pub(super) async fn new(to: SocketAddr) -> Result<Self> {
        Ok(Self { to, sender: connect(to).await? })
    }

    /// Pushes a blob by POST and PUT; answers with its digest.
    pub(super) async fn push_blob(
        &mut self,
        repository: &str,
        content: &Content,
        digest: &str,
    ) -> Result<()> {
        let begin = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.send(Method::POST, &begin, &[], empty()).await?;
        expect(&answer, StatusCode::ACCEPTED)?;
        let location = answer.headers().get("location").context("no Location")?.to_str()?.to_owned();
        drain(answer).await?;
        let path = match location.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
            None => location,
        };
        let joined = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{joined}digest={digest}");
        let blocks = content.blocks().map(|block| Ok::<_, Infallible>(Frame::data(block)));
        let body = StreamBody::new(futures_util::stream::iter(blocks)).boxed_unsync();
        let length = content.size().to_string();
        let headers = [("content-length", length.as_str()), ("content-type", "application/octet-stream")];
        let answer = self.send(Method::PUT, &path, &headers, body).await?;
        expect(&answer, StatusCode::CREATED)?;
        drain(answer).await.map(|_| ())
    }

    /// Pushes a manifest.
    pub(super) async fn push_manifest(&mut self, repository: &str, tag: &str, manifest: &str) -> Result<()> {
        let headers = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        let body = Full::new(Bytes::from(manifest.to_owned())).boxed_unsync();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.send(Method::PUT, &path, &headers, body).await?;
        expect(&answer, StatusCode::CREATED)?;
        drain(answer).await.map(|_| ())
    }

    /// Reads to the end; answers with the number of bytes.
    pub(super) async fn get(&mut self, path: &str) -> Result<u64> {
        let headers = [("accept", "application/vnd.oci.image.manifest.v1+json, */*")];
        let answer = self.send(Method::GET, path, &headers, empty()).await?;
        expect(&answer, StatusCode::OK)?;
        drain(answer).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Response<Incoming>> {
        if self.sender.ready().await.is_err() {
            self.sender = connect(self.to).await?;
            self.sender.ready().await?;
        }
        let mut request = Request::builder().method(method).uri(path).header("host", self.to.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(self.sender.send_request(request.body(body)?).await?)
    }
}

async fn connect(to: SocketAddr) -> Result<SendRequest<Body>> {
    let stream = TcpStream::connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn empty() -> Body {
    Full::new(Bytes::new()).boxed_unsync()
}

fn expect(answer: &Response<Incoming>, status: StatusCode) -> Result<()> {
    if answer.status() != status {
        bail!("answered with {} instead of {status}", answer.status());
    }
    Ok(())
}

async fn drain(answer: Response<Incoming>) -> Result<u64> {
    let mut body = answer.into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            count += data.len() as u64;
        }
    }
    Ok(count)
}
