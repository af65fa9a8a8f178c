// SPDX-License-Identifier: AGPL-3.0-or-later
//! The composed image, for BMCs with a single slot: a maintenance ISO with a task volume behind it.
//!
//! ```text
//! | maintenance ISO, untouched | zeros to 32 KiB | task ISO | footer, 2 KiB |
//! ```
//!
//! # Guarantees
//!
//! * No byte of the maintenance ISO is changed or copied; only ranges asked for are read.
//! * The task volume starts at a multiple of 32 KiB, so that it can be loop-mounted by offset.
//! * Any range may be asked for. One behind the end reads nothing.
//! * A maintenance ISO that is shorter than it was when composed is an error, never zeros: a
//!   machine must not boot half an image.
//!
//! # What firmware makes of the data behind the volume
//!
//! Firmware and kernels find their way by the descriptors and the boot catalogue of the maintenance
//! ISO, which name sectors of its own and a volume size without the tail. OVMF boots such an image
//! as it does the plain one. If the maintenance ISO also carries a GPT for USB sticks, its backup
//! table no longer stands in the last sector; Linux and UEFI take the primary one, with a warning.
//! A check of the whole medium against an implanted checksum covers the volume size only.
//!
//! # Caveats
//!
//! The composed view has the maintenance ISO's label, and so does the machine's `blkid`. The task
//! is found through the footer: [`crate::reader::find_task`].

use std::io::{self, ErrorKind};

use bytes::Bytes;

use crate::footer::{FOOTER_LEN, Footer};
use crate::medium::Iso;
use crate::reader::{ReadError, primary_volume_id};
use crate::source::ReadAt;
use crate::volume_id::is_task_volume_id;

/// Where a task volume may begin: multiples of 32 KiB, in bytes.
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
#[derive(Debug, Clone)]
pub struct Composed<S> {
    maintenance: S,
    maintenance_len: u64,
    task_offset: u64,
    task: Bytes,
    footer: Box<[u8; FOOTER_LEN]>,
    len: u64,
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
        let label = primary_volume_id(&maintenance)
            .map_err(|source| ComposeError::Maintenance { volume_id: volume_id(), source })?;
        if is_task_volume_id(&label) {
            return Err(ComposeError::MaintenanceIsTask { volume_id: volume_id(), maintenance: label });
        }
        let maintenance_len = maintenance.len();
        let task_len = task.bytes.len() as u64;
        let too_large = || ComposeError::TooLarge { volume_id: volume_id(), len: maintenance_len };
        let task_offset = maintenance_len.checked_next_multiple_of(ALIGN).ok_or_else(too_large)?;
        let len = task_offset.checked_add(task_len + FOOTER_LEN as u64).ok_or_else(too_large)?;
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

    /// Reads from one of the four parts only.
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
        if offset < self.task_offset {
            let n = clamp(buf, self.task_offset - offset);
            buf[..n].fill(0);
            return Ok(n);
        }
        let behind = offset - self.task_offset;
        let task_len = self.task.len() as u64;
        if behind < task_len {
            return self.task.read_at(behind, buf);
        }
        self.footer.as_slice().read_at(behind - task_len, buf)
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
