// SPDX-License-Identifier: AGPL-3.0-or-later
//! Keeps the number of packs small.
//!
//! Every fetch and every status commit adds a pack, and each look-up may ask them all. Packs are
//! merged geometrically: the small ones into one, those that are much larger than all smaller ones
//! together are left alone, so that an object is copied only a logarithmic number of times.
//!
//! Guarantees: the merged pack is on disk before the old ones go; no object is ever dropped; readers
//! that had an old pack open go on. Loose objects do not occur: everything arrives as a pack.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use crate::{GitError, pack};

/// Packs that are tolerated before anything is merged.
const FEW: usize = 24;

/// Packs up to so many bytes are always worth merging: some ten status commits of a few files. A larger one goes along
/// by its ratio alone, or merges would copy megabytes for each few commits.
const SMALL: u64 = 64 * 1024;

/// A pack goes along when it has at most so many times the bytes of all smaller ones.
const RATIO: u64 = 2;

/// Where merges are prepared, inside the mirror's directory.
const WORKSHOP: &str = "merge-";

/// How the names of lock files end.
const LOCK: &str = ".lock";

/// What a round of maintenance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintenance {
    /// Packs before.
    pub packs_before: usize,
    /// Packs after.
    pub packs_after: usize,
    /// Objects that were copied.
    pub objects_merged: usize,
}

struct Pack {
    /// Path without its ending.
    stem: PathBuf,
    size: u64,
}

/// What there is to say when nothing is merged.
pub(super) fn nothing(dir: &Path) -> Result<Maintenance, GitError> {
    Ok(unchanged(list(dir)?.len()))
}

const fn unchanged(packs: usize) -> Maintenance {
    Maintenance { packs_before: packs, packs_after: packs, objects_merged: 0 }
}

/// Merges what is worth merging.
pub(super) fn run(dir: &Path) -> Result<Maintenance, GitError> {
    let mut packs = list(dir)?;
    let packs_before = packs.len();
    let nothing = unchanged(packs_before);
    if packs_before <= FEW {
        return Ok(nothing);
    }
    packs.sort_by_key(|pack| pack.size);
    let mut total = 0;
    let chosen = packs
        .iter()
        .take_while(|pack| {
            let fits = pack.size <= SMALL.max(total * RATIO);
            total += pack.size;
            fits
        })
        .count();
    if chosen < 2 {
        return Ok(nothing);
    }
    packs.truncate(chosen);
    let (name, objects_merged) = merge(dir, &packs)?;
    // Packs that hold the very same objects have the same name, whoever writes them.
    let kept = pack::directory(dir).join(format!("pack-{name}"));
    for old in packs.iter().filter(|old| old.stem != kept) {
        // The index first: a pack without one is not looked at, an index without pack is an error.
        for end in ["idx", "pack"] {
            let path = old.stem.with_extension(end);
            fs::remove_file(&path).map_err(GitError::io("remove", path))?;
        }
    }
    let packs_after = list(dir)?.len();
    tracing::debug!(packs_before, packs_after, objects_merged, "packs merged");
    Ok(Maintenance { packs_before, packs_after, objects_merged })
}

/// Removes what an interrupted fetch, merge or change of a branch left. Only while nothing else uses the mirror.
pub(super) fn clean(dir: &Path) -> Result<(), GitError> {
    for entry in names(dir)? {
        if entry.1.starts_with(WORKSHOP) {
            fs::remove_dir_all(&entry.0).map_err(GitError::io("remove", &entry.0))?;
        } else if entry.1.ends_with(LOCK) {
            fs::remove_file(&entry.0).map_err(GitError::io("remove", &entry.0))?;
        }
    }
    unlock(&dir.join("refs"))?;
    for entry in names(&pack::directory(dir))? {
        if entry.1.starts_with("pack_git2_") {
            fs::remove_file(&entry.0).map_err(GitError::io("remove", &entry.0))?;
        }
    }
    Ok(())
}

/// Removes the locks of branches: a process that was killed while it moved one leaves it, and nobody could ever move
/// that branch again. No branch has such a name.
fn unlock(dir: &Path) -> Result<(), GitError> {
    for (path, name) in names(dir)? {
        if path.is_dir() {
            unlock(&path)?;
        } else if name.ends_with(LOCK) {
            tracing::warn!(path = %path.display(), "a lock that a killed process left is removed");
            fs::remove_file(&path).map_err(GitError::io("remove", path))?;
        }
    }
    Ok(())
}

/// Writes one pack of all objects of the given ones.
fn merge(dir: &Path, packs: &[Pack]) -> Result<(String, usize), GitError> {
    let failed = |error| GitError::local("merge the packs of", format!("mirror {}", dir.display()))(error);
    // A repository that sees these packs and nothing else, so that they can be listed.
    let workshop = tempfile::Builder::new()
        .prefix(WORKSHOP)
        .tempdir_in(dir)
        .map_err(GitError::io("make a directory in", dir))?;
    Repository::init_bare(workshop.path()).map_err(failed)?;
    let inside = pack::directory(workshop.path());
    for pack in packs {
        for end in ["pack", "idx"] {
            let from = pack.stem.with_extension(end);
            let name = from.file_name().unwrap_or_default();
            fs::hard_link(&from, inside.join(name)).map_err(GitError::io("link", &from))?;
        }
    }
    let repository = Repository::open_bare(workshop.path()).map_err(failed)?;
    let mut ids: Vec<Oid> = Vec::new();
    repository
        .odb()
        .and_then(|odb| {
            odb.foreach(|id| {
                ids.push(*id);
                true
            })
        })
        .map_err(failed)?;
    let mut builder = repository.packbuilder().map_err(failed)?;
    for id in &ids {
        builder.insert_object(*id, None).map_err(failed)?;
    }
    let name = pack::write(&mut builder, &pack::directory(dir))?;
    Ok((name, builder.written()))
}

fn list(dir: &Path) -> Result<Vec<Pack>, GitError> {
    let mut packs = Vec::new();
    for (path, name) in names(&pack::directory(dir))? {
        if !name.starts_with("pack-") || path.extension().is_none_or(|end| end != "pack") {
            continue;
        }
        if path.with_extension("idx").exists() && !path.with_extension("keep").exists() {
            let size = fs::metadata(&path).map_err(GitError::io("look at", &path))?.len();
            packs.push(Pack { stem: path.with_extension(""), size });
        }
    }
    Ok(packs)
}

fn names(dir: &Path) -> Result<Vec<(PathBuf, String)>, GitError> {
    fs::read_dir(dir)
        .and_then(|entries| {
            entries
                .map(|entry| {
                    entry.map(|entry| {
                        let name = entry.file_name().to_string_lossy().into_owned();
                        (entry.path(), name)
                    })
                })
                .collect()
        })
        .map_err(GitError::io("read directory", dir))
}
