// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller of the real binary, for tests that talk to it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::{Ran, Sandbox};

/// A file that begins like an ISO 9660 image.
pub(crate) fn write_iso(sandbox: &Sandbox) {
    let mut bytes = vec![0; 40 << 10];
    bytes[16 * 2048 + 1..16 * 2048 + 6].copy_from_slice(b"CD001");
    std::fs::write(sandbox.path("m.iso"), bytes).expect("a file");
}

/// A controller that runs; it is ended when this is dropped.
pub(crate) struct Running<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) child: Child,
    /// What `--print-addresses` printed.
    pub(crate) addresses: Value,
}

impl<'a> Running<'a> {
    pub(crate) fn start(sandbox: &'a Sandbox, repo: &str, more: &[&str]) -> Self {
        let mut args = vec!["run", "--repo", repo, "--maintenance-iso", "m.iso", "--storage-root", "state"];
        args.extend(["--socket", "s.sock", "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0"]);
        args.extend(["--media-addr", "127.0.0.1:0", "--poll-interval", "1s", "--print-addresses"]);
        args.extend(more);
        let log = std::fs::File::create(sandbox.path("log")).expect("a file");
        let mut child = sandbox.shoal(&args).command().stderr(Stdio::from(log)).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let log = sandbox.read("log");
        let addresses = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no addresses:\n{line}{log}"));
        Self { sandbox, child, addresses }
    }

    /// Runs a command that talks to it.
    pub(crate) fn shoal(&self, args: &[&str]) -> Ran {
        self.sandbox.shoal(args).env("SHOAL_SOCKET", self.sandbox.path("s.sock")).run()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !is_so(self) {
            let log = self.sandbox.read("log");
            assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to stop, and answers with the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// BMCs that refuse every connection at once.
pub(crate) fn nobody_answers(sandbox: &Sandbox) {
    for (file, old, new) in [
        ("rack-a/web-01", "10.0.0.1", "127.0.0.1:1"),
        ("rack-a/web-02", "10.0.0.2", "127.0.0.1:2"),
        ("rack-b/db-01", "10.0.0.3", "127.0.0.1:3"),
    ] {
        let path = format!("fleet/servers/{file}.yaml");
        sandbox.write(&path, &sandbox.read(&path).replace(old, new));
    }
}
