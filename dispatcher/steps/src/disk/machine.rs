// SPDX-License-Identifier: AGPL-3.0-or-later
//! The machine's disks, as far as a step needs them.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shoal_dispatcher::host::Hardware as _;
use shoal_dispatcher::linux::{LinuxHost, Paths};
use shoal_schema::disk::DiskFacts;

use super::uses::{self, Uses};

/// How long the kernel and udev may take to make the nodes of new partitions.
const NODE_PATIENCE: Duration = Duration::from_secs(15);

/// How often it is looked for one.
const NODE_PAUSE: Duration = Duration::from_millis(20);

/// The disks of a machine.
pub trait Machine {
    /// All that could be installed on.
    fn disks(&self) -> io::Result<Vec<DiskFacts>>;
    /// Who uses one.
    fn uses(&self, disk: &Path) -> io::Result<Uses>;
    /// Opens one for writing that nobody else uses; [`ErrorKind::ResourceBusy`] when somebody does.
    fn claim(&self, disk: &Path) -> io::Result<File>;
    /// The node of a partition, once it is there.
    fn partition(&self, disk: &Path, number: u32) -> io::Result<PathBuf>;
}

/// The disks of this machine.
#[derive(Clone, Debug)]
pub struct LinuxMachine {
    paths: Paths,
}

impl LinuxMachine {
    /// With system directories in their places, or moved for a test.
    pub fn new(paths: Paths) -> Self {
        Self { paths }
    }
}

impl Machine for LinuxMachine {
    fn disks(&self) -> io::Result<Vec<DiskFacts>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(LinuxHost::new(self.paths.clone()).disks())
    }

    fn uses(&self, disk: &Path) -> io::Result<Uses> {
        uses::find(&self.paths.sys, &self.paths.proc, &kernel_name(disk)?)
    }

    fn claim(&self, disk: &Path) -> io::Result<File> {
        // On a block device, O_EXCL fails where it or a part of it is mounted or held (open(2)).
        let flags = rustix::fs::OFlags::EXCL | rustix::fs::OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(disk)
    }

    fn partition(&self, disk: &Path, number: u32) -> io::Result<PathBuf> {
        let node = node(disk, number);
        let since = Instant::now();
        loop {
            match std::fs::metadata(&node) {
                Ok(metadata) if metadata.file_type().is_block_device() => return Ok(node),
                _ if since.elapsed() < NODE_PATIENCE => std::thread::sleep(NODE_PAUSE),
                _ => {
                    let message = format!("{} did not appear", node.display());
                    return Err(io::Error::new(ErrorKind::NotFound, message));
                }
            }
        }
    }
}

/// `/dev/mapper/NAME` leads to `/dev/dm-0`; sysfs knows the latter.
fn kernel_name(disk: &Path) -> io::Result<String> {
    let real = disk.canonicalize()?;
    let name = real.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| ErrorKind::InvalidInput.into())
}

/// What the kernel calls a partition (`block/partitions/core.c`): a `p` stands behind a name that ends in a digit.
fn node(disk: &Path, number: u32) -> PathBuf {
    let mut node = disk.as_os_str().to_owned();
    if disk.to_string_lossy().ends_with(|c: char| c.is_ascii_digit()) {
        node.push("p");
    }
    node.push(number.to_string());
    node.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_of_a_machine_are_listed_when_udev_has_settled() {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(root.path().join("sys/block")).expect("made");
        // Found on every machine, and as content as udevadm.
        let paths = Paths { sys: root.path().join("sys"), udevadm: "/bin/true".into(), ..Paths::default() };
        assert_eq!(LinuxMachine::new(paths).disks().expect("listed"), []);
    }

    #[test]
    fn partitions_are_named_as_the_kernel_does() {
        for (disk, wanted) in [
            ("/dev/sda", "/dev/sda3"),
            ("/dev/vdb", "/dev/vdb3"),
            ("/dev/nvme0n1", "/dev/nvme0n1p3"),
            ("/dev/md127", "/dev/md127p3"),
        ] {
            assert_eq!(node(Path::new(disk), 3), Path::new(wanted));
        }
    }
}
