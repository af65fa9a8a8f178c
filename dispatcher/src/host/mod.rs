// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a run needs of the machine it runs on, as small traits: the real machine and the simulated one differ in
//! nothing else.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use shoal_schema::disk::DiskFacts;
use shoal_schema::wire::task::Identity;
use shoal_taskiso::ReadAt;
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;
use crate::medium::Scan;
use crate::output::OutputFile;
use crate::transport::{Transport, TransportError};
use crate::why::UnitEnd;

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall time, as far as the machine knows it.
    fn now(&self) -> Timestamp;
    /// Monotonic time since some fixed moment of this boot.
    fn elapsed(&self) -> Duration;
    /// Lets time pass.
    async fn sleep(&self, duration: Duration);
    /// Sets wall time.
    async fn set(&self, time: Timestamp) -> io::Result<()>;
}

/// Where task media are looked for.
#[async_trait]
pub trait TaskMedia: Send + Sync {
    /// Looks once at every device that may carry a task, and reads `names` from those that do. A device without a
    /// task is passed by; files that are not there are left out.
    async fn scan(&self, names: &[String]) -> Scan;
}

/// What the machine is.
#[async_trait]
pub trait Hardware: Send + Sync {
    /// Serial, UUID, SKU and MACs; what is not known is left out.
    async fn identity(&self) -> Identity;
    /// The kernel's random id of this boot.
    async fn boot_id(&self) -> io::Result<String>;
    /// Every disk that could be installed on; virtual media left out.
    async fn disks(&self) -> io::Result<Vec<DiskFacts>>;
    /// Opens a disk for reading.
    fn open_disk(&self, disk: &DiskFacts) -> io::Result<DiskBytes>;
}

/// The bytes of a disk.
pub type DiskBytes = Box<dyn ReadAt + Send + Sync>;

/// The directory that steps read, `/run/provision`; empty after a boot.
#[async_trait]
pub trait Provision: Send + Sync {
    /// Writes a file in one piece: a reader sees the old content or the new one.
    async fn write(&self, file: &OutputFile) -> io::Result<()>;
    /// Writes a file unless there is one. False when there was.
    async fn create(&self, file: &OutputFile) -> io::Result<bool>;
    /// Reads a file, or nothing when there is none.
    async fn read(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>>;
    /// What the last step that failed left of it, at most [`FAILURE_LIMIT`](crate::why::FAILURE_LIMIT) bytes of
    /// whatever kind; nothing where steps leave nothing.
    async fn step_failure(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// What steps appended to their progress from this byte on, at most [`PIECE`](crate::progress::PIECE) bytes;
    /// less means that there is no more for now. Nothing where steps tell nothing.
    async fn step_progress(&self, _from: u64) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// The service manager.
#[async_trait]
pub trait Units: Send + Sync {
    /// Names of the targets that this OS ships for tasks.
    async fn targets(&self) -> io::Result<Vec<String>>;
    /// Starts a target without waiting for its end.
    async fn start(&self, target: &str) -> io::Result<()>;
    /// The end of what a unit logged in this boot.
    async fn log_of(&self, unit: &str) -> io::Result<String>;
    /// How a unit ended; nothing where the service manager does not say.
    async fn end_of(&self, _unit: &str) -> io::Result<Option<UnitEnd>> {
        Ok(None)
    }
}

/// The way to the controller.
pub trait Connect: Send + Sync {
    /// A connection to this controller, as the task medium describes it.
    fn connect(&self, endpoint: &Endpoint) -> Result<Arc<dyn Transport>, TransportError>;
}

/// A machine.
pub trait Host: Clock + TaskMedia + Hardware + Provision + Units + Connect {}

impl<T: Clock + TaskMedia + Hardware + Provision + Units + Connect + ?Sized> Host for T {}

/// Files of a medium by name.
pub type Files = BTreeMap<String, Zeroizing<Vec<u8>>>;
