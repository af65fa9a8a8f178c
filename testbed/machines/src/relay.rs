// SPDX-License-Identifier: AGPL-3.0-or-later
//! The way from the guest to the controller: a TCP relay with an address of its own.
//!
//! The guest's network is made before the controller runs, and stays when the controller is killed and started again.
//! What goes through is not looked at: it is TLS between the machine and the controller.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Listens on loopback, and passes each connection on to where it is told.
pub struct Relay {
    address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens. Connections are closed at once until [`Self::lead_to`].
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen for guests")?;
        let address = listener.local_addr().context("find the relay's address")?;
        let (to, target) = watch::channel(None);
        let connections = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(serve(listener, target, Arc::clone(&connections)));
        Ok(Self { address, to, connections, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections go there; those that are open are cut when it changes.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        self.to.send_replace(target);
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    mut target: watch::Receiver<Option<SocketAddr>>,
    connections: Arc<AtomicU64>,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = target.changed() => match changed {
                Ok(()) => {
                    open.abort_all();
                    continue;
                }
                Err(_) => return,
            },
            Some(_) = open.join_next() => continue,
        };
        let Ok((from, _)) = accepted else { continue };
        connections.fetch_add(1, Ordering::Relaxed);
        let to = *target.borrow();
        if let Some(to) = to {
            open.spawn(pass(from, to));
        }
    }
}

/// Passes bytes until one of the two ends.
async fn pass(mut from: TcpStream, to: SocketAddr) {
    // A controller that is not there looks to the guest as it would anywhere: the connection is closed.
    if let Ok(mut to) = TcpStream::connect(to).await {
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_are_cut_when_the_controller_goes() {
        let relay = Relay::start().await.unwrap();
        relay.lead_to(Some(echo().await));
        let mut guest = TcpStream::connect(relay.address()).await.unwrap();
        guest.write_all(b"hello").await.unwrap();
        let mut answer = [0; 5];
        guest.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");

        relay.lead_to(None);
        // The end of the stream, or a reset: whichever the system makes of a relay that let go.
        assert!(matches!(guest.read(&mut answer).await, Ok(0) | Err(_)));
        let mut late = TcpStream::connect(relay.address()).await.unwrap();
        assert!(matches!(late.read(&mut answer).await, Ok(0) | Err(_)));
        assert_eq!(relay.connections(), 2);
    }
}
