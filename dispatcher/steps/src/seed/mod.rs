// SPDX-License-Identifier: AGPL-3.0-or-later
//! The config-drive step: cloud-init's NoCloud seed, and the stamp of the install.
//!
//! The seed goes to the FAT partition labelled `cidata`, or where there is none to `/var/lib/cloud/seed/nocloud` in
//! the root. `meta-data` is written last and removed first, because cloud-init takes nothing for a seed without it.
//!
//! # Guarantees
//!
//! * What is the same already is not written.
//! * The stamp of the install is the last thing that is written: in the root, then on the ESP, where the dispatcher
//!   looks for it.

mod error;

use std::io;
use std::path::{Path, PathBuf};

use shoal_dispatcher::disk::read_gpt;
use shoal_dispatcher::output::{META_DATA, NETWORK_CONFIG, STAMP, USER_DATA};
use shoal_schema::disk::{DiskFacts, Format};
use shoal_schema::wire::stamp::STAMP_PATH;
use zeroize::Zeroizing;

pub use error::SeedError;

use crate::disk::{Machine, probe};
use crate::fat_volume::FatVolume;
use crate::mounts::{MountStack, Mounts};
use crate::partition;
use crate::partition::wanted::{ESP, Wanted, esp, root, wanted};
use crate::programs::Programs;
use crate::provision::{Packing, Provision};
use crate::root::Root;

/// The volume label that cloud-init looks for, in upper or lower case.
const LABEL: &str = "cidata";

/// Where the seed goes without such a volume, in the root.
const SEED_DIR: &str = "var/lib/cloud/seed/nocloud";

/// What a system without user-data gets: a seed needs the file.
const NO_USER_DATA: &[u8] = b"#cloud-config\n{}\n";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeded {
    /// There was nothing to do.
    AlreadyThere,
    /// Something was written.
    Written,
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

/// The files of a seed, `meta-data` last.
type Files = Vec<(&'static str, Zeroizing<Vec<u8>>)>;

/// Runs the step.
pub fn run(provision: &Provision, tools: &mut Tools<'_>) -> Result<Seeded, SeedError> {
    let facts = partition::check(provision, tools.machine)?;
    let files = files(provision)?;
    let stamp = provision.file(STAMP)?;
    let stamp = stamp.as_ref().map(|stamp| stamp.as_slice());
    let places = places(provision, &facts, tools)?;
    let mut written = false;
    if let Some(volume) = &places.cidata {
        written |= seed_volume(volume, &files).map_err(SeedError::volume("cidata"))?;
        tracing::info!(written, "the seed is on the volume cidata");
    } else if places.root.is_none() {
        return Err(SeedError::NoVolume);
    }
    if let Some((device, kind)) = &places.root {
        let mut stack = MountStack::new(tools.mounts);
        stack.mount(device, &tools.new_root, kind)?;
        let seeds = places.cidata.is_none();
        written |= in_root(&tools.new_root, seeds.then_some(&files), stamp)?;
        stack.close()?;
    }
    if let (Some(esp), Some(stamp)) = (&places.esp, stamp) {
        let stamped = FatVolume::open(esp).and_then(|volume| {
            let written = volume.write(STAMP_PATH, stamp)?;
            volume.close().map(|()| written)
        });
        written |= stamped.map_err(SeedError::volume("ESP"))?;
    }
    Ok(if written { Seeded::Written } else { Seeded::AlreadyThere })
}

fn files(provision: &Provision) -> Result<Files, SeedError> {
    let user_data = provision.file(USER_DATA)?;
    let meta_data = provision.file(META_DATA)?.ok_or(SeedError::NoMetaData)?;
    let mut files = vec![("user-data", user_data.unwrap_or_else(|| Zeroizing::new(NO_USER_DATA.to_vec())))];
    if let Some(network) = provision.file(NETWORK_CONFIG)? {
        files.push(("network-config", network));
    }
    files.push(("meta-data", meta_data));
    Ok(files)
}

/// Nodes of the partitions that are written to.
#[derive(Debug, Default)]
struct Places {
    cidata: Option<PathBuf>,
    root: Option<(PathBuf, &'static str)>,
    esp: Option<PathBuf>,
}

fn places(provision: &Provision, facts: &DiskFacts, tools: &mut Tools<'_>) -> Result<Places, SeedError> {
    let disk = Path::new(&facts.path);
    let machine = tools.machine;
    let node =
        |number: u32| machine.partition(disk, number).map_err(|source| SeedError::Node { number, source });
    if provision.packing()? == Packing::RootfsTar {
        let wanted = wanted(provision.partitions(), facts.size_bytes).map_err(SeedError::Layout)?;
        let is_cidata = |one: &&Wanted| {
            one.format == Format::Vfat
                && one.label.as_ref().is_some_and(|label| label.eq_ignore_ascii_case(LABEL))
        };
        let root = root(&wanted).ok_or(SeedError::NoRoot)?;
        let kind = root.kind().ok_or(SeedError::NoRoot)?;
        return Ok(Places {
            cidata: wanted.iter().find(is_cidata).map(|one| node(one.number)).transpose()?,
            root: Some((node(root.number)?, kind)),
            esp: esp(&wanted).map(|one| node(one.number)).transpose()?,
        });
    }
    // The image's own layout: the volume is known by its label alone.
    let read = |source: io::Error| SeedError::Disk { path: facts.path.clone(), source };
    let file = std::fs::File::open(disk).map_err(read)?;
    let entries = read_gpt(&file).ok().flatten().unwrap_or_default();
    drop(file);
    let mut places = Places::default();
    for entry in entries {
        let found = probe(tools.programs, disk, entry.offset, entry.len).map_err(SeedError::Look)?;
        let Some(found) = found.filter(|found| found.kind == "vfat") else { continue };
        if found.label.is_some_and(|label| label.eq_ignore_ascii_case(LABEL)) {
            places.cidata = Some(node(entry.number)?);
        } else if entry.type_guid == ESP && places.esp.is_none() {
            places.esp = Some(node(entry.number)?);
        }
    }
    Ok(places)
}

/// Writes the seed to a FAT volume. True when something was written.
fn seed_volume(device: &Path, files: &Files) -> io::Result<bool> {
    let volume = FatVolume::open(device)?;
    let same = |(name, content): &(&str, Zeroizing<Vec<u8>>)| {
        Ok::<_, io::Error>(volume.read(name)?.map(Zeroizing::new).as_deref() == Some(&**content))
    };
    let mut all_same = true;
    for file in files {
        // A file that cannot be read is not the same.
        all_same &= same(file).unwrap_or_default();
    }
    // One that was there before and is not wanted now would be taken too.
    let stale =
        !files.iter().any(|(name, _)| *name == "network-config") && volume.read("network-config")?.is_some();
    if all_same && !stale {
        return Ok(false);
    }
    volume.remove("meta-data")?;
    if stale {
        volume.remove("network-config")?;
    }
    for (name, content) in files {
        volume.write(name, content)?;
    }
    volume.close()?;
    Ok(true)
}

/// Writes seed and stamp into the root. True when something was written.
fn in_root(path: &Path, files: Option<&Files>, stamp: Option<&[u8]>) -> Result<bool, SeedError> {
    let failed = |what: &'static str| move |source| SeedError::Root { what, source };
    let root = Root::open(path).map_err(failed("open"))?;
    let mut written = false;
    for (name, content) in files.into_iter().flatten() {
        // What is in it is for root alone.
        let path = format!("{SEED_DIR}/{name}");
        written |= root.write(&path, content, 0o600).map_err(failed("write the seed"))?;
    }
    if let Some(stamp) = stamp {
        let path = format!("etc/{STAMP_PATH}");
        written |= root.write(&path, stamp, 0o644).map_err(failed("write the stamp"))?;
    }
    root.sync().map_err(failed("write"))?;
    Ok(written)
}

#[cfg(test)]
mod tests;
