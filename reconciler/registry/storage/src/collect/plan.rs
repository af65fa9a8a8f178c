// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a collection will take out, in the order in which it does.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use shoal_oci::{Digest, RepositoryName};

use super::mark::World;
use super::report::{CollectedRow, Item, KeptContent, Reason};
use super::{CollectRules, is_past};
use crate::disk::Stat;
use crate::layout::{Area, Place};
use crate::quarantine::Kept;
use crate::repository::records::TagRecord;
use crate::{Storage, StorageError};

/// What will be taken out. Each phase is durable before the next begins.
#[derive(Default)]
pub(super) struct Plan {
    /// Content in quarantine that is deleted.
    pub(super) expired: Vec<(CollectedRow, Kept)>,
    /// Tags; then manifests and their entries; then links to blobs; then content.
    pub(super) phases: [Vec<Planned>; 4],
    /// What stays if all of it is taken out.
    pub(super) kept: KeptContent,
}

/// One thing to take out.
pub(super) struct Planned {
    pub(super) row: CollectedRow,
    pub(super) seen: Seen,
}

/// How it was when it was looked at: if it is another way by then it stays.
pub(super) enum Seen {
    Tag(TagRecord),
    Manifest {
        modified: Timestamp,
        /// Below which subjects it has an entry.
        subjects: Vec<Digest>,
    },
    Referrer,
    Link(Timestamp),
    Content(Stat),
}

/// Lists what is not marked.
pub(super) fn plan(world: &World<'_>, rules: &CollectRules) -> Result<Plan, StorageError> {
    let mut plan =
        Plan { expired: expired(world.storage, world.started, rules.quarantine)?, ..Plan::default() };
    for name in world.repositories.keys() {
        tags(world, rules, name, &mut plan);
        manifests(world, name, &mut plan);
        links(world, name, &mut plan);
    }
    content(world, rules, &mut plan)?;
    Ok(plan)
}

/// What was in quarantine for long enough, whether collected or damaged.
fn expired(
    storage: &Storage,
    now: Timestamp,
    quarantine: Duration,
) -> Result<Vec<(CollectedRow, Kept)>, StorageError> {
    let mut expired = Vec::new();
    for area in [Area::Gc, Area::Corrupt] {
        let kept = {
            // What is just being put away is half there.
            let _alone = storage.gate().sweeping();
            storage.kept(area)?
        };
        for kept in kept.into_iter().filter(|kept| is_past(now, kept.note.when, quarantine)) {
            let item = Item::Quarantined { digest: kept.note.digest.clone() };
            let reason = Reason::Expired { since: kept.note.when };
            expired.push((CollectedRow { item, bytes: kept.note.size, reason }, kept));
        }
    }
    Ok(expired)
}

fn tags(world: &World<'_>, rules: &CollectRules, name: &RepositoryName, plan: &mut Plan) {
    let Some(repository) = world.repositories.get(name) else { return };
    for (tag, state) in &repository.tags {
        if state.live {
            plan.kept.tags += 1;
            continue;
        }
        let reason = match rules.keep_last(name) {
            Some(keep_last) if super::retention::accompanied(tag).is_none() => Reason::Retired { keep_last },
            _ => Reason::Companion,
        };
        let digest = state.record.digest.clone();
        let item = Item::Tag { repository: name.clone(), tag: tag.clone(), digest };
        plan.phases[0].push(Planned {
            row: CollectedRow { item, bytes: 0, reason },
            seen: Seen::Tag(state.record.clone()),
        });
    }
}

fn manifests(world: &World<'_>, name: &RepositoryName, plan: &mut Plan) {
    let Some(repository) = world.repositories.get(name) else { return };
    let mut gone: Vec<_> = repository.manifests.iter().filter(|(_, state)| !state.live).collect();
    plan.kept.manifests += (repository.manifests.len() - gone.len()) as u64;
    // An index is pushed after what it lists, and goes before.
    gone.sort_by_key(|(digest, state)| (Reverse(state.used), *digest));
    for (digest, state) in gone {
        let subjects = repository.referrers.iter().filter(|(_, referrers)| referrers.contains(digest));
        let subjects = subjects.map(|(subject, _)| subject.clone()).collect();
        let item = Item::Manifest { repository: name.clone(), digest: digest.clone() };
        let reason = Reason::Unreferenced { since: state.used };
        plan.phases[1].push(Planned {
            row: CollectedRow { item, bytes: 0, reason },
            seen: Seen::Manifest { modified: state.modified, subjects },
        });
    }
    for (subject, referrers) in &repository.referrers {
        for digest in referrers.iter().filter(|digest| !repository.manifests.contains_key(*digest)) {
            let item =
                Item::Referrer { repository: name.clone(), subject: subject.clone(), digest: digest.clone() };
            let row = CollectedRow { item, bytes: 0, reason: Reason::Dangling };
            plan.phases[1].push(Planned { row, seen: Seen::Referrer });
        }
    }
}

fn links(world: &World<'_>, name: &RepositoryName, plan: &mut Plan) {
    let Some(repository) = world.repositories.get(name) else { return };
    for (digest, link) in repository.links.iter().filter(|(_, link)| !link.live) {
        let item = Item::Link { repository: name.clone(), digest: digest.clone() };
        let reason = Reason::Unreferenced { since: link.used };
        plan.phases[2]
            .push(Planned { row: CollectedRow { item, bytes: 0, reason }, seen: Seen::Link(link.used) });
    }
}

fn content(world: &World<'_>, rules: &CollectRules, plan: &mut Plan) -> Result<(), StorageError> {
    for digest in world.storage.digests(Place::blobs)? {
        let Some(stat) = world.storage.files().stat(&Place::blob(&digest))? else { continue };
        if !stat.is_file || world.content.contains(&digest) || rules.is_young(world.started, stat.modified) {
            plan.kept.blobs += 1;
            plan.kept.bytes += stat.size;
            continue;
        }
        let item = Item::Content { digest };
        let reason = Reason::Unlinked { since: stat.modified };
        plan.phases[3].push(Planned {
            row: CollectedRow { item, bytes: stat.size, reason },
            seen: Seen::Content(stat),
        });
    }
    Ok(())
}

/// The repositories that rows speak of.
pub(super) fn repositories(rows: &[CollectedRow]) -> BTreeSet<&RepositoryName> {
    rows.iter().filter_map(|row| row.item.repository()).collect()
}
