// SPDX-License-Identifier: AGPL-3.0-or-later
//! QEMU's command line for a machine. Pure: the same configuration gives the same arguments.

use std::ffi::OsString;
use std::path::Path;

use crate::config::{CONTROLLER_IN_GUEST, ConfigError, DiskBus, Network, VmConfig};
use crate::drives::{self, CD_DRIVES};

/// Boot index of the first disk; media are put before it for one boot.
const FIRST_DISK: usize = 5;
/// The network card's id, by which its link is pulled.
pub(crate) const NIC: &str = "nic0";

/// Which emulation is used, after any probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    Kvm,
    Software,
}

impl Accelerator {
    /// The arguments. Multi-threaded software emulation panics kernels: one processor.
    pub(crate) fn arguments(self) -> [&'static str; 6] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            Self::Software => ["-accel", "tcg", "-cpu", "max", "-smp", "1"],
        }
    }
}

/// Where a process's sockets are: short paths, for the limit on their names.
#[derive(Clone, Copy)]
pub(crate) struct Sockets<'a> {
    pub(crate) qmp: &'a Path,
    pub(crate) console: &'a Path,
}

/// Files of a machine.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) variables: &'a Path,
    pub(crate) recording: &'a Path,
    pub(crate) disks: &'a [std::path::PathBuf],
}

/// Firmware and its variables, as every machine has them.
pub(crate) fn firmware(code: &Path, variables: &Path) -> Vec<OsString> {
    let mut arguments = Vec::new();
    arguments.extend(
        ["-machine", "q35,smm=off", "-nodefaults", "-vga", "none", "-display", "none"].map(OsString::from),
    );
    arguments.push("-drive".into());
    arguments.push(with_path("if=pflash,format=raw,unit=0,readonly=on,file=", code));
    arguments.push("-drive".into());
    arguments.push(with_path("if=pflash,format=raw,unit=1,file=", variables));
    arguments
}

/// All arguments of a machine.
pub(crate) fn arguments(
    config: &VmConfig,
    accelerator: Accelerator,
    files: Files<'_>,
    sockets: Sockets<'_>,
) -> Result<Vec<OsString>, ConfigError> {
    let mut line = Line(firmware(&config.programs.firmware, files.variables));
    let identity = &config.identity;
    line.add("-name", format!("shoal-{}", escaped(&identity.serial)));
    // Stands still until a boot is ordered; a guest that resets or switches itself off only stops.
    line.0.extend(["-S", "-no-user-config"].map(OsString::from));
    line.add("-action", "reboot=shutdown,shutdown=pause,panic=none");
    line.0.extend(accelerator.arguments().map(OsString::from));
    line.add("-m", format!("{}M", config.memory_mib));
    let serial = escaped(&identity.serial);
    let (sku, uuid, board) = (escaped(&identity.sku), identity.uuid, escaped(&identity.board_serial));
    line.add(
        "-smbios",
        format!("type=1,manufacturer=Shoal,product=Testbed,serial={serial},sku={sku},uuid={uuid}"),
    );
    line.add("-smbios", format!("type=2,manufacturer=Shoal,product=Testbed,serial={board}"));
    line.add("-smbios", format!("type=3,manufacturer=Shoal,serial={serial}"));

    line.path("-chardev", "socket,server=on,wait=off,id=qmp,path=", sockets.qmp);
    line.add("-mon", "chardev=qmp,mode=control");
    let mut console = with_path("socket,server=on,wait=off,id=console,logappend=on,path=", sockets.console);
    console.push(",logfile=");
    console.push(escaped_path(files.recording));
    line.0.extend(["-chardev".into(), console]);
    line.add("-serial", "chardev:console");
    line.add("-device", "virtio-rng-pci");
    line.add("-device", format!("qemu-xhci,id={}", drives::USB_BUS));

    for drive in 0..CD_DRIVES {
        line.add("-device", format!("ide-cd,id={},bus=ide.{drive}", drives::cd(drive)));
    }
    for (index, (disk, file)) in config.disks.iter().zip(files.disks).enumerate() {
        // What was acknowledged is in the host's cache and survives every stop of the guest; flushing it to the
        // host's own disk would only take time.
        line.path(
            "-blockdev",
            &format!(
                "driver=raw,node-name=disk{index},discard=unmap,cache.no-flush=on,file.driver=file,file.filename="
            ),
            file,
        );
        let device = match disk.bus {
            DiskBus::Nvme => "nvme".to_owned(),
            DiskBus::Virtio => "virtio-blk-pci".to_owned(),
            DiskBus::Sata => format!("ide-hd,rotation_rate=1,bus=ide.{}", CD_DRIVES + index),
        };
        let (serial, order) = (&disk.serial, FIRST_DISK + index);
        line.add(
            "-device",
            format!("{device},id=d{index},drive=disk{index},serial={serial},bootindex={order}"),
        );
    }

    line.add("-netdev", netdev(config)?);
    let mac = identity.macs.first().map(|mac| format!(",mac={}", escaped(mac))).unwrap_or_default();
    line.add("-device", format!("virtio-net-pci,id={NIC},netdev=net0,romfile={mac}"));
    Ok(line.0)
}

/// The user-mode network. The host's own address in it is moved away, so that a restricted guest finds the controller
/// at the same address as an open one.
fn netdev(config: &VmConfig) -> Result<String, ConfigError> {
    let restricted = "user,id=net0,restrict=on,ipv6=off,host=10.0.2.254,dns=10.0.2.253".to_owned();
    Ok(match &config.network {
        Network::Open => "user,id=net0,ipv6=off".to_owned(),
        Network::None => restricted,
        Network::Restricted(ports) => {
            let forwarder = config.programs.forwarder.as_deref().ok_or(ConfigError::NoForwarder)?;
            // Split as a shell would: quoted.
            let program = forwarder.to_string_lossy().replace('\'', r"'\''").replace(',', ",,");
            ports.iter().fold(restricted, |line, (port, address)| {
                format!("{line},guestfwd=tcp:{CONTROLLER_IN_GUEST}:{port}-cmd:'{program}' {address}")
            })
        }
    })
}

struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, option: &str, value: impl Into<OsString>) {
        self.0.push(option.into());
        self.0.push(value.into());
    }

    fn path(&mut self, option: &str, value: &str, path: &Path) {
        self.add(option, with_path(value, path));
    }
}

/// A comma ends a value; two are one.
fn escaped(text: &str) -> String {
    text.replace(',', ",,")
}

fn escaped_path(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

fn with_path(value: &str, path: &Path) -> OsString {
    let mut whole = OsString::from(value);
    whole.push(escaped_path(path));
    whole
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use shoal_testbed::bmc::Identity;

    use super::*;
    use crate::config::VmDisk;
    use crate::programs::Programs;

    fn config() -> VmConfig {
        let programs = Programs {
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            setpriv: "/usr/bin/setpriv".into(),
            firmware: "/fw/code.fd".into(),
            variables: "/fw/vars.fd".into(),
            forwarder: Some("/opt/a b/shoal-vm-forward".into()),
        };
        VmConfig::new(Identity::numbered(1, 0), PathBuf::from("/vm"), programs)
    }

    fn line(config: &VmConfig) -> Vec<String> {
        let disks: Vec<PathBuf> =
            (0..config.disks.len()).map(|n| format!("/vm/a,b/disk{n}.raw").into()).collect();
        let files =
            Files { variables: "/vm/vars.fd".as_ref(), recording: "/vm/console.log".as_ref(), disks: &disks };
        let sockets = Sockets { qmp: "/s/qmp".as_ref(), console: "/s/console".as_ref() };
        let arguments = arguments(config, Accelerator::Software, files, sockets).expect("complete");
        arguments.into_iter().map(|argument| argument.into_string().expect("text")).collect()
    }

    #[track_caller]
    fn has(line: &[String], option: &str, value: &str) {
        let found = line.windows(2).any(|pair| pair[0] == option && pair[1] == value);
        assert!(found, "{option} {value} is not in {line:#?}");
    }

    #[test]
    fn each_bus_has_its_device_and_disks_boot_in_their_order() {
        let disk = |bus, serial: &str| VmDisk { bus, serial: serial.to_owned(), size_bytes: 4096 };
        let mut config = config();
        config.disks =
            vec![disk(DiskBus::Nvme, "N1"), disk(DiskBus::Virtio, "V1"), disk(DiskBus::Sata, "S1")];
        let line = line(&config);
        has(&line, "-device", "nvme,id=d0,drive=disk0,serial=N1,bootindex=5");
        has(&line, "-device", "virtio-blk-pci,id=d1,drive=disk1,serial=V1,bootindex=6");
        has(&line, "-device", "ide-hd,rotation_rate=1,bus=ide.4,id=d2,drive=disk2,serial=S1,bootindex=7");
        let file =
            "driver=raw,node-name=disk0,discard=unmap,cache.no-flush=on,file.driver=file,file.filename=";
        has(&line, "-blockdev", &format!("{file}/vm/a,,b/disk0.raw"));
    }

    #[test]
    fn firmware_tables_say_who_the_machine_is_even_with_commas_in_its_names() {
        let mut config = config();
        config.identity.serial = "A,B".to_owned();
        config.identity.sku = "x,uuid=0".to_owned();
        let line = line(&config);
        let uuid = config.identity.uuid;
        let table =
            format!("type=1,manufacturer=Shoal,product=Testbed,serial=A,,B,sku=x,,uuid=0,uuid={uuid}");
        has(&line, "-smbios", &table);
        let mac = &config.identity.macs[0];
        has(&line, "-device", &format!("virtio-net-pci,id=nic0,netdev=net0,romfile=,mac={mac}"));
    }

    #[test]
    fn a_machine_stands_still_at_first_and_never_resets_by_itself() {
        let line = line(&config());
        assert!(line.iter().any(|argument| argument == "-S"));
        has(&line, "-action", "reboot=shutdown,shutdown=pause,panic=none");
        has(&line, "-smp", "1");
    }

    #[test]
    fn a_restricted_guest_reaches_the_named_ports_and_an_open_one_the_host() {
        let mut config = config();
        let shut = "user,id=net0,restrict=on,ipv6=off,host=10.0.2.254,dns=10.0.2.253";
        has(&line(&config), "-netdev", shut);
        config.network = Network::Restricted(vec![(8443, ([127, 0, 0, 1], 40001).into())]);
        let forward = "guestfwd=tcp:10.0.2.2:8443-cmd:'/opt/a b/shoal-vm-forward' 127.0.0.1:40001";
        has(&line(&config), "-netdev", &format!("{shut},{forward}"));
        config.network = Network::Open;
        has(&line(&config), "-netdev", "user,id=net0,ipv6=off");
    }

    #[test]
    fn a_restricted_network_without_its_program_is_refused() {
        let mut config = config();
        config.network = Network::Restricted(Vec::new());
        config.programs.forwarder = None;
        assert!(matches!(netdev(&config), Err(ConfigError::NoForwarder)));
    }

    #[test]
    fn what_a_bus_would_cut_short_is_refused() {
        let mut config = config();
        assert!(config.validate().is_ok());
        config.disks[0].serial = "x".repeat(21);
        assert!(matches!(config.validate(), Err(ConfigError::DiskSerial(_))));
        config.disks[0] = VmDisk { bus: DiskBus::Nvme, serial: "x".to_owned(), size_bytes: 1000 };
        assert!(matches!(config.validate(), Err(ConfigError::DiskSize { .. })));
        config.disks = Vec::new();
        config.memory_mib = 64;
        assert!(matches!(config.validate(), Err(ConfigError::Memory(64))));
    }
}
