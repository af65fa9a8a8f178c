// SPDX-License-Identifier: AGPL-3.0-or-later
//! The way from the guest to the controller: a TCP relay with an address of its own.
//!
//! The guest's network is made before the controller runs, and stays when the controller is killed and started again.
//! What goes through is not looked at: it is TLS between the machine and the controller. But it can be slowed down,
//! stopped, or lost.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that are passed on at once.
const PIECE: usize = 16 << 10;

/// Listens on loopback, and passes each connection on to where it is told.
pub struct Relay {
    address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

/// What happens to what goes through.
#[derive(Default)]
struct Way {
    connections: AtomicU64,
    /// Bytes that went to guests.
    delivered: AtomicU64,
    /// Bytes a second to a guest and connection; 0 is as fast as it goes.
    rate: AtomicU64,
    closed: AtomicBool,
    swallows: AtomicBool,
}

impl Relay {
    /// Listens. Connections are closed at once until [`Self::lead_to`].
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen for guests")?;
        let address = listener.local_addr().context("find the relay's address")?;
        let (to, target) = watch::channel(None);
        let way = Arc::new(Way::default());
        let task = tokio::spawn(serve(listener, target, Arc::clone(&way)));
        Ok(Self { address, to, way, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections go there; those that are open are cut when it changes.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        self.to.send_replace(target);
    }

    /// Closes new connections at once, as a network does that lets nothing through; those that are open stay.
    pub fn close(&self, closed: bool) {
        self.way.closed.store(closed, Ordering::Relaxed);
    }

    /// From now on no guest gets more bytes a second than this on a connection; `None` ends it.
    pub fn slow(&self, bytes_per_second: Option<u64>) {
        self.way.rate.store(bytes_per_second.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Requests arrive, and their answers are lost: guests hear nothing after their handshake until this ends.
    pub fn swallow_answers(&self, swallows: bool) {
        self.way.swallows.store(swallows, Ordering::Relaxed);
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.way.connections.load(Ordering::Relaxed)
    }

    /// Bytes that went to guests so far.
    pub fn delivered(&self) -> u64 {
        self.way.delivered.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, mut target: watch::Receiver<Option<SocketAddr>>, way: Arc<Way>) {
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
        way.connections.fetch_add(1, Ordering::Relaxed);
        let to = *target.borrow();
        if let Some(to) = to.filter(|_| !way.closed.load(Ordering::Relaxed)) {
            open.spawn(pass(from, to, Arc::clone(&way)));
        }
    }
}

/// Passes bytes until both have ended, or one of the two breaks.
async fn pass(from: TcpStream, to: SocketAddr, way: Arc<Way>) {
    // A controller that is not there looks to the guest as it would anywhere: the connection is closed.
    let Ok(to) = TcpStream::connect(to).await else { return };
    let (guest_says, guest_hears) = from.into_split();
    let (controller_says, controller_hears) = to.into_split();
    let turns = Turns::default();
    let broken = tokio::try_join!(
        requests(guest_says, controller_hears, &turns),
        answers(controller_says, guest_hears, &turns, &way),
    );
    // Either way both connections are closed now.
    drop(broken);
}

/// Who spoke: a handshake is the guest, then the controller; what the guest says after that is a request.
#[derive(Default)]
struct Turns {
    greeted: AtomicBool,
    asked: AtomicBool,
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    turns: &Turns,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        if turns.greeted.load(Ordering::Relaxed) {
            turns.asked.store(true, Ordering::Relaxed);
        }
        to.write_all(&buffer[..length]).await?;
    }
}

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    turns: &Turns,
    way: &Way,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    // An answer that lost its beginning is lost for good.
    let mut lost = false;
    loop {
        let length = from.read(&mut buffer).await?;
        lost |= way.swallows.load(Ordering::Relaxed) && turns.asked.load(Ordering::Relaxed);
        if lost {
            if length == 0 {
                return Ok(());
            }
            continue;
        }
        if length == 0 {
            return to.shutdown().await;
        }
        turns.greeted.store(true, Ordering::Relaxed);
        to.write_all(&buffer[..length]).await?;
        way.delivered.fetch_add(length as u64, Ordering::Relaxed);
        let rate = way.rate.load(Ordering::Relaxed);
        if let Some(milliseconds) = (length as u64 * 1000).checked_div(rate) {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
    }
}

#[cfg(test)]
mod tests {
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

    async fn say(guest: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        guest.write_all(text).await.unwrap();
        let mut answer = vec![0; text.len()];
        guest.read_exact(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_are_cut_when_the_controller_goes() {
        let relay = Relay::start().await.unwrap();
        relay.lead_to(Some(echo().await));
        let mut guest = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(say(&mut guest, b"hello").await, b"hello");
        assert_eq!(relay.delivered(), 5);

        relay.lead_to(None);
        // The end of the stream, or a reset: whichever the system makes of a relay that let go.
        let mut answer = [0; 5];
        assert!(matches!(guest.read(&mut answer).await, Ok(0) | Err(_)));
        let mut late = TcpStream::connect(relay.address()).await.unwrap();
        assert!(matches!(late.read(&mut answer).await, Ok(0) | Err(_)));
        assert_eq!(relay.connections(), 2);
    }

    #[tokio::test]
    async fn a_closed_relay_lets_nobody_in_and_nobody_out() {
        let relay = Relay::start().await.unwrap();
        relay.lead_to(Some(echo().await));
        let mut guest = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(say(&mut guest, b"one").await, b"one");
        relay.close(true);
        let mut late = TcpStream::connect(relay.address()).await.unwrap();
        assert!(matches!(late.read(&mut [0; 5]).await, Ok(0) | Err(_)));
        assert_eq!(say(&mut guest, b"two").await, b"two");
        relay.close(false);
        let mut again = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(say(&mut again, b"three").await, b"three");
    }

    #[tokio::test]
    async fn a_request_whose_answer_is_swallowed_has_arrived() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::start().await.unwrap();
        relay.lead_to(Some(listener.local_addr().unwrap()));
        relay.swallow_answers(true);
        let mut guest = TcpStream::connect(relay.address()).await.unwrap();
        let (mut controller, _) = listener.accept().await.unwrap();
        let mut heard = [0; 5];
        // The handshake.
        guest.write_all(b"hello").await.unwrap();
        controller.read_exact(&mut heard).await.unwrap();
        controller.write_all(b"hello").await.unwrap();
        guest.read_exact(&mut heard).await.unwrap();
        // The request.
        guest.write_all(b"write").await.unwrap();
        controller.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"write");
        controller.write_all(b"taken").await.unwrap();
        drop(controller);
        guest.shutdown().await.unwrap();
        assert_eq!(guest.read(&mut heard).await.unwrap_or_default(), 0, "nothing comes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_relay_takes_its_time() {
        let way = Way::default();
        way.rate.store(PIECE as u64, Ordering::Relaxed);
        let began = tokio::time::Instant::now();
        let mut got = Vec::new();
        answers(&vec![7; 3 * PIECE][..], &mut got, &Turns::default(), &way).await.unwrap();
        assert_eq!((got.len(), began.elapsed()), (3 * PIECE, Duration::from_secs(3)));
    }
}
