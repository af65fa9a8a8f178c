// SPDX-License-Identifier: AGPL-3.0-or-later
//! The real machine: sysfs, block devices, `/run`, systemd.
//!
//! Every path can be moved below another root, so that tests show it trees of their own.

mod bounded;
mod clock;
mod disks;
mod dmi;
mod media;
mod provision;
mod units;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use shoal_schema::disk::DiskFacts;
use shoal_schema::wire::task::Identity;
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;
use crate::host::{Clock, Connect, DiskBytes, Hardware, Provision, TaskMedia, Units};
use crate::medium::Scan;
use crate::output::OutputFile;
use crate::progress::PIECE;
use crate::transport::{HttpTransport, Transport, TransportError};
use crate::why::{FAILURE_LIMIT, UnitEnd};

pub use provision::ProvisionDir;

/// Where a step writes down why it failed. Its containers can write there, and not to `/run/provision`.
pub const FAILURE_FILE: &str = "/run/provision-steps/failure.json";

/// Where steps append how far they are.
pub const PROGRESS_FILE: &str = "/run/provision-steps/progress.jsonl";

/// Where things are on a Linux machine.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `/sys`
    pub sys: PathBuf,
    /// `/proc`
    pub proc: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
    /// `/run/udev/data`
    pub udev: PathBuf,
    /// The directory for the steps.
    pub provision: PathBuf,
    /// Where a step writes down why it failed.
    pub failure: PathBuf,
    /// Where steps append how far they are.
    pub progress: PathBuf,
    /// Where a task medium is mounted while it is read.
    pub mount_point: PathBuf,
    /// A device or file to read the task from, instead of a search.
    pub task_device: Option<PathBuf>,
    /// The list of targets that this OS ships, one a line.
    pub targets: PathBuf,
    /// The program that waits for udev.
    pub udevadm: PathBuf,
    /// The program that starts targets.
    pub systemctl: PathBuf,
    /// The program that reads the log of a unit.
    pub journalctl: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
            dev: "/dev".into(),
            udev: "/run/udev/data".into(),
            provision: "/run/provision".into(),
            failure: FAILURE_FILE.into(),
            progress: PROGRESS_FILE.into(),
            mount_point: "/mnt/task".into(),
            task_device: None,
            targets: "/usr/lib/shoal/targets".into(),
            udevadm: "/usr/bin/udevadm".into(),
            systemctl: "/usr/bin/systemctl".into(),
            journalctl: "/usr/bin/journalctl".into(),
        }
    }
}

/// The machine that this process runs on.
#[derive(Clone, Debug)]
pub struct LinuxHost {
    paths: Paths,
    provision: ProvisionDir,
    started: tokio::time::Instant,
}

impl LinuxHost {
    /// Nothing is read or written yet. Needs a tokio runtime with time.
    pub fn new(paths: Paths) -> Self {
        let provision = ProvisionDir::new(paths.provision.clone());
        Self { paths, provision, started: tokio::time::Instant::now() }
    }

    /// Whether this process may mount and write below `/run`.
    pub fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}

#[async_trait]
impl Clock for LinuxHost {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn set(&self, time: Timestamp) -> io::Result<()> {
        clock::set(time)
    }
}

#[async_trait]
impl TaskMedia for LinuxHost {
    async fn scan(&self, names: &[String]) -> Scan {
        let (paths, names) = (self.paths.clone(), names.to_vec());
        // A drive that spins up blocks its reader for seconds.
        tokio::task::spawn_blocking(move || media::scan(&paths, &names)).await.unwrap_or_default()
    }
}

#[async_trait]
impl Hardware for LinuxHost {
    async fn identity(&self) -> Identity {
        dmi::identity(&self.paths.sys)
    }

    async fn boot_id(&self) -> io::Result<String> {
        let text = std::fs::read_to_string(self.paths.proc.join("sys/kernel/random/boot_id"))?;
        let id = text.trim();
        if id.is_empty() || id.len() > 64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the kernel's boot id has no usable length",
            ));
        }
        Ok(id.to_owned())
    }

    async fn disks(&self) -> io::Result<Vec<DiskFacts>> {
        // Controllers of disks need seconds to come up. Until here they had the time of the network beside them.
        units::settle(&self.paths.udevadm).await;
        disks::list(&self.paths)
    }

    fn open_disk(&self, disk: &DiskFacts) -> io::Result<DiskBytes> {
        let name = disk.path.strip_prefix("/dev/").unwrap_or(&disk.path);
        Ok(Box::new(std::fs::File::open(self.paths.dev.join(name))?))
    }
}

#[async_trait]
impl Provision for LinuxHost {
    async fn write(&self, file: &OutputFile) -> io::Result<()> {
        self.provision.write(file)
    }

    async fn create(&self, file: &OutputFile) -> io::Result<bool> {
        self.provision.create(file)
    }

    async fn read(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        self.provision.read(name)
    }

    async fn step_failure(&self) -> io::Result<Option<Vec<u8>>> {
        bounded::read(&self.paths.failure, FAILURE_LIMIT)
    }

    async fn step_progress(&self, from: u64) -> io::Result<Vec<u8>> {
        bounded::piece(&self.paths.progress, from, PIECE)
    }
}

#[async_trait]
impl Units for LinuxHost {
    async fn targets(&self) -> io::Result<Vec<String>> {
        units::targets(&self.paths.targets)
    }

    async fn start(&self, target: &str) -> io::Result<()> {
        units::start(&self.paths.systemctl, target).await
    }

    async fn log_of(&self, unit: &str) -> io::Result<String> {
        units::log_of(&self.paths.journalctl, unit).await
    }

    async fn end_of(&self, unit: &str) -> io::Result<Option<UnitEnd>> {
        units::end_of(&self.paths.systemctl, unit).await.map(Some)
    }
}

impl Connect for LinuxHost {
    fn connect(&self, endpoint: &Endpoint) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(HttpTransport::new(endpoint)?))
    }
}
