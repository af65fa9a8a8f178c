// SPDX-License-Identifier: AGPL-3.0-or-later
//! The composed image, for BMCs with a single slot: a maintenance ISO with a task volume behind it.
//!
//! ```text
//! | maintenance ISO, untouched | zeros to 32 KiB | task ISO | zeros | footer, 2 KiB |
//! ```
//!
//! The whole has a multiple of 32 KiB, the footer being its last 2 KiB.
//!
//! # Guarantees
//!
//! * No byte of the maintenance ISO is changed or copied; only ranges asked for are read.
//! * The task volume starts at a multiple of 32 KiB, so that it can be loop-mounted by offset.
//! * Any range may be asked for. One behind the end reads nothing.
//! * A maintenance ISO that is shorter than its own descriptor says is refused, and one that
//!   became shorter after it was composed is an error, never zeros: half an image boots, then fails
//!   where nobody sees it.
//!
//! # What firmware makes of the data behind the volume
//!
//! Firmware and kernels find their way by the descriptors and the boot catalogue of the maintenance
//! ISO, which name sectors of its own and a volume size without the tail. OVMF was seen to boot such
//! an image as a CD, and Linux to see its whole size. Not tried: a maintenance ISO with a GPT of its
//! own, shown as a USB disk. Its backup table is no longer in the last sector then, and only the
//! primary one counts.
//!
//! # Caveats
//!
//! The composed view has the maintenance ISO's label, and so does the machine's `blkid`. The task
//! is found through the footer: [`crate::reader::find_task`].

use std::fmt;
use std::io::{self, ErrorKind};

use bytes::Bytes;

use crate::footer::{FOOTER_LEN, Footer};
use crate::medium::Iso;
use crate::reader::{ReadError, primary};
use crate::source::ReadAt;
use crate::volume_id::is_task_volume_id;

/// Where a task volume may begin, and the whole may end: multiples of 32 KiB, in bytes.
///
/// An end on 2 KiB would do for a CD. But a block device that is put between image and machine may
/// count in blocks of 4 KiB and leave out a part of one: that would be the footer.
const ALIGN: u64 = 32 * 1024;

/// Why two images were not composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The maintenance image cannot be read, or is no ISO 9660 volume.
    #[error("compose with task {volume_id}: read maintenance ISO")]
    Maintenance {
        /// The task volume.
        volume_id: String,
        /// What was wrong with the maintenance image.
        #[source]
        source: ReadError,
    },
    /// The maintenance image is a task medium itself: the machine would take it for the job's.
    #[error("compose with task {volume_id}: maintenance ISO is the task medium {maintenance}")]
    MaintenanceIsTask {
        /// The task volume.
        volume_id: String,
        /// The label of the image given as maintenance ISO.
        maintenance: String,
    },
    /// The second image is not named as a task medium is; the machine would not find it.
    #[error("compose: {volume_id:?} is not the name of a task medium")]
    NotATask {
        /// The label of the image given as task medium.
        volume_id: String,
    },
    /// The maintenance image is so large that the sum has no 64-bit length.
    #[error("compose with task {volume_id}: maintenance ISO has {len} bytes")]
    TooLarge {
        /// The task volume.
        volume_id: String,
        /// Bytes of the maintenance ISO.
        len: u64,
    },
}

/// A maintenance ISO with a task volume behind it, served by ranges.
///
/// `Debug` leaves out the bytes of the task and the source of the rest.
#[derive(Clone)]
pub struct Composed<S> {
    maintenance: S,
    maintenance_len: u64,
    task_offset: u64,
    task: Bytes,
    footer: Box<[u8; FOOTER_LEN]>,
    len: u64,
}

impl<S> fmt::Debug for Composed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composed")
            .field("maintenance_len", &self.maintenance_len)
            .field("task_offset", &self.task_offset)
            .field("task_len", &self.task.len())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<S: ReadAt> Composed<S> {
    /// Puts `task` behind `maintenance`, of which one sector or two are read.
    ///
    /// # Errors
    ///
    /// A maintenance image that is unreadable, no ISO 9660 volume, or a task medium; a `task` that
    /// is not named as one.
    pub fn new(maintenance: S, task: &Iso) -> Result<Self, ComposeError> {
        let volume_id = || task.volume_id.clone();
        if !is_task_volume_id(&task.volume_id) {
            return Err(ComposeError::NotATask { volume_id: volume_id() });
        }
        let unreadable = |source| ComposeError::Maintenance { volume_id: volume_id(), source };
        let found = primary(&maintenance).map_err(unreadable)?;
        if is_task_volume_id(&found.volume_id) {
            return Err(ComposeError::MaintenanceIsTask {
                volume_id: volume_id(),
                maintenance: found.volume_id,
            });
        }
        let maintenance_len = maintenance.len();
        if maintenance_len < found.len {
            let what = format!("volume {:?} of {} bytes", found.volume_id, found.len);
            return Err(unreadable(ReadError::Truncated { what, at: maintenance_len }));
        }
        let task_len = task.bytes.len() as u64;
        let too_large = || ComposeError::TooLarge { volume_id: volume_id(), len: maintenance_len };
        let task_offset = maintenance_len.checked_next_multiple_of(ALIGN).ok_or_else(too_large)?;
        let len = task_offset
            .checked_add(task_len + FOOTER_LEN as u64)
            .and_then(|len| len.checked_next_multiple_of(ALIGN))
            .ok_or_else(too_large)?;
        let footer =
            Footer { offset: task_offset, len: task_len, sha256: task.sha256, volume_id: volume_id() };
        Ok(Self {
            maintenance,
            maintenance_len,
            task_offset,
            task: task.bytes.clone(),
            footer: Box::new(footer.encode()),
            len,
        })
    }

    /// Where the task volume begins, in bytes.
    pub fn task_offset(&self) -> u64 {
        self.task_offset
    }

    /// Reads from one part only.
    fn read_part(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset < self.maintenance_len {
            let n = clamp(buf, self.maintenance_len - offset);
            let read = self.maintenance.read_at(offset, &mut buf[..n])?;
            if read == 0 && n > 0 {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    format!(
                        "maintenance ISO ends before byte {offset}, it had {} bytes",
                        self.maintenance_len
                    ),
                ));
            }
            return Ok(read.min(n));
        }
        let task_end = self.task_offset + self.task.len() as u64;
        let footer = self.len - FOOTER_LEN as u64;
        if (self.task_offset..task_end).contains(&offset) {
            return self.task.read_at(offset - self.task_offset, buf);
        }
        if offset >= footer {
            return self.footer.as_slice().read_at(offset - footer, buf);
        }
        let end = if offset < self.task_offset { self.task_offset } else { footer };
        let n = clamp(buf, end - offset);
        buf[..n].fill(0);
        Ok(n)
    }
}

impl<S: ReadAt> ReadAt for Composed<S> {
    fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` as far as the image goes. An error behind bytes that were read is kept for the
    /// next call.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let Some(at) = offset.checked_add(done as u64) else {
                break;
            };
            match self.read_part(at, &mut buf[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

fn clamp(buf: &[u8], rest: u64) -> usize {
    usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len())
}
