// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a step failed: a stable word, one sentence, what to do; on disk for the unit that tells the controller.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use shoal_dispatcher::cause::{chain, cut};

/// The longest message that is kept, in bytes: more than the report takes, which is redacted before it is cut, so
/// that no half of a secret stands at its end.
const MESSAGE_LIMIT: usize = 4096;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $key:literal $exit:literal $hint:literal)*) => {
        /// A stable word for what went wrong. Each has an exit code of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// The number that the process ends with.
            pub fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            /// What to do next.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

codes! {
    /// The files in the provision directory are missing or not what they should be.
    BadProvision "bad_provision" 30 "dispatcher and steps must be of one release: rebuild the maintenance OS"
    /// The layout cannot be made on any disk, or lacks what the step needs.
    BadLayout "bad_layout" 31 "correct 'layout' in the recipe"
    /// The layout needs more room than the disk has.
    DiskTooSmall "disk_too_small" 32 "make the layout smaller, or select a larger disk"
    /// Something on the disk is mounted or used as swap.
    DiskMounted "disk_mounted" 33 "the maintenance OS runs from this disk, or a tool mounted it: select another disk, or boot again"
    /// A volume group, an array or another program holds the disk and does not let go.
    DiskInUse "disk_in_use" 34 "find out what holds the disk (lsblk), then retry"
    /// The disk is not the one that the permit was granted for.
    WrongDisk "wrong_disk" 35 "compare serial and WWN of the machine's disks with the selector; nothing was written"
    /// Reading or writing the disk failed.
    DiskFailed "disk_failed" 36 "check the disk's health: the kernel's log names the sector"
    /// The partition table could not be made.
    PartitionFailed "partition_failed" 37 "the message quotes the tool; check the disk's health, then retry"
    /// A file system could not be made.
    FormatFailed "format_failed" 38 "the message quotes the tool; check size and label of that partition"
    /// The registry does not answer.
    RegistryUnreachable "registry_unreachable" 39 "check that the machine reaches the registry: address, VLAN, firewall, certificate"
    /// The registry does not let this job pull.
    RegistryRefused "registry_refused" 40 "check the access rules of the registry for this repository"
    /// The registry has no such image.
    ImageMissing "image_missing" 41 "push the image, or correct its reference: the digest must exist in that repository"
    /// What came is not what the digest says.
    WrongDigest "wrong_digest" 42 "the registry's copy is damaged or was changed on the way: push the image again"
    /// The image is not of a kind that this step installs.
    BadImage "bad_image" 43 "push it as one layer of the format that the recipe names (rootfs-tar or raw-disk)"
    /// The archive is broken, or has entries that are refused.
    BadArchive "bad_archive" 44 "the message names the entry: build the image again with GNU tar"
    /// The image does not fit.
    DiskFull "disk_full" 45 "make the root partition larger than the unpacked image"
    /// A file system could not be mounted or unmounted.
    MountFailed "mount_failed" 46 "check that the maintenance OS has the module of this file system"
    /// There is no EFI system partition to boot from.
    MissingEsp "missing_esp" 47 "add a partition of type ef00 with format vfat to the layout"
    /// The system could not be made bootable.
    BootloaderFailed "bootloader_failed" 48 "the image needs a kernel in /boot, and grub-install or grub-mkconfig; the message quotes the tool"
    /// cloud-init's files could not be written.
    SeedFailed "seed_failed" 49 "the disk needs a FAT file system with the label cidata and room for the user-data: look at the layout, or at the image of the whole disk"
    /// The step itself broke.
    Internal "internal" 50 "this is a defect of Shoal: report it with the log"
}

/// What is kept in `failure.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The step, by its name: that of its unit.
    pub step: &'static str,
    /// The stable word.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do next.
    pub hint: &'static str,
}

impl Failure {
    /// Of an error, with its causes.
    pub fn of(step: &'static str, code: Code, error: &(dyn Error + 'static)) -> Self {
        let text: String = chain(error).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { step, code: code.as_str(), message: cut(&text, MESSAGE_LIMIT).to_owned(), hint: code.hint() }
    }

    /// Writes it in one piece.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("json.new");
        let mut file = File::create(&temporary)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    }
}

/// Forgets the failure of an earlier run.
pub fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether an error says that there is no room left.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_word_a_number_and_advice_of_its_own() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let numbers: HashSet<_> = Code::ALL.iter().map(|code| code.exit()).collect();
        let hints: HashSet<_> = Code::ALL.iter().map(|code| code.hint()).collect();
        assert_eq!((words.len(), numbers.len(), hints.len()), (21, 21, 21));
        assert!(numbers.iter().all(|number| (30..64).contains(number)));
    }

    #[test]
    fn a_failure_is_one_line_of_json_and_replaces_the_one_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("failure.json");
        let error = io::Error::other("line one\nline two\u{1b}[31m");
        for code in [Code::DiskFull, Code::WrongDisk] {
            Failure::of("partition", code, &error).write(&path).expect("written");
        }
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text.lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(read["code"], "wrong_disk");
        assert_eq!(read["message"], "line one line two [31m");
        let why = shoal_dispatcher::why::left_by("partition.service", text.as_bytes()).expect("understood");
        assert_eq!((why.code.as_str(), why.hint.as_deref()), ("wrong_disk", Some(Code::WrongDisk.hint())));
        forget(&path).expect("forgotten");
        forget(&path).expect("nothing to forget");
        assert!(!path.exists());
    }

    #[test]
    fn the_longest_failure_is_still_one_that_is_read() {
        let error = io::Error::other("\"".repeat(9000));
        let failure = Failure::of("partition", Code::Internal, &error);
        assert_eq!(failure.message.len(), 4096);
        let content = serde_json::to_vec(&failure).expect("json");
        assert!(content.len() < shoal_dispatcher::why::FAILURE_LIMIT);
    }
}
