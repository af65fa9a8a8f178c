// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small HTTP client: GET over a Unix socket or over loopback. Independent of the product's own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::{TcpStream, UnixStream};

/// An answer takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where to ask.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A Unix socket.
    Socket(PathBuf),
    /// A TCP address.
    Address(SocketAddr),
}

impl Peer {
    /// Status and body of a GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Bytes)> {
        let answer = async {
            match self {
                Self::Socket(socket) => {
                    let stream = UnixStream::connect(socket).await.context("connect to the socket")?;
                    exchange(TokioIo::new(stream), path).await
                }
                Self::Address(address) => {
                    let stream = TcpStream::connect(address).await.context("connect")?;
                    exchange(TokioIo::new(stream), path).await
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer
            .with_context(|| format!("no answer in time to GET {path}"))?
            .with_context(|| format!("GET {path}"))
    }

    /// The JSON of a GET that was answered with 200.
    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let (status, body) = self.get(path).await?;
        if status != 200 {
            bail!("GET {path} was answered with {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("understand the answer to GET {path}"))
    }
}

async fn exchange<S>(stream: S, path: &str) -> anyhow::Result<(u16, Bytes)>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(stream).await.context("begin HTTP")?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())
        .context("make the request")?;
    let answer = sender.send_request(request).await.context("send the request")?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.context("read the answer")?.to_bytes();
    drop(sender);
    connection.abort();
    Ok((status, body))
}
