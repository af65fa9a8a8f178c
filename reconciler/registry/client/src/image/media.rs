// SPDX-License-Identifier: AGPL-3.0-or-later
//! The media types of image files.

use shoal_oci::media_type as types;
use shoal_schema::kinds::ImageFormat;

use crate::image::detect::Compression;

/// The media type of a layer; `None`: this format is not kept compressed.
pub fn layer_media_type(format: ImageFormat, compression: Compression) -> Option<&'static str> {
    Some(match (format, compression) {
        (ImageFormat::RootfsTar, Compression::None) => types::LAYER_TAR,
        (ImageFormat::RootfsTar, Compression::Gzip) => types::LAYER_TAR_GZIP,
        (ImageFormat::RootfsTar, Compression::Zstd) => types::LAYER_TAR_ZSTD,
        (ImageFormat::RawDisk, Compression::None) => types::RAW_DISK,
        (ImageFormat::RawDisk, Compression::Gzip) => types::RAW_DISK_GZIP,
        (ImageFormat::RawDisk, Compression::Zstd) => types::RAW_DISK_ZSTD,
        (ImageFormat::Wim, Compression::None) => types::WIM,
        (ImageFormat::Iso, Compression::None) => types::ISO,
        (ImageFormat::Wim | ImageFormat::Iso, _) => return None,
    })
}

/// The format's name in the inventory.
pub(crate) fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::RootfsTar => "rootfs-tar",
        ImageFormat::RawDisk => "raw-disk",
        ImageFormat::Wim => "wim",
        ImageFormat::Iso => "iso",
    }
}
