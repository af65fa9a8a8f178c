// SPDX-License-Identifier: AGPL-3.0-or-later
//! The controller: the real `shoal run`, as a child process.
//!
//! Guarantees: it is ended when this is dropped, whatever happened. Everything that it listens on is on
//! loopback.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use shoal_taskiso::{DEFAULT_LIMIT, TaskFiles, build_volume};
use tokio::time::Instant;

use super::api::Peer;
use super::place::Place;
use super::program::Programs;

/// The controller's pauses and budgets are divided by this: a boot may take 36 seconds, not 15 minutes.
const TIME_DIVISOR: u32 = 25;
/// How long it may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ports that both incarnations of the controller listen on: machines that are at work when it is
/// killed were told of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    api: u16,
    api_tls: u16,
    media: u16,
    media_tls: u16,
}

impl Ports {
    /// Ports that the kernel has free now.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        // Held until all are known, so that no two are the same.
        let mut held = Vec::new();
        let mut next = || -> anyhow::Result<u16> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
            let port = listener.local_addr().context("find a free port")?.port();
            held.push(listener);
            Ok(port)
        };
        Ok(Self { api: next()?, api_tls: next()?, media: next()?, media_tls: next()? })
    }
}

/// A controller that runs.
pub(crate) struct Controller {
    child: Child,
}

impl Controller {
    /// Starts it, and waits until it answers on its socket.
    pub(crate) async fn start(programs: &Programs, place: &Place, ports: Ports) -> anyhow::Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(place.controller_log())
            .context("open the controller's log")?;
        let errors = log.try_clone().context("open the controller's log")?;
        let on = |port: u16| format!("127.0.0.1:{port}");
        let mut command = programs.shoal_command();
        command
            .current_dir(place.root())
            .arg("run")
            .args(["--time-divisor", &TIME_DIVISOR.to_string()])
            .env("CONTROLLER_HTTP_ADDR", on(ports.api))
            .env("CONTROLLER_HTTPS_ADDR", on(ports.api_tls))
            .env("MEDIA_ADDR", on(ports.media))
            .env("MEDIA_TLS_ADDR", on(ports.media_tls))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let child = command.spawn().context("start shoal run")?;
        let mut controller = Self { child };
        controller.answers(&Peer::Socket(place.socket())).await?;
        Ok(controller)
    }

    async fn answers(&mut self, peer: &Peer) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().context("look at the controller")? {
                bail!("the controller ended: {status}");
            }
            if matches!(peer.get("/healthz").await, Ok((200, _))) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("the controller does not answer on its socket in {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `kill -9`; the signal that it ended by, as the operating system says.
    pub(crate) fn kill(mut self) -> anyhow::Result<Option<i32>> {
        self.child.kill().context("kill the controller")?;
        Ok(self.child.wait().context("wait for the controller")?.signal())
    }

    /// `SIGTERM`, and the exit code that it ends with.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Option<i32>> {
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

impl Drop for Controller {
    fn drop(&mut self) {
        // One that ended already cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a volume that stands in for the maintenance ISO. The machines' maintenance OS is simulated:
/// nothing in it is started, every byte of it is read.
pub(crate) fn write_maintenance_iso(place: &Place) -> anyhow::Result<()> {
    let mut files = TaskFiles::new();
    files
        .insert("readme.txt", "A stand-in for the maintenance OS of emulated machines.\n".to_owned())
        .context("fill the maintenance ISO")?;
    let iso = build_volume("SHOAL_MAINTENANCE", &files, 0, 1 << 20, DEFAULT_LIMIT)
        .context("build the maintenance ISO")?;
    fs::write(place.maintenance_iso(), &iso.bytes).context("write the maintenance ISO")
}
