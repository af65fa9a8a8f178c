// SPDX-License-Identifier: AGPL-3.0-or-later
//! A QEMU process that does not outlive its owner.
//!
//! A thread of its own starts the process and waits for its end: the kernel's parent-death signal follows the thread
//! that started a child, and that thread must be there as long as the child. Dropping a [`Process`] kills by process
//! descriptor, so never another process with a used-again number, and returns when it is gone.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::programs::Programs;

/// A running process.
pub(crate) struct Process {
    pid: u32,
    handle: OwnedFd,
    thread: Option<JoinHandle<io::Result<ExitStatus>>>,
}

impl Process {
    /// Starts QEMU; what it says goes to `says`.
    pub(crate) fn start(programs: &Programs, arguments: Vec<OsString>, says: &Path) -> io::Result<Self> {
        let says = File::create(says)?;
        let mut command = Command::new(&programs.setpriv);
        command.args(["--pdeathsig", "KILL", "--"]).arg(&programs.qemu).args(arguments);
        // A clean environment: no proxies between the machine and its media.
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(says.try_clone()?).stderr(says);
        let (sender, started) = mpsc::channel();
        let thread = std::thread::Builder::new().name("qemu".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _unheard = sender.send(Err(error));
                    return Err(io::Error::other("not started"));
                }
            };
            // The descriptor is taken before anybody waits: the number is still this child's.
            let pid = child.id();
            let opened = Pid::from_raw(pid as i32)
                .ok_or_else(|| io::Error::other("a process without a number"))
                .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
            if opened.is_err() {
                child.kill()?;
            }
            let _unheard = sender.send(opened.map(|handle| (pid, handle)));
            child.wait()
        })?;
        let (pid, handle) = started.recv().map_err(io::Error::other)??;
        Ok(Self { pid, handle, thread: Some(thread) })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it has ended by itself, which is as good.
        let _ended = pidfd_send_signal(&self.handle, Signal::KILL);
        if let Some(thread) = self.thread.take() {
            let _status = thread.join();
        }
    }
}
