// SPDX-License-Identifier: AGPL-3.0-or-later
//! The partition table, with GUIDs that depend on the job and not on chance.

use std::collections::BTreeMap;
use std::io;

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition as GptPartition;
use gpt::partition_types::{OperatingSystem, Type};
use shoal_dispatcher::disk::Place;
use shoal_schema::Sha256;
use shoal_schema::disk::Partition;
use uuid::Uuid;

use super::volume::Volume;

const SECTOR: u64 = 512;

/// Writes a protective MBR and both tables. `seed` makes the GUIDs.
pub(crate) fn write_table(
    disk: &Volume,
    layout: &[Partition],
    places: &[Place],
    seed: &str,
) -> io::Result<()> {
    let mut device = disk.clone();
    let sectors = u32::try_from(disk.len() / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(&mut device).map_err(io::Error::other)?;
    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(device, Some(guid(seed, 0)))
        .map_err(io::Error::other)?;
    let mut entries = BTreeMap::new();
    for (number, (partition, place)) in (1..).zip(layout.iter().zip(places)) {
        entries.insert(
            number,
            GptPartition {
                part_type_guid: Type { guid: place.type_guid, os: OperatingSystem::None },
                part_guid: guid(seed, number),
                first_lba: place.offset / SECTOR,
                last_lba: (place.offset + place.len) / SECTOR - 1,
                flags: 0,
                name: partition.label.clone().unwrap_or_default(),
            },
        );
    }
    table.update_partitions(entries).map_err(io::Error::other)?;
    table.write().map_err(io::Error::other)?;
    Ok(())
}

fn guid(seed: &str, number: u32) -> Uuid {
    let digest = Sha256::of(format!("{seed}\n{number}").as_bytes());
    let number = u128::from_str_radix(&digest.hex()[..32], 16).unwrap_or_default();
    uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
}
