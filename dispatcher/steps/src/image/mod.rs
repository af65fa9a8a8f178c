// SPDX-License-Identifier: AGPL-3.0-or-later
//! The image step: the operating system out of an OCI registry onto the disk.
//!
//! # Guarantees
//!
//! * A root with the stamp of the wanted image is left alone, without asking the registry when the plan pinned a
//!   digest.
//! * Anything else in the root is not built upon: the file system is made anew. So is what a run left that was cut
//!   short.
//! * The stamp is written when all is on the disk and the digest of every byte was verified.
//! * The stamp of an earlier install goes before the first change: what is half written is nobody's install.

mod error;
pub mod pipe;
pub mod pipeline;
mod pull;
pub mod raw;
pub mod stamp;
mod unpacked;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_schema::disk::DiskFacts;
use shoal_schema::wire::stamp::STAMP_PATH;

pub use error::ImageError;
pub use pull::{Found, ImageSource};

use crate::disk::Machine;
use crate::fat_volume::FatVolume;
use crate::mounts::{MountStack, Mounts};
use crate::partition::wanted::{ESP, Wanted, esp, root, wanted};
use crate::partition::{self, PartitionError};
use crate::programs::{Call, Program, Programs};
use crate::progress::Progress;
use crate::provision::{Packing, Provision};
use crate::root::Root;
use crate::tar_stream::Reader;
use crate::unpack::unpack;
use pipe::PipeReader;
use raw::RawWriter;
use stamp::{IMAGE_STAMP, IMAGE_STAMP_ON_ESP, ImageStamp};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imaged {
    /// This image is installed.
    AlreadyThere,
    /// It was installed; bytes that were written.
    Installed(u64),
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
}

/// Runs the step.
pub fn run(
    provision: &Provision,
    tools: &mut Tools<'_>,
    progress: &Arc<Progress>,
) -> Result<Imaged, ImageError> {
    let facts = partition::check(provision, tools.machine)?;
    let source = ImageSource::new(provision)?;
    match provision.packing()? {
        Packing::RootfsTar => root_file_system(provision, &facts, &source, tools, progress),
        Packing::RawDisk => raw_disk(&facts, &source, tools, progress),
    }
}

fn root_file_system(
    provision: &Provision,
    facts: &DiskFacts,
    source: &ImageSource,
    tools: &mut Tools<'_>,
    progress: &Arc<Progress>,
) -> Result<Imaged, ImageError> {
    let wanted = wanted(provision.partitions(), facts.size_bytes).map_err(PartitionError::Layout)?;
    let target = root(&wanted).ok_or(ImageError::NoRoot)?;
    let disk = Path::new(&facts.path);
    let node = |one: &Wanted| {
        let number = one.number;
        tools.machine.partition(disk, number).map_err(|source| PartitionError::Node { number, source })
    };
    let device = node(target)?;
    let kind = target.kind().ok_or(ImageError::NoRoot)?;
    let mut found = None;
    let image = match source.pinned() {
        Some(digest) => digest.to_string(),
        None => found.insert(source.find()?).manifest.to_string(),
    };
    let mut stack = MountStack::new(tools.mounts);
    stack.mount(&device, &tools.new_root, kind)?;
    let (known, empty) = look(&tools.new_root, &image)?;
    if known {
        stack.close()?;
        tracing::info!(image, "this image is installed: left alone");
        return Ok(Imaged::AlreadyThere);
    }
    stack.close()?;
    if let Some(esp) = esp(&wanted) {
        forget_install(&node(esp)?);
    }
    let found = match found {
        Some(found) => found,
        None => source.find()?,
    };
    if !empty {
        tracing::info!("the root holds something else: makes its file system anew");
        let number = target.number;
        let call = target.mkfs().ok_or(ImageError::NoRoot)?.and(&device);
        let made = tools.programs.run(&call);
        made.map_err(|source| PartitionError::Format { number, source })?;
    }
    let mut stack = MountStack::new(tools.mounts);
    stack.mount(&device, &tools.new_root, kind)?;
    let root = Root::open(&tools.new_root).map_err(in_root("open"))?;
    tracing::info!(image, bytes = found.layer.size, "pulls and unpacks");
    let bytes = install(source, &found, &root, progress)?;
    drop(root);
    stack.close()?;
    Ok(Imaged::Installed(bytes))
}

/// Pulls an image into a root, and stamps it when it is whole.
pub fn install(
    source: &ImageSource,
    found: &Found,
    root: &Root,
    progress: &Arc<Progress>,
) -> Result<u64, ImageError> {
    let unpacked = pipeline::run(source, &found.layer, progress, |plain: &mut PipeReader| {
        let mut archive = Reader::new(plain);
        Ok(unpack(&mut archive, root, progress)?)
    })?;
    // The content first, then the stamp, then that.
    root.sync().map_err(in_root("write"))?;
    let stamp = ImageStamp::new(found, unpacked.bytes);
    root.write(IMAGE_STAMP, &stamp.bytes(), 0o644).map_err(in_root("write the stamp"))?;
    root.sync().map_err(in_root("write"))?;
    tracing::info!(entries = unpacked.entries, bytes = unpacked.bytes, "unpacked and verified");
    Ok(unpacked.bytes)
}

/// Whether the root has the image's stamp, and whether it has nothing at all.
fn look(path: &Path, image: &str) -> Result<(bool, bool), ImageError> {
    let root = Root::open(path).map_err(in_root("open"))?;
    let stamp = root.read(IMAGE_STAMP).ok().flatten();
    let names = root.list("").map_err(in_root("list"))?;
    let empty = names.iter().all(|name| name == "lost+found");
    Ok((ImageStamp::is_of(stamp.as_deref(), image), empty))
}

/// What is about to be overwritten is no longer what the stamp on the ESP says. A volume that cannot be read has no
/// stamp that anybody would believe.
fn forget_install(esp: &Path) {
    let forgotten = FatVolume::open(esp).and_then(|volume| {
        volume.remove(STAMP_PATH)?;
        volume.close()
    });
    if let Err(error) = forgotten {
        tracing::warn!(%error, "the ESP cannot be read");
    }
}

fn raw_disk(
    facts: &DiskFacts,
    source: &ImageSource,
    tools: &mut Tools<'_>,
    progress: &Arc<Progress>,
) -> Result<Imaged, ImageError> {
    let disk = Path::new(&facts.path);
    let found = source.find()?;
    let esp_before = esp_on(disk, tools.machine)?;
    if let Some(esp) = &esp_before {
        let stamp = FatVolume::open(esp).and_then(|volume| volume.read(IMAGE_STAMP_ON_ESP)).ok().flatten();
        if ImageStamp::is_of(stamp.as_deref(), &found.manifest.to_string()) {
            tracing::info!("this image is installed: left alone");
            return Ok(Imaged::AlreadyThere);
        }
    }
    let claimed = tools.machine.claim(disk).map_err(|source| match source.kind() {
        std::io::ErrorKind::ResourceBusy => {
            PartitionError::Held { path: facts.path.clone(), by: "another program".to_owned() }
        }
        _ => PartitionError::Disk { what: "open", path: facts.path.clone(), source },
    })?;
    tracing::info!(image = %found.manifest, bytes = found.layer.size, "pulls and writes the disk");
    let writer = pipeline::run(source, &found.layer, progress, |plain| {
        let mut writer = RawWriter::begin(&claimed, facts.size_bytes)?;
        writer.copy(plain, progress)?;
        Ok(writer)
    })?;
    let bytes = writer.finish()?;
    // udev looks at a disk that was written, and has its table read again, unless somebody holds it locked
    // (systemd, "Locking block device access"): partitions would vanish for a moment, or be busy.
    let quiet = std::fs::File::open(disk).map_err(ImageError::Disk)?;
    quiet.lock().map_err(ImageError::Disk)?;
    drop(claimed);
    tools
        .programs
        .run(&Call::new(Program::Blockdev, ["--rereadpt"]).and(disk))
        .map_err(PartitionError::Table)?;
    match esp_on(disk, tools.machine)? {
        Some(esp) => {
            let stamp = ImageStamp::new(&found, bytes);
            let stamped = FatVolume::open(&esp).and_then(|volume| {
                volume.write(IMAGE_STAMP_ON_ESP, &stamp.bytes())?;
                volume.close()
            });
            stamped.map_err(ImageError::Disk)?;
        }
        None => tracing::warn!("the image has no ESP to leave a stamp on: a second run writes it again"),
    }
    Ok(Imaged::Installed(bytes))
}

/// The ESP of whatever table is on the disk. The backup table need not be at the end: images are smaller than disks.
fn esp_on(disk: &Path, machine: &dyn Machine) -> Result<Option<PathBuf>, ImageError> {
    let file = std::fs::File::open(disk).map_err(ImageError::Disk)?;
    let entries = shoal_dispatcher::disk::read_gpt(&file).ok().flatten().unwrap_or_default();
    drop(file);
    match entries.iter().find(|entry| entry.type_guid == ESP) {
        Some(entry) => {
            let number = entry.number;
            let node = machine.partition(disk, number);
            Ok(Some(node.map_err(|source| PartitionError::Node { number, source })?))
        }
        None => Ok(None),
    }
}

fn in_root(what: &'static str) -> impl FnOnce(std::io::Error) -> ImageError {
    move |source| ImageError::Root { what, source }
}
