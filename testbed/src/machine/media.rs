// SPDX-License-Identifier: AGPL-3.0-or-later
//! Virtual media as the software in the machine reads them: at random, through the BMC, block by block.

use std::io;
use std::sync::Arc;

use shoal_taskiso::reader::find_task;
use shoal_taskiso::{ReadAt, Window};
use tokio::runtime::Handle;

use crate::bmc::{AttachedMedium, MediumKind, MediumReader};

/// Largest task volume that is remembered, in bytes.
const KEPT_LIMIT: u64 = 32 << 20;

/// A medium behind the BMC. For threads that may block: each read waits for a range request.
#[derive(Clone)]
pub(super) struct VirtualMedium {
    reader: Arc<MediumReader>,
    runtime: Handle,
}

impl VirtualMedium {
    pub(super) fn new(reader: Arc<MediumReader>) -> Self {
        Self { reader, runtime: Handle::current() }
    }
}

impl ReadAt for VirtualMedium {
    fn len(&self) -> u64 {
        self.reader.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.reader.size() {
            return Ok(0);
        }
        let bytes =
            self.runtime.block_on(self.reader.read_at(offset, buffer.len())).map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// The kernel's name of a medium.
pub(super) fn device(medium: &AttachedMedium) -> String {
    match medium.kind {
        MediumKind::Cd => format!("/dev/sr{}", medium.slot),
        // Behind the disks, wherever those end.
        MediumKind::Usb => format!("/dev/sd{}", char::from(b'x' + (medium.slot % 3) as u8)),
    }
}

/// A task medium that is remembered for later, whole.
#[derive(Clone)]
pub(super) struct Kept(pub(super) Arc<Vec<u8>>);

/// A copy of the task volume in a medium; nothing when there is none, or when it is too large to remember.
pub(super) fn keep<S: ReadAt>(medium: S) -> Option<Kept> {
    let location = find_task(&medium).ok()?;
    if location.len > KEPT_LIMIT {
        return None;
    }
    let volume = Window::new(&medium, location.offset, location.len);
    let mut bytes = vec![0; location.len as usize];
    let mut done = 0;
    while done < bytes.len() {
        match volume.read_at(done as u64, &mut bytes[done..]) {
            Ok(0) | Err(_) => return None,
            Ok(count) => done += count,
        }
    }
    Some(Kept(Arc::new(bytes)))
}
