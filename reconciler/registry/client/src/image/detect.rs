// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an image file is, by its first bytes and, where it is compressed, by its name.
//!
//! What a machine could not install is refused here, before gigabytes are pushed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use shoal_schema::kinds::ImageFormat;

use crate::image::media::format_name;

/// A compression that machines can undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    /// How it is packed.
    pub format: ImageFormat,
    /// Its compression.
    pub compression: Compression,
}

/// A file is no image that can be pushed.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is empty.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is something else that is known.
    #[error("{} is {what}, which cannot be installed as it is", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Nothing says what it is.
    #[error("cannot tell what {} is", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// It is not what was said.
    #[error("{} is no {format}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What was said.
        format: &'static str,
        /// What it looks like instead, if anything.
        looks_like: Option<&'static str>,
    },
}

// === impl ImageFileError ===

impl ImageFileError {
    /// There is no media type for it.
    pub(crate) fn compressed(path: &Path) -> Self {
        Self::Unsuitable {
            path: path.to_owned(),
            what: "compressed",
            advice: "this format is pushed as it is: unpack it (gunzip, unzstd), then push it again",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsuitable { advice, .. } | Self::Unknown { advice, .. } => Some((*advice).to_owned()),
            Self::Mismatch { looks_like: Some(format), .. } => {
                Some(format!("it looks like {format}: give that format, or none"))
            }
            Self::Mismatch { looks_like: None, .. } => Some("check that it is the right file".to_owned()),
            Self::Read { .. } | Self::Empty { .. } => None,
        }
    }
}

/// What can be seen in the first bytes.
enum Seen {
    Format(ImageFormat),
    Compressed(Compression),
    Unsuitable { what: &'static str, advice: &'static str },
    Nothing,
}

/// Finds out what a file is. Blocks while it reads the first 33 KiB.
pub fn detect_format(path: &Path) -> Result<Detected, ImageFileError> {
    let path_buf = || path.to_owned();
    match look(path)? {
        Seen::Format(format) => Ok(Detected { format, compression: Compression::None }),
        Seen::Unsuitable { what, advice } => {
            Err(ImageFileError::Unsuitable { path: path_buf(), what, advice })
        }
        Seen::Compressed(compression) => match by_name(path) {
            Some(format) => Ok(Detected { format, compression }),
            None => Err(ImageFileError::Unknown {
                path: path_buf(),
                advice: "it is compressed and its name does not say what is in it: name it .tar.gz, .tar.zst, \
                         .raw.zst or .img.zst, or give the format",
            }),
        },
        Seen::Nothing => Err(ImageFileError::Unknown {
            path: path_buf(),
            advice: "tar archives, disks with a partition table, WIM files and ISO images are known; \
                     give the format if it is one of them",
        }),
    }
}

/// Whether a file can be what it is said to be. Blocks while it reads the first 33 KiB.
pub(crate) fn agree(path: &Path, format: ImageFormat) -> Result<Detected, ImageFileError> {
    let mismatch = |looks_like: Option<ImageFormat>| ImageFileError::Mismatch {
        path: path.to_owned(),
        format: format_name(format),
        looks_like: looks_like.map(format_name),
    };
    let compression = match look(path)? {
        Seen::Unsuitable { what, advice } => {
            return Err(ImageFileError::Unsuitable { path: path.to_owned(), what, advice });
        }
        Seen::Compressed(compression) => compression,
        Seen::Format(seen) if seen == format => Compression::None,
        // An ISO image for USB sticks is a disk with partitions too.
        Seen::Format(ImageFormat::Iso) if format == ImageFormat::RawDisk => Compression::None,
        Seen::Format(seen) => return Err(mismatch(Some(seen))),
        // A disk may hold a file system and no partitions.
        Seen::Nothing if format == ImageFormat::RawDisk => Compression::None,
        Seen::Nothing => return Err(mismatch(None)),
    };
    Ok(Detected { format, compression })
}

fn look(path: &Path) -> Result<Seen, ImageFileError> {
    let read = || {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut head = vec![0; 33 << 10];
        let mut filled = 0;
        loop {
            match file.read_at(&mut head[filled..], filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        head.truncate(filled);
        Ok(head)
    };
    let head = read().map_err(|source| ImageFileError::Read { path: path.to_owned(), source })?;
    if head.is_empty() {
        return Err(ImageFileError::Empty { path: path.to_owned() });
    }
    Ok(see(&head))
}

const TO_RAW: &str = "convert it: qemu-img convert -O raw FILE FILE.raw";
const TO_ZSTD: &str = "unpack it and push it as it is, or compress it with zstd or gzip";

fn see(head: &[u8]) -> Seen {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let unsuitable = |what, advice| Seen::Unsuitable { what, advice };
    if at(0, b"QFI\xfb") {
        return unsuitable("a qcow2 disk", TO_RAW);
    }
    if at(0, b"KDMV") || at(0, b"# Disk DescriptorFile") {
        return unsuitable("a VMDK disk", TO_RAW);
    }
    if at(0, b"vhdxfile") {
        return unsuitable("a VHDX disk", TO_RAW);
    }
    if at(0, b"conectix") {
        return unsuitable("a VHD disk", TO_RAW);
    }
    if at(0, b"<<< ") && at(64, &[0x7f, 0x10, 0xda, 0xbe]) {
        return unsuitable("a VDI disk", TO_RAW);
    }
    if at(0, b"\xfd7zXZ\0") {
        return unsuitable("compressed with xz", TO_ZSTD);
    }
    if at(0, b"BZh") {
        return unsuitable("compressed with bzip2", TO_ZSTD);
    }
    if at(0, &[0x04, 0x22, 0x4d, 0x18]) {
        return unsuitable("compressed with lz4", TO_ZSTD);
    }
    if at(0, b"PK\x03\x04") {
        return unsuitable("a ZIP archive", TO_ZSTD);
    }
    if at(0, b"7z\xbc\xaf\x27\x1c") {
        return unsuitable("a 7-Zip archive", TO_ZSTD);
    }
    if at(0, b"hsqs") {
        return unsuitable(
            "a squashfs file system",
            "pack its files as a tar archive: sqfs2tar FILE > FILE.tar",
        );
    }
    if at(0, &[0x1f, 0x8b]) {
        return Seen::Compressed(Compression::Gzip);
    }
    if at(0, &[0x28, 0xb5, 0x2f, 0xfd]) {
        return Seen::Compressed(Compression::Zstd);
    }
    if at(0, b"MSWIM\0\0\0") {
        return Seen::Format(ImageFormat::Wim);
    }
    // Before disks: an ISO image for USB sticks also has a partition table.
    if at(32769, b"CD001") {
        return Seen::Format(ImageFormat::Iso);
    }
    if at(257, b"ustar") {
        return Seen::Format(ImageFormat::RootfsTar);
    }
    // GPT with sectors of 512 or 4096 bytes, or an MBR.
    if at(512, b"EFI PART") || at(4096, b"EFI PART") || at(510, &[0x55, 0xaa]) {
        return Seen::Format(ImageFormat::RawDisk);
    }
    Seen::Nothing
}

/// What a compressed file holds, by its name.
fn by_name(path: &Path) -> Option<ImageFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let is = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if is(&[".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst"]) {
        return Some(ImageFormat::RootfsTar);
    }
    if is(&[".raw.zst", ".img.zst", ".raw.zstd", ".img.zstd", ".raw.gz", ".img.gz"]) {
        return Some(ImageFormat::RawDisk);
    }
    if is(&[".iso.gz", ".iso.zst"]) {
        return Some(ImageFormat::Iso);
    }
    is(&[".wim.gz", ".wim.zst"]).then_some(ImageFormat::Wim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, parts: &[(usize, &[u8])]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let mut content = vec![0; 1024];
        for (offset, magic) in parts {
            content.resize(content.len().max(offset + magic.len()), 0);
            content[*offset..offset + magic.len()].copy_from_slice(magic);
        }
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn each_format_is_known_by_its_content() {
        type Case<'a> = (&'a str, &'a [(usize, &'a [u8])], ImageFormat, Compression);
        let cases: [Case<'_>; 8] = [
            ("a", &[(257, b"ustar")], ImageFormat::RootfsTar, Compression::None),
            ("a", &[(0, b"MSWIM\0\0\0")], ImageFormat::Wim, Compression::None),
            ("a", &[(32769, b"CD001"), (510, &[0x55, 0xaa])], ImageFormat::Iso, Compression::None),
            ("a", &[(510, &[0x55, 0xaa])], ImageFormat::RawDisk, Compression::None),
            ("a", &[(4096, b"EFI PART")], ImageFormat::RawDisk, Compression::None),
            ("a.tar.gz", &[(0, &[0x1f, 0x8b])], ImageFormat::RootfsTar, Compression::Gzip),
            ("a.TAR.ZST", &[(0, &[0x28, 0xb5, 0x2f, 0xfd])], ImageFormat::RootfsTar, Compression::Zstd),
            ("a.img.zst", &[(0, &[0x28, 0xb5, 0x2f, 0xfd])], ImageFormat::RawDisk, Compression::Zstd),
        ];
        for (name, parts, format, compression) in cases {
            let (_dir, path) = file(name, parts);
            assert_eq!(detect_format(&path).unwrap(), Detected { format, compression }, "{name} {parts:?}");
        }
    }

    #[test]
    fn a_qcow2_disk_is_refused_with_the_command_that_converts_it_also_when_called_raw() {
        let (_dir, path) = file("disk.raw", &[(0, b"QFI\xfb")]);
        for error in [detect_format(&path).unwrap_err(), agree(&path, ImageFormat::RawDisk).unwrap_err()] {
            assert!(error.to_string().contains("is a qcow2 disk"), "{error}");
            assert!(error.hint().unwrap().contains("qemu-img convert -O raw"));
        }
    }

    #[test]
    fn xz_is_refused() {
        let (_dir, path) = file("a.tar.xz", &[(0, b"\xfd7zXZ\0")]);
        assert!(detect_format(&path).unwrap_err().hint().unwrap().contains("zstd or gzip"));
    }

    #[test]
    fn a_compressed_file_whose_name_says_nothing_needs_the_format() {
        let (_dir, path) = file("image", &[(0, &[0x28, 0xb5, 0x2f, 0xfd])]);
        assert!(matches!(detect_format(&path).unwrap_err(), ImageFileError::Unknown { .. }));
        let found = agree(&path, ImageFormat::RawDisk).unwrap();
        assert_eq!(found, Detected { format: ImageFormat::RawDisk, compression: Compression::Zstd });
    }

    #[test]
    fn a_file_that_is_not_what_was_said_is_refused() {
        let (_dir, path) = file("a", &[(257, b"ustar")]);
        let error = agree(&path, ImageFormat::Iso).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("it looks like rootfs-tar: give that format, or none"));
        let (_dir, path) = file("a", &[]);
        assert!(agree(&path, ImageFormat::Wim).is_err());
        assert!(agree(&path, ImageFormat::RootfsTar).is_err());
        assert!(agree(&path, ImageFormat::RawDisk).is_ok());
    }

    #[test]
    fn an_iso_for_usb_sticks_may_be_pushed_as_a_disk() {
        let (_dir, path) = file("a", &[(32769, b"CD001"), (510, &[0x55, 0xaa])]);
        assert!(agree(&path, ImageFormat::RawDisk).is_ok());
    }

    #[test]
    fn an_empty_file_a_directory_and_no_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        assert!(matches!(detect_format(&empty).unwrap_err(), ImageFileError::Empty { .. }));
        assert!(matches!(detect_format(dir.path()).unwrap_err(), ImageFileError::Read { .. }));
        assert!(matches!(detect_format(&dir.path().join("no")).unwrap_err(), ImageFileError::Read { .. }));
    }
}
