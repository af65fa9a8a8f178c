// SPDX-License-Identifier: AGPL-3.0-or-later
//! Taking out what is not needed: a few things at a time, alone at the gate, each looked at again.

use std::collections::BTreeSet;

use shoal_oci::{Digest, RepositoryName};

use super::CollectRules;
use super::mark::World;
use super::plan::{Plan, Planned, Seen, repositories};
use super::report::{CollectProgress, CollectStage, Collected, CollectedRow, Item};
use super::shelf::Shelf;
use crate::layout::{ALGORITHMS, Area, Place};
use crate::repository::gate::Sweeping;
use crate::repository::records::TagRecord;
use crate::{Storage, StorageError};

/// So many things are taken out before others are let in. Putting content away waits for the disk.
const BATCH: [usize; 4] = [64, 64, 64, 2];

/// Why content lies in quarantine, for people.
const WHY: &str = "no repository and no root named it";

/// Carries out a plan, or in a dry run says what it is.
pub(super) fn carry_out(
    world: &mut World<'_>,
    plan: Plan,
    rules: &CollectRules,
    progress: &mut dyn FnMut(CollectProgress),
) -> Result<Collected, StorageError> {
    let mut collected = Collected {
        damaged: std::mem::take(&mut world.damaged),
        skipped: std::mem::take(&mut world.skipped),
        kept: plan.kept,
        dry_run: rules.dry_run,
        ..Collected::default()
    };
    if rules.dry_run {
        for (row, _) in plan.expired {
            note(&mut collected, rules, row);
        }
        for planned in plan.phases.into_iter().flatten() {
            note(&mut collected, rules, planned.row);
        }
        return Ok(collected);
    }
    let storage = world.storage;
    for (row, kept) in plan.expired {
        storage.forget(&kept)?;
        note(&mut collected, rules, row);
    }
    Shelf::expire(storage, world.started, rules.quarantine)?;
    let of = plan.phases.iter().map(Vec::len).sum::<usize>() as u64;
    let mut done = 0;
    let shelf = Shelf::of(world.started);
    for (phase, batch) in plan.phases.into_iter().zip(BATCH) {
        let mut changed = BTreeSet::new();
        let mut rest = phase.into_iter().peekable();
        while rest.peek().is_some() {
            let batch: Vec<Planned> = rest.by_ref().take(batch).collect();
            done += batch.len() as u64;
            take_out(world, &shelf, batch, rules, &mut collected, &mut changed)?;
            progress(CollectProgress { stage: CollectStage::Sweep, done, of });
        }
        for directory in changed {
            storage.files().sync_dir(&directory)?;
        }
    }
    for repository in world.repositories.iter().filter(|(_, all)| all.is_empty()).map(|(name, _)| name) {
        remove_empty(storage, repository, &collected.rows)?;
    }
    for repository in repositories(&collected.rows) {
        remove_empty(storage, repository, &collected.rows)?;
    }
    if rules.quarantine.is_zero() {
        for kept in storage.kept(Area::Gc)? {
            storage.forget(&kept)?;
        }
        Shelf::expire(storage, world.started, rules.quarantine)?;
    }
    // What was found damaged while things were taken out.
    collected.damaged.append(&mut world.damaged);
    collected.skipped.append(&mut world.skipped);
    Ok(collected)
}

/// Takes a row into the report.
fn note(collected: &mut Collected, rules: &CollectRules, row: CollectedRow) {
    match row.item {
        Item::Quarantined { .. } => collected.freed_bytes += row.bytes,
        Item::Content { .. } if rules.quarantine.is_zero() => collected.freed_bytes += row.bytes,
        Item::Content { .. } => collected.quarantined_bytes += row.bytes,
        _ => {}
    }
    collected.rows.push(row);
}

/// Takes a batch out; what is wanted by now stays.
fn take_out(
    world: &mut World<'_>,
    shelf: &Shelf,
    batch: Vec<Planned>,
    rules: &CollectRules,
    collected: &mut Collected,
    changed: &mut BTreeSet<Place>,
) -> Result<(), StorageError> {
    let storage = world.storage;
    // Directories are made before anybody has to wait for it.
    for place in batch.iter().flat_map(places) {
        storage.files().make_parent(&shelf.holds(&place))?;
    }
    let alone = storage.gate().sweeping();
    world.extend(alone.take())?;
    for planned in batch {
        if !is_as_seen(world, &planned)? {
            collected.kept.tags += u64::from(matches!(planned.row.item, Item::Tag { .. }));
            collected.kept.manifests += u64::from(matches!(planned.row.item, Item::Manifest { .. }));
            if matches!(planned.row.item, Item::Content { .. }) {
                collected.kept.blobs += 1;
                collected.kept.bytes += planned.row.bytes;
            }
            continue;
        }
        if let (Item::Content { digest }, Seen::Content(stat)) = (&planned.row.item, &planned.seen) {
            if storage.put_away(&alone, Area::Gc, digest, WHY, Some(*stat))?.is_none() {
                continue;
            }
        } else {
            move_records(storage, &alone, shelf, &planned, changed)?;
        }
        note(collected, rules, planned.row);
    }
    Ok(())
}

/// Moves the records of something to the shelf.
fn move_records(
    storage: &Storage,
    _alone: &Sweeping<'_>,
    shelf: &Shelf,
    planned: &Planned,
    changed: &mut BTreeSet<Place>,
) -> Result<(), StorageError> {
    for place in places(planned) {
        let to = shelf.holds(&place);
        if storage.files().stat(&place)?.is_some() {
            storage.files().rename(&place, &to)?;
            changed.extend(place.parent());
            changed.extend(to.parent());
        }
    }
    if let Item::Tag { repository, tag, .. } = &planned.row.item {
        storage.index().remove(repository, tag);
    }
    Ok(())
}

/// The records of something, in the order in which they go.
fn places(planned: &Planned) -> Vec<Place> {
    match (&planned.row.item, &planned.seen) {
        (Item::Tag { repository, tag, .. }, _) => vec![Place::tag(repository, tag)],
        (Item::Manifest { repository, digest }, Seen::Manifest { subjects, .. }) => {
            let entries = subjects.iter().map(|subject| Place::referrer(repository, subject, digest));
            entries.chain([Place::manifest(repository, digest)]).collect()
        }
        (Item::Referrer { repository, subject, digest }, _) => {
            vec![Place::referrer(repository, subject, digest)]
        }
        (Item::Link { repository, digest }, _) => vec![Place::link(repository, digest)],
        _ => Vec::new(),
    }
}

/// Whether something is still as it was when it was looked at, and not needed by now.
fn is_as_seen(world: &World<'_>, planned: &Planned) -> Result<bool, StorageError> {
    let storage = world.storage;
    let modified =
        |place: &Place| Ok::<_, StorageError>(storage.files().stat(place)?.map(|stat| stat.modified));
    Ok(match (&planned.row.item, &planned.seen) {
        (Item::Tag { repository, tag, .. }, Seen::Tag(record)) => {
            let place = Place::tag(repository, tag);
            let state = world.repositories.get(repository).and_then(|all| all.tags.get(tag));
            // One that accompanies what is wanted by now is needed again.
            state.is_some_and(|state| !state.live)
                && storage.record::<TagRecord>(&place)?.whole(&place)?.as_ref() == Some(record)
        }
        (Item::Manifest { repository, digest }, Seen::Manifest { modified: seen, .. }) => {
            let state = world.repositories.get(repository).and_then(|all| all.manifests.get(digest));
            state.is_some_and(|state| !state.live)
                && modified(&Place::manifest(repository, digest))? == Some(*seen)
                && storage.index().pointing_at(repository, digest).is_empty()
        }
        (Item::Referrer { repository, subject, digest }, _) => {
            storage.files().stat(&Place::manifest(repository, digest))?.is_none()
                && storage.files().stat(&Place::referrer(repository, subject, digest))?.is_some()
        }
        (Item::Link { repository, digest }, Seen::Link(seen)) => {
            let link = world.repositories.get(repository).and_then(|all| all.links.get(digest));
            link.is_some_and(|link| !link.live) && modified(&Place::link(repository, digest))? == Some(*seen)
        }
        (Item::Content { digest }, Seen::Content(_)) => {
            !world.content.contains(digest) && !is_linked(world, digest)?
        }
        _ => false,
    })
}

/// Whether any repository has the content, whatever the marks say.
fn is_linked(world: &World<'_>, digest: &Digest) -> Result<bool, StorageError> {
    for name in world.repositories.keys() {
        for place in [Place::link(name, digest), Place::manifest(name, digest)] {
            if world.storage.files().stat(&place)?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Removes directories of a repository that nothing is in any more, and in the end the repository.
fn remove_empty(
    storage: &Storage,
    repository: &RepositoryName,
    rows: &[CollectedRow],
) -> Result<(), StorageError> {
    let mut directories = Vec::new();
    for row in rows.iter().filter(|row| row.item.repository() == Some(repository)) {
        if let Item::Referrer { subject, .. } = &row.item {
            directories.push(Place::referrers(repository, subject));
        }
    }
    // Whose entries went with their manifests is not in the rows.
    for entry in storage.files().list(&Place::all_referrers(repository))? {
        directories.extend(Place::all_referrers(repository).child(&entry.name));
    }
    directories.push(Place::all_referrers(repository));
    for algorithm in ALGORITHMS {
        directories.extend([Place::links(repository, algorithm), Place::manifests(repository, algorithm)]);
    }
    directories.extend(Place::links(repository, ALGORITHMS[0]).parent());
    directories.extend(Place::manifests(repository, ALGORITHMS[0]).parent());
    directories.push(Place::tags(repository));
    let _alone = storage.gate().sweeping();
    for directory in directories {
        storage.files().remove_dir(&directory)?;
    }
    let mut directory = Place::repository(repository);
    while directory != Place::repositories() && storage.files().remove_dir(&directory)? {
        let Some(parent) = directory.parent() else { break };
        directory = parent;
    }
    Ok(())
}
