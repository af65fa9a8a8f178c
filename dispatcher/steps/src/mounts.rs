// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mounts that always come down again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

/// How often a busy mount is tried again,
const BUSY_TRIES: u32 = 50;
/// and how long after.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The system's mount table.
pub trait Mounts {
    /// Mounts a file system of a device.
    fn mount(&mut self, device: &Path, target: &Path, kind: &str) -> io::Result<()>;
    /// Shows a directory in another place, without what is mounted below it.
    fn bind(&mut self, from: &Path, target: &Path) -> io::Result<()>;
    /// Takes a mount away.
    fn unmount(&mut self, target: &Path) -> io::Result<()>;
}

/// The mount table of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMounts;

impl Mounts for SystemMounts {
    fn mount(&mut self, device: &Path, target: &Path, kind: &str) -> io::Result<()> {
        // Nothing that stands in the image has a say on this system.
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
        Ok(rustix::mount::mount(device, target, kind, flags, None)?)
    }

    fn bind(&mut self, from: &Path, target: &Path) -> io::Result<()> {
        rustix::mount::mount_bind(from, target)?;
        // What is mounted or unmounted below it must not reach the place that it came from.
        Ok(rustix::mount::mount_change(target, MountPropagationFlags::DOWNSTREAM)?)
    }

    /// A mount that something still looks at, as udev does after a write, is tried again for a while.
    fn unmount(&mut self, target: &Path) -> io::Result<()> {
        for _ in 0..BUSY_TRIES {
            match rustix::mount::unmount(target, UnmountFlags::empty()) {
                Err(Errno::BUSY) => std::thread::sleep(BUSY_PAUSE),
                done => return Ok(done?),
            }
        }
        Ok(rustix::mount::unmount(target, UnmountFlags::empty())?)
    }
}

/// What could not be mounted or unmounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A mount.
    #[error("mount {what} on {}", target.display())]
    Mount {
        /// Device or directory.
        what: String,
        /// Where to.
        target: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The other way.
    #[error("unmount {}", target.display())]
    Unmount {
        /// Where.
        target: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Mounts that are taken away in reverse order, at the latest when this is dropped.
pub struct MountStack<'a> {
    mounts: &'a mut dyn Mounts,
    targets: Vec<PathBuf>,
}

impl<'a> MountStack<'a> {
    /// Nothing is mounted yet.
    pub fn new(mounts: &'a mut dyn Mounts) -> Self {
        Self { mounts, targets: Vec::new() }
    }

    /// Mounts a device; the directory is made where it is missing.
    pub fn mount(&mut self, device: &Path, target: &Path, kind: &str) -> Result<(), MountError> {
        let failed = |source| MountError::Mount {
            what: format!("{} ({kind})", device.display()),
            target: target.to_owned(),
            source,
        };
        std::fs::create_dir_all(target).map_err(failed)?;
        self.mounts.mount(device, target, kind).map_err(failed)?;
        self.targets.push(target.to_owned());
        Ok(())
    }

    /// Shows a directory in another place, which must be there.
    pub fn bind(&mut self, from: &Path, target: &Path) -> Result<(), MountError> {
        let failed = |source| MountError::Mount {
            what: from.display().to_string(),
            target: target.to_owned(),
            source,
        };
        // It is on the list first: the mount may stand although the call failed in its second half.
        self.targets.push(target.to_owned());
        self.mounts.bind(from, target).map_err(failed)
    }

    /// Takes all of them away. The first that stays is the error; the others are tried all the same.
    pub fn close(mut self) -> Result<(), MountError> {
        self.unwind()
    }

    fn unwind(&mut self) -> Result<(), MountError> {
        let mut outcome = Ok(());
        while let Some(target) = self.targets.pop() {
            if let Err(source) = self.mounts.unmount(&target)
                && outcome.is_ok()
            {
                outcome = Err(MountError::Unmount { target, source });
            }
        }
        outcome
    }
}

impl Drop for MountStack<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.unwind() {
            tracing::warn!(error = shoal_dispatcher::cause::chain(&error), "a mount stays");
        }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use super::{Mounts, Path, io};

    /// Notes what is mounted, and fails where it is told to.
    #[derive(Default)]
    pub(crate) struct FakeMounts {
        pub(crate) log: Vec<String>,
        pub(crate) fail: Option<&'static str>,
    }

    impl FakeMounts {
        fn note(&mut self, line: String) -> io::Result<()> {
            let fails = self.fail.is_some_and(|part| line.contains(part));
            self.log.push(line);
            if fails { Err(io::Error::other("refused")) } else { Ok(()) }
        }
    }

    impl Mounts for FakeMounts {
        fn mount(&mut self, device: &Path, target: &Path, kind: &str) -> io::Result<()> {
            self.note(format!("mount {kind} {} {}", device.display(), target.display()))
        }

        fn bind(&mut self, from: &Path, target: &Path) -> io::Result<()> {
            self.note(format!("bind {} {}", from.display(), target.display()))
        }

        fn unmount(&mut self, target: &Path) -> io::Result<()> {
            self.note(format!("unmount {}", target.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::FakeMounts;
    use super::*;

    #[test]
    fn mounts_come_down_in_reverse_order_also_when_one_of_them_failed() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let mut mounts = FakeMounts { fail: Some("bind /proc"), ..FakeMounts::default() };
        let mut stack = MountStack::new(&mut mounts);
        stack.mount(Path::new("/dev/sda2"), &at("root"), "ext4").expect("mounted");
        stack.bind(Path::new("/dev"), &at("root/dev")).expect("bound");
        assert!(stack.bind(Path::new("/proc"), &at("root/proc")).is_err());
        drop(stack);
        let names: Vec<_> =
            mounts.log.iter().map(|line| line.replace(&dir.path().display().to_string(), "")).collect();
        assert_eq!(
            names,
            [
                "mount ext4 /dev/sda2 /root",
                "bind /dev /root/dev",
                "bind /proc /root/proc",
                "unmount /root/proc",
                "unmount /root/dev",
                "unmount /root"
            ]
        );
    }

    #[test]
    fn a_mount_that_stays_is_an_error_and_the_others_still_go() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mounts = FakeMounts { fail: Some("unmount"), ..FakeMounts::default() };
        let mut stack = MountStack::new(&mut mounts);
        for name in ["a", "b"] {
            stack.mount(Path::new("/dev/sda2"), &dir.path().join(name), "ext4").expect("mounted");
        }
        let error = stack.close().expect_err("both stay");
        assert!(error.to_string().ends_with("/b"), "{error}");
        assert_eq!(mounts.log.iter().filter(|line| line.starts_with("unmount")).count(), 2);
    }
}
