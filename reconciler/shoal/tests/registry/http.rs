// SPDX-License-Identifier: AGPL-3.0-or-later
//! A client that sends what the test says, byte by byte where need be. One connection for each request, so
//! that a body that breaks off is seen: no library repeats, follows or decodes anything on the way.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than anything takes; a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(100);

/// Whom to ask, and as whom.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    login: Option<String>,
}

/// A request whose head was sent.
pub(crate) struct Sending {
    pub(crate) stream: TcpStream,
    head_only: bool,
}

/// An answer whose head was read.
pub(crate) struct Coming {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    left: u64,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

// === impl Http ===

impl Http {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, login: None }
    }

    /// With an account.
    pub(crate) fn login(&self, user: &str, password: &str) -> Self {
        let text = format!("{user}:{password}");
        Self { address: self.address, login: Some(base64(text.as_bytes())) }
    }

    /// Sends the head of a request.
    pub(crate) fn begin(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<Sending> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(login) = &self.login {
            head.push_str(&format!("Authorization: Basic {login}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(Sending { stream, head_only: method == "HEAD" })
    }

    /// A whole request and its answer; an error where the connection broke before the answer's end.
    pub(crate) fn attempt(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        if !matches!(method, "GET" | "HEAD" | "DELETE") {
            all.push(("Content-Length", &length));
        }
        let mut sending = self.begin(method, target, &all)?;
        // A server that refuses answers before it has read everything.
        let written = sending.stream.write_all(body);
        match sending.answer() {
            Ok(answer) => Ok(answer),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }

    /// The same, where the server is known to be there.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.attempt(method, target, headers, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    #[track_caller]
    pub(crate) fn head(&self, target: &str) -> Answer {
        self.send("HEAD", target, &[], b"")
    }

    #[track_caller]
    pub(crate) fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, &[], b"")
    }
}

// === impl Sending ===

impl Sending {
    /// The head of the answer.
    pub(crate) fn coming(self) -> io::Result<Coming> {
        let mut stream = BufReader::with_capacity(256 << 10, self.stream);
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"))?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "half a head"));
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = find(&headers, "content-length").and_then(|length| length.parse().ok());
        let empty = self.head_only || matches!(status, 100..=199 | 204 | 304);
        // The registry knows how long everything is that it sends: a body without a length would hide where
        // it breaks off.
        let left = if empty { 0 } else { length.unwrap_or_else(|| panic!("no Content-Length: {headers:?}")) };
        Ok(Coming { status, headers, stream, left })
    }

    /// The whole answer.
    pub(crate) fn answer(self) -> io::Result<Answer> {
        let mut coming = self.coming()?;
        let mut body = Vec::new();
        coming.read_to_end(&mut body)?;
        Ok(Answer { status: coming.status, headers: coming.headers, body })
    }
}

// === impl Coming ===

impl Read for Coming {
    /// Fails where the body is shorter than its head said.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.stream.read(&mut into[..most])?;
        if count == 0 {
            let message = format!("{} bytes of the body are missing", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

// === impl Answer ===

impl Answer {
    /// It has this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// A header that must be there.
    #[track_caller]
    pub(crate) fn the(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name}: {} {:?}", self.status, self.headers))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The code of the specification's error body.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let code = self.json()["errors"][0]["code"].clone();
        code.as_str().unwrap_or_else(|| panic!("no code in {}", self.text())).to_owned()
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let symbol = char::from(ALPHABET[(word >> (18 - 6 * at)) as usize & 63]);
            out.push(if at <= chunk.len() { symbol } else { '=' });
        }
    }
    out
}
