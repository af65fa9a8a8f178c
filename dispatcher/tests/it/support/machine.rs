// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine in memory. Its time passes when it sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use shoal_dispatcher::endpoint::Endpoint;
use shoal_dispatcher::host::{Clock, Connect, DiskBytes, Hardware, Provision, TaskMedia, Units};
use shoal_dispatcher::medium::{self, Scan};
use shoal_dispatcher::output::OutputFile;
use shoal_dispatcher::transport::{HttpTransport, Transport, TransportError};
use shoal_dispatcher::why::UnitEnd;
use shoal_schema::disk::DiskFacts;
use shoal_schema::wire::task::Identity;
use zeroize::Zeroizing;

/// The machine, and everything that was done to it.
pub(crate) struct Machine {
    /// Device and content; each shows up after so much time.
    pub(crate) media: Vec<(&'static str, Duration, Vec<u8>)>,
    /// Who it is.
    pub(crate) identity: Identity,
    /// The kernel's id of the boot.
    pub(crate) boot_id: Option<&'static str>,
    /// Facts and content.
    pub(crate) disks: Vec<(DiskFacts, Vec<u8>)>,
    /// Targets that it ships.
    pub(crate) targets: Option<Vec<String>>,
    /// Files that cannot be written.
    pub(crate) unwritable: BTreeSet<&'static str>,
    /// What systemd says to a start.
    pub(crate) start_refused: bool,
    /// What units logged.
    pub(crate) unit_log: String,
    /// What the failed step left.
    pub(crate) failure: Option<Vec<u8>>,
    /// How units ended.
    pub(crate) unit_end: UnitEnd,
    /// Files for the steps.
    pub(crate) files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Targets that were started.
    pub(crate) started: Mutex<Vec<String>>,
    /// The clock as it was set.
    pub(crate) clock: Mutex<Option<Timestamp>>,
    /// Time since the boot.
    pub(crate) time: Mutex<Duration>,
}

impl Machine {
    /// The machine `SERIAL1` with the blank disk `DISK1` of 64 MiB and one medium.
    pub(crate) fn with_medium(content: &[u8]) -> Self {
        Self {
            media: vec![("/dev/sr1", Duration::ZERO, content.to_vec())],
            identity: Identity { serial: Some("SERIAL1".to_owned()), ..Identity::default() },
            boot_id: Some("6f1c1d2e-0000-4000-8000-000000000001"),
            disks: vec![(disk("/dev/sda", "DISK1", 64), vec![0; 64 << 20])],
            targets: Some(vec!["install-linux.target".to_owned(), "supermicro-update.target".to_owned()]),
            unwritable: BTreeSet::new(),
            start_refused: false,
            unit_log: String::new(),
            failure: None,
            unit_end: UnitEnd::default(),
            files: Mutex::default(),
            started: Mutex::default(),
            clock: Mutex::default(),
            time: Mutex::default(),
        }
    }

    /// A file for the steps, as text.
    pub(crate) fn file(&self, path: &str) -> Option<String> {
        self.files.lock().unwrap().get(path).map(|content| String::from_utf8(content.clone()).expect("text"))
    }
}

/// A disk of so many MiB.
pub(crate) fn disk(path: &str, serial: &str, mib: u64) -> DiskFacts {
    DiskFacts {
        path: path.to_owned(),
        serial: Some(serial.to_owned()),
        wwn: None,
        size_bytes: mib << 20,
        rotational: Some(false),
    }
}

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Timestamp {
        self.clock.lock().unwrap().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn elapsed(&self) -> Duration {
        *self.time.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.time.lock().unwrap() += duration;
        tokio::task::yield_now().await;
    }

    async fn set(&self, time: Timestamp) -> io::Result<()> {
        *self.clock.lock().unwrap() = Some(time);
        Ok(())
    }
}

#[async_trait]
impl TaskMedia for Machine {
    async fn scan(&self, names: &[String]) -> Scan {
        let mut scan = Scan::default();
        for (device, from, content) in &self.media {
            if self.elapsed() < *from {
                continue;
            }
            match medium::read(device, content.clone(), names) {
                Ok(found) => scan.media.extend(found),
                Err(trouble) => scan.troubles.push(trouble),
            }
        }
        scan
    }
}

#[async_trait]
impl Hardware for Machine {
    async fn identity(&self) -> Identity {
        self.identity.clone()
    }

    async fn boot_id(&self) -> io::Result<String> {
        self.boot_id.map(str::to_owned).ok_or_else(|| io::Error::other("no boot id"))
    }

    async fn disks(&self) -> io::Result<Vec<DiskFacts>> {
        Ok(self.disks.iter().map(|(facts, _)| facts.clone()).collect())
    }

    fn open_disk(&self, disk: &DiskFacts) -> io::Result<DiskBytes> {
        let (_, content) =
            self.disks.iter().find(|(facts, _)| facts == disk).expect("a disk of this machine");
        Ok(Box::new(content.clone()))
    }
}

#[async_trait]
impl Provision for Machine {
    async fn write(&self, file: &OutputFile) -> io::Result<()> {
        if self.unwritable.contains(file.path) {
            return Err(io::Error::other("no space left on device"));
        }
        self.files.lock().unwrap().insert(file.path.to_owned(), file.content.to_vec());
        Ok(())
    }

    async fn create(&self, file: &OutputFile) -> io::Result<bool> {
        if self.files.lock().unwrap().contains_key(file.path) {
            return Ok(false);
        }
        self.write(file).await.map(|()| true)
    }

    async fn read(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(self.files.lock().unwrap().get(name).cloned().map(Zeroizing::new))
    }

    async fn step_failure(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.failure.clone())
    }
}

#[async_trait]
impl Units for Machine {
    async fn targets(&self) -> io::Result<Vec<String>> {
        self.targets.clone().ok_or_else(|| io::Error::other("no list"))
    }

    async fn start(&self, target: &str) -> io::Result<()> {
        if self.start_refused {
            return Err(io::Error::other("Unit is masked"));
        }
        self.started.lock().unwrap().push(target.to_owned());
        Ok(())
    }

    async fn log_of(&self, _unit: &str) -> io::Result<String> {
        Ok(self.unit_log.clone())
    }

    async fn end_of(&self, _unit: &str) -> io::Result<Option<UnitEnd>> {
        Ok(Some(self.unit_end.clone()))
    }
}

impl Connect for Machine {
    fn connect(&self, endpoint: &Endpoint) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(HttpTransport::new(endpoint)?))
    }
}
