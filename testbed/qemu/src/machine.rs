// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine: its files, its process, and the two ways to it, the BMC's wire and the test's hand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shoal_testbed::bmc::{AfterShutdown, AttachedMedium, BootPlan, Host, Machine, StopCause};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::command::{self, Accelerator, Files, Sockets};
use crate::config::{Acceleration, ConfigError, VmConfig};
use crate::console::Console;
use crate::driver::{Done, Driver, Order, Parts};
use crate::log::{EventLog, VmEvent};
use crate::probe;
use crate::process::Process;
use crate::qmp::{Qmp, QmpError};
use crate::state::Guest;

/// Pause between looks for QEMU's sockets.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The configuration.
    #[error("make a machine")]
    Config(#[from] ConfigError),
    /// A file.
    #[error("make {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A disk is there already, and another one.
    #[error("disk {path} has {there} bytes, not {wanted}; remove it, or ask for that size", path = path.display())]
    DiskSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        there: u64,
        /// The size asked for.
        wanted: u64,
    },
    /// The process.
    #[error("start QEMU")]
    Start(#[source] io::Error),
    /// QEMU ended at once.
    #[error("QEMU ended at its start: {said}")]
    Ended {
        /// What it said.
        said: String,
    },
    /// The connection to QEMU.
    #[error("talk to QEMU")]
    Qmp(#[from] QmpError),
}

/// What follows a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPowerCut {
    /// The machine stays off, and its BMC says so.
    StaysOff,
    /// The power comes back, and firmware starts.
    ComesBack,
}

/// A machine in QEMU. It ends when this is dropped.
pub struct QemuMachine {
    orders: mpsc::UnboundedSender<Order>,
    console: Arc<Console>,
    log: Arc<EventLog>,
    driver: tokio::task::JoinHandle<()>,
    accelerated: bool,
    directory: PathBuf,
    disks: Vec<PathBuf>,
    // Dropped in this order: the process, then the directory of its sockets.
    process: Process,
    _sockets: TempDir,
}

impl QemuMachine {
    /// Makes what is missing of the machine's files and starts its process. The guest stands still until the BMC
    /// boots it. Needs a tokio runtime.
    pub async fn start(config: VmConfig) -> Result<Self, VmError> {
        config.validate()?;
        let directory = config.directory.clone();
        make(&directory, || fs::create_dir_all(&directory))?;
        let variables = directory.join("uefi-variables.fd");
        if !variables.exists() {
            // Renamed into place: half a file would be no firmware.
            let new = directory.join("uefi-variables.new");
            make(&new, || {
                fs::write(&new, fs::read(&config.programs.variables)?)?;
                fs::rename(&new, &variables)
            })?;
        }
        let disks = disks(&config)?;
        let recording = directory.join("console.log");
        let accelerator = match config.acceleration {
            Acceleration::Software => Accelerator::Software,
            Acceleration::Kvm => Accelerator::Kvm,
            Acceleration::Probe => probe::accelerator(&config.programs).await,
        };

        let sockets = TempDir::new().map_err(VmError::Start)?;
        let (qmp, serial) = (sockets.path().join("qmp"), sockets.path().join("console"));
        let files = Files { variables: &variables, recording: &recording, disks: &disks };
        let paths = Sockets { qmp: &qmp, console: &serial };
        let arguments = command::arguments(&config, accelerator, files, paths)?;
        let said = directory.join("qemu.log");
        let process = Process::start(&config.programs, arguments, &said).map_err(VmError::Start)?;
        let (qmp, events) = connect(&process, &qmp, &said).await?;
        let serial = UnixStream::connect(&serial).await.map_err(VmError::Start)?;

        let (orders, receiver) = mpsc::unbounded_channel();
        let console = Arc::new(Console::default());
        let log = Arc::new(EventLog::default());
        let driver = Driver::new(Parts {
            qmp,
            events,
            serial,
            orders: receiver,
            console: console.clone(),
            log: log.clone(),
            guest: Guest::new(config.panic_restarts, config.running_when),
            route: config.media,
            sockets: sockets.path().to_owned(),
        });
        Ok(Self {
            orders,
            console,
            log,
            driver: tokio::spawn(driver.run()),
            accelerated: accelerator == Accelerator::Kvm,
            directory,
            disks,
            process,
            _sockets: sockets,
        })
    }

    /// The machine as its BMC has it. It holds nothing alive: a BMC whose machine is gone moves nothing.
    pub fn wire(&self) -> Arc<dyn Machine> {
        Arc::new(Wire { orders: self.orders.clone() })
    }

    /// Its serial console.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// What happened so far.
    pub fn events(&self) -> Vec<VmEvent> {
        self.log.all()
    }

    /// Waits for an event at position `from` or later; its position. Nothing when the machine ends before.
    pub async fn wait_for(&self, from: usize, wanted: impl Fn(&VmEvent) -> bool) -> Option<usize> {
        self.log.wait_for(from, wanted).await
    }

    /// Whether it runs under KVM.
    pub fn is_accelerated(&self) -> bool {
        self.accelerated
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The disk files, in the configuration's order. Read them while the machine is off.
    pub fn disks(&self) -> &[PathBuf] {
        &self.disks
    }

    /// The file with everything that was said on the console, byte by byte, of this and earlier starts.
    pub fn recording(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    /// The mains fail: what runs is gone. A machine that does not run has nothing to lose and stays as it is.
    pub async fn cut_power(&self, after: AfterPowerCut) -> Result<(), QmpError> {
        self.ask(|done| Order::CutPower(after, done)).await
    }

    /// Pulls the network cable, or plugs it in.
    pub async fn set_link(&self, up: bool) -> Result<(), QmpError> {
        self.ask(|done| Order::Link(up, done)).await
    }

    /// Lets virtual media be read no faster than this, now and later; `None` ends it.
    pub async fn slow_media(&self, bytes_per_second: Option<u64>) -> Result<(), QmpError> {
        self.ask(|done| Order::Slow(bytes_per_second, done)).await
    }

    /// Types on the serial console.
    pub async fn type_text(&self, text: &str) -> Result<(), QmpError> {
        self.ask(|done| Order::Type(text.as_bytes().to_vec(), done)).await
    }

    async fn ask(&self, order: impl FnOnce(Done) -> Order) -> Result<(), QmpError> {
        let gone = || QmpError::Gone { command: "the machine".to_owned() };
        let (done, answer) = oneshot::channel();
        self.orders.send(order(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for QemuMachine {
    fn drop(&mut self) {
        // With it goes its hold on the BMC. The process is ended by its own drop.
        self.driver.abort();
    }
}

/// The BMC's end.
struct Wire {
    orders: mpsc::UnboundedSender<Order>,
}

impl Wire {
    fn send(&self, order: Order) {
        // The machine is gone: nothing moves any more.
        let _gone = self.orders.send(order);
    }
}

impl Machine for Wire {
    fn boot(&self, host: Host, plan: BootPlan) {
        self.send(Order::Boot(host, plan));
    }

    fn stop(&self, cause: StopCause) {
        self.send(Order::Stop(cause));
    }

    fn shutdown_requested(&self, host: Host, then: AfterShutdown) {
        self.send(Order::Button(host, then));
    }

    fn media_changed(&self, media: &[AttachedMedium]) {
        self.send(Order::Media(media.to_vec()));
    }
}

/// Connects as soon as QEMU listens.
async fn connect(
    process: &Process,
    socket: &Path,
    said: &Path,
) -> Result<(Qmp, mpsc::UnboundedReceiver<crate::qmp::Event>), VmError> {
    loop {
        match Qmp::connect(socket).await {
            Err(QmpError::Connect(_)) if !process.has_ended() => tokio::time::sleep(PAUSE).await,
            Err(_) if process.has_ended() => {
                let said = fs::read(said).unwrap_or_default();
                return Err(VmError::Ended { said: String::from_utf8_lossy(&said).trim().to_owned() });
            }
            connected => return Ok(connected?),
        }
    }
}

fn make(path: &Path, act: impl FnOnce() -> io::Result<()>) -> Result<(), VmError> {
    act().map_err(|source| VmError::File { path: path.to_owned(), source })
}

/// Makes the disks that are not there: sparse files.
fn disks(config: &VmConfig) -> Result<Vec<PathBuf>, VmError> {
    let disk = |(index, disk): (usize, &crate::config::VmDisk)| {
        let path = config.directory.join(format!("disk{index}.raw"));
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let there = file.and_then(|file| {
            let there = file.metadata()?.len();
            if there == 0 {
                file.set_len(disk.size_bytes)?;
                return Ok(disk.size_bytes);
            }
            Ok(there)
        });
        let there = there.map_err(|source| VmError::File { path: path.clone(), source })?;
        if there != disk.size_bytes {
            return Err(VmError::DiskSize { path, there, wanted: disk.size_bytes });
        }
        Ok(path)
    };
    config.disks.iter().enumerate().map(disk).collect()
}
