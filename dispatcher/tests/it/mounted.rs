// SPDX-License-Identifier: AGPL-3.0-or-later
//! A task on a real block device. Where the kernel has iso9660 it is mounted to be read, else it is read directly;
//! either way nothing stays mounted. Needs root and a loop device, and is skipped, saying so, without.
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::path::PathBuf;
use std::process::Command;

use shoal_dispatcher::host::TaskMedia as _;
use shoal_dispatcher::linux::{LinuxHost, Paths};

use crate::support::media::{files, iso, recipe, task};

/// A file as a block device; gone when dropped.
struct Loop(PathBuf);

impl Loop {
    fn over(file: &std::path::Path) -> Option<Self> {
        let output =
            Command::new("losetup").args(["--find", "--show", "--read-only"]).arg(file).output().ok()?;
        let name = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| Self(PathBuf::from(name.trim())))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let detached = Command::new("losetup").arg("--detach").arg(&self.0).status();
        assert!(detached.is_ok_and(|status| status.success()), "{} is still attached", self.0.display());
    }
}

#[tokio::test]
async fn a_task_on_a_block_device_is_read_and_stays_mounted_nowhere() {
    let root = tempfile::tempdir().expect("a directory");
    let image = root.path().join("task.iso");
    std::fs::write(&image, iso(&files(&task("http://127.0.0.1:1", &[]), &recipe())).bytes).expect("written");
    let Some(device) = Loop::over(&image) else {
        println!("skipped: no loop device here");
        return;
    };
    let mount_point = root.path().join("mnt");
    let host = LinuxHost::new(Paths {
        task_device: Some(device.0.clone()),
        mount_point: mount_point.clone(),
        ..Paths::default()
    });
    let scan = host.scan(&["task.json".to_owned(), "missing".to_owned()]).await;
    assert!(scan.troubles.is_empty(), "{:?}", scan.troubles);
    let medium = &scan.media[0];
    assert_eq!(medium.files.len(), 1);
    assert_eq!(*medium.files["task.json"], task("http://127.0.0.1:1", &[]).to_string().into_bytes());
    let mounts = std::fs::read_to_string("/proc/mounts").expect("readable");
    assert!(!mounts.contains(&mount_point.display().to_string()), "{mounts}");
}
