// SPDX-License-Identifier: AGPL-3.0-or-later
//! Task media on optical drives, on USB, and at the end of the maintenance OS's own medium, wherever that is.
//!
//! A device is recognised by its content, not by links that udev may or may not have made yet. A medium that is a
//! volume of its own is mounted read-only while it is read, as the contract says; behind a maintenance ISO, or where
//! the kernel has no iso9660, its files are read directly. Nothing stays mounted: the medium may vanish later.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use shoal_taskiso::reader::{LocateError, find_task};
use zeroize::Zeroizing;

use super::Paths;
use super::disks::is_medium;
use crate::medium::{self, Scan, TaskMedium, Trouble};

/// Largest file read from a mounted medium, in bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// Looks once at every device that may carry a task.
pub(super) fn scan(paths: &Paths, names: &[String]) -> Scan {
    let mut scan = Scan::default();
    for device in candidates(paths) {
        match look(paths, &device, names) {
            Ok(Some(medium)) => scan.media.push(medium),
            Ok(None) => {}
            Err(trouble) => scan.troubles.push(trouble),
        }
    }
    scan
}

/// Optical drives, disks that are removable, read-only or on USB, and persistent memory: an image that the firmware
/// fetched over HTTP is a RAM disk, which it shows the kernel as such (EDK2 `RamDiskDxe`, ACPI NFIT).
fn candidates(paths: &Paths) -> Vec<PathBuf> {
    if let Some(device) = &paths.task_device {
        return vec![device.clone()];
    }
    let Ok(blocks) = fs::read_dir(paths.sys.join("block")) else { return Vec::new() };
    let mut names: Vec<String> = blocks
        .flatten()
        .filter_map(|block| {
            let name = block.file_name().into_string().ok()?;
            let always = ["sr", "pmem"].iter().any(|kind| name.starts_with(kind));
            let medium = always || (name.starts_with("sd") && is_medium(&block.path()));
            medium.then_some(name)
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| paths.dev.join(name)).collect()
}

fn look(paths: &Paths, device: &Path, names: &[String]) -> Result<Option<TaskMedium>, Trouble> {
    let name = device.display().to_string();
    let failed = |source| Trouble::Device { device: name.clone(), source };
    let file = match File::open(device) {
        Ok(file) => file,
        // An empty tray, and a device that went away.
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let location = match find_task(&file) {
        Ok(location) => location,
        Err(LocateError::NoTask) => return Ok(None),
        Err(source) => return Err(Trouble::Damaged { device: name, source }),
    };
    let block = file.metadata().map_err(failed)?.file_type().is_block_device();
    if block && location.offset == 0 {
        match Mounted::new(device, &paths.mount_point) {
            Ok(mounted) => {
                let files = mounted.files(names).map_err(failed)?;
                return Ok(Some(TaskMedium { device: name, label: location.volume_id, offset: 0, files }));
            }
            // The kernel has no iso9660.
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
                tracing::warn!(device = %name, "task medium read without mounting it");
            }
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Trouble::NotAllowed { device: name, source });
            }
            Err(source) => return Err(failed(source)),
        }
    }
    medium::read(&name, file, names)
}

fn is_absent(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    let codes = [Errno::NOENT, Errno::NXIO, Errno::NODEV, Errno::NOMEDIUM];
    codes.iter().any(|errno| code == Some(errno.raw_os_error()))
}

/// A medium that is mounted as long as this lives.
struct Mounted<'a> {
    point: &'a Path,
}

impl<'a> Mounted<'a> {
    fn new(device: &Path, point: &'a Path) -> io::Result<Self> {
        fs::create_dir_all(point)?;
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(device, point, "iso9660", flags, None::<&CStr>)?;
        Ok(Self { point })
    }

    fn files(&self, names: &[String]) -> io::Result<crate::host::Files> {
        let mut files = crate::host::Files::new();
        for name in names {
            let file = match File::open(self.point.join(name)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut content = Zeroizing::new(Vec::new());
            file.take(FILE_LIMIT + 1).read_to_end(&mut content)?;
            if content.len() as u64 > FILE_LIMIT {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("{name} is larger than 16 MiB"),
                ));
            }
            files.insert(name.clone(), content);
        }
        Ok(files)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        if let Err(error) = unmount(self.point, UnmountFlags::DETACH) {
            tracing::warn!(point = %self.point.display(), %error, "task medium not unmounted");
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_taskiso::{
        Composed, DEFAULT_LIMIT, Iso, ReadAt as _, TaskFiles, TaskMedium as Spec, build, build_volume,
    };

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        /// A device with content, or an empty drive.
        fn device(&self, name: &str, content: Option<&[u8]>, flags: &[&str]) {
            let (sys, dev) = (self.0.path().join("sys/block").join(name), self.0.path().join("dev"));
            fs::create_dir_all(&sys).expect("made");
            fs::create_dir_all(&dev).expect("made");
            for flag in flags {
                fs::write(sys.join(flag), "1\n").expect("written");
            }
            if let Some(content) = content {
                fs::write(dev.join(name), content).expect("written");
            }
        }

        fn scan(&self) -> Scan {
            let root = self.0.path();
            let paths = Paths { sys: root.join("sys"), dev: root.join("dev"), ..Paths::default() };
            scan(&paths, &["task.json".to_owned(), "missing".to_owned()])
        }

        fn found(&self) -> Vec<(String, u64)> {
            let scan = self.scan();
            assert!(scan.troubles.is_empty(), "{:?}", scan.troubles);
            let name = |medium: &TaskMedium| medium.device.rsplit('/').next().unwrap_or_default().to_owned();
            scan.media.iter().map(|medium| (name(medium), medium.offset)).collect()
        }
    }

    fn task() -> Iso {
        let mut files = TaskFiles::new();
        files.insert("task.json", "{}").expect("a legal name");
        build(&Spec { job_id: "ab".repeat(16), files, epoch: 0, pad: 0, limit: DEFAULT_LIMIT })
            .expect("small")
    }

    fn maintenance() -> Iso {
        let mut files = TaskFiles::new();
        files.insert("vmlinuz", "kernel").expect("a legal name");
        build_volume("SHOAL_MAINTENANCE", &files, 0, 0, DEFAULT_LIMIT).expect("small")
    }

    #[test]
    fn a_task_is_found_by_its_label_on_whatever_may_be_a_medium() {
        let machine = Machine::new();
        machine.device("sr0", Some(&maintenance().bytes), &[]);
        machine.device("sr1", None, &[]);
        machine.device("sda", Some(&vec![0; 100_000]), &["removable"]);
        assert_eq!(machine.found(), []);
        machine.device("sr1", Some(&task().bytes), &[]);
        assert_eq!(machine.found(), [("sr1".to_owned(), 0)]);
        machine.device("sda", Some(&task().bytes), &["removable"]);
        assert_eq!(machine.found(), [("sda".to_owned(), 0), ("sr1".to_owned(), 0)]);
        let scan = machine.scan();
        assert_eq!(
            scan.media[0].files.keys().collect::<Vec<_>>(),
            ["task.json"],
            "a file that is not there is left out"
        );
    }

    #[test]
    fn a_copy_on_an_internal_disk_is_no_medium() {
        let machine = Machine::new();
        machine.device("sda", Some(&task().bytes), &[]);
        machine.device("nvme0n1", Some(&task().bytes), &[]);
        assert_eq!(machine.found(), []);
    }

    #[test]
    fn a_task_behind_the_maintenance_iso_is_found_by_its_footer() {
        let composed = Composed::new(maintenance().bytes, &task()).expect("composed");
        let mut bytes = vec![0; composed.len() as usize];
        assert_eq!(composed.read_at(0, &mut bytes).expect("in memory"), bytes.len());
        // On a drive, and as the RAM disk of a firmware that fetched it itself.
        for device in ["sr0", "pmem0"] {
            let machine = Machine::new();
            machine.device(device, Some(&bytes), &[]);
            let found = machine.found();
            assert!(found.len() == 1 && found[0].1 > 0 && found[0].1.is_multiple_of(32 * 1024), "{found:?}");
        }
    }

    #[test]
    fn a_damaged_medium_is_trouble_and_hides_no_other() {
        let machine = Machine::new();
        machine.device("sr0", Some(&task().bytes[..20 * 2048]), &[]);
        machine.device("sr1", Some(&task().bytes), &[]);
        let scan = machine.scan();
        assert_eq!(scan.media.len(), 1);
        assert!(matches!(scan.troubles[..], [Trouble::Damaged { .. }]), "{:?}", scan.troubles);
    }
}
