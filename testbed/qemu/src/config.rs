// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a machine is made of.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shoal_testbed::bmc::Identity;

use crate::programs::Programs;

/// Where the guest finds the controller, whatever the host's own addresses are.
pub const CONTROLLER_IN_GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The smallest and largest memory of a machine, in MiB.
pub const MEMORY_MIB: std::ops::RangeInclusive<u32> = 256..=8192;
/// Serial numbers that every bus takes whole.
const LONGEST_SERIAL: usize = 20;
/// Disks of one machine: what is left of the six SATA ports after the two optical drives.
const MOST_DISKS: usize = 4;

/// One machine.
#[derive(Clone, Debug)]
pub struct VmConfig {
    /// Who it is: DMI serials, UUID and the address of its network card. The same as its BMC says; the disks in it are
    /// not used, [`Self::disks`] are.
    pub identity: Identity,
    /// Where the machine's files are: disks, UEFI variables, the console's recording. They are made when they are not
    /// there, and stay when the machine goes.
    pub directory: PathBuf,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Its disks, in boot order.
    pub disks: Vec<VmDisk>,
    /// What its network reaches.
    pub network: Network,
    /// How the processor is emulated.
    pub acceleration: Acceleration,
    /// How media reach the machine.
    pub media: MediaRoute,
    /// Text on the console that means a running system: [`shoal_testbed::bmc::BootProgress::OSRunning`] is reported.
    pub running_when: Vec<String>,
    /// How often a boot that ends in a kernel panic is started again, with the same boot device and unknown to the
    /// BMC. Software emulation panics good kernels now and then; a kernel that panics every time still ends there.
    pub panic_restarts: u32,
    /// The programs.
    pub programs: Programs,
}

impl VmConfig {
    /// A machine with 1 GiB of memory, one NVMe disk of 8 GiB, no network, the acceleration that works.
    pub fn new(identity: Identity, directory: PathBuf, programs: Programs) -> Self {
        let disks = vec![VmDisk { bus: DiskBus::Nvme, serial: "SHOAL0001".to_owned(), size_bytes: 8 << 30 }];
        Self {
            identity,
            directory,
            memory_mib: 1024,
            disks,
            network: Network::None,
            acceleration: Acceleration::Probe,
            media: MediaRoute::Auto,
            running_when: vec![" login:".to_owned()],
            panic_restarts: 1,
            programs,
        }
    }

    /// Looks for what QEMU would refuse, or cut short without a word.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !MEMORY_MIB.contains(&self.memory_mib) {
            return Err(ConfigError::Memory(self.memory_mib));
        }
        if self.disks.len() > MOST_DISKS {
            return Err(ConfigError::TooManyDisks(self.disks.len()));
        }
        for disk in &self.disks {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if disk.serial.is_empty() || disk.serial.len() > LONGEST_SERIAL || !disk.serial.chars().all(plain)
            {
                return Err(ConfigError::DiskSerial(disk.serial.clone()));
            }
            if disk.size_bytes == 0 || disk.size_bytes % 4096 != 0 {
                return Err(ConfigError::DiskSize { serial: disk.serial.clone(), size: disk.size_bytes });
            }
        }
        let texts = [&self.identity.serial, &self.identity.board_serial, &self.identity.sku];
        if let Some(text) =
            texts.into_iter().chain(&self.identity.macs).find(|text| text.contains(char::is_control))
        {
            return Err(ConfigError::Text(text.clone()));
        }
        Ok(())
    }
}

/// A disk: a sparse raw file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmDisk {
    /// How it is connected.
    pub bus: DiskBus,
    /// Serial number, up to 20 letters, digits, `-`, `_` and `.`.
    pub serial: String,
    /// Size in bytes, a multiple of 4096.
    pub size_bytes: u64,
}

/// How a disk is connected, and with it the name that Linux gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskBus {
    /// `/dev/nvme0n1`.
    Nvme,
    /// `/dev/vda`.
    Virtio,
    /// `/dev/sda`, on the chipset's AHCI controller.
    Sata,
}

/// What the machine's network reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// There is a network card, and an address by DHCP, but nothing answers.
    None,
    /// Only these: connections to [`CONTROLLER_IN_GUEST`] at a port reach the address beside it. Needs
    /// [`Programs::forwarder`].
    Restricted(Vec<(u16, SocketAddr)>),
    /// Everything that the host reaches; [`CONTROLLER_IN_GUEST`] is the host's loopback.
    Open,
}

/// How the processor is emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acceleration {
    /// KVM where firmware boots under it, else software. See [`crate::probe`].
    Probe,
    /// KVM, without looking.
    Kvm,
    /// Software emulation on one processor.
    Software,
}

/// How media reach the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaRoute {
    /// QEMU reads `http` addresses itself where it can; everything else comes through the BMC.
    Auto,
    /// Everything comes through the BMC: its retries, its counters, its faults.
    ThroughBmc,
}

/// Why a machine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Memory.
    #[error("{0} MiB of memory: give between {least} and {most}", least = MEMORY_MIB.start(), most = MEMORY_MIB.end())]
    Memory(u32),
    /// More disks than connectors.
    #[error("{0} disks: a machine has room for {MOST_DISKS}")]
    TooManyDisks(usize),
    /// A serial that a bus would cut short.
    #[error("disk serial {0:?}: use 1 to {LONGEST_SERIAL} letters, digits, `-`, `_` and `.`")]
    DiskSerial(String),
    /// A size that is no whole number of blocks.
    #[error("disk {serial} of {size} bytes: use a multiple of 4096")]
    DiskSize {
        /// The disk.
        serial: String,
        /// The size.
        size: u64,
    },
    /// Text that does not fit into firmware tables.
    #[error("{0:?} holds control characters")]
    Text(String),
    /// No program to connect the guest with the controller.
    #[error(
        "a restricted network needs the program shoal-vm-forward; build it: cargo build -p shoal-testbed-qemu"
    )]
    NoForwarder,
}
