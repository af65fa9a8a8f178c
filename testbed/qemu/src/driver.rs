// SPDX-License-Identifier: AGPL-3.0-or-later
//! Carries out what the BMC and the test order, one thing after the other, and hears what QEMU and the guest say.
//!
//! # Guarantees
//!
//! * What the guest did before it was stopped is never taken for the doing of the next boot: the events and the
//!   console are read to their end while it stands still.
//! * A guest that resets only stops; the reset itself is done here, once the BMC has said what to boot.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use shoal_testbed::bmc::{
    AfterShutdown, AttachedMedium, BootDevice, BootMode, BootPlan, BootProgress, Host, StopCause,
};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::command::NIC;
use crate::config::MediaRoute;
use crate::console::Console;
use crate::drives::{self, CD_DRIVES, Drive, Drives};
use crate::log::{EventLog, VmEvent};
use crate::machine::AfterPowerCut;
use crate::qmp::{Event, Qmp, QmpError};
use crate::state::{Due, Guest};

/// What is asked of a machine.
pub(crate) enum Order {
    Boot(Host, BootPlan),
    Stop(StopCause),
    Button(Host, AfterShutdown),
    Media(Vec<AttachedMedium>),
    CutPower(AfterPowerCut, Done),
    Link(bool, Done),
    Slow(Option<u64>, Done),
    Type(Vec<u8>, Done),
}

/// Tells the one who asked what came of it.
pub(crate) type Done = oneshot::Sender<Result<(), QmpError>>;

/// What a driver is given.
pub(crate) struct Parts {
    pub(crate) qmp: Qmp,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) serial: UnixStream,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) console: Arc<Console>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) guest: Guest,
    pub(crate) route: MediaRoute,
    pub(crate) sockets: PathBuf,
}

pub(crate) struct Driver {
    pub(super) qmp: Qmp,
    events: mpsc::UnboundedReceiver<Event>,
    /// Events that came while another was waited for.
    later: VecDeque<Event>,
    serial: UnixStream,
    orders: mpsc::UnboundedReceiver<Order>,
    console: Arc<Console>,
    pub(super) log: Arc<EventLog>,
    guest: Guest,
    pub(super) route: MediaRoute,
    pub(super) sockets: PathBuf,
    pub(super) drives: Drives,
    pub(super) wanted: Vec<AttachedMedium>,
    pub(super) slow: Option<u64>,
    /// Counts the nodes: names are used once.
    pub(super) nodes: u64,
    /// Readers for QEMU, by node. They end with the driver.
    pub(super) readers: JoinSet<()>,
    current: Option<(Host, BootPlan)>,
}

/// What there is to do next.
enum Next {
    Order(Option<Order>),
    Event(Option<Event>),
    Console(std::io::Result<()>),
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { qmp, events, serial, orders, console, log, guest, route, sockets } = parts;
        Self {
            qmp,
            events,
            later: VecDeque::new(),
            serial,
            orders,
            console,
            log,
            guest,
            route,
            sockets,
            drives: Drives::default(),
            wanted: Vec::new(),
            slow: None,
            nodes: 0,
            readers: JoinSet::new(),
            current: None,
        }
    }

    /// Runs until the machine is dropped or QEMU is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let next = match self.later.pop_front() {
                Some(event) => Next::Event(Some(event)),
                None => tokio::select! {
                    order = self.orders.recv() => Next::Order(order),
                    event = self.events.recv() => Next::Event(event),
                    ready = self.serial.readable() => Next::Console(ready),
                },
            };
            let done = match next {
                Next::Order(Some(order)) => self.obey(order).await,
                Next::Event(Some(event)) => self.hear(&event).await,
                Next::Console(Ok(())) => self.read_console().await,
                Next::Order(None) => break,
                Next::Event(None) | Next::Console(Err(_)) => Err(gone()),
            };
            match done {
                Ok(()) => {}
                Err(QmpError::Gone { .. }) => break,
                Err(error) => self.log.push(VmEvent::Failed { reason: error.to_string() }),
            }
        }
        self.console.end();
        self.log.push(VmEvent::Ended);
    }

    async fn obey(&mut self, order: Order) -> Result<(), QmpError> {
        match order {
            Order::Boot(host, plan) => self.boot(host, plan).await,
            Order::Stop(cause) => {
                self.halt().await?;
                self.current = None;
                self.log.push(VmEvent::Stopped { cause });
                Ok(())
            }
            Order::Button(host, then) => {
                // Before the first boot here, the system that was on at the start is only imagined.
                if !self.guest.is_running() {
                    return Ok(());
                }
                self.guest.button(then);
                self.current = self.current.take().map(|(_, plan)| (host, plan));
                self.log.push(VmEvent::ButtonPressed);
                self.command("system_powerdown", Value::Null).await
            }
            Order::Media(media) => {
                self.wanted = media;
                self.unload_unwanted().await?;
                match &self.current {
                    Some((host, _)) => {
                        let host = host.clone();
                        self.load_missing(&host).await
                    }
                    // Read at the next boot: until then nobody looks.
                    None => Ok(()),
                }
            }
            Order::CutPower(after, done) => {
                let cut = self.cut_power(after).await;
                answer(done, cut)
            }
            Order::Link(up, done) => {
                let set = self.command("set_link", json!({"name": NIC, "up": up})).await;
                if set.is_ok() {
                    self.log.push(VmEvent::Link { up });
                }
                answer(done, set)
            }
            Order::Slow(bytes_per_second, done) => {
                self.slow = bytes_per_second;
                let mut slowed = Ok(());
                for drive in self.drives.loaded().iter().map(|loaded| loaded.drive).collect::<Vec<_>>() {
                    slowed = slowed.and(self.throttle(drive).await);
                }
                if slowed.is_ok() {
                    self.log.push(VmEvent::Slowed { bytes_per_second });
                }
                answer(done, slowed)
            }
            Order::Type(bytes, done) => {
                let typed = self.serial.write_all(&bytes).await.map_err(|_| gone());
                answer(done, typed)
            }
        }
    }

    /// Firmware starts.
    async fn boot(&mut self, host: Host, plan: BootPlan) -> Result<(), QmpError> {
        self.halt().await?;
        self.wanted = plan.media.clone();
        self.unload_unwanted().await?;
        self.unload_readers_of_older_boots().await?;
        self.load_missing(&host).await?;
        let cannot = match &plan.device {
            _ if plan.mode == BootMode::Legacy => Some("a legacy boot".to_owned()),
            BootDevice::Pxe => Some("a network boot".to_owned()),
            BootDevice::UefiHttp { .. } => Some("a boot by HTTP".to_owned()),
            BootDevice::Other { target } => Some(target.clone()),
            BootDevice::Disk | BootDevice::Cd { .. } | BootDevice::Usb { .. } => None,
        };
        if let Some(what) = cannot {
            self.log.push(VmEvent::NotEmulated { what });
            return Ok(());
        }
        self.start(&plan).await?;
        self.guest.boots();
        self.log.push(VmEvent::Booted { boot: plan.boot, device: plan.device.clone() });
        self.current = Some((host, plan));
        Ok(())
    }

    /// Resets the guest that stands still, and lets it run.
    async fn start(&mut self, plan: &BootPlan) -> Result<(), QmpError> {
        let first = self.drives.first(&plan.device);
        let sticks = self
            .drives
            .loaded()
            .iter()
            .map(|loaded| loaded.drive)
            .filter(|drive| matches!(drive, Drive::Usb(_)));
        // All of them last before one is first: QEMU gives a place only while nobody has it, not even that drive.
        let last = (0..CD_DRIVES).map(Drive::Cd).chain(sticks.collect::<Vec<_>>()).map(|drive| (drive, -1));
        for (drive, place) in last.chain(first.map(|drive| (drive, 0))) {
            let path = format!("/machine/peripheral/{}", drive.id());
            self.command("qom-set", json!({"path": path, "property": "bootindex", "value": place})).await?;
        }
        self.command("set-action", json!({"reboot": "reset"})).await?;
        self.command("system_reset", Value::Null).await?;
        self.wait_for(|event| event.name == "RESET").await?;
        self.command("set-action", json!({"reboot": "shutdown"})).await?;
        self.command("cont", Value::Null).await
    }

    /// The guest stands still from here on, and all that it said has been heard.
    async fn halt(&mut self) -> Result<(), QmpError> {
        let was = self.guest.is_running();
        self.guest.stops();
        if was {
            self.command("stop", Value::Null).await?;
        }
        self.later.clear();
        while self.events.try_recv().is_ok() {}
        self.read_console().await
    }

    async fn cut_power(&mut self, after: AfterPowerCut) -> Result<(), QmpError> {
        self.halt().await?;
        self.log.push(VmEvent::PowerCut);
        if let Some((host, _)) = self.current.take() {
            match after {
                AfterPowerCut::StaysOff => host.power_off(),
                AfterPowerCut::ComesBack => host.reboot(),
            };
        }
        Ok(())
    }

    async fn hear(&mut self, event: &Event) -> Result<(), QmpError> {
        tracing::debug!(event = event.name, data = ?event.data, "qemu");
        match self.guest.heard(event) {
            Some(due) => self.act(due, "").await,
            None => Ok(()),
        }
    }

    /// Takes in what is there.
    async fn read_console(&mut self) -> Result<(), QmpError> {
        let mut buffer = vec![0; 16384];
        loop {
            match self.serial.try_read(&mut buffer) {
                Ok(0) => return Err(gone()),
                Ok(length) => {
                    for line in self.console.take(&buffer[..length]) {
                        let Some(due) = self.guest.says(&line) else { continue };
                        let again = due == Due::StartAgain;
                        Box::pin(self.act(due, &line)).await?;
                        if again {
                            // The rest was said by the guest that panicked.
                            break;
                        }
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(gone()),
            }
        }
    }

    async fn act(&mut self, due: Due, line: &str) -> Result<(), QmpError> {
        let line = line.to_owned();
        match due {
            Due::Reboot => {
                self.log.push(VmEvent::GuestReset);
                self.with_host(Host::reboot);
            }
            Due::PowerOff => {
                self.log.push(VmEvent::GuestPoweredOff);
                self.with_host(Host::power_off);
            }
            Due::RestartAfterButton => {
                self.log.push(VmEvent::GuestPoweredOff);
                self.with_host(Host::reboot);
            }
            Due::Broken => self.log.push(VmEvent::Broken),
            Due::Panic => self.log.push(VmEvent::Panicked { line }),
            Due::SystemRuns => self.with_host(|host| host.report(BootProgress::OSRunning)),
            Due::StartAgain => {
                let Some((_, plan)) = self.current.clone() else { return Ok(()) };
                self.halt().await?;
                self.start(&plan).await?;
                self.guest.starts_again();
                self.log.push(VmEvent::StartedAgain { line });
            }
        }
        Ok(())
    }

    fn with_host(&self, act: impl Fn(&Host) -> bool) {
        if let Some((host, _)) = &self.current {
            // False: the boot is over already, and with it what the guest wanted.
            let _taken = act(host);
        }
    }

    /// Runs a command whose answer says nothing.
    pub(super) async fn command(&self, name: &str, arguments: Value) -> Result<(), QmpError> {
        self.qmp.execute(name, arguments).await.map(drop)
    }

    /// Waits for an event; others are kept for later.
    pub(super) async fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event, QmpError> {
        loop {
            let event = self.events.recv().await.ok_or_else(gone)?;
            if wanted(&event) {
                return Ok(event);
            }
            self.later.push_back(event);
        }
    }

    /// Lets media be read no faster than was asked for.
    pub(super) async fn throttle(&self, drive: Drive) -> Result<(), QmpError> {
        let rate = self.slow.unwrap_or(0);
        let limits = json!({
            "id": drive.id(), "bps": rate, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
        });
        self.command("block_set_io_throttle", limits).await
    }
}

fn answer(done: Done, result: Result<(), QmpError>) -> Result<(), QmpError> {
    let gone = matches!(result, Err(QmpError::Gone { .. }));
    // Whoever asked may have stopped waiting.
    let _unheard = done.send(result);
    if gone { Err(self::gone()) } else { Ok(()) }
}

fn gone() -> QmpError {
    QmpError::Gone { command: "the machine".to_owned() }
}

/// The path of a reader's socket.
pub(super) fn reader_socket(sockets: &std::path::Path, node: &str) -> PathBuf {
    sockets.join(format!("{node}.nbd"))
}

/// The bus that sticks are plugged into.
pub(super) fn usb_bus() -> String {
    format!("{}.0", drives::USB_BUS)
}
