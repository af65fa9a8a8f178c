// SPDX-License-Identifier: AGPL-3.0-or-later
//! Listeners: plain, TLS and Unix sockets. Each connection in a task of its own; the end waits for what
//! is under way. Those who come over TCP may take what [`Limits`] lets them, and no more; without TLS parts of
//! files go to them by an [`Outlet`](crate::Outlet).

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer as _;

use crate::connection::serve;
use crate::limits::{Addresses, Limits};
use crate::outlet::FileStream;
use crate::progress::Watched;

/// A TLS handshake may take so long.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Out of file descriptors: some may be given back meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address at the other end; an extension of every request over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A TLS configuration that can be replaced while listening.
pub type SharedTls = Arc<RwLock<Arc<ServerConfig>>>;

/// What every listener needs.
#[derive(Clone)]
pub struct Serving {
    /// The end.
    pub shutdown: CancellationToken,
    /// Everything that runs.
    pub tasks: TaskTracker,
}

/// A listener could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Tcp {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {path}")]
    Unix {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Listens; the address says which port the kernel gave.
pub async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |source| ListenError::Tcp { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Serving {
    /// Serves a router on a listener, with TLS where there is a configuration, within the limits that
    /// [`Limits::default()`] sets.
    pub fn tcp(&self, listener: TcpListener, tls: Option<SharedTls>, router: Router) {
        self.tcp_within(Limits::default(), listener, tls, router);
    }

    /// As [`tcp()`](Self::tcp), within other limits.
    pub fn tcp_within(&self, limits: Limits, listener: TcpListener, tls: Option<SharedTls>, router: Router) {
        let serving = self.clone();
        let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let addresses = Addresses::default();
        self.tasks.spawn(async move {
            loop {
                // Room first: who finds none waits in the kernel's queue, and costs nothing here.
                let accepted = async {
                    let place = Arc::clone(&room).acquire_owned().await;
                    (place, listener.accept().await)
                };
                let (place, accepted) = tokio::select! {
                    () = serving.shutdown.cancelled() => return,
                    accepted = accepted => accepted,
                };
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Some(present) = addresses.enter(peer.ip(), limits.per_address) else {
                    tracing::debug!(%peer, most = limits.per_address, "too many connections of one address");
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let router = axum::Extension(Peer(peer)).layer(router.clone());
                let tls =
                    tls.as_ref().map(|tls| Arc::clone(&tls.read().unwrap_or_else(PoisonError::into_inner)));
                let shutdown = serving.shutdown.clone();
                serving.tasks.spawn(async move {
                    let _until_its_end = (place, present);
                    let Some(config) = tls else {
                        let stream = FileStream::new(stream);
                        let router = axum::Extension(stream.outlet()).layer(router);
                        let stream = Watched::new(stream, Some(limits.stalled));
                        let progress = stream.progress();
                        return serve(stream, progress, limits.head, router, &shutdown).await;
                    };
                    let stream = Watched::new(stream, Some(limits.stalled));
                    let progress = stream.progress();
                    let handshake = TlsAcceptor::from(config).accept(stream);
                    match tokio::time::timeout(HANDSHAKE, handshake).await {
                        Ok(Ok(stream)) => serve(stream, progress, limits.head, router, &shutdown).await,
                        Ok(Err(error)) => tracing::debug!(%error, %peer, "no TLS came about"),
                        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
                    }
                });
            }
        });
    }

    /// Serves a router on a Unix socket that everybody of this process's user and group may try. Every
    /// request has the extension that `extension` makes of the uid at the other end: who may do what is
    /// the router's to judge.
    pub fn unix<E: Clone + Send + Sync + 'static>(
        &self,
        path: &Path,
        extension: impl Fn(u32) -> E + Send + 'static,
        router: Router,
    ) -> Result<(), ListenError> {
        let failed = |source| ListenError::Unix { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Who may do what is decided by uid; the group may try.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
        let serving = self.clone();
        let path = path.to_owned();
        self.tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = serving.shutdown.cancelled() => break,
                    accepted = listener.accept() => accepted,
                };
                let (stream, _) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Ok(peer) = stream.peer_cred() else { continue };
                let router = axum::Extension(extension(peer.uid())).layer(router.clone());
                // Somebody of this machine may stop a program for a while; nobody else comes here.
                let stream = Watched::new(stream, None);
                let progress = stream.progress();
                let shutdown = serving.shutdown.clone();
                let head = Limits::default().head;
                serving.tasks.spawn(async move { serve(stream, progress, head, router, &shutdown).await });
            }
            // Whoever comes next makes it anew; a socket that nobody listens on only misleads.
            let _ = std::fs::remove_file(&path);
        });
        Ok(())
    }
}
