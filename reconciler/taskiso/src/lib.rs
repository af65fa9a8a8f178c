// SPDX-License-Identifier: AGPL-3.0-or-later
//! Task media: the small data volume that a job puts beside its maintenance OS.
//!
//! # What it is
//!
//! * [`build`] writes an ISO 9660 volume with Rock Ridge and Joliet in memory.
//! * [`raw_image`] pads that volume for a slot that shows a USB disk instead of a CD.
//! * [`Composed`] puts a task volume behind a maintenance ISO, for a BMC with one slot.
//! * [`reader`] reads such volumes back and finds the task in any of the three forms.
//!
//! # Guarantees
//!
//! * The same input gives the same bytes on every host: no clock, no randomness, no environment,
//!   no file system, and no dependence on the order in which files were handed in.
//! * Files are 0444, directories 0555, owner and group 0.
//! * No content is ever printed: [`Iso`] and [`TaskFiles`] show sizes and digests only, because a
//!   medium carries a job's token and may carry a Kickstart file.
//! * The reader takes any bytes without a panic and in bounded memory.
//!
//! # What it does not do
//!
//! It makes no bootable volume (no El Torito), follows no relocated directory, and keeps nothing
//! on disk. It does not know what a recipe is.

mod compose;
mod files;
mod footer;
mod medium;
mod raw;
pub mod reader;
mod source;
mod volume_id;
mod write;

pub use compose::{ComposeError, Composed};
pub use files::{MAX_DEPTH, MAX_ENTRIES, MAX_NAME, MAX_PATH, TaskFiles, TaskFilesError};
pub use footer::{FOOTER_LEN, Footer, FooterError, MAGIC, VERSION};
pub use medium::{BuildError, DEFAULT_LIMIT, Iso, MAX_VOLUME_LEN, TaskMedium, build, build_volume};
pub use raw::{DEFAULT_RAW_MULTIPLE, RawImageError, raw_image};
pub use source::{ReadAt, Window};
pub use volume_id::{VolumeIdError, is_task_volume_id, volume_id};

/// Bytes in a logical sector of a CD, and in every structure of ISO 9660.
pub const SECTOR: usize = 2048;
