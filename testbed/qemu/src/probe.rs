// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether KVM works here: by booting under it, not by looking for its device.
//!
//! A device that is there may belong to a hypervisor that emulates too little of it. UEFI firmware is the guest: it
//! goes through every processor mode up to 64 bits and drives devices with interrupts until it looks for something to
//! boot. Software emulation needs about five seconds for that, KVM one.

use std::fs::{self, OpenOptions};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

use crate::command::{self, Accelerator};
use crate::console::Console;
use crate::process::Process;
use crate::programs::Programs;
use crate::qmp::Qmp;

/// Firmware says so when it looks for something to boot.
const REACHED: &str = "BdsDxe:";
/// How long firmware may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause between looks for QEMU's sockets.
const PAUSE: Duration = Duration::from_millis(10);

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKvm {
    /// `/dev/kvm` is not there or may not be used.
    #[error("/dev/kvm cannot be opened")]
    NoDevice,
    /// QEMU did not start, or stopped the guest.
    #[error("QEMU gave the guest up")]
    GaveUp,
    /// Firmware got nowhere.
    #[error("firmware did not start within {} seconds", PATIENCE.as_secs())]
    TooSlow,
    /// The probe itself could not be made.
    #[error("the probe could not be made")]
    NotProbed,
}

/// Boots firmware under KVM.
pub async fn kvm(programs: &Programs) -> Result<(), NoKvm> {
    if OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Err(NoKvm::NoDevice);
    }
    firmware_boots(programs, Accelerator::Kvm, PATIENCE).await
}

/// The accelerator that works, found out once in a process.
pub(crate) async fn accelerator(programs: &Programs) -> Accelerator {
    static FOUND: OnceCell<Accelerator> = OnceCell::const_new();
    let find = || async {
        match kvm(programs).await {
            Ok(()) => Accelerator::Kvm,
            Err(reason) => {
                tracing::info!(%reason, "no kvm: machines run in software");
                Accelerator::Software
            }
        }
    };
    *FOUND.get_or_init(find).await
}

async fn firmware_boots(
    programs: &Programs,
    accelerator: Accelerator,
    patience: Duration,
) -> Result<(), NoKvm> {
    let directory = TempDir::new().map_err(|_| NoKvm::NotProbed)?;
    let file = |name: &str| directory.path().join(name);
    fs::write(file("variables"), fs::read(&programs.variables).map_err(|_| NoKvm::NotProbed)?)
        .map_err(|_| NoKvm::NotProbed)?;
    let mut arguments = command::firmware(&programs.firmware, &file("variables"));
    arguments.extend(accelerator.arguments().map(Into::into));
    arguments.extend(["-m", "256M", "-S", "-no-user-config", "-nic", "none"].map(Into::into));
    for (name, option) in [("qmp", "-qmp"), ("console", "-serial")] {
        arguments.push(option.into());
        arguments.push(format!("unix:{},server=on,wait=off", file(name).display()).into());
    }
    let process = Process::start(programs, arguments, &file("said")).map_err(|_| NoKvm::NotProbed)?;
    let (qmp, mut events) = loop {
        match Qmp::connect(&file("qmp")).await {
            Ok(connected) => break connected,
            Err(_) if process.has_ended() => return Err(NoKvm::GaveUp),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    let mut serial = UnixStream::connect(file("console")).await.map_err(|_| NoKvm::GaveUp)?;
    qmp.execute("cont", Value::Null).await.map_err(|_| NoKvm::GaveUp)?;

    let console = Console::default();
    let reached = async {
        let mut buffer = [0; 4096];
        loop {
            tokio::select! {
                read = serial.read(&mut buffer) => match read {
                    Ok(length) if length > 0 => {
                        if console.take(&buffer[..length]).iter().any(|line| line.contains(REACHED)) {
                            return Ok(());
                        }
                    }
                    _ => return Err(NoKvm::GaveUp),
                },
                event = events.recv() => match event {
                    // Stopped, reset by a triple fault, or gone. The others tell of a clock that was set and the like.
                    Some(event) if ["STOP", "RESET", "SHUTDOWN", "GUEST_PANICKED"].contains(&&*event.name) => {
                        return Err(NoKvm::GaveUp);
                    }
                    Some(_) => {}
                    None => return Err(NoKvm::GaveUp),
                },
            }
        }
    };
    tokio::time::timeout(patience, reached).await.unwrap_or(Err(NoKvm::TooSlow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn firmware_that_starts_is_told_from_one_that_does_not() {
        // Where QEMU is not installed there is nothing to probe with; the tests of machines say so.
        let Ok(mut programs) = Programs::find(&std::env::var_os("PATH").unwrap_or_default()) else { return };
        let long = Duration::from_secs(120);
        assert_eq!(firmware_boots(&programs, Accelerator::Software, long).await, Ok(()));

        // Code of nothing but `hlt`.
        let directory = TempDir::new().expect("a directory");
        let length = fs::metadata(&programs.firmware).expect("there").len();
        let halted = directory.path().join("code");
        fs::write(&halted, vec![0xf4; length as usize]).expect("written");
        programs.firmware = halted;
        let short = Duration::from_millis(500);
        assert_eq!(firmware_boots(&programs, Accelerator::Software, short).await, Err(NoKvm::TooSlow));
    }
}
