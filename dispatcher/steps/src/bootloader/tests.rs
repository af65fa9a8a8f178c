// SPDX-License-Identifier: AGPL-3.0-or-later
//! The step on a directory that stands for the mounted root.

use std::fs;

use super::*;
use crate::mounts::fake::FakeMounts;
use crate::programs::fake::{FakePrograms, failed};

fn image() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for path in ["boot/vmlinuz-6.12", "boot/initrd.img-6.12", "usr/sbin/grub-install", "usr/sbin/update-grub"]
    {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("below")).expect("made");
        fs::write(path, "").expect("written");
    }
    fs::create_dir_all(dir.path().join("usr/lib/grub/x86_64-efi")).expect("made");
    fs::create_dir_all(dir.path().join("etc/shoal")).expect("made");
    fs::write(dir.path().join(IMAGE_STAMP), "{\"image\":\"sha256:a\"}\n").expect("written");
    dir
}

fn mounts() -> Vec<Mount> {
    vec![Mount::root("aa-bb".into(), "ext4"), Mount::esp("CAFE-0001".into())]
}

fn run_in(
    dir: &Path,
    mounts: &mut FakeMounts,
    programs: &mut FakePrograms,
) -> Result<Booting, BootloaderError> {
    let mut stack = MountStack::new(mounts);
    inside(dir, Path::new("/dev/sda1"), &self::mounts(), &mut stack, programs)
}

/// What GRUB's programs leave behind.
fn working(dir: &Path) -> FakePrograms {
    let dir = dir.to_owned();
    FakePrograms::default().answering(move |call| {
        let path = match call.program {
            Program::GrubInstall => LOADER,
            Program::UpdateGrub => "boot/grub/grub.cfg",
            _ => return None,
        };
        fs::create_dir_all(dir.join(path).parent().expect("below")).expect("made");
        fs::write(dir.join(path), "x").expect("written");
        None
    })
}

#[test]
fn the_first_run_installs_and_the_second_finds_it_done() {
    let dir = image();
    let mut mounts = FakeMounts::default();
    let mut programs = working(dir.path());
    assert_eq!(run_in(dir.path(), &mut mounts, &mut programs).expect("installed"), Booting::Installed);
    assert_eq!(programs.calls.len(), 2);
    assert!(programs.calls.iter().all(|call| call.root.as_deref() == Some(dir.path())));
    let fstab = fs::read_to_string(dir.path().join("etc/fstab")).expect("written");
    assert!(fstab.contains("UUID=CAFE-0001 /boot/efi vfat umask=0077"), "{fstab}");
    assert_eq!(run_in(dir.path(), &mut mounts, &mut programs).expect("left"), Booting::AlreadyThere);
    assert_eq!(programs.calls.len(), 2, "{:?}", programs.lines());
}

#[test]
fn binds_come_down_when_grub_fails_and_the_next_run_begins_anew() {
    let dir = image();
    let mut mounts = FakeMounts::default();
    let mut programs = FakePrograms::default()
        .answering(|call| (call.program == Program::GrubInstall).then(|| Err(failed(call, "no space left"))));
    let error = run_in(dir.path(), &mut mounts, &mut programs).expect_err("failed");
    assert_eq!(error.code().as_str(), "bootloader_failed");
    let up = mounts.log.iter().filter(|line| !line.starts_with("unmount")).count();
    let down: Vec<_> = mounts.log.iter().filter(|line| line.starts_with("unmount")).collect();
    assert_eq!((up, down.len()), (4, 4), "{:?}", mounts.log);
    assert!(down[3].ends_with("boot/efi"), "{down:?}");
    let mut programs = working(dir.path());
    assert_eq!(run_in(dir.path(), &mut mounts, &mut programs).expect("installed"), Booting::Installed);
}

#[test]
fn another_image_or_other_file_systems_are_not_taken_as_done() {
    let dir = image();
    let mut mounts = FakeMounts::default();
    let mut programs = working(dir.path());
    run_in(dir.path(), &mut mounts, &mut programs).expect("installed");
    fs::write(dir.path().join(IMAGE_STAMP), "{\"image\":\"sha256:b\"}\n").expect("written");
    assert_eq!(run_in(dir.path(), &mut mounts, &mut programs).expect("installed"), Booting::Installed);
}

#[test]
fn a_system_without_image_or_kernel_is_refused_before_anything_runs() {
    let dir = image();
    let (mut mounts, mut programs) = (FakeMounts::default(), FakePrograms::default());
    fs::remove_file(dir.path().join("boot/vmlinuz-6.12")).expect("removed");
    let error = run_in(dir.path(), &mut mounts, &mut programs).expect_err("no kernel");
    assert!(matches!(error, BootloaderError::NoKernel));
    fs::remove_file(dir.path().join(IMAGE_STAMP)).expect("removed");
    let error = run_in(dir.path(), &mut mounts, &mut programs).expect_err("no image");
    assert!(matches!(error, BootloaderError::NoImage));
    assert_eq!(programs.calls.len(), 0);
}

#[test]
fn an_image_without_a_configurator_gets_one_entry() {
    let dir = image();
    fs::remove_file(dir.path().join("usr/sbin/update-grub")).expect("removed");
    let (mut mounts, mut programs) = (FakeMounts::default(), FakePrograms::default());
    run_in(dir.path(), &mut mounts, &mut programs).expect("installed");
    let text = fs::read_to_string(dir.path().join("boot/grub/grub.cfg")).expect("written");
    assert!(text.contains("linux /boot/vmlinuz-6.12 root=UUID=aa-bb ro"), "{text}");
}

#[test]
fn links_in_the_image_do_not_lead_mounts_out_of_it() {
    let dir = image();
    let outside = tempfile::tempdir().expect("a directory");
    fs::remove_dir_all(dir.path().join("boot")).expect("removed");
    fs::create_dir_all(dir.path().join("real")).expect("made");
    fs::write(dir.path().join("real/vmlinuz"), "").expect("written");
    std::os::unix::fs::symlink("/real", dir.path().join("boot")).expect("linked");
    std::os::unix::fs::symlink(outside.path(), dir.path().join("dev")).expect("linked");
    let (mut mounts, mut programs) = (FakeMounts::default(), FakePrograms::default());
    let outcome = run_in(dir.path(), &mut mounts, &mut programs);
    assert!(outcome.is_ok() || matches!(outcome, Err(BootloaderError::Root { .. })), "{outcome:?}");
    let targets = mounts.log.iter().map(|line| line.rsplit(' ').next().expect("a target"));
    let real = dir.path().canonicalize().expect("there");
    for target in targets {
        assert!(Path::new(target).starts_with(&real), "{target}");
    }
    assert_eq!(fs::read_dir(outside.path()).expect("listed").count(), 0);
}

#[test]
fn an_entry_in_the_firmware_is_made_once_and_its_failure_is_none_of_ours() {
    let mut programs = FakePrograms::default().answering(|call| {
        (call.arguments.is_empty()).then(|| Ok("BootOrder: 0001\nBoot0001* UEFI PXE\tx\n".to_owned()))
    });
    boot_entry(Path::new("/dev/sda"), 1, &mut programs);
    assert_eq!(
        programs.lines()[1],
        "efibootmgr --quiet --create --label Shoal --disk /dev/sda --part 1 --loader \\EFI\\BOOT\\BOOTX64.EFI"
    );
    let mut programs =
        FakePrograms::default().answering(|_| Some(Ok("Boot0002* Shoal\tHD(1,GPT)\n".to_owned())));
    boot_entry(Path::new("/dev/sda"), 1, &mut programs);
    assert_eq!(programs.calls.len(), 1);
}
