// SPDX-License-Identifier: AGPL-3.0-or-later
//! The partition step: the disk gets the recipe's layout, unless it has it already.
//!
//! # Expected flow
//!
//! The right disk and nobody on it → what is there is compared → nothing, or missing file systems, or all of it:
//! volume groups and arrays stopped, old signatures cleared, table, file systems → looked at once more → the mark.
//!
//! # Guarantees
//!
//! * The disk's GUID is the mark of a finished layout and is written last. A run that was cut short leaves another
//!   one, and the next begins anew.
//! * A disk that is mounted, too small, held by somebody, or not the one of the permit is not written to.
//! * Without a change there is no write at all.

pub mod decide;
mod error;
pub mod table;
pub mod wanted;
pub mod zap;

use std::fs::File;
use std::path::{Path, PathBuf};

use uuid::Uuid;

pub use error::PartitionError;

use crate::disk::{Holder, Machine, identify, probe_node, refuse_if_mounted};
use crate::programs::{Call, Program, Programs};
use crate::provision::{Packing, Provision};
use decide::{Decision, compare_table, decide};
use wanted::{UNFINISHED, Wanted, mark, script, wanted};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioned {
    /// There was nothing to do.
    AlreadyThere,
    /// Some file systems were made.
    Formatted(usize),
    /// Everything was made.
    Recreated,
    /// The image brings its own layout.
    LeftToTheImage,
}

/// Runs the step.
pub fn run(
    provision: &Provision,
    machine: &dyn Machine,
    programs: &mut dyn Programs,
) -> Result<Partitioned, PartitionError> {
    let facts = check(provision, machine)?;
    if provision.packing()? == Packing::RawDisk {
        tracing::info!("the image is a whole disk and brings its own layout");
        return Ok(Partitioned::LeftToTheImage);
    }
    let wanted = wanted(provision.partitions(), facts.size_bytes)?;
    let mark = mark(&facts, &wanted);
    let disk = Path::new(&facts.path);
    let work = Work { disk, wanted: &wanted, mark, machine };
    match work.look(programs)? {
        Decision::LeaveAlone => {
            tracing::info!(disk = facts.path, "layout and file systems are as they should be: left alone");
            Ok(Partitioned::AlreadyThere)
        }
        Decision::Format(which) => {
            work.release(programs)?;
            work.name(programs, UNFINISHED)?;
            for index in &which {
                work.format(programs, &wanted[*index])?;
            }
            work.finish(programs)?;
            Ok(Partitioned::Formatted(which.len()))
        }
        Decision::Recreate(reason) => {
            tracing::info!(disk = facts.path, %reason, "lays the disk out anew");
            work.recreate(programs, facts.size_bytes)?;
            Ok(Partitioned::Recreated)
        }
    }
}

/// The disk of the permit, if it is there, the same, large enough and not mounted.
pub fn check(
    provision: &Provision,
    machine: &dyn Machine,
) -> Result<shoal_schema::disk::DiskFacts, crate::disk::DiskCheckError> {
    use crate::disk::DiskCheckError;
    let disks = machine.disks().map_err(DiskCheckError::List)?;
    let facts = identify(provision.disk(), &disks)?.clone();
    let uses = machine.uses(Path::new(&facts.path));
    let uses = uses.map_err(|source| DiskCheckError::Uses { path: facts.path.clone(), source })?;
    refuse_if_mounted(&facts.path, &uses)?;
    Ok(facts)
}

struct Work<'a> {
    disk: &'a Path,
    wanted: &'a [Wanted],
    mark: Uuid,
    machine: &'a dyn Machine,
}

impl Work<'_> {
    /// What is to be done. Nothing is opened for writing.
    fn look(&self, programs: &mut dyn Programs) -> Result<Decision, PartitionError> {
        let disk = File::open(self.disk).map_err(|source| self.io("read", source))?;
        let table = table::read(&disk).map_err(|source| self.io("read", source))?;
        drop(disk);
        let table = compare_table(self.wanted, self.mark, table.as_ref());
        let found = if table.is_ok() { self.file_systems(programs)? } else { Vec::new() };
        Ok(decide(table, self.wanted, &found))
    }

    fn file_systems(
        &self,
        programs: &mut dyn Programs,
    ) -> Result<Vec<Option<crate::disk::FileSystem>>, PartitionError> {
        let mut found = Vec::with_capacity(self.wanted.len());
        for one in self.wanted {
            let kind = match one.kind() {
                Some(_) => probe_node(programs, &self.node(one.number)?).map_err(PartitionError::Look)?,
                None => None,
            };
            found.push(kind);
        }
        Ok(found)
    }

    fn recreate(&self, programs: &mut dyn Programs, size: u64) -> Result<(), PartitionError> {
        let disk = self.release(programs)?;
        let old = table::read(&disk).map_err(|source| self.io("read", source))?;
        let old = old.map(|table| table.entries).unwrap_or_default();
        let old = old.iter().map(|entry| (entry.offset, entry.len));
        let new = self.wanted.iter().map(|one| (one.offset, one.len));
        let parts: Vec<(u64, u64)> = old.chain(new).collect();
        zap::clear(&disk, &zap::ranges(size, &parts)).map_err(|source| self.io("clear", source))?;
        // Whoever holds it keeps the kernel from reading the new table.
        drop(disk);
        let call = Call::new(Program::Sfdisk, ["--quiet", "--wipe", "always", "--wipe-partitions", "always"])
            .and(self.disk)
            .reading(script(self.wanted));
        programs.run(&call).map_err(PartitionError::Table)?;
        for one in self.wanted {
            self.format(programs, one)?;
        }
        self.finish(programs)
    }

    /// Stops what is built on the disk, and opens it alone.
    fn release(&self, programs: &mut dyn Programs) -> Result<File, PartitionError> {
        let uses = || self.machine.uses(self.disk).map_err(|source| self.io("look at", source));
        for holder in uses()?.holders {
            let call = match &holder {
                Holder::VolumeGroup(name) => {
                    tracing::info!(name, "stops a volume group");
                    Call::new(Program::Vgchange, ["--activate", "n", name])
                }
                Holder::Array(name) => {
                    tracing::info!(name, "stops an array");
                    Call::new(Program::Mdadm, ["--stop", &format!("/dev/{name}")])
                }
                Holder::Other(name) => return Err(self.held(name)),
            };
            programs.run(&call).map_err(PartitionError::Stop)?;
        }
        if let Some(Holder::VolumeGroup(name) | Holder::Array(name) | Holder::Other(name)) =
            uses()?.holders.first()
        {
            return Err(self.held(name));
        }
        self.machine.claim(self.disk).map_err(|source| match source.kind() {
            std::io::ErrorKind::ResourceBusy => self.held("another program"),
            _ => self.io("open", source),
        })
    }

    fn format(&self, programs: &mut dyn Programs, one: &Wanted) -> Result<(), PartitionError> {
        let Some(call) = one.mkfs() else { return Ok(()) };
        let number = one.number;
        tracing::info!(number, kind = one.kind(), label = one.fs_label(), "makes a file system");
        let node = self.node(number)?;
        programs.run(&call.and(node)).map(drop).map_err(|source| PartitionError::Format { number, source })
    }

    fn node(&self, number: u32) -> Result<PathBuf, PartitionError> {
        let node = self.machine.partition(self.disk, number);
        node.map_err(|source| PartitionError::Node { number, source })
    }

    /// Everything must be there now; then it is marked.
    fn finish(&self, programs: &mut dyn Programs) -> Result<(), PartitionError> {
        let found = self.file_systems(programs)?;
        match decide(Ok(()), self.wanted, &found) {
            Decision::LeaveAlone => {}
            Decision::Format(which) => {
                let number = which.first().map_or(0, |index| self.wanted[*index].number);
                return Err(PartitionError::NotThere { number });
            }
            Decision::Recreate(reason) => return Err(PartitionError::NotAsWritten(reason)),
        }
        self.name(programs, self.mark)?;
        let disk = File::open(self.disk).map_err(|source| self.io("read", source))?;
        disk.sync_all().map_err(|source| self.io("write", source))?;
        let table = table::read(&disk).map_err(|source| self.io("read", source))?;
        compare_table(self.wanted, self.mark, table.as_ref()).map_err(PartitionError::NotAsWritten)
    }

    fn name(&self, programs: &mut dyn Programs, guid: Uuid) -> Result<(), PartitionError> {
        let call = Call::new(Program::Sfdisk, ["--quiet", "--disk-id"]).and(self.disk).and(guid.to_string());
        programs.run(&call).map(drop).map_err(PartitionError::Table)
    }

    fn io(&self, what: &'static str, source: std::io::Error) -> PartitionError {
        PartitionError::Disk { what, path: self.disk.display().to_string(), source }
    }

    fn held(&self, by: &str) -> PartitionError {
        PartitionError::Held { path: self.disk.display().to_string(), by: by.to_owned() }
    }
}
