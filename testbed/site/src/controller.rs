// SPDX-License-Identifier: AGPL-3.0-or-later
//! The controller: the real `shoal run`, as a child process.
//!
//! Guarantees: it is ended when this is dropped, whatever happened. Everything that it listens on is on
//! loopback.

use std::fs::{self, File, OpenOptions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::Peer;
use crate::place::Place;
use crate::program::Programs;

/// How long it may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a controller listens. The second one listens where the first did: machines that are at work
/// when it is killed were told of these addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// The API, plain.
    pub api: SocketAddr,
    /// The API over TLS.
    pub api_tls: SocketAddr,
    /// Media, plain.
    pub media: SocketAddr,
    /// Media over TLS.
    pub media_tls: SocketAddr,
}

impl Addresses {
    /// At an IP address that nobody else has, with ports in a row from `first` on.
    pub fn at(ip: IpAddr, first: u16) -> Self {
        let [api, api_tls, media, media_tls] =
            [0, 1, 2, 3].map(|more| SocketAddr::new(ip, first.saturating_add(more)));
        Self { api, api_tls, media, media_tls }
    }

    /// The kernel chooses the ports.
    pub fn any() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { api: any, api_tls: any, media: any, media_tls: any }
    }
}

/// A controller that runs.
pub struct Controller {
    child: Child,
}

impl Controller {
    /// Starts it with `settings` (`--flag=value`) beside those that the place gives, or in their stead, and waits until
    /// it answers on its socket.
    pub async fn start(
        programs: &Programs,
        place: &Place,
        at: &Addresses,
        settings: &[String],
    ) -> anyhow::Result<(Self, Addresses)> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(place.controller_log())
            .context("open the controller's log")?;
        let told = place.root().join("addresses.json");
        let out = File::create(&told).context("make a file for the controller's addresses")?;
        let show = |path: PathBuf| path.display().to_string();
        let mut command = programs.shoal_command();
        command.current_dir(place.root()).args(["run", "--print-addresses", "--log-format", "text"]);
        for (flag, value) in [
            ("--repo", show(place.bare())),
            ("--age-key-file", show(place.age_key())),
            ("--storage-root", show(place.storage())),
            ("--socket", show(place.socket())),
            ("--maintenance-iso", show(place.maintenance_iso())),
            ("--http-addr", at.api.to_string()),
            ("--https-addr", at.api_tls.to_string()),
            ("--media-addr", at.media.to_string()),
            ("--media-tls-addr", at.media_tls.to_string()),
        ] {
            let own = format!("{flag}=");
            if settings.iter().all(|setting| !setting.starts_with(&own)) {
                command.arg(flag).arg(value);
            }
        }
        command.args(settings);
        let child =
            command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().context("start shoal run")?;
        let mut controller = Self { child };
        let addresses = controller.answers(&Peer::Socket(place.socket()), &told).await?;
        Ok((controller, addresses))
    }

    /// Waits until it answers on its socket and has told its addresses.
    async fn answers(&mut self, peer: &Peer, told: &Path) -> anyhow::Result<Addresses> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().context("look at the controller")? {
                bail!("the controller ended: {status}");
            }
            let text = fs::read_to_string(told).context("read the controller's addresses")?;
            if text.ends_with('\n') && matches!(peer.get("/healthz").await, Ok((200, _))) {
                return serde_json::from_str(&text).context("understand the controller's addresses");
            }
            if Instant::now() >= deadline {
                bail!("the controller does not answer on its socket in {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`; the signal that it ended by, as the operating system says.
    pub fn kill(mut self) -> anyhow::Result<Option<i32>> {
        self.child.kill().context("kill the controller")?;
        Ok(self.child.wait().context("wait for the controller")?.signal())
    }

    /// `SIGTERM`, and the exit code that it ends with.
    pub async fn stop(mut self) -> anyhow::Result<Option<i32>> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("find the controller")?, Signal::TERM).context("stop the controller")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for the controller")? {
                return Ok(ExitStatus::code(&status));
            }
            if Instant::now() >= deadline {
                bail!("the controller does not end on SIGTERM in {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// `kill -9` of a child of this process, by its id. It is gone when this returns, sockets and all; whoever started it
/// still learns how it ended.
pub fn kill_child(pid: u32) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("understand a process id")?;
    kill_process(pid, Signal::KILL).context("kill the controller")?;
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            // It is gone, and somebody has heard of it already.
            Ok(_) | Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error).context("wait for the controller"),
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // One that ended already cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
