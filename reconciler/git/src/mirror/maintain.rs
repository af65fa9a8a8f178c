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

/// How much one round may do.
#[derive(Clone, Copy)]
pub(super) struct Round {
    /// Bytes that are copied at most.
    bytes: u64,
    /// Packs for which it is worth beginning.
    packs: usize,
}

impl Round {
    /// Whatever there is.
    pub(super) const WHOLE: Self = Self { bytes: u64::MAX, packs: 2 };
    /// What takes no time that anybody would notice. Objects are compressed anew, at some megabytes a second.
    pub(super) const SMALL: Self = Self { bytes: 1 << 20, packs: 8 };

    /// How many of the packs, the smallest first, are merged into one.
    fn chosen(self, sizes: impl IntoIterator<Item = u64>) -> usize {
        let (mut before, mut chosen) = (0, 0);
        for (index, size) in sizes.into_iter().enumerate() {
            if before + size > self.bytes {
                break;
            }
            // Not the first that is too large ends it: many of one size are worth merging whatever their size.
            if size <= SMALL.max(before * RATIO) {
                chosen = index + 1;
            }
            before += size;
        }
        if chosen < self.packs { 0 } else { chosen }
    }
}

/// Merges what is worth merging.
pub(super) fn run(dir: &Path, round: Round) -> Result<Maintenance, GitError> {
    let mut packs = list(dir)?;
    let packs_before = packs.len();
    let nothing = unchanged(packs_before);
    if packs_before <= FEW {
        return Ok(nothing);
    }
    packs.sort_by_key(|pack| pack.size);
    let chosen = round.chosen(packs.iter().map(|pack| pack.size));
    if chosen == 0 {
        return Ok(nothing);
    }
    packs.truncate(chosen);
    let (name, objects_merged) = merge(dir, &packs)?;
    // A pack of the very same bytes has the same name.
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
    for (path, name) in names(&pack::directory(dir))? {
        // Of a pack that was merged the index goes first, and of a new one it comes first.
        let without_index = name.starts_with("pack-")
            && path.extension().is_some_and(|end| end == "pack")
            && !path.with_extension("idx").exists();
        if name.starts_with("pack_git2_") || without_index {
            fs::remove_file(&path).map_err(GitError::io("remove", &path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn small_packs_go_into_one_and_a_much_larger_one_stays_as_it_is() {
        let sizes = [3 * KIB, 4 * KIB, 5 * KIB, 4 * SMALL];
        assert_eq!(Round::WHOLE.chosen(sizes), 3);
        // Not much larger than all the others.
        assert_eq!(Round::WHOLE.chosen([SMALL, SMALL, SMALL, 6 * SMALL]), 4);
        assert_eq!(Round::WHOLE.chosen([SMALL, SMALL, SMALL, 6 * SMALL + 1]), 3);
    }

    #[test]
    fn packs_of_one_size_are_merged_whatever_that_size_is() {
        assert_eq!(Round::WHOLE.chosen([100 * KIB; 25]), 25);
        assert_eq!(Round::WHOLE.chosen([100 << 20; 25]), 25);
        assert_eq!(Round::WHOLE.chosen([100 * KIB]), 0, "one is one");
    }

    #[test]
    fn a_small_round_copies_little_and_begins_only_where_that_is_many_packs() {
        assert_eq!(Round::SMALL.chosen([100 * KIB; 25]), 10);
        assert_eq!(Round::SMALL.chosen([3 * KIB; 25]), 25);
        assert_eq!(Round::SMALL.chosen([128 * KIB; 25]), 8);
        assert_eq!(Round::SMALL.chosen([129 * KIB; 25]), 0);
    }

    #[test]
    fn an_object_is_copied_a_logarithmic_number_of_times() {
        let (mut packs, mut copied, mut largest) = (Vec::<u64>::new(), 0, 0);
        const EACH: u64 = 90 * KIB;
        for _ in 0..10_000 {
            packs.push(EACH);
            if packs.len() > FEW {
                packs.sort_unstable();
                let chosen = Round::WHOLE.chosen(packs.iter().copied());
                let merged: u64 = packs.drain(..chosen).sum();
                copied += merged;
                packs.extend((chosen > 0).then_some(merged));
            }
            largest = largest.max(packs.len());
        }
        assert!(largest <= 2 * FEW, "{largest} packs");
        assert!(copied <= 10_000 * EACH * 8, "each was copied {} times", copied / (10_000 * EACH));
    }
}
