// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal-vm-forward ADDRESS`: one connection of a guest, on standard input and output, to one address.
//!
//! QEMU starts it for each connection that the guest opens to the controller; nothing else of the host can be reached
//! through it. Each direction ends by itself, as TCP's do.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).and_then(|text| text.parse::<SocketAddr>().ok());
    let Some(address) = address else {
        return failed("give one address, as 127.0.0.1:8443");
    };
    match forward(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{address}: {error}")),
    }
}

fn failed(message: &str) -> ExitCode {
    // Nobody reads it where standard error is closed; the exit code says it too.
    let _unread = writeln!(io::stderr(), "shoal-vm-forward: {message}");
    ExitCode::FAILURE
}

fn forward(address: SocketAddr) -> io::Result<()> {
    let controller = TcpStream::connect(address)?;
    controller.set_nodelay(true)?;
    let mut from_guest = controller.try_clone()?;
    // Not joined: a guest that keeps its side open does not keep the other one from ending.
    std::thread::spawn(move || {
        let copied = io::copy(&mut io::stdin().lock(), &mut from_guest);
        let _gone = from_guest.shutdown(if copied.is_ok() { Shutdown::Write } else { Shutdown::Both });
    });
    let mut to_guest = io::stdout().lock();
    io::copy(&mut Unbuffered(controller), &mut Flushed(&mut to_guest))?;
    Ok(())
}

/// Reads as the connection gives.
struct Unbuffered(TcpStream);

impl io::Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Standard output waits for a line's end; a guest does not send before it has read.
struct Flushed<W>(W);

impl<W: Write> Write for Flushed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        self.0.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
