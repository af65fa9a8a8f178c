// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal registry serve` as a process of its own, on a port that the kernel chose. It is ended when the test
//! ends, by its own number.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Sandbox;
use crate::http::Http;

/// A registry that runs.
pub(crate) struct Server<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) address: SocketAddr,
    /// The pin of its key, where it has one.
    pub(crate) pin: Option<String>,
    child: Child,
}

/// A policy that does not ask for free space: the disk that the tests run on may be nearly full.
pub(crate) const POLICY: &str = "minFree: 0%\n";

/// A sandbox with that policy and more of one, in `policy.yaml`.
pub(crate) fn sandbox(policy: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("policy.yaml", &format!("{POLICY}{policy}"));
    sandbox
}

/// The arguments of a server on the directory `images` of the sandbox.
pub(crate) const SERVE: [&str; 9] = [
    "registry",
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--storage",
    "images",
    "--policy-file",
    "policy.yaml",
    "--print-addresses",
];

// === impl Server ===

impl<'a> Server<'a> {
    /// Starts one on the directory `images`.
    pub(crate) fn start(sandbox: &'a Sandbox) -> Self {
        Self::with(sandbox, &[])
    }

    /// The same with more arguments.
    pub(crate) fn with(sandbox: &'a Sandbox, more: &[&str]) -> Self {
        let args = [&SERVE, more].concat();
        Self::spawn(sandbox, sandbox.shoal(&args).command())
    }

    /// Starts one with a command that ends in such arguments.
    pub(crate) fn spawn(sandbox: &'a Sandbox, mut command: Command) -> Self {
        let log = sandbox.path("log");
        let log = File::options().create(true).append(true).open(log).expect("a file");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::from(log)).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let Ok(printed) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("no addresses:\n{line}{}", sandbox.read("log"));
        };
        let address = printed["registry"].as_str().and_then(|address| address.parse().ok());
        let pin = printed["pin"].as_str().map(ToOwned::to_owned);
        Self { sandbox, address: address.expect("an address"), pin, child }
    }

    pub(crate) fn http(&self) -> Http {
        Http::to(self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its administration's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ADDRESS/NAME`
    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// `kill -9`; it is gone when this returns.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0), "{}", self.log());
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    pub(crate) fn log(&self) -> String {
        self.sandbox.read("log")
    }

    /// Asks for maintenance and waits until it is done: the task.
    #[track_caller]
    pub(crate) fn task(&self, what: &str) -> Value {
        let http = self.http();
        let begun = http.send("POST", &format!("/api/v1/registry/{what}"), &[], b"").is(202).json();
        let mut ended = Value::Null;
        until(&format!("{what} is done"), || {
            let tasks = http.get("/api/v1/registry/tasks").is(200).json();
            let all = tasks["ended"].as_array().expect("a list");
            ended = all.iter().find(|task| task["id"] == begun["id"]).cloned().unwrap_or_default();
            !ended.is_null()
        });
        assert_eq!(ended["state"], "done", "{ended}");
        ended
    }

    /// What the kernel says of the process's memory, in KiB: `VmHWM` is the most that it ever had.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
