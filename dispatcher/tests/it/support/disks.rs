// SPDX-License-Identifier: AGPL-3.0-or-later
//! Disks written by libraries that the dispatcher does not use.

use std::io::{Cursor, Write as _};

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition_types;

/// A disk of `mib` MiB with one ESP of `esp_mib`, and the file given, if any, on it.
pub(crate) fn with_esp(mib: usize, esp_mib: u64, file: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0_u8; mib << 20]);
    ProtectiveMBR::with_lb_size(u32::try_from(mib * 2048 - 1).unwrap())
        .overwrite_lba0(&mut disk)
        .expect("written");
    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(disk, None)
        .expect("a table");
    table.add_partition("esp", esp_mib << 20, partition_types::EFI, 0, Some(2048)).expect("room");
    let first = table.partitions()[&1].first_lba * 512;
    let mut disk = table.write().expect("written").into_inner();
    let range = first as usize..(first + (esp_mib << 20)) as usize;
    format(&mut disk[range], file);
    disk
}

/// Makes a FAT volume out of the bytes given.
pub(crate) fn format(volume: &mut [u8], file: Option<(&str, &[u8])>) {
    let options = fatfs::FormatVolumeOptions::new().volume_label(*b"ESP        ");
    fatfs::format_volume(Cursor::new(&mut *volume), options).expect("formatted");
    let Some((path, content)) = file else { return };
    let volume = fatfs::FileSystem::new(Cursor::new(volume), fatfs::FsOptions::new()).expect("a volume");
    let mut directory = volume.root_dir();
    let mut names: Vec<&str> = path.split('/').collect();
    let name = names.pop().expect("a name");
    for parent in names {
        directory = directory.create_dir(parent).expect("made");
    }
    let mut file = directory.create_file(name).expect("made");
    file.truncate().expect("empty");
    file.write_all(content).expect("written");
}
