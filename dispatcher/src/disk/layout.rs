// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a layout to places on a disk: where each partition begins and ends, and what its type is called.
//!
//! Guarantees: partitions follow each other in order, aligned to 1 MiB at both ends, between the two tables. The same
//! layout on a disk of the same size gives the same places.

use shoal_schema::disk::{ALIGNMENT, Partition, required_bytes};
use shoal_schema::size::PartitionSize;
use uuid::{Uuid, uuid};

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// What it is for.
    pub type_guid: Uuid,
}

/// Why a layout has no places on a disk.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The disk is too small.
    #[error("place the partitions: they need {needed} bytes, the disk has {size}")]
    TooSmall {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        size: u64,
    },
    /// The shares of the rest are more than all of it.
    #[error("place the partitions: the shares add up to {percent} %")]
    Shares {
        /// Their sum.
        percent: u64,
    },
    /// A type that is neither a known code nor a GUID.
    #[error("place partition {number}: {type_guid:?} is no type")]
    Type {
        /// Its number, from 1.
        number: usize,
        /// The type as given.
        type_guid: String,
    },
}

/// Places every partition on a disk of `size` bytes.
pub fn place(partitions: &[Partition], size: u64) -> Result<Vec<Place>, LayoutError> {
    let needed = required_bytes(partitions);
    if needed > size {
        return Err(LayoutError::TooSmall { needed, size });
    }
    let percent = partitions.iter().map(|partition| share(partition).unwrap_or(0)).sum();
    if percent > 100 {
        return Err(LayoutError::Shares { percent });
    }
    let end = (size - ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    let taken: u64 = partitions.iter().filter_map(Partition::fixed_bytes).sum();
    let rest = (end - ALIGNMENT).saturating_sub(taken);
    let mut offset = ALIGNMENT;
    let mut places = Vec::with_capacity(partitions.len());
    for (index, partition) in partitions.iter().enumerate() {
        let len = match (partition.fixed_bytes(), share(partition)) {
            (Some(len), _) => len,
            // Rounded down, so that all shares together never reach behind the end.
            (None, share) => rest / ALIGNMENT * share.unwrap_or(0) / 100 * ALIGNMENT,
        };
        let len = len.max(ALIGNMENT);
        let type_guid = type_guid(&partition.type_guid)
            .ok_or_else(|| LayoutError::Type { number: index + 1, type_guid: partition.type_guid.clone() })?;
        places.push(Place { offset, len, type_guid });
        offset += len;
    }
    // Many tiny shares, each rounded up to a mebibyte.
    if offset > end {
        return Err(LayoutError::TooSmall { needed: offset + ALIGNMENT, size });
    }
    Ok(places)
}

fn share(partition: &Partition) -> Option<u64> {
    match partition.size {
        PartitionSize::Bytes(_) => None,
        PartitionSize::Percent(share) => Some(share.into()),
    }
}

/// The GUID of an sgdisk code, or of itself.
pub fn type_guid(code: &str) -> Option<Uuid> {
    match code.to_ascii_lowercase().as_str() {
        // EFI system partition.
        "ef00" => Some(uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")),
        // Linux file system.
        "8300" => Some(uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4")),
        // Linux swap.
        "8200" => Some(uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f")),
        // Microsoft basic data.
        "0700" => Some(uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")),
        // Microsoft reserved.
        "0c01" => Some(uuid!("e3c9e316-0b5c-4db8-817d-f92df00215ae")),
        // VMware kernel core dump.
        "fc00" => Some(uuid!("9d275380-40ad-11db-bf97-000c2911d1b8")),
        // Linux RAID.
        "fd00" => Some(uuid!("a19d880f-05fc-4d3b-a006-743f0f84911e")),
        guid => Uuid::parse_str(guid).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shoal_schema::disk::Format;
    use shoal_schema::size::ByteSize;

    use super::*;

    fn part(size: PartitionSize) -> Partition {
        Partition { size, type_guid: "8300".to_owned(), format: Format::Raw, label: None }
    }

    fn mib(count: u64) -> PartitionSize {
        PartitionSize::Bytes(ByteSize::from_bytes(count << 20))
    }

    #[test]
    fn fixed_sizes_are_kept_and_shares_take_what_they_leave() {
        let layout = [part(mib(10)), part(PartitionSize::Percent(50)), part(PartitionSize::Percent(50))];
        let places = place(&layout, 112 << 20).expect("room");
        let told: Vec<(u64, u64)> =
            places.iter().map(|place| (place.offset >> 20, place.len >> 20)).collect();
        assert_eq!(told, [(1, 10), (11, 50), (61, 50)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(place(&[part(mib(63))], 64 << 20), Err(LayoutError::TooSmall { .. })));
        assert!(place(&[part(mib(62))], 64 << 20).is_ok());
        let huge = part(PartitionSize::Bytes(ByteSize::from_bytes(u64::MAX)));
        assert_eq!(required_bytes(&[huge.clone(), huge.clone()]), u64::MAX);
        assert!(matches!(place(&[huge.clone(), huge], 64 << 20), Err(LayoutError::TooSmall { .. })));
        let too_much = [part(PartitionSize::Percent(60)), part(PartitionSize::Percent(60))];
        assert!(matches!(place(&too_much, 64 << 20), Err(LayoutError::Shares { percent: 120 })));
        let odd = Partition { type_guid: "zz00".to_owned(), ..part(mib(1)) };
        assert!(matches!(place(&[odd], 64 << 20), Err(LayoutError::Type { number: 1, .. })));
    }

    #[test]
    fn every_code_of_the_contract_has_its_guid() {
        let codes = ["ef00", "8300", "8200", "0700", "0c01", "fc00", "fd00", "EF00"];
        let mut guids: Vec<Uuid> = codes.iter().map(|code| type_guid(code).expect(code)).collect();
        guids.sort();
        guids.dedup();
        assert_eq!(guids.len(), 7);
        assert_eq!(type_guid("0FC63DAF-8483-4772-8E79-3D69D8477DE4"), type_guid("8300"));
    }

    proptest! {
        #[test]
        fn places_never_overlap_and_never_leave_the_disk(
            sizes in proptest::collection::vec(prop_oneof![(1u64..40).prop_map(mib), (1u8..=100).prop_map(PartitionSize::Percent)], 1..12),
            disk in 1u64..300 << 20,
        ) {
            let layout: Vec<Partition> = sizes.into_iter().map(part).collect();
            if let Ok(places) = place(&layout, disk) {
                let mut at = ALIGNMENT;
                for (place, wanted) in places.iter().zip(&layout) {
                    prop_assert!(place.offset == at && place.len > 0 && place.len.is_multiple_of(ALIGNMENT));
                    if let PartitionSize::Bytes(size) = wanted.size {
                        prop_assert_eq!(place.len, size.bytes());
                    }
                    at += place.len;
                }
                prop_assert!(at + 33 * 512 <= disk);
            }
        }
    }
}
