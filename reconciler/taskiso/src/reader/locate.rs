// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finds the task volume on a medium: the medium itself, or the tail of a composed image.
//!
//! # Guarantees
//!
//! * A medium without a task gives [`LocateError::NoTask`] and nothing else, so that a search over
//!   all devices can pass it by.
//! * A task behind a footer has the digest and the label that the footer names. The digest guards
//!   against transfer errors and truncation, not against an attacker: whoever can change the task
//!   can change the footer. Who may give orders is settled by the pins and the permit.

use sha2::{Digest, Sha256};

use crate::SECTOR;
use crate::footer::{FOOTER_LEN, Footer, FooterError};
use crate::medium::MAX_VOLUME_LEN;
use crate::source::{ReadAt, Window};
use crate::volume_id::is_task_volume_id;

use super::volume::Volume;
use super::{ReadError, descriptor, fill};

/// Where a task volume is on its medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLocation {
    /// Its first byte. `mount -o loop,offset=` takes this number.
    pub offset: u64,
    /// Bytes of the volume, as its descriptor or the footer has them.
    pub len: u64,
    /// Its label: `TASK_` and 27 hex digits.
    pub volume_id: String,
}

/// Why no task volume was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// The medium has no task: it is not labelled as one, and there is no footer.
    #[error("find task medium: there is none")]
    NoTask,
    /// The medium failed, or the task volume cannot be read.
    #[error("find task medium")]
    Read(#[from] ReadError),
    /// The footer is broken.
    #[error("find task medium behind the maintenance iso")]
    Footer(#[from] FooterError),
    /// The footer points outside of the medium, or not at whole sectors.
    #[error("find task medium: the footer names {len} bytes at {offset}, the medium has {medium}")]
    OutOfRange {
        /// First byte by the footer.
        offset: u64,
        /// Bytes by the footer.
        len: u64,
        /// Bytes of the medium.
        medium: u64,
    },
    /// The bytes are not those that the footer was made for.
    #[error("find task medium: the bytes at {offset} do not have the digest in the footer")]
    Digest {
        /// First byte of the task volume.
        offset: u64,
    },
    /// The label is not that of the footer, or not that of a task medium.
    #[error("find task medium: the footer names {footer:?}, the volume is {volume_id:?}")]
    Label {
        /// The label by the footer.
        footer: String,
        /// The label of the volume.
        volume_id: String,
    },
}

/// Finds the task volume of a medium: the medium itself if its label says so, else what the footer
/// in its last sector names. Behind a footer the whole volume is read once, for its digest.
///
/// # Errors
///
/// [`LocateError::NoTask`] for any other medium; the rest means a task medium that is damaged, or
/// a device that fails.
pub fn find_task<S: ReadAt + ?Sized>(source: &S) -> Result<TaskLocation, LocateError> {
    match descriptor::primary(source) {
        Ok(primary) if is_task_volume_id(&primary.volume_id) => {
            if primary.len > source.len() {
                return Err(LocateError::Read(ReadError::Truncated {
                    what: format!("task volume {}", primary.volume_id),
                    at: source.len(),
                }));
            }
            return Ok(TaskLocation { offset: 0, len: primary.len, volume_id: primary.volume_id });
        }
        Err(error @ ReadError::Io { .. }) => return Err(error.into()),
        // Another volume, or none: it may still carry a task behind it.
        Ok(_) | Err(_) => {}
    }
    let footer = footer(source)?.ok_or(LocateError::NoTask)?;
    check(source, footer)
}

/// Finds the task volume of a medium and opens it.
///
/// # Errors
///
/// Those of [`find_task`] and [`Volume::open`].
pub fn open_task<S: ReadAt>(source: S) -> Result<(TaskLocation, Volume<Window<S>>), LocateError> {
    let location = find_task(&source)?;
    let volume = Volume::open(Window::new(source, location.offset, location.len))?;
    Ok((location, volume))
}

/// The footer in the last sector, if one begins there.
fn footer<S: ReadAt + ?Sized>(source: &S) -> Result<Option<Footer>, LocateError> {
    let Some(at) = source.len().checked_sub(FOOTER_LEN as u64) else {
        return Ok(None);
    };
    let mut sector = [0; FOOTER_LEN];
    fill(source, at, &mut sector, "footer")?;
    Ok(Footer::decode(&sector)?)
}

/// Whether the footer tells the truth.
fn check<S: ReadAt + ?Sized>(source: &S, footer: Footer) -> Result<TaskLocation, LocateError> {
    let Footer { offset, len, sha256, volume_id } = footer;
    let medium = source.len();
    let sector = SECTOR as u64;
    let room = medium.saturating_sub(FOOTER_LEN as u64);
    let fits = offset.checked_add(len).is_some_and(|end| end <= room);
    let whole = offset.is_multiple_of(sector) && len.is_multiple_of(sector);
    if !fits || !whole || len > MAX_VOLUME_LEN {
        return Err(LocateError::OutOfRange { offset, len, medium });
    }
    if digest(source, offset, len)? != sha256 {
        return Err(LocateError::Digest { offset });
    }
    let found = descriptor::primary(&Window::new(source, offset, len))?;
    if found.volume_id != volume_id || !is_task_volume_id(&volume_id) {
        return Err(LocateError::Label { footer: volume_id, volume_id: found.volume_id });
    }
    Ok(TaskLocation { offset, len, volume_id })
}

fn digest<S: ReadAt + ?Sized>(source: &S, offset: u64, len: u64) -> Result<[u8; 32], ReadError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut done = 0;
    while done < len {
        let n = usize::try_from(len - done).unwrap_or(usize::MAX).min(buffer.len());
        fill(source, offset + done, &mut buffer[..n], "task volume")?;
        hash.update(&buffer[..n]);
        done += n as u64;
    }
    Ok(hash.finalize().into())
}
