// SPDX-License-Identifier: AGPL-3.0-or-later
//! Takes away what a disk was recognised by: tables, and the signatures of file systems, volumes and arrays.
//!
//! Nothing is searched for. Zeros go to all places where such signatures stand: both ends of the disk, of every old
//! and every new partition, and where btrfs keeps its copy (64 MiB).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Cleared at both ends of everything, in bytes. LVM's, md's and ZFS's labels lie within.
const END: u64 = 1 << 20;

/// Where btrfs has the second of its superblocks, in bytes from the start of its device.
const BTRFS_COPY: u64 = 64 << 20;

/// The ranges to clear on a disk of `size` bytes with parts at `parts` (offset, length), none twice, in order.
pub fn ranges(size: u64, parts: &[(u64, u64)]) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for (offset, len) in parts.iter().copied().chain([(0, size)]) {
        let (start, end) = (offset.min(size), offset.saturating_add(len).min(size));
        ranges.push(start..end.min(start.saturating_add(END)));
        ranges.push(end.saturating_sub(END).max(start)..end);
        let copy = start.saturating_add(BTRFS_COPY);
        if copy < end {
            ranges.push(copy..end.min(copy + (64 << 10)));
        }
    }
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Clears them, the start of the disk first: whatever happens then, it has no table.
pub fn clear(disk: &File, ranges: &[Range<u64>]) -> io::Result<()> {
    let zeros = vec![0; END as usize];
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(END);
            disk.write_all_at(&zeros[..len as usize], at)?;
            at += len;
        }
        if range.start == 0 {
            disk.sync_data()?;
        }
    }
    disk.sync_data()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_ends_of_the_disk_and_of_every_part_are_cleared() {
        let mib = |range: &Range<u64>| range.start >> 20..range.end >> 20;
        let found: Vec<_> = ranges(200 << 20, &[(10 << 20, 20 << 20)]).iter().map(mib).collect();
        assert_eq!(found, [0..1, 10..11, 29..30, 64..64, 199..200]);
    }

    proptest! {
        #[test]
        fn ranges_stay_on_the_disk_and_apart(
            size in 0u64..1 << 31,
            parts in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..8),
        ) {
            let found = ranges(size, &parts);
            let mut end = None;
            for range in &found {
                prop_assert!(range.start < range.end && range.end <= size);
                prop_assert!(end.is_none_or(|end| end < range.start));
                end = Some(range.end);
            }
            prop_assert!(size == 0 || (found[0].start == 0 && found[found.len() - 1].end == size));
        }
    }
}
