// SPDX-License-Identifier: AGPL-3.0-or-later
//! The programs and the firmware that a machine needs.

use std::env::split_paths;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Code and variables of UEFI firmware, as distributions install them. The two belong together.
const FIRMWARE: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),
];

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// `setpriv` of util-linux: through it the kernel ends QEMU when this process is gone, however it went.
    pub setpriv: PathBuf,
    /// Firmware code.
    pub firmware: PathBuf,
    /// Empty firmware variables; each machine gets a copy.
    pub variables: PathBuf,
    /// `shoal-vm-forward` of this crate.
    pub forwarder: Option<PathBuf>,
}

/// Something is not installed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not installed; on Debian: apt-get install {package}")]
pub struct Missing {
    /// What.
    pub what: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

impl Programs {
    /// Looks for the programs in the directories of `path` (the value of `PATH`), and for the firmware where
    /// distributions have it.
    pub fn find(path: &OsStr) -> Result<Self, Missing> {
        let program = |name: &'static str, package| {
            split_paths(path)
                .map(|directory| directory.join(name))
                .find(|file| file.is_file())
                .ok_or(Missing { what: name, package })
        };
        let qemu = program("qemu-system-x86_64", "qemu-system-x86")?;
        let setpriv = program("setpriv", "util-linux")?;
        let there =
            |(code, variables): &&(&str, &str)| Path::new(code).is_file() && Path::new(variables).is_file();
        let missing = Missing { what: "UEFI firmware for QEMU (OVMF)", package: "ovmf" };
        let (firmware, variables) = FIRMWARE.iter().find(there).ok_or(missing)?;
        Ok(Self {
            qemu,
            setpriv,
            firmware: PathBuf::from(firmware),
            variables: PathBuf::from(variables),
            forwarder: None,
        })
    }

    /// With the forwarder that lies beside `executable` or in a directory above it, as Cargo lays them out.
    pub fn with_forwarder_near(mut self, executable: &Path) -> Self {
        let beside =
            executable.ancestors().skip(1).take(3).map(|directory| directory.join("shoal-vm-forward"));
        self.forwarder = beside.into_iter().find(|file| file.is_file());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let empty = tempfile::tempdir().expect("a directory");
        let missing = Programs::find(empty.path().as_os_str()).expect_err("nothing is there");
        assert_eq!(
            missing.to_string(),
            "qemu-system-x86_64 is not installed; on Debian: apt-get install qemu-system-x86"
        );
    }

    #[test]
    fn the_forwarder_is_found_from_a_test_as_from_a_program() {
        let target = tempfile::tempdir().expect("a directory");
        let forwarder = target.path().join("shoal-vm-forward");
        std::fs::create_dir(target.path().join("deps")).expect("made");
        std::fs::write(&forwarder, "").expect("written");
        let programs = || Programs {
            qemu: PathBuf::new(),
            setpriv: PathBuf::new(),
            firmware: PathBuf::new(),
            variables: PathBuf::new(),
            forwarder: None,
        };
        for executable in ["deps/test-0123", "shoal-testbed"] {
            let found = programs().with_forwarder_near(&target.path().join(executable));
            assert_eq!(found.forwarder.as_ref(), Some(&forwarder), "{executable}");
        }
    }
}
