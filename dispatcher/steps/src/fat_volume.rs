// SPDX-License-Identifier: AGPL-3.0-or-later
//! Small files on a FAT volume, read and written without the kernel: no mount that could stay behind.
//!
//! FAT cannot replace a file in one step. A file is written under another name, the old one removed, the new one
//! renamed; whoever needs several files to appear together writes the one last that the reader looks for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use fatfs::{FileSystem, FsOptions};

/// Largest file that is read, in bytes.
const READ_LIMIT: u64 = 2 << 20;

/// A FAT volume that fills a partition.
pub struct FatVolume {
    device: File,
    volume: FileSystem<File>,
}

impl FatVolume {
    /// Opens the volume on a partition.
    pub fn open(partition: &Path) -> io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).open(partition)?;
        // Both share one position; only the volume moves it.
        let volume = FileSystem::new(device.try_clone()?, FsOptions::new())?;
        Ok(Self { device, volume })
    }

    /// A file; nothing where there is none.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        match self.volume.root_dir().open_file(path) {
            Ok(file) => file.take(READ_LIMIT).read_to_end(&mut content).map(|_| Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file where it is not the same already; the directory is made. True when it was written.
    pub fn write(&self, path: &str, content: &[u8]) -> io::Result<bool> {
        // What cannot be read is written anew.
        if self.read(path).ok().flatten().as_deref() == Some(content) {
            return Ok(false);
        }
        let root = self.volume.root_dir();
        let directory = match path.rsplit_once('/') {
            Some((directory, _)) => root.create_dir(directory)?,
            None => root.clone(),
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let temporary = format!("{name}.new");
        {
            let mut file = directory.create_file(&temporary)?;
            file.truncate()?;
            file.write_all(content)?;
            file.flush()?;
        }
        self.remove(path)?;
        directory.rename(&temporary, &directory, name)?;
        Ok(true)
    }

    /// Removes a file, if there is one.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        match self.volume.root_dir().remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Has everything on the disk.
    pub fn close(self) -> io::Result<()> {
        self.volume.unmount()?;
        self.device.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};

    use super::*;

    fn volume(bytes: u64) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(bytes).expect("sized");
        fatfs::format_volume(file.as_file_mut(), fatfs::FormatVolumeOptions::new()).expect("formatted");
        file.seek(SeekFrom::Start(0)).expect("rewound");
        file
    }

    #[test]
    fn files_are_written_once_and_replaced_whole() {
        let file = volume(4 << 20);
        let fat = FatVolume::open(file.path()).expect("opened");
        assert!(fat.write("shoal/stamp.json", b"one").expect("written"));
        assert!(!fat.write("shoal/stamp.json", b"one").expect("the same"));
        assert!(fat.write("shoal/stamp.json", b"longer than before").expect("written"));
        fat.close().expect("closed");
        let fat = FatVolume::open(file.path()).expect("opened");
        assert_eq!(fat.read("shoal/stamp.json").expect("read").expect("there"), b"longer than before");
        fat.remove("shoal/stamp.json").expect("removed");
        assert!(fat.read("shoal/stamp.json").expect("none").is_none());
        assert!(fat.read("user-data").expect("none").is_none());
    }

    #[test]
    fn a_volume_without_room_is_an_error_and_keeps_the_old_file() {
        let file = volume(64 << 10);
        let fat = FatVolume::open(file.path()).expect("opened");
        fat.write("meta-data", b"old").expect("written");
        let error = fat.write("meta-data", &vec![7; 100 << 10]).expect_err("no room");
        assert!(!error.to_string().is_empty());
        assert_eq!(fat.read("meta-data").expect("read").expect("there"), b"old");
    }

    #[test]
    fn what_is_no_fat_volume_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(1 << 20).expect("sized");
        assert!(FatVolume::open(file.path()).is_err());
    }
}
