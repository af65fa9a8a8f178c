// SPDX-License-Identifier: AGPL-3.0-or-later
//! The binary as a person starts it: what it prints, how it ends, what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn testbed(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal-testbed"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn refused(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = testbed(args).output().expect("the binary runs");
    assert!(!status.success(), "{args:?} was accepted: {}", String::from_utf8_lossy(&stdout));
    String::from_utf8(stderr).expect("text")
}

/// A running testbed, killed if a test forgets it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> (Self, BufReader<std::process::ChildStdout>) {
        let mut child = command.spawn().expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        (Self(child), stdout)
    }

    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it still runs");
        let status = self.0.wait().expect("it ends");
        let mut stderr = String::new();
        self.0.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("text");
        (status.code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after `interrupt`.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn json_lines(lines: &mut impl BufRead, count: usize) -> Vec<Value> {
    lines
        .lines()
        .take(count)
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
        .collect()
}

/// Status line of a plain HTTP GET with Basic credentials.
fn get(url: &str, path: &str, basic: &str) -> String {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {basic}\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line.trim_end().to_owned()
}

#[test]
fn it_prints_a_line_for_each_bmc_and_ends_on_interrupt() {
    let args = ["bmc", "--profile", "ilo5", "--count", "3", "--seed", "7", "--tls"];
    let (running, mut lines) = Running::start(&mut testbed(&args));
    let mut seen = Vec::new();
    for index in 0..3 {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[0], index.to_string());
        assert!(fields[1].starts_with("https://127.0.0.1:"), "{line}");
        assert_eq!(fields[3].len(), "sha256:".len() + 64, "{line}");
        seen.push(fields[1].to_owned());
    }
    let mut seed = String::new();
    lines.read_line(&mut seed).expect("a line");
    assert_eq!(seed.trim(), "seed 7");
    let address = seen[0].strip_prefix("https://").expect("checked above").to_owned();
    assert_eq!(running.interrupt(), (Some(0), String::new()));
    TcpStream::connect(address).expect_err("nobody listens any more");
}

#[test]
fn json_output_is_enough_to_log_in_and_to_steer() {
    let args =
        ["bmc", "--profile", "idrac9-6", "--count", "2", "--json", "--control", "127.0.0.1:0", "--seed", "1"];
    let args = [&args[..], &["--user", "admin", "--password-env", "BMC_PASSWORD"]].concat();
    let (running, mut lines) = Running::start(testbed(&args).env("BMC_PASSWORD", "hunter2"));
    let printed = json_lines(&mut lines, 3);
    assert_eq!(printed[1]["index"], 1);
    let url = printed[1]["url"].as_str().expect("a URL");
    // admin:hunter2, then root:shoal-testbed.
    assert_eq!(get(url, "/redfish/v1/Systems", "YWRtaW46aHVudGVyMg=="), "HTTP/1.1 200 OK");
    assert_eq!(get(url, "/redfish/v1/Systems", "cm9vdDpzaG9hbC10ZXN0YmVk"), "HTTP/1.1 401 Unauthorized");
    let control = printed[2]["control"].as_str().expect("a URL");
    assert_eq!(get(control, "/control/bmc/1/state", ""), "HTTP/1.1 200 OK");
    assert!(!printed.iter().any(|line| line.to_string().contains("hunter2")));
    assert_eq!(running.interrupt().0, Some(0));
}

#[test]
fn identities_and_faults_come_from_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path of text").to_owned()
    };
    let identity = r#"[{serial: XF-12345ABC, board_serial: B1, sku: S1, bmc_mac: "02:00:00:00:00:fe",
        uuid: 4c4c4544-0035-3410-8050-c6c04f314733, macs: ["02:00:00:00:00:01"], disks: []}]"#;
    let identities = write("identities.yaml", identity);
    let faults = write(
        "faults.yaml",
        "rules: [{name: busy, path: /redfish/v1/Systems, fault: {kind: status, status: 503}}]",
    );
    let mut args = vec!["bmc", "--profile", "smc-x13-single", "--identities", &identities];
    args.extend(["--faults", &faults, "--json", "--no-machines"]);
    let (running, mut lines) = Running::start(&mut testbed(&args));
    let printed = json_lines(&mut lines, 1);
    assert_eq!(printed[0]["serial"], "XF-12345ABC");
    let url = printed[0]["url"].as_str().expect("a URL");
    let credentials = "cm9vdDpzaG9hbC10ZXN0YmVk";
    assert_eq!(get(url, "/redfish/v1/Systems", credentials), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(get(url, "/redfish/v1/Managers", credentials), "HTTP/1.1 200 OK");
    assert_eq!(running.interrupt().0, Some(0));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let broken = dir.path().join("faults.yaml");
    std::fs::write(&broken, "rules: [{name: x, fault: {kind: explode}}]").expect("a file");
    let broken = broken.to_str().expect("a path of text");
    for (args, reason) in [
        (vec!["bmc", "--profile", "ilo9"], "there are idrac9-6, idrac10, ilo5, xcc, "),
        (vec!["bmc", "--profile", "ilo5", "--listen", "nowhere"], "--listen"),
        (vec!["bmc", "--profile", "ilo5", "--faults", "/nonexistent/faults"], "read /nonexistent/faults"),
        (vec!["bmc", "--profile", "ilo5", "--faults", broken], "explode"),
        (vec!["bmc", "--profile", "ilo5", "--password-env", "NOT_SET"], "$NOT_SET"),
        (vec!["bmc", "--profile", "ilo5", "--time-scale=-1"], "time scale"),
        (vec!["bmc"], "--profile"),
    ] {
        let said = refused(&args);
        assert!(said.contains(reason), "{args:?}: {said}");
    }
}

#[test]
fn profiles_are_listed_by_name() {
    let output = testbed(&["profiles"]).output().expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    for name in
        ["idrac9-6", "ilo5", "smc-x13-single", "ibmc-xfusion", "ilo4", "idrac9-5", "bluefield", "hostile"]
    {
        assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
    }
}
