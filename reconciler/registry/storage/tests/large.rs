// SPDX-License-Identifier: AGPL-3.0-or-later
//! Content much larger than the memory it may take. Alone in its binary: it looks at the process's memory.

mod support;

use std::fs;

use shoal_oci::{Algorithm, Digest};
use shoal_registry_storage::PIECE;
use support::{World, name};

const SIZE: u64 = 1 << 30;
/// As `head -c 1G /dev/zero | sha256sum` has it.
const ZEROS: &str = "sha256:49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14";
/// Far above what it takes (buffers, and 8 bytes for each piece of 256 KiB), far below the content.
const MEMORY: u64 = 64 << 20;

/// The most memory this process ever had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_gibibyte_takes_no_more_memory_than_little() {
    let world = World::on_disk();
    // As after a restart: the file is all there is, and it is sparse, so it takes no disk.
    let id = world.open().begin(&name("os-images/big"), Algorithm::Sha256).unwrap();
    let file = world.root().join("uploads").join(&world.names("uploads")[0]);
    fs::File::options().write(true).open(file).unwrap().set_len(SIZE).unwrap();
    let digest = Digest::parse(ZEROS).unwrap();
    let storage = world.open();
    let writer = storage.writer(&name("os-images/big"), id).unwrap();
    assert_eq!(writer.received(), SIZE);
    assert_eq!(writer.finish(&digest).unwrap(), SIZE);
    let blob = storage.blob(&name("os-images/big"), &digest).unwrap().unwrap();
    for offset in [0, SIZE / 2 + 5, SIZE - 1] {
        let piece = blob.piece_blocking(offset, usize::MAX).unwrap();
        assert!(!piece.is_empty() && piece.len() <= PIECE && piece.iter().all(|byte| *byte == 0));
    }
    assert!(peak() < MEMORY, "{} bytes", peak());
}
