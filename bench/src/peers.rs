// SPDX-License-Identifier: AGPL-3.0-or-later
//! The programs that are measured. Each listens on loopback and is ended by its pid.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A program that listens.
pub(super) struct Peer {
    /// Where.
    pub(super) at: SocketAddr,
    child: Child,
}

impl Peer {
    /// This build's registry.
    pub(super) fn shoal(binary: &Path, storage: &Path) -> Result<Self> {
        let mut child = Command::new(binary)
            .args([
                "registry",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--print-addresses",
                "--log-level",
                "error",
            ])
            .arg("--storage")
            .arg(storage)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line).context("shoal did not start")?;
        let at = said["registry"].as_str().context("no address")?.parse()?;
        Ok(Self { at, child })
    }

    /// Debian's docker-registry, as its package configures it, without a log.
    pub(super) fn docker_registry(dir: &Path) -> Result<Self> {
        let at = free_port()?;
        let config = dir.join("docker-registry.yml");
        std::fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  \
                 cache:\n    blobdescriptor: inmemory\n  filesystem:\n    rootdirectory: {}\n  delete:\n    \
                 enabled: true\nhttp:\n  addr: {at}\n",
                dir.join("docker").display()
            ),
        )?;
        Self::start(at, Command::new("docker-registry").arg("serve").arg(&config), "docker-registry")
    }

    /// nginx with sendfile, one process a core, on the files of a directory.
    pub(super) fn nginx(dir: &Path, files: &Path) -> Result<Self> {
        let at = free_port()?;
        let config = dir.join("nginx.conf");
        let mut temp = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            temp.push_str(&format!("{kind}_temp_path {};\n", dir.join("nginx-temp").display()));
        }
        std::fs::write(
            &config,
            format!(
                "daemon off;\nuser root;\nworker_processes auto;\npid {pid};\nerror_log stderr crit;\n\
                 events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\nsendfile on;\n\
                 tcp_nopush on;\n{temp}server {{ listen {at}; root {root}; }}\n}}\n",
                pid = dir.join("nginx.pid").display(),
                root = files.display(),
            ),
        )?;
        Self::start(at, Command::new("nginx").arg("-c").arg(&config).arg("-p").arg(dir), "nginx")
    }

    fn start(at: SocketAddr, command: &mut Command, name: &str) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}: apt-get install {name}"))?;
        let mut peer = Self { at, child };
        let began = Instant::now();
        while TcpStream::connect(at).is_err() {
            if let Some(status) = peer.child.try_wait()? {
                bail!("{name} ended with {status}");
            }
            if began.elapsed() > Duration::from_secs(10) {
                bail!("{name} does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(peer)
    }

    /// The most memory it ever had, in MiB.
    pub(super) fn peak_memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx's master ends its workers at SIGTERM; killed, it leaves them.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The release build of the binary.
pub(super) fn release_binary() -> Result<PathBuf> {
    let path = PathBuf::from("target/release/shoal");
    if !path.is_file() {
        bail!("there is no {}: cargo build --release -p shoal", path.display());
    }
    Ok(path)
}
