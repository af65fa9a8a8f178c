// SPDX-License-Identifier: AGPL-3.0-or-later
//! Parts of files that leave a plain TCP connection by `sendfile(2)`: from the page cache to the socket, without
//! a copy into memory.
//!
//! Hyper owns the connection and knows bodies as memory only. So a part of a file goes through it as a stand-in:
//! `Bytes` of the right length that lie in one region of this module's, which holds nothing anybody wants.
//! [`FileStream`] below hyper knows the region by its address, and sends the file where it meets it.
//!
//! Why no wrong byte can leave so:
//! * Whoever has an [`Outlet`] has the one of a request's own connection. Other connections, those with TLS among
//!   them, have none, and their bodies are memory.
//! * Parts leave in the order in which they were made. A stand-in has to be where the first part that waits has its
//!   own, with exactly what is left of that in length, and each part has its own beginning in the region.
//!   Anything else is an error that ends the connection before a byte of it is written.
//! * Bytes of the region are never written to a socket. Somebody above who copied them instead of handing them on
//!   would drop the stand-in unsent: then too the connection ends before its next byte.
//! * A file that has become shorter ends the connection; nothing is filled up.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The most bytes that one part has.
pub const PART: usize = 256 << 10;
/// The beginnings that stand-ins have in turn, and the bytes from one to the next.
const BEGINNINGS: usize = 32;
const STEP: usize = 4096;
/// Where stand-ins lie. Nobody reads it, so it is never in memory.
static REGION: [u8; PART + BEGINNINGS * STEP] = [b'?'; PART + BEGINNINGS * STEP];
/// Where the kernel cannot send from a file, so much of it is read at once.
const BY_HAND: usize = 64 << 10;

/// Where parts of files leave; an extension of requests over plain TCP. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outlet(Arc<Mutex<Queue>>);

/// The parts that wait, first things first.
#[derive(Debug, Default)]
struct Queue {
    parts: VecDeque<Part>,
    made: usize,
    /// A stand-in was dropped before all of its part was sent.
    lost: bool,
}

/// What is left of a part of a file.
#[derive(Clone, Debug)]
struct Part {
    number: usize,
    file: Arc<File>,
    offset: u64,
    left: usize,
    /// Where in the region the rest of its stand-in begins.
    at: usize,
}

/// What hyper holds instead of a part.
struct StandIn {
    queue: Arc<Mutex<Queue>>,
    number: usize,
    at: usize,
    length: usize,
}

/// A TCP connection that sends parts of files.
pub(crate) struct FileStream {
    stream: TcpStream,
    outlet: Outlet,
    /// The kernel cannot send from the files that there are.
    by_hand: bool,
}

// === impl Outlet ===

impl Outlet {
    /// What stands for `length` bytes of a file from `offset` on, at most [`PART`], in the body of the request that
    /// this came with. It has to go into that body unread, and next.
    pub fn part(&self, file: &Arc<File>, offset: u64, length: usize) -> Bytes {
        let length = length.min(PART);
        if length == 0 {
            return Bytes::new();
        }
        let mut queue = self.queue();
        let number = queue.made;
        queue.made = queue.made.wrapping_add(1);
        let at = number % BEGINNINGS * STEP;
        queue.parts.push_back(Part { number, file: Arc::clone(file), offset, left: length, at });
        drop(queue);
        Bytes::from_owner(StandIn { queue: Arc::clone(&self.0), number, at, length })
    }

    /// The part that this slice stands for.
    fn next(&self, at: usize, length: usize) -> io::Result<Part> {
        let queue = self.queue();
        let part = queue.parts.front().filter(|part| part.at == at && part.left == length);
        part.cloned().ok_or_else(|| io::Error::other("a body has parts of files in disorder"))
    }

    /// So many bytes of the first part were sent.
    fn sent(&self, count: usize) {
        let mut queue = self.queue();
        let Some(part) = queue.parts.front_mut() else { return };
        part.offset += count as u64;
        part.at += count;
        part.left = part.left.saturating_sub(count);
        if part.left == 0 {
            queue.parts.pop_front();
        }
    }

    /// Whether all that was to be sent so far was, or still can be.
    fn intact(&self) -> io::Result<()> {
        if self.queue().lost {
            return Err(io::Error::other("a part of a file was left out of a body"));
        }
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl StandIn ===

impl AsRef<[u8]> for StandIn {
    fn as_ref(&self) -> &[u8] {
        &REGION[self.at..self.at + self.length]
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.parts.iter().any(|part| part.number == self.number) {
            queue.lost = true;
            // A connection that ends anyway need not keep files open until it has.
            queue.parts.clear();
        }
    }
}

/// Where in the region a slice begins, if it lies there.
fn in_region(slice: &[u8]) -> Option<usize> {
    let at = slice.as_ptr().addr().wrapping_sub(REGION.as_ptr().addr());
    (at < REGION.len()).then_some(at)
}

// === impl FileStream ===

impl FileStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, outlet: Outlet::default(), by_hand: false }
    }

    /// Where parts of files leave by this connection.
    pub(crate) fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Sends what the socket takes of the part that a slice stands for.
    fn poll_part(&mut self, cx: &mut Context<'_>, at: usize, length: usize) -> Poll<io::Result<usize>> {
        let part = self.outlet.next(at, length)?;
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let count = if self.by_hand { self.copy(&part) } else { self.send(&part) };
            match count {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if !self.by_hand && cannot_send(&error) => self.by_hand = true,
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    self.outlet.sent(count);
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }

    fn send(&self, part: &Part) -> io::Result<usize> {
        let count = self.stream.try_io(Interest::WRITABLE, || {
            let mut offset = part.offset;
            Ok(rustix::io::retry_on_intr(|| {
                rustix::fs::sendfile(&self.stream, &part.file, Some(&mut offset), part.left)
            })?)
        })?;
        some(count)
    }

    fn copy(&self, part: &Part) -> io::Result<usize> {
        let mut buffer = vec![0; part.left.min(BY_HAND)];
        let read = loop {
            match part.file.read_at(&mut buffer, part.offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break some(other?)?,
            }
        };
        self.stream.try_write(&buffer[..read])
    }
}

/// No byte where there should be some: the file has become shorter.
fn some(count: usize) -> io::Result<usize> {
    if count == 0 {
        tracing::error!("a file became shorter while it was sent");
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(count)
}

/// Whether the error is of the kind of file, and not of the socket or the disk.
fn cannot_send(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

impl AsyncRead for FileStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.outlet.intact()?;
        // Empty ones are neither memory nor file.
        let bufs = bufs.iter().position(|buf| !buf.is_empty()).map_or(&[][..], |first| &bufs[first..]);
        let memory = bufs.iter().position(|buf| in_region(buf).is_some()).unwrap_or(bufs.len());
        match bufs.first().and_then(|buf| Some((in_region(buf)?, buf.len()))) {
            Some((at, length)) => self.poll_part(cx, at, length),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, &bufs[..memory]),
        }
    }

    /// Without this hyper would copy what it writes together.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (FileStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (FileStream::new(listener.accept().await.unwrap().0), client)
    }

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    fn content() -> Vec<u8> {
        (0..3 * PART).map(|at| (at / 256 + at) as u8).collect()
    }

    #[tokio::test]
    async fn a_part_is_sent_also_where_the_kernel_cannot() {
        for by_hand in [false, true] {
            let (mut stream, mut client) = connected().await;
            stream.by_hand = by_hand;
            let content = content();
            let file = file(&content);
            let parts = [(0, PART), (7, 1), (PART as u64 + 1, PART)];
            let sent = tokio::spawn(async move {
                for (offset, length) in parts {
                    let mut part = stream.outlet.part(&file, offset, length);
                    stream.write_all_buf(&mut part).await.unwrap();
                }
                assert!(stream.outlet.queue().parts.is_empty());
                drop(stream);
                Arc::strong_count(&file)
            });
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            let expected = parts.map(|(offset, length)| &content[offset as usize..][..length]).concat();
            assert!(got == expected, "by hand: {by_hand}");
            assert_eq!(sent.await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_slice_that_is_not_the_rest_of_the_first_part_is_not_written() {
        let file = file(&content());
        let (mut stream, mut client) = connected().await;
        let outlet = stream.outlet();
        let (first, second) = (outlet.part(&file, 0, 1000), outlet.part(&file, 1000, 1000));
        for wrong in [&second[..], &first[1..], &first[..999], &REGION[..], &REGION[REGION.len() - 1..]] {
            stream.write(wrong).await.unwrap_err();
        }
        let bufs = [b"", b"memory".as_slice(), &second].map(IoSlice::new);
        assert_eq!(stream.write_vectored(&bufs).await.unwrap(), 6, "what comes before it is");
        assert_eq!(stream.write(&first).await.unwrap(), 1000);
        stream.write(&first).await.unwrap_err();
        assert_eq!(stream.write(&second).await.unwrap(), 1000);
        drop(stream);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert!(got == [b"memory", &content()[..2000]].concat());
        drop((first, second));
    }

    #[tokio::test]
    async fn after_a_part_that_was_dropped_nothing_is_written() {
        let file = file(&content());
        let (mut stream, mut client) = connected().await;
        let outlet = stream.outlet();
        let part = outlet.part(&file, 0, 1000);
        let rest = part.slice(10..);
        drop(part);
        stream.write_all(b"here").await.unwrap();
        drop(rest);
        stream.write(b"not here").await.unwrap_err();
        assert_eq!(Arc::strong_count(&file), 1);
        drop(stream);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"here");
    }

    #[tokio::test]
    async fn where_a_file_ends_early_the_write_fails() {
        for by_hand in [false, true] {
            let (mut stream, _client) = connected().await;
            stream.by_hand = by_hand;
            let part = stream.outlet.part(&file(b"short"), 2, 10);
            assert_eq!(stream.write(&part).await.unwrap(), 3);
            let error = stream.write(&part[3..]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn a_kind_of_file_that_cannot_be_sent_from_is_found_out() {
        // A pipe has no pages; reading it at an offset is an error too, which shows that it was tried.
        let (reader, _writer) = io::pipe().unwrap();
        let file = Arc::new(File::from(std::os::fd::OwnedFd::from(reader)));
        let (mut stream, _client) = connected().await;
        let part = stream.outlet.part(&file, 0, 10);
        let error = stream.write(&part).await.unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::SPIPE));
    }

    #[test]
    fn no_part_is_longer_than_its_stand_in() {
        let outlet = Outlet::default();
        let file = file(b"");
        let parts: Vec<_> = (0..2 * BEGINNINGS).map(|_| outlet.part(&file, 0, usize::MAX)).collect();
        assert!(parts.iter().all(|part| part.len() == PART && in_region(part).is_some()));
        assert!(outlet.part(&file, 0, 0).is_empty());
        assert!(in_region(&[0; 10]).is_none());
    }
}
