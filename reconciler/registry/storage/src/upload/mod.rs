// SPDX-License-Identifier: AGPL-3.0-or-later
//! Uploads: bytes on their way to becoming content.

mod id;

pub use id::UploadId;
