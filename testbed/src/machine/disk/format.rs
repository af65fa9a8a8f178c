// SPDX-License-Identifier: AGPL-3.0-or-later
//! File systems. FAT is real; of the others there is what tools recognise them by: their signature and label.

use std::io::{self, Seek as _, SeekFrom, Write as _};

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use shoal_schema::disk::{Format, Partition};

use super::volume::Volume;

/// Bytes at the start of a partition that an earlier file system may have left its mark in.
const WIPED: usize = 1 << 20;

/// Makes the file system of a partition, or wipes the start of a raw one.
pub(crate) fn make_file_system(volume: &Volume, partition: &Partition) -> io::Result<()> {
    let wiped = usize::try_from(volume.len()).unwrap_or(usize::MAX).min(WIPED);
    volume.write_all_at(0, &vec![0; wiped])?;
    let label = partition.label.as_deref().unwrap_or_default().as_bytes();
    let marked = |at: u64, magic: &[u8], label_at: u64, room: usize| {
        volume.write_all_at(at, magic)?;
        volume.write_all_at(label_at, &label[..label.len().min(room)])
    };
    match partition.format {
        Format::Raw => Ok(()),
        Format::Vfat => make_fat(volume, label),
        Format::Ext4 => marked(1080, &[0x53, 0xef], 1144, 16),
        Format::Xfs => marked(0, b"XFSB", 108, 12),
        Format::Btrfs => marked(65_536 + 64, b"_BHRfS_M", 65_536 + 0x12b, 255),
        Format::Ntfs => volume.write_all_at(3, b"NTFS    "),
        Format::Swap => marked(4086, b"SWAPSPACE2", 1052, 16),
    }
}

fn make_fat(volume: &Volume, label: &[u8]) -> io::Result<()> {
    let mut name = [b' '; 11];
    for (to, from) in name.iter_mut().zip(label) {
        *to = from.to_ascii_uppercase();
    }
    let options = FormatVolumeOptions::new().volume_id(0x5348_4f41).volume_label(name);
    fatfs::format_volume(volume.clone(), options)
}

/// Writes a file into a FAT volume, with the directories that lead to it.
pub(crate) fn write_fat_file(volume: &Volume, path: &str, content: &[u8]) -> io::Result<()> {
    let options = FsOptions::new().time_provider(&Never).update_accessed_date(false);
    let mut volume = volume.clone();
    volume.seek(SeekFrom::Start(0))?;
    let file_system = FileSystem::new(volume, options)?;
    {
        let mut directory = file_system.root_dir();
        let mut names: Vec<&str> = path.split('/').collect();
        let name = names.pop().unwrap_or_default();
        for parent in names {
            directory = directory.create_dir(parent)?;
        }
        let mut file = directory.create_file(name)?;
        file.truncate()?;
        file.write_all(content)?;
        file.flush()?;
    }
    file_system.unmount()
}

/// A clock that stands still: the same install gives the same bytes.
#[derive(Debug)]
struct Never;

impl TimeProvider for Never {
    fn get_current_date(&self) -> Date {
        Date { year: 2000, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}
