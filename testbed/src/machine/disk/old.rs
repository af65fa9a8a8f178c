// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is on a disk before Shoal ever saw it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use shoal_dispatcher::disk::place;
use shoal_schema::disk::{Format, Partition};
use shoal_schema::size::{ByteSize, PartitionSize};
use tokio_util::sync::CancellationToken;

use super::contents::update_root;
use super::file::SimulatedDisk;
use super::format::{make_file_system, write_fat_file};
use super::table::write_table;
use super::volume::Volume;
use crate::bmc::Disk;
use crate::machine::behaviour::OldContents;

/// Writes it.
pub(super) fn write(file: &File, size: u64, what: OldContents) -> io::Result<()> {
    let at = |offset: u64, bytes: &[u8]| file.write_all_at(bytes, offset);
    match what {
        OldContents::System => system(file, size, true),
        OldContents::Gpt => system(file, size, false),
        OldContents::DosTable => {
            at(446 + 4, &[0x83])?;
            at(446 + 8, &[0, 8, 0, 0])?;
            at(510, &[0x55, 0xaa])
        }
        OldContents::Ext4 => at(1080, &[0x53, 0xef]),
        OldContents::Lvm => at(512, b"LABELONE"),
        OldContents::Raid => at((size & !0xffff).saturating_sub(0x1_0000), &[0xfc, 0x4e, 0x2b, 0xa9]),
        OldContents::Zfs => at(128 << 10, &0x00ba_b10c_u64.to_le_bytes()),
        OldContents::Noise => at(5 << 20, b"somebody's data"),
    }
}

/// A table and file systems, and with `bootable` a boot loader and a root.
fn system(file: &File, size: u64, bootable: bool) -> io::Result<()> {
    let partition = |size, type_guid: &str, format, label: &str| Partition {
        size,
        type_guid: type_guid.to_owned(),
        format,
        label: Some(label.to_owned()),
    };
    let esp = PartitionSize::Bytes(ByteSize::from_bytes(16 << 20));
    let layout = [
        partition(esp, "ef00", Format::Vfat, "OLDESP"),
        partition(PartitionSize::Percent(100), "8300", Format::Ext4, "oldroot"),
    ];
    let places = place(&layout, size).map_err(io::Error::other)?;
    // Preparing a disk is not a write of the machine: it has a disk object of its own.
    let facts =
        Disk { path: String::new(), serial: String::new(), wwn: None, size_bytes: size, rotational: false };
    let disk = Arc::new(SimulatedDisk::of(file.try_clone()?, &facts));
    let whole = Volume::whole(disk, CancellationToken::new());
    write_table(&whole, &layout, &places, "a system from before")?;
    for (partition, place) in layout.iter().zip(&places) {
        make_file_system(&whole.part(place.offset, place.len), partition)?;
    }
    if bootable {
        let (esp, root) = (&places[0], &places[1]);
        let esp = whole.part(esp.offset, esp.len);
        write_fat_file(&esp, "EFI/BOOT/BOOTX64.EFI", b"a boot loader from before")?;
        update_root(&whole.part(root.offset, root.len), |contents| {
            contents.image = "a system from before".to_owned();
            contents.complete = true;
        })?;
    }
    Ok(())
}
