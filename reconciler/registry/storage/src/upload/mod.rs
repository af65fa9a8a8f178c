// SPDX-License-Identifier: AGPL-3.0-or-later
//! Uploads: bytes on their way to becoming content.
//!
//! An upload is one file, named by its id, its repository and the algorithm that it is hashed with as it comes.
//! Nothing else is needed to go on after a restart; then what is there is read once. An upload is not synced
//! before its end: after a power cut less of it may be there, or other bytes, which its digest shows at the end.

mod early;
mod expiry;
mod finish;
mod id;
mod session;
mod writer;

pub use id::UploadId;
pub(crate) use session::Sessions;
pub use session::UploadLimits;
pub use writer::UploadWriter;
