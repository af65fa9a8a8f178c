// SPDX-License-Identifier: AGPL-3.0-or-later
//! What file system stands in a part of a disk, as `blkid` sees it.

use std::path::Path;

use crate::programs::{Call, Program, ProgramError, Programs};

/// A file system, or swap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSystem {
    /// As blkid calls it: `vfat`, `ext4`, `xfs`, `btrfs`, `ntfs`, `swap`.
    pub kind: String,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID, as `fstab` takes it.
    pub uuid: Option<String>,
}

/// Looks at a range of a disk; nothing where there is none, or several at once.
pub fn probe(
    programs: &mut dyn Programs,
    disk: &Path,
    offset: u64,
    len: u64,
) -> Result<Option<FileSystem>, ProgramError> {
    // -p: from the disk, not from a cache. 2 is nothing, 8 is several (blkid(8)).
    let call = Call::new(Program::Blkid, ["--probe", "--output", "export", "--offset"])
        .and(offset.to_string())
        .and("--size")
        .and(len.to_string())
        .and(disk)
        .answering(&[2, 8]);
    programs.run(&call).map(|text| parse(&text))
}

/// Looks at a partition through its own node; nothing where there is none, or several at once.
///
/// The kernel keeps what was read of a disk apart from what was read and written of its partitions. While anybody has
/// the disk open, udev for one, the disk shows a partition as it was.
pub fn probe_node(programs: &mut dyn Programs, node: &Path) -> Result<Option<FileSystem>, ProgramError> {
    let call = Call::new(Program::Blkid, ["--probe", "--output", "export"]).and(node).answering(&[2, 8]);
    programs.run(&call).map(|text| parse(&text))
}

/// Reads `KEY=value` lines. Values have a backslash before what a shell would take.
fn parse(text: &str) -> Option<FileSystem> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(unescape)
    };
    Some(FileSystem { kind: value("TYPE")?, label: value("LABEL"), uuid: value("UUID") })
}

fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            character => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blkid_exports_is_read() {
        let text =
            "DEVNAME=/dev/sda2\nLABEL=my\\ root\nUUID=1f3b\nVERSION=1.0\nTYPE=ext4\nUSAGE=filesystem\n";
        let found = parse(text).expect("a file system");
        assert_eq!((found.kind.as_str(), found.label.as_deref()), ("ext4", Some("my root")));
        assert_eq!(found.uuid.as_deref(), Some("1f3b"));
        assert_eq!(parse(""), None);
        assert_eq!(parse("PTTYPE=gpt\n"), None);
    }
}
