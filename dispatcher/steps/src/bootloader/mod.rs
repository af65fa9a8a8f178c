// SPDX-License-Identifier: AGPL-3.0-or-later
//! The bootloader step: `fstab`, GRUB on the ESP, its configuration.
//!
//! # Guarantees
//!
//! * What was mounted or bound comes down again, whatever fails.
//! * A system that this step finished is left alone: the mark says for which image and which file systems.
//! * No firmware variable is touched unless a boot entry was asked for, and then a failure is a warning: with
//!   `--removable` any firmware finds the loader.

mod error;
pub mod fstab;
pub mod grub;

use std::path::{Path, PathBuf};

use shoal_schema::disk::{DiskFacts, Format};

pub use error::BootloaderError;

use crate::disk::{FileSystem, Machine, probe};
use crate::image::stamp::IMAGE_STAMP;
use crate::mounts::{MountStack, Mounts};
use crate::partition;
use crate::partition::wanted::{Wanted, esp, root, wanted};
use crate::programs::{Call, Program, Programs};
use crate::provision::{Packing, Provision};
use crate::root::Root;
use fstab::Mount;
use grub::Has;

/// The mark of a finished run.
const DONE: &str = "etc/shoal/bootloader.json";

/// Where any firmware looks (UEFI 2.10, 3.5.1.1).
const LOADER: &str = "boot/efi/EFI/BOOT/BOOTX64.EFI";

/// Shown in the firmware's menu.
const ENTRY: &str = "Shoal";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booting {
    /// There was nothing to do.
    AlreadyThere,
    /// The system boots now.
    Installed,
    /// The image brings its own loader.
    LeftToTheImage,
}

/// The parts of a system that the step uses.
pub struct Tools<'a> {
    /// Disks.
    pub machine: &'a dyn Machine,
    /// Programs.
    pub programs: &'a mut dyn Programs,
    /// Mounts.
    pub mounts: &'a mut dyn Mounts,
    /// Where the new root is mounted.
    pub new_root: PathBuf,
    /// Whether an entry is made in the firmware.
    pub boot_entry: bool,
}

/// Runs the step.
pub fn run(provision: &Provision, tools: &mut Tools<'_>) -> Result<Booting, BootloaderError> {
    let facts = partition::check(provision, tools.machine)?;
    if provision.packing()? == Packing::RawDisk {
        tracing::info!("the image is a whole disk and brings its own bootloader");
        return Ok(Booting::LeftToTheImage);
    }
    let wanted = wanted(provision.partitions(), facts.size_bytes).map_err(BootloaderError::Layout)?;
    let root = root(&wanted).ok_or(BootloaderError::NoRoot)?;
    let esp = esp(&wanted).ok_or(BootloaderError::MissingEsp)?;
    let mounts = file_systems(&facts, &wanted, root, esp, tools.programs)?;
    let disk = Path::new(&facts.path);
    let node = |one: &Wanted| {
        let number = one.number;
        tools.machine.partition(disk, number).map_err(|source| BootloaderError::Node { number, source })
    };
    let (root_node, esp_node) = (node(root)?, node(esp)?);
    let kind = root.kind().ok_or(BootloaderError::NoRoot)?;
    let mut stack = MountStack::new(tools.mounts);
    stack.mount(&root_node, &tools.new_root, kind)?;
    let booting = inside(&tools.new_root, &esp_node, &mounts, &mut stack, tools.programs);
    // Both are wanted: the reason for a failure, and nothing left mounted.
    let closed = stack.close();
    let booting = booting?;
    closed?;
    if tools.boot_entry {
        boot_entry(disk, esp.number, tools.programs);
    }
    Ok(booting)
}

/// What is mounted where, by UUID. File systems must be there by now.
fn file_systems(
    facts: &DiskFacts,
    wanted: &[Wanted],
    root: &Wanted,
    esp: &Wanted,
    programs: &mut dyn Programs,
) -> Result<Vec<Mount>, BootloaderError> {
    let disk = Path::new(&facts.path);
    let mut uuid = |one: &Wanted| {
        let found = probe(programs, disk, one.offset, one.len).map_err(BootloaderError::Look)?;
        Ok::<_, BootloaderError>(match found {
            Some(FileSystem { kind, uuid: Some(uuid), .. }) if Some(kind.as_str()) == one.kind() => {
                Some(uuid)
            }
            _ => None,
        })
    };
    let missing = |number| BootloaderError::NoFileSystem { number };
    let kind = root.kind().ok_or(BootloaderError::NoRoot)?;
    let mut mounts = vec![
        Mount::root(uuid(root)?.ok_or_else(|| missing(root.number))?, kind),
        Mount::esp(uuid(esp)?.ok_or(BootloaderError::MissingEsp)?),
    ];
    for swap in wanted.iter().filter(|one| one.format == Format::Swap) {
        mounts.push(Mount::swap(uuid(swap)?.ok_or_else(|| missing(swap.number))?));
    }
    Ok(mounts)
}

/// Everything that happens in the mounted root.
fn inside(
    new_root: &Path,
    esp: &Path,
    mounts: &[Mount],
    stack: &mut MountStack<'_>,
    programs: &mut dyn Programs,
) -> Result<Booting, BootloaderError> {
    let root = Root::open(new_root).map_err(in_root("open"))?;
    let image = root.read(IMAGE_STAMP).map_err(in_root("read the image's stamp"))?;
    let image = image.ok_or(BootloaderError::NoImage)?;
    let table = fstab::render(mounts);
    let done =
        serde_json::json!({"image": String::from_utf8_lossy(&image).trim(), "fstab": table}).to_string();
    // A link in the image must not lead the mount elsewhere, so it is made by descriptor.
    let esp_dir = root.make_directories(b"boot/efi").map_err(in_root("make /boot/efi"))?;
    let esp_path = real_path(&Root::path_of(&esp_dir)).map_err(in_root("find /boot/efi"))?;
    drop(esp_dir);
    stack.mount(esp, &esp_path, "vfat")?;
    let configured = ["boot/grub/grub.cfg", "boot/grub2/grub.cfg"].iter().any(|path| root.exists(path));
    let known = root.read(DONE).ok().flatten();
    if known.as_deref() == Some(done.as_bytes()) && root.exists(LOADER) && configured {
        tracing::info!("the bootloader is there: left alone");
        return Ok(Booting::AlreadyThere);
    }
    root.remove(DONE).map_err(in_root("remove the mark"))?;
    root.write("etc/fstab", table.as_bytes(), 0o644).map_err(in_root("write /etc/fstab"))?;
    let names = root.list("boot").map_err(in_root("list /boot"))?;
    let (kernel, initrd) = grub::kernel(&names).ok_or(BootloaderError::NoKernel)?;
    for name in ["dev", "proc", "sys"] {
        let target = root.make_directories(name.as_bytes()).map_err(in_root("make a directory"))?;
        let target = real_path(&Root::path_of(&target)).map_err(in_root("find a directory"))?;
        stack.bind(&Path::new("/").join(name), &target)?;
    }
    let has = has(&root);
    tracing::info!(in_image = has.grub_install || has.grub2_install, "installs GRUB");
    programs.run(&grub::install(has, new_root)).map_err(BootloaderError::Install)?;
    match grub::configure(has, new_root) {
        Some(call) => drop(programs.run(&call).map_err(BootloaderError::Configure)?),
        None => {
            tracing::warn!(kernel, "the image cannot configure GRUB: writes one entry");
            let uuid = mounts.first().map(|mount| mount.uuid.as_str()).unwrap_or_default();
            // Where kernel-install(8) keeps it.
            let arguments = root.read("etc/kernel/cmdline").ok().flatten().unwrap_or_default();
            let text = grub::minimal(uuid, kernel, initrd, &String::from_utf8_lossy(&arguments));
            root.write("boot/grub/grub.cfg", text.as_bytes(), 0o644).map_err(in_root("write grub.cfg"))?;
        }
    }
    root.sync().map_err(in_root("write"))?;
    root.write(DONE, done.as_bytes(), 0o644).map_err(in_root("write the mark"))?;
    Ok(Booting::Installed)
}

/// Where a descriptor leads, so that the same path can be unmounted when the descriptor is closed.
fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::read_link(path)
}

fn has(root: &Root) -> Has {
    let anywhere = |name: &str| {
        ["usr/sbin", "usr/bin", "sbin", "bin"].iter().any(|dir| root.exists(&format!("{dir}/{name}")))
    };
    let modules =
        ["usr/lib/grub/x86_64-efi", "usr/lib/grub2/x86_64-efi"].iter().any(|path| root.exists(path));
    Has {
        grub_install: modules && anywhere("grub-install"),
        grub2_install: modules && anywhere("grub2-install"),
        update_grub: anywhere("update-grub"),
        grub_mkconfig: anywhere("grub-mkconfig"),
        grub2_mkconfig: anywhere("grub2-mkconfig"),
    }
}

/// An entry in the firmware, once. What fails here is told, and is no failure.
fn boot_entry(disk: &Path, number: u32, programs: &mut dyn Programs) {
    let known = match programs.run(&Call::new(Program::Efibootmgr, [""; 0])) {
        Ok(known) => known,
        Err(error) => return tracing::warn!(%error, "the firmware's entries cannot be read"),
    };
    let is_ours =
        |line: &str| line.split_once("* ").is_some_and(|(_, rest)| rest.split('\t').next() == Some(ENTRY));
    if known.lines().any(is_ours) {
        return;
    }
    let call = Call::new(Program::Efibootmgr, ["--quiet", "--create", "--label", ENTRY, "--disk"])
        .and(disk)
        .and("--part")
        .and(number.to_string())
        .and("--loader")
        .and("\\EFI\\BOOT\\BOOTX64.EFI");
    if let Err(error) = programs.run(&call) {
        tracing::warn!(%error, "the firmware takes no entry");
    }
}

fn in_root(what: &'static str) -> impl FnOnce(std::io::Error) -> BootloaderError {
    move |source| BootloaderError::Root { what, source }
}

#[cfg(test)]
mod tests;
