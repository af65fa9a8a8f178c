// SPDX-License-Identifier: AGPL-3.0-or-later
//! A guest of one megabyte: GRUB as an EFI program that says where it came from and does what is typed.

use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

/// What it understands, a line each: `reset` and `off`.
const SCRIPT: &str = r#"
echo "guest: from NAME"
while true; do
  echo "guest: ready"
  read order
  if [ "$order" = reset ]; then reboot; fi
  if [ "$order" = off ]; then halt; fi
done
"#;

const MODULES: &str = "normal echo read test true reboot halt";

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The EFI program that calls itself `name`.
fn program(directory: &Path, name: &str) -> Vec<u8> {
    let (script, program) = (directory.join("grub.cfg"), directory.join("BOOTX64.EFI"));
    std::fs::write(&script, SCRIPT.replace("NAME", name)).expect("written");
    let modules = format!("--install-modules={MODULES}");
    let preload = "--modules=echo read test true reboot halt";
    run(Command::new("grub-mkstandalone")
        .args(["-O", "x86_64-efi", &modules, preload, "--fonts=", "--locales=", "--themes=", "-o"])
        .arg(&program)
        .arg(format!("boot/grub/grub.cfg={}", script.display())));
    std::fs::read(&program).expect("made")
}

/// A FAT file system that firmware boots `name` from: a disk, a stick, or the inside of a disc.
pub(crate) fn disk(name: &str, bytes: usize) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let program = program(directory.path(), name);
    let mut image = Cursor::new(vec![0; bytes]);
    fatfs::format_volume(&mut image, fatfs::FormatVolumeOptions::new()).expect("formatted");
    {
        let volume = fatfs::FileSystem::new(&mut image, fatfs::FsOptions::new()).expect("a file system");
        let boot = volume.root_dir().create_dir("EFI").expect("made").create_dir("BOOT").expect("made");
        boot.create_file("BOOTX64.EFI").expect("made").write_all(&program).expect("written");
    }
    image.into_inner()
}

/// A disc that firmware boots `name` from.
pub(crate) fn disc(name: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let (tree, image) = (directory.path().join("tree"), directory.path().join("guest.iso"));
    std::fs::create_dir(&tree).expect("made");
    std::fs::write(tree.join("efi.img"), disk(name, 4 << 20)).expect("written");
    run(Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-e", "efi.img", "-no-emul-boot", "-o"])
        .arg(&image)
        .arg(&tree));
    std::fs::read(&image).expect("made")
}
