// SPDX-License-Identifier: AGPL-3.0-or-later
//! The machine behind a BMC: what is told to it becomes a boot, and the end of a boot.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shoal_schema::Sha256;
use shoal_schema::network::Mac;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::behaviour::{Faults, Mishap};
use super::boot::Boot;
use super::config::{AfterInstall, BootReads, MachineConfig, MachineError, MachineTime, Timing};
use super::disk::SimulatedDisk;
use super::log::{EventLog, Happening, MachineReport, Running};
use super::media::Kept;
use crate::bmc::{AfterShutdown, BootPlan, Host, Identity, Machine, StopCause};

/// What a machine is made of.
pub(super) struct Inner {
    pub(super) identity: Identity,
    pub(super) disks: Vec<Arc<SimulatedDisk>>,
    pub(super) time: MachineTime,
    pub(super) timing: Timing,
    pub(super) boot_reads: BootReads,
    pub(super) after_install: AfterInstall,
    remembers: bool,
    seed: u64,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    pub(super) log: EventLog,
    pub(super) running: Running,
    pub(super) faults: Faults,
    pub(super) kept: Option<Kept>,
    /// Nobody listens to the power button.
    pub(super) deaf: bool,
    pub(super) permits_granted: u64,
    pub(super) installs: u64,
    boots: u64,
    current: Option<Current>,
}

/// What runs at the moment.
struct Current {
    over: CancellationToken,
    task: JoinHandle<()>,
    boot: u64,
    boot_id: String,
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether task media are kept for a later boot.
    pub(super) fn remembers(&self) -> bool {
        self.remembers && self.lock().kept.is_none()
    }

    /// Keeps the first task medium that was read.
    pub(super) fn remember(&self, kept: Kept) {
        self.lock().kept.get_or_insert(kept);
    }

    /// A boot id that no other machine and no other boot has.
    fn boot_id(&self, boot: u64) -> String {
        let digest = Sha256::of(format!("{} {} {boot}", self.seed, self.identity.serial).as_bytes());
        let number = u128::from_str_radix(&digest.hex()[..32], 16).unwrap_or_default();
        uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid().to_string()
    }

    /// Ends what runs, at once.
    fn end(&self, cause: StopCause) {
        let at = self.time.now();
        let mut state = self.lock();
        state.running = Running::Nothing;
        state.deaf = false;
        if let Some(current) = state.current.take() {
            current.over.cancel();
            current.task.abort();
            state.log.push(at, current.boot, &current.boot_id, Happening::Stopped { cause });
        }
    }
}

/// A machine that is simulated. Clones are the same machine.
#[derive(Clone)]
pub struct SimulatedMachine {
    inner: Arc<Inner>,
}

impl SimulatedMachine {
    /// Makes the machine and opens its disks. It does nothing until its BMC tells it to boot.
    pub fn new(config: MachineConfig) -> Result<Self, MachineError> {
        let MachineConfig { mut identity, directory, behaviour, timing, time_scale, .. } = config;
        behaviour.validate()?;
        let serial = identity.serial.clone();
        if let Some(mac) = identity.macs.iter().find(|mac| Mac::parse(mac).is_err()) {
            return Err(MachineError::Mac { serial, mac: mac.clone() });
        }
        let Some(first) = identity.disks.first_mut() else { return Err(MachineError::NoDisk { serial }) };
        first.size_bytes = behaviour.disk_bytes.unwrap_or(first.size_bytes);
        if behaviour.twin_disk {
            let mut twin = first.clone();
            twin.path = "/dev/sdt".to_owned();
            identity.disks.push(twin);
        }
        let disks = identity.disks.iter().enumerate().map(|(index, disk)| {
            let old = behaviour.old_contents.filter(|_| index == 0);
            SimulatedDisk::open(disk_file(&directory, &serial, index), disk, old).map(Arc::new)
        });
        let disks = disks
            .collect::<Result<_, _>>()
            .map_err(|source| MachineError::Disk { serial: serial.clone(), source })?;
        let remembers =
            behaviour.faults.iter().any(|fault| matches!(fault.mishap, Mishap::StaleMedium { .. }));
        let state = State {
            log: EventLog::default(),
            running: Running::default(),
            faults: Faults::new(&behaviour.faults),
            kept: None,
            deaf: false,
            permits_granted: 0,
            installs: 0,
            boots: 0,
            current: None,
        };
        let inner = Inner {
            identity,
            disks,
            time: MachineTime::new(config.clock, time_scale)?,
            timing,
            boot_reads: config.boot_reads,
            after_install: config.after_install,
            remembers,
            seed: config.seed,
            state: Mutex::new(state),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What is really the case.
    pub fn report(&self) -> MachineReport {
        let state = self.inner.lock();
        MachineReport {
            serial: self.inner.identity.serial.clone(),
            running: state.running,
            boots: state.boots,
            permits_granted: state.permits_granted,
            installs: state.installs,
            disks: self.inner.disks.iter().map(|disk| disk.report()).collect(),
            events: state.log.all(),
        }
    }

    /// Its disks.
    pub fn disks(&self) -> &[Arc<SimulatedDisk>] {
        &self.inner.disks
    }

    /// Ends whatever runs, as a power cut does, without the BMC knowing: for the end of a test or a demo.
    pub fn halt(&self) {
        self.inner.end(StopCause::PowerOff);
    }
}

fn disk_file(directory: &std::path::Path, serial: &str, index: usize) -> PathBuf {
    // Serials are made of anything; file names are not.
    let name: String = serial.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    directory.join(format!("{name}-disk{index}.img"))
}

impl Machine for SimulatedMachine {
    fn boot(&self, host: Host, plan: BootPlan) {
        let over = CancellationToken::new();
        let number = {
            let mut state = self.inner.lock();
            state.boots += 1;
            state.boots
        };
        let boot_id = self.inner.boot_id(number);
        let boot = Boot::new(self.inner.clone(), host, plan, boot_id.clone(), over.clone());
        let plan = boot.plan.boot;
        let task = tokio::spawn(boot.run());
        self.inner.lock().current = Some(Current { over, task, boot: plan, boot_id });
    }

    fn stop(&self, cause: StopCause) {
        self.inner.end(cause);
    }

    fn shutdown_requested(&self, host: Host, then: AfterShutdown) {
        let at = self.inner.time.now();
        let heard = {
            let mut state = self.inner.lock();
            let heard = !state.deaf && state.running != Running::NoBootDevice;
            let (boot, boot_id) = state
                .current
                .as_ref()
                .map_or((0, String::new()), |current| (current.boot, current.boot_id.clone()));
            state.log.push(at, boot, &boot_id, Happening::ButtonPressed { heard });
            heard
        };
        if !heard {
            return;
        }
        let inner = self.inner.clone();
        tokio::spawn(async move {
            inner.time.sleep_ms(inner.timing.shutdown_ms).await;
            // A boot that ended meanwhile ignores both.
            match then {
                AfterShutdown::PowerOff => host.power_off(),
                AfterShutdown::Reboot => host.reboot(),
            };
        });
    }
}
