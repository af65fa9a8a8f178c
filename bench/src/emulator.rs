// SPDX-License-Identifier: AGPL-3.0-or-later
//! Emulated BMCs in a process of their own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use shoal_testbed_site::Peer;

/// The account that the emulator has when nobody says otherwise. It opens nothing real.
pub(super) const USER: &str = "root";
/// Its password.
pub(super) const PASSWORD: &str = "shoal-testbed";

/// The process.
pub(super) struct Emulator {
    child: Child,
    /// The BMCs, in order.
    pub(super) bmcs: Vec<Bmc>,
    /// Where it says what really happened.
    pub(super) control: Peer,
}

/// One BMC, as the emulator announces it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Bmc {
    /// Its address.
    pub(super) url: String,
    /// The serial number of its machine.
    pub(super) serial: String,
    /// The fingerprint of its certificate.
    pub(super) sha256: String,
}

/// What all BMCs together were asked.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Totals {
    /// Requests of any kind.
    pub(super) requests: u64,
    /// Those that look.
    pub(super) reads: u64,
    /// Those that were told that nothing changed.
    pub(super) unchanged: u64,
    /// Logins.
    pub(super) sessions: u64,
    /// Logouts.
    pub(super) sessions_closed: u64,
    /// Logouts of the BMC that had fewest.
    pub(super) fewest_sessions_closed: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Bmc(Bmc),
    Control { control: String },
}

impl Emulator {
    /// Starts the emulator of this build with some arguments, and waits until it answers.
    pub(super) fn start(arguments: &[&str]) -> Result<Self> {
        let own = std::env::current_exe().context("find this program")?;
        let binary = own.with_file_name("shoal-testbed");
        let mut child = Command::new(&binary)
            .args(["bmc", "--json", "--tls", "--seed", "1", "--control", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}: cargo build --release -p shoal-testbed", binary.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut bmcs = Vec::new();
        let mut control = None;
        for line in BufReader::new(stdout).lines() {
            match serde_json::from_str(&line?).context("understand the emulator")? {
                Line::Bmc(bmc) => bmcs.push(bmc),
                Line::Control { control: address } => {
                    control = Some(address);
                    break;
                }
            }
        }
        let control = control.context("the emulator did not start")?;
        let address: SocketAddr = control.trim_start_matches("http://").parse()?;
        Ok(Self { child, bmcs, control: Peer::Address(address) })
    }

    /// What all BMCs together were asked so far.
    pub(super) async fn totals(&self) -> Result<Totals> {
        self.control.json("/control/totals").await
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // One that ended already cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
