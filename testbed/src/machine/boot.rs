// SPDX-License-Identifier: AGPL-3.0-or-later
//! One boot, from firmware's hand-over: what is started, and what it runs as.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use shoal_taskiso::ReadAt as _;
use shoal_taskiso::reader::Volume;
use tokio_util::sync::CancellationToken;

use super::behaviour::{Mishap, Occasion};
use super::config::BootReads;
use super::disk::{Installed, read_back};
use super::host::TaskSource;
use super::http_boot::{self, Fetched};
use super::log::{Happening, Running};
use super::maintenance::maintenance;
use super::media::VirtualMedium;
use super::network::Calls;
use super::simulated::Inner;
use crate::bmc::{BootDevice, BootMode, BootPlan, BootProgress, Host, MediumKind};

/// Piece that a boot medium is read in, in bytes.
const PIECE: usize = 1 << 20;

/// A boot and everything that ends with it.
pub(super) struct Boot {
    pub(super) machine: Arc<Inner>,
    pub(super) host: Host,
    pub(super) plan: BootPlan,
    /// The kernel's random id of this boot.
    pub(super) id: String,
    /// Cancelled when what runs is gone.
    pub(super) over: CancellationToken,
    /// What goes wrong in the maintenance OS.
    pub(super) mishaps: Vec<Mishap>,
    pub(super) calls: Calls,
    logs: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Boot {
    pub(super) fn new(
        machine: Arc<Inner>,
        host: Host,
        plan: BootPlan,
        id: String,
        over: CancellationToken,
    ) -> Self {
        Self {
            machine,
            host,
            plan,
            id,
            over,
            mishaps: Vec::new(),
            calls: Calls::default(),
            logs: Mutex::default(),
        }
    }

    /// Writes something down.
    pub(super) fn note(&self, what: Happening) {
        let at = self.machine.time.now();
        self.machine.lock().log.push(at, self.plan.boot, &self.id, what);
    }

    /// What runs now, unless this boot is over.
    pub(super) fn running(&self, what: Running) {
        let mut state = self.machine.lock();
        if !self.over.is_cancelled() {
            state.running = what;
        }
    }

    /// A line in the log of a unit.
    pub(super) fn log_line(&self, unit: &str, line: String) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.entry(unit.to_owned()).or_default().push(line);
    }

    /// The log of a unit.
    pub(super) fn unit_log(&self, unit: &str) -> String {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(unit).map(|lines| lines.join("\n")).unwrap_or_default()
    }

    fn at(&self, occasion: Occasion) -> Vec<Mishap> {
        self.machine.lock().faults.at(occasion)
    }

    /// Firmware: starts what the plan says, or what the mishaps make of it.
    pub(super) async fn run(self) {
        self.running(Running::Firmware);
        self.note(Happening::Booted { device: self.plan.device.clone() });
        match self.plan.device.clone() {
            BootDevice::Disk => self.start_disk().await,
            BootDevice::Cd { slot } | BootDevice::Usb { slot } => {
                let mishaps = self.at(Occasion::MediaBoot);
                for mishap in &mishaps {
                    self.note(Happening::Mishap { mishap: mishap.clone() });
                }
                if mishaps.contains(&Mishap::IgnoresOneTimeBoot) {
                    return self.start_disk().await;
                }
                let stale = mishaps.iter().any(|mishap| matches!(mishap, Mishap::StaleMedium { .. }));
                let kept = self.machine.lock().kept.clone();
                match kept.filter(|_| stale) {
                    Some(kept) => self.maintain(TaskSource::Kept(kept)).await,
                    None => self.start_medium(slot).await,
                }
            }
            other => match http_boot::uri(&other).map(str::to_owned) {
                Some(uri) => self.start_http(uri).await,
                None => self.nothing(format!("nothing here boots from {other:?}")).await,
            },
        }
    }

    async fn start_http(self, uri: String) {
        if self.plan.mode == BootMode::Legacy {
            return self.nothing("HTTP boot is UEFI's alone".to_owned()).await;
        }
        match http_boot::fetch(&uri).await {
            Ok(Fetched { label, bytes, task }) => {
                self.note(Happening::ImageFetched { uri, label, bytes });
                let source = task.map_or(TaskSource::Attached(self.plan.media.clone()), TaskSource::Kept);
                self.maintain(source).await;
            }
            Err(error) => self.nothing(shoal_dispatcher::cause::chain(&error)).await,
        }
    }

    async fn start_medium(self, slot: usize) {
        if self.plan.mode == BootMode::Legacy && self.plan.overridden {
            return self.nothing("the maintenance ISO boots in UEFI mode only".to_owned()).await;
        }
        match self.read_medium(slot).await {
            Ok((label, bytes)) => {
                self.note(Happening::MediumRead { slot, label, bytes });
                let attached = self.plan.media.clone();
                self.maintain(TaskSource::Attached(attached)).await;
            }
            Err(error) => self.nothing(format!("slot {slot}: {error}")).await,
        }
    }

    /// Reads what firmware and a boot loader read. The label, and how many bytes it took.
    async fn read_medium(&self, slot: usize) -> io::Result<(String, u64)> {
        let medium = self.plan.media.iter().find(|medium| medium.slot == slot);
        let medium = medium.ok_or_else(|| io::Error::other("there is no medium"))?;
        let reader = self
            .host
            .open(medium)
            .await
            .map_err(|error| io::Error::other(shoal_dispatcher::cause::chain(&error)))?;
        let medium = VirtualMedium::new(Arc::new(reader));
        let whole = self.machine.boot_reads == BootReads::Whole;
        let read = tokio::task::spawn_blocking(move || {
            let label = Volume::open(&medium).map_err(io::Error::other)?.volume_id().to_owned();
            let len = medium.len();
            let wanted = if whole { len } else { len.min(PIECE as u64) };
            let mut piece = vec![0; PIECE];
            let mut at = 0;
            while at < wanted {
                let room = usize::try_from(wanted - at).unwrap_or(PIECE).min(PIECE);
                match medium.read_at(at, &mut piece[..room])? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => at += count as u64,
                }
            }
            Ok((label, at))
        });
        read.await.map_err(io::Error::other)?
    }

    async fn start_disk(self) {
        let stale = self.machine.lock().kept.clone();
        if let Some(kept) = stale {
            let mishaps = self.at(Occasion::DiskBoot);
            if let Some(mishap) =
                mishaps.into_iter().find(|mishap| matches!(mishap, Mishap::StaleMedium { .. }))
            {
                self.note(Happening::Mishap { mishap });
                return self.maintain(TaskSource::Kept(kept)).await;
            }
        }
        let disks: Vec<_> = self.machine.disks.iter().map(|disk| disk.path().to_owned()).collect();
        let found = tokio::task::spawn_blocking(move || {
            disks.iter().find_map(|disk| read_back(disk).ok().flatten().filter(|found| found.boot_loader))
        });
        match found.await {
            Ok(Some(installed)) => self.system(installed).await,
            Ok(None) => self.fall_back().await,
            Err(error) => self.nothing(error.to_string()).await,
        }
    }

    async fn fall_back(self) {
        let mishaps = self.at(Occasion::NothingToBoot);
        let cd =
            self.plan.media.iter().find(|medium| medium.kind == MediumKind::Cd).map(|medium| medium.slot);
        match (mishaps.into_iter().next(), cd) {
            (Some(mishap), Some(slot)) => {
                self.note(Happening::Mishap { mishap });
                self.start_medium(slot).await;
            }
            _ => self.nothing("no disk has a boot loader".to_owned()).await,
        }
    }

    async fn nothing(&self, reason: String) {
        self.running(Running::NoBootDevice);
        self.note(Happening::NotBooted { reason });
        pending::<()>().await;
    }

    async fn maintain(mut self, source: TaskSource) {
        self.mishaps = self.at(Occasion::Maintenance);
        maintenance(Arc::new(self), source).await;
    }

    async fn system(self, installed: Installed) {
        let mishaps = self.at(Occasion::Installed);
        for mishap in &mishaps {
            self.note(Happening::Mishap { mishap: mishap.clone() });
        }
        self.running(Running::SystemStarting);
        self.machine.time.sleep_ms(self.machine.timing.system_boot_ms).await;
        let complete = installed.root.as_ref().is_some_and(|root| root.complete);
        let stuck = mishaps.contains(&Mishap::SystemHangs);
        if stuck || !complete {
            let reason = if stuck { "told to" } else { "the root file system is not complete" };
            self.note(Happening::SystemStuck { reason: reason.to_owned() });
            self.machine.lock().deaf = true;
            self.running(Running::SystemStuck);
            return pending().await;
        }
        self.machine.lock().deaf = mishaps.contains(&Mishap::IgnoresShutdown);
        self.running(Running::System);
        self.host.report(BootProgress::OSRunning);
        let image = installed.root.map(|root| root.image);
        self.note(Happening::SystemStarted { stamp: installed.stamp, image });
        pending::<()>().await;
    }
}
