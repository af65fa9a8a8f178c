// SPDX-License-Identifier: AGPL-3.0-or-later
//! Objects from one repository of this machine to another: all that a commit leads to and that is not there.

use std::io::Write as _;

use git2::{ObjectType, Oid, PackBuilder, Repository, Sort, Tree};

use crate::{GitError, pack};

/// So many commits a push brings at most without a walk over the history.
pub(super) const FEW_COMMITS: usize = 16;

/// What `from` has and `to` lacks of a commit's history, as a pack builder over `from`.
fn missing_objects<'a>(
    from: &'a Repository,
    to: &Repository,
    tip: Oid,
) -> Result<PackBuilder<'a>, git2::Error> {
    let mut walk = from.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    walk.push(tip)?;
    let known = from.odb()?;
    for reference in to.references()? {
        // A reference whose object the other side lacks says nothing about what it has.
        if let Some(id) = reference?.target()
            && known.exists(id)
            && from.find_commit(id).is_ok()
        {
            walk.hide(id)?;
        }
    }
    let mut pack = from.packbuilder()?;
    pack.set_threads(0);
    pack.insert_walk(&mut walk)?;
    Ok(pack)
}

/// Brings what a commit leads to and `ours` lacks.
pub(super) fn copy(theirs: &Repository, ours: &Repository, tip: Oid) -> Result<(), git2::Error> {
    let mut pack = missing_objects(theirs, ours, tip)?;
    let odb = ours.odb()?;
    let mut writer = odb.packwriter()?;
    let mut broken = None;
    let streamed = pack.foreach(|chunk| match writer.write_all(chunk) {
        Ok(()) => true,
        Err(error) => {
            broken = Some(error.to_string());
            false
        }
    });
    if let Some(text) = broken {
        return Err(git2::Error::from_str(&text));
    }
    streamed?;
    writer.commit()?;
    Ok(())
}

/// Why objects did not get there.
pub(super) enum SendError {
    /// They could not be read here.
    Read(git2::Error),
    /// They could not be written there.
    Write(GitError),
}

impl From<git2::Error> for SendError {
    fn from(error: git2::Error) -> Self {
        Self::Read(error)
    }
}

/// Brings what a commit leads to and `theirs` lacks, whose branch stands at `present`.
pub(super) fn send(
    ours: &Repository,
    theirs: &Repository,
    tip: Oid,
    present: Option<Oid>,
) -> Result<(), SendError> {
    let mut pack = match present {
        Some(present) => added(ours, tip, present)?,
        None => None,
    };
    let pack = match &mut pack {
        Some(pack) => pack,
        None => &mut missing_objects(ours, theirs, tip)?,
    };
    // Nothing where the branch goes to what another branch has.
    if pack.object_count() > 0 {
        // The branch must not point at objects that a power cut takes away again.
        pack::write(pack, &pack::directory(theirs.commondir())).map_err(SendError::Write)?;
    }
    Ok(())
}

/// What a few commits on top of another one bring that it has not in the same place. `None`: they are not a few, or not
/// on top of it.
///
/// A walk over the history would ask every pack for every commit and read every directory of the fleet, for a status
/// commit of a few files.
fn added(ours: &Repository, tip: Oid, present: Oid) -> Result<Option<PackBuilder<'_>>, git2::Error> {
    let mut pack = ours.packbuilder()?;
    let mut commit = ours.find_commit(tip)?;
    for count in 0.. {
        if commit.id() == present {
            return Ok(Some(pack));
        }
        if count == FEW_COMMITS || commit.parent_count() != 1 {
            return Ok(None);
        }
        let parent = commit.parent(0)?;
        pack.insert_object(commit.id(), None)?;
        insert_added(ours, &mut pack, &commit.tree()?, Some(&parent.tree()?))?;
        commit = parent;
    }
    Ok(None)
}

fn insert_added(
    ours: &Repository,
    pack: &mut PackBuilder<'_>,
    tree: &Tree<'_>,
    before: Option<&Tree<'_>>,
) -> Result<(), git2::Error> {
    if before.is_some_and(|before| before.id() == tree.id()) {
        return Ok(());
    }
    pack.insert_object(tree.id(), None)?;
    for entry in tree {
        let before = before.and_then(|before| before.get_name_bytes(entry.name_bytes()));
        if before.as_ref().is_some_and(|before| before.id() == entry.id()) {
            continue;
        }
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let before = before.filter(|before| before.kind() == Some(ObjectType::Tree));
                let before = before.map(|before| ours.find_tree(before.id())).transpose()?;
                insert_added(ours, pack, &ours.find_tree(entry.id())?, before.as_ref())?;
            }
            // A submodule's commit is not in this repository.
            Some(ObjectType::Commit) => {}
            _ => pack.insert_object(entry.id(), None)?,
        }
    }
    Ok(())
}
