// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an interrupted command leaves on a BMC, and what it never asks the environment.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shoal_testbed::bmc::profiles;

use super::bmc_check::{Emulated, PASSWORD, USER};
use super::harness::Sandbox;

#[test]
fn a_command_that_is_interrupted_leaves_no_session_behind() {
    // Each read takes so long that the command is in the middle of it.
    let slow =
        "rules:\n  - {name: slow, methods: [GET], path: '**/Systems**', fault: {kind: latency, ms: 2000}}";
    for (command, signal, code) in [("inspect", "-INT", 130), ("check", "-INT", 130), ("check", "-TERM", 143)]
    {
        let bmc = Emulated::with(profiles::by_name("ilo5").expect("a model"), slow);
        let sandbox = Sandbox::new();
        let (url, pin) = (bmc.bmc().url(), bmc.bmc().fingerprint().expect("TLS"));
        let args = ["bmc", command, "--url", &url, "--user", USER, "--password-env", "PW", "--pin", pin];
        let mut child = sandbox
            .shoal(&args)
            .env("PW", PASSWORD)
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        let end = Instant::now() + Duration::from_secs(60);
        while bmc.bmc().state().open_sessions == 0 {
            assert!(Instant::now() < end, "{command} never logged in");
            std::thread::sleep(Duration::from_millis(5));
        }
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        assert_eq!(child.wait().expect("it ends").code(), Some(code), "{command} {signal}");
        let state = bmc.bmc().state();
        assert_eq!(state.open_sessions, 0, "{command} {signal}");
        assert_eq!((state.counters.sessions, state.counters.sessions_closed), (1, 1), "{command} {signal}");
    }
}

#[test]
fn no_proxy_of_the_environment_is_ever_asked() {
    let bmc = Emulated::with(profiles::by_name("ilo5").expect("a model"), "rules: []");
    // Whoever connects here has asked the environment.
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    proxy.set_nonblocking(true).expect("a listener that does not wait");
    let address = format!("http://{}", proxy.local_addr().expect("an address"));
    let sandbox = Sandbox::new();
    let (url, pin) = (bmc.bmc().url(), bmc.bmc().fingerprint().expect("TLS"));
    let args = ["bmc", "inspect", "--url", &url, "--user", USER, "--password-env", "PW", "--pin", pin];
    let mut shoal = sandbox.shoal(&args).env("PW", PASSWORD);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        shoal = shoal.env(name, &address).env(&name.to_lowercase(), &address);
    }
    shoal.run().ends(0);
    assert!(proxy.accept().is_err(), "the proxy was asked");
}
