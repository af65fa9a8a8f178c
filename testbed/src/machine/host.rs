// SPDX-License-Identifier: AGPL-3.0-or-later
//! The machine as the dispatcher sees it: the same traits that the real one implements.
//!
//! Its `/run` is memory that goes with the boot. Its monotonic clock counts what was slept, not what the testbed's
//! scale made of it, so that budgets mean the same at every scale.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use shoal_dispatcher::endpoint::Endpoint;
use shoal_dispatcher::host::{Clock, Connect, DiskBytes, Hardware, Provision, TaskMedia, Units};
use shoal_dispatcher::medium::{self, Scan, TaskMedium, Trouble};
use shoal_dispatcher::output::OutputFile;
use shoal_dispatcher::transport::{HttpTransport, Transport, TransportError};
use shoal_schema::disk::DiskFacts;
use shoal_schema::network::Mac;
use shoal_schema::wire::task::Identity;
use zeroize::Zeroizing;

use super::behaviour::{Identified, Mishap, Stage};
use super::boot::Boot;
use super::log::Happening;
use super::media::{self, Kept, VirtualMedium};
use super::network::Network;
use super::steps::TARGETS;
use crate::bmc::{AttachedMedium, MediumKind};

/// Where the maintenance OS finds its task.
pub(super) enum TaskSource {
    /// On the media that the BMC shows.
    Attached(Vec<AttachedMedium>),
    /// On a medium of an earlier attempt.
    Kept(Kept),
}

/// One boot of the maintenance OS.
pub(super) struct SimulatedHost {
    boot: Arc<Boot>,
    source: TaskSource,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slept: Duration,
    /// What wall time is ahead of the testbed's clock.
    ahead: SignedDuration,
    files: BTreeMap<String, Zeroizing<Vec<u8>>>,
    told: bool,
}

impl SimulatedHost {
    pub(super) fn new(boot: Arc<Boot>, source: TaskSource) -> Self {
        let dead = boot.mishaps.contains(&Mishap::DeadClock);
        let behind = if dead {
            boot.machine.time.now().duration_since(Timestamp::UNIX_EPOCH)
        } else {
            SignedDuration::ZERO
        };
        Self { boot, source, state: Mutex::new(State { ahead: -behind, ..State::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, stage: Stage) -> io::Result<()> {
        self.boot.pass(stage).await.map_err(io::Error::other)
    }

    /// A file for the steps, as text.
    pub(super) fn text(&self, name: &str) -> Option<Zeroizing<String>> {
        let files = &self.lock().files;
        files.get(name).map(|content| Zeroizing::new(String::from_utf8_lossy(content).into_owned()))
    }

    /// What can be read at this moment: a USB stick shows up late, and a medium may be gone.
    async fn look(&self, medium: &AttachedMedium, names: &[String]) -> Result<Option<TaskMedium>, Trouble> {
        if medium.kind == MediumKind::Usb
            && self.elapsed() < Duration::from_millis(self.boot.machine.timing.usb_appears_ms)
        {
            return Ok(None);
        }
        let device = media::device(medium);
        let failed = |source: io::Error| Trouble::Device { device: device.clone(), source };
        let reader = self.boot.host.open(medium).await.map_err(|error| failed(io::Error::other(error)))?;
        let medium = VirtualMedium::new(Arc::new(reader));
        let remember = self.boot.machine.remembers();
        let (name, names) = (device.clone(), names.to_vec());
        let read = tokio::task::spawn_blocking(move || {
            let found = medium::read(&name, medium.clone(), &names)?;
            Ok(found.map(|found| (found, remember.then(|| media::keep(medium)).flatten())))
        });
        let found = read.await.map_err(|error| failed(io::Error::other(error)))??;
        Ok(found.map(|(found, kept)| {
            if let Some(kept) = kept {
                self.boot.machine.remember(kept);
            }
            found
        }))
    }
}

#[async_trait]
impl Clock for SimulatedHost {
    fn now(&self) -> Timestamp {
        let ahead = self.lock().ahead;
        self.boot.machine.time.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.lock().slept
    }

    async fn sleep(&self, duration: Duration) {
        self.boot.machine.time.sleep(duration).await;
        self.lock().slept += duration;
    }

    async fn set(&self, time: Timestamp) -> io::Result<()> {
        self.lock().ahead = time.duration_since(self.boot.machine.time.now());
        self.boot.note(Happening::ClockSet { to: time });
        Ok(())
    }
}

#[async_trait]
impl TaskMedia for SimulatedHost {
    async fn scan(&self, names: &[String]) -> Scan {
        let mut scan = Scan::default();
        if self.boot.mishaps.contains(&Mishap::MissesTaskMedium) {
            return scan;
        }
        match &self.source {
            TaskSource::Kept(Kept(bytes)) => match medium::read("/dev/sr0", bytes.clone(), names) {
                Ok(found) => scan.media.extend(found),
                Err(trouble) => scan.troubles.push(trouble),
            },
            TaskSource::Attached(attached) => {
                for medium in attached {
                    match self.look(medium, names).await {
                        Ok(found) => scan.media.extend(found),
                        Err(trouble) => scan.troubles.push(trouble),
                    }
                }
            }
        }
        let first = !std::mem::replace(&mut self.lock().told, !scan.media.is_empty());
        for medium in scan.media.iter().filter(|_| first) {
            let (device, label, offset) = (medium.device.clone(), medium.label.clone(), medium.offset);
            self.boot.note(Happening::TaskFound { device, label, offset });
        }
        scan
    }
}

#[async_trait]
impl Hardware for SimulatedHost {
    async fn identity(&self) -> Identity {
        // A failure here is a machine that does not know who it is.
        if self.pass(Stage::Identity).await.is_err() {
            return Identity::default();
        }
        let own = &self.boot.machine.identity;
        let other = self.boot.mishaps.iter().find_map(|mishap| match mishap {
            Mishap::OtherMachine(other) => Some(other.clone()),
            _ => None,
        });
        if let Some(other) = &other {
            self.boot.note(Happening::Mishap { mishap: Mishap::OtherMachine(other.clone()) });
        }
        let Identified { serial, uuid, macs } = other.unwrap_or_default();
        Identity {
            serial: Some(serial.unwrap_or_else(|| own.serial.clone())),
            uuid: Some(uuid.unwrap_or_else(|| own.uuid.to_string())),
            macs: macs.as_ref().unwrap_or(&own.macs).iter().filter_map(|mac| Mac::parse(mac).ok()).collect(),
            sku: None,
        }
    }

    async fn boot_id(&self) -> io::Result<String> {
        Ok(self.boot.id.clone())
    }

    async fn disks(&self) -> io::Result<Vec<DiskFacts>> {
        self.pass(Stage::Disk).await?;
        Ok(self.boot.machine.disks.iter().map(|disk| disk.facts().clone()).collect())
    }

    fn open_disk(&self, disk: &DiskFacts) -> io::Result<DiskBytes> {
        let known = self.boot.machine.disks.iter().find(|known| known.facts().path == disk.path);
        Ok(Box::new(known.ok_or(io::ErrorKind::NotFound)?.reader()?))
    }
}

#[async_trait]
impl Provision for SimulatedHost {
    async fn write(&self, file: &OutputFile) -> io::Result<()> {
        let mut state = self.lock();
        for name in [Some(file.path), file.link].into_iter().flatten() {
            state.files.insert(name.to_owned(), file.content.clone());
        }
        Ok(())
    }

    async fn create(&self, file: &OutputFile) -> io::Result<bool> {
        if self.lock().files.contains_key(file.path) {
            return Ok(false);
        }
        self.write(file).await.map(|()| true)
    }

    async fn read(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(self.lock().files.get(name).cloned())
    }
}

#[async_trait]
impl Units for SimulatedHost {
    async fn targets(&self) -> io::Result<Vec<String>> {
        self.pass(Stage::Dispatcher).await?;
        Ok(TARGETS.iter().map(|(target, _)| (*target).to_owned()).collect())
    }

    async fn start(&self, _target: &str) -> io::Result<()> {
        // The maintenance OS goes on with the target once the dispatcher has ended.
        Ok(())
    }

    async fn log_of(&self, unit: &str) -> io::Result<String> {
        Ok(self.boot.unit_log(unit))
    }
}

impl Connect for SimulatedHost {
    fn connect(&self, endpoint: &Endpoint) -> Result<Arc<dyn Transport>, TransportError> {
        let inner = Arc::new(HttpTransport::new(endpoint)?);
        Ok(Arc::new(Network::new(self.boot.clone(), inner)))
    }
}
