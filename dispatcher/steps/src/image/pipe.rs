// SPDX-License-Identifier: AGPL-3.0-or-later
//! A bounded pipe of whole buffers between two threads. Buffers go back and are used again.
//!
//! A writer that goes away without [`PipeWriter::end`] has failed: the reader gets an error and never an early end.

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

/// Bytes in one buffer.
pub const BUFFER: usize = 256 << 10;

/// Buffers on their way at most.
const DEPTH: usize = 16;

enum Message {
    Data(Vec<u8>),
    End,
}

/// A pipe.
pub fn pipe() -> (PipeWriter, PipeReader) {
    let (to, from) = sync_channel(DEPTH);
    let (give_back, spare) = sync_channel(DEPTH);
    let reader = PipeReader { from, give_back, current: Vec::new(), at: 0, ended: false };
    (PipeWriter { to, spare, buffer: Vec::with_capacity(BUFFER) }, reader)
}

/// The end that is written to.
pub struct PipeWriter {
    to: SyncSender<Message>,
    spare: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
}

impl PipeWriter {
    /// Writes everything; waits while the pipe is full.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let len = bytes.len().min(BUFFER - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
            if self.buffer.len() == BUFFER {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Reads one buffer full from somewhere; false at its end.
    pub fn fill(&mut self, source: &mut dyn Read) -> io::Result<bool> {
        let room = (BUFFER - self.buffer.len()) as u64;
        let count = Read::take(&mut *source, room).read_to_end(&mut self.buffer)?;
        if count > 0 {
            self.send()?;
        }
        Ok(count > 0)
    }

    /// Everything was written.
    pub fn end(mut self) -> io::Result<()> {
        self.send()?;
        self.to.send(Message::End).map_err(|_| ErrorKind::BrokenPipe.into())
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let next = match self.spare.try_recv() {
            Ok(spare) => spare,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Vec::with_capacity(BUFFER),
        };
        let full = std::mem::replace(&mut self.buffer, next);
        self.to.send(Message::Data(full)).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

/// The end that is read from.
pub struct PipeReader {
    from: Receiver<Message>,
    give_back: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    ended: bool,
}

impl PipeReader {
    /// Reads to the end and forgets what comes.
    pub fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.fill_buf()?.len() {
                0 => return Ok(()),
                len => self.consume(len),
            }
        }
    }
}

impl BufRead for PipeReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.current.len() && !self.ended {
            match self.from.recv() {
                Ok(Message::Data(next)) => {
                    let mut old = std::mem::replace(&mut self.current, next);
                    self.at = 0;
                    old.clear();
                    if old.capacity() > 0
                        && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                            self.give_back.try_send(old)
                    {
                        // It is freed instead.
                    }
                }
                Ok(Message::End) => self.ended = true,
                Err(_) => return Err(io::Error::new(ErrorKind::BrokenPipe, "the stream broke off")),
            }
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, len: usize) {
        self.at += len;
    }
}

impl Read for PipeReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let len = piece.len().min(to.len());
        to[..len].copy_from_slice(&piece[..len]);
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_and_then_the_end() {
        let (mut writer, mut reader) = pipe();
        let bytes: Vec<u8> = (0..20 * BUFFER + 7).map(|at| (at % 251) as u8).collect();
        let copy = bytes.clone();
        let thread = std::thread::spawn(move || {
            for piece in copy.chunks(BUFFER / 3 + 1) {
                writer.write(piece).expect("written");
            }
            writer.end().expect("ended");
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).expect("read");
        thread.join().expect("whole");
        assert!(read == bytes);
        assert_eq!(reader.read(&mut [0; 8]).expect("the end"), 0);
    }

    #[test]
    fn a_writer_that_goes_away_is_an_error_and_no_end() {
        let (mut writer, mut reader) = pipe();
        writer.write(&vec![1; BUFFER]).expect("written");
        drop(writer);
        assert!(reader.drain().is_err());
    }

    #[test]
    fn a_reader_that_goes_away_stops_the_writer() {
        let (mut writer, reader) = pipe();
        drop(reader);
        assert_eq!(writer.write(&vec![1; BUFFER]).expect_err("gone").kind(), ErrorKind::BrokenPipe);
    }
}
