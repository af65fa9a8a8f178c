// SPDX-License-Identifier: AGPL-3.0-or-later
//! A remote that is a directory of this machine.
//!
//! Not libgit2's local transport, for three reasons: that one copies every branch of the remote at
//! each fetch whatever was asked for, so that a mirror grows without bound; it writes a pushed
//! reference without comparing it under the lock, so that of two writers one is lost; and it hides
//! why a repository could not be opened.
//!
//! Guarantees: only the wanted branch's objects are copied; a pushed branch moves by
//! compare-and-swap under its lock file, after its pack is on disk.
//! Caveats: hooks of the remote do not run, as with any direct write. Packs pushed here are left to
//! the `git gc --auto` of whoever serves the repository.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, PackBuilder, Repository, RepositoryOpenFlags, Sort, Tree};

use super::{GitRemote, PushOutcome, RefUpdate, RemoteTip, UpdateKind, head_ref};
use crate::error::{MAX_BRANCHES_NAMED, plain};
use crate::open::{open_error, open_mirror};
use crate::{Cause, CommitId, GitError, RemoteUrl, pack};

/// So many commits a push brings at most without a walk over the history.
const FEW_COMMITS: usize = 16;

pub(super) struct LocalRemote {
    url: RemoteUrl,
    path: PathBuf,
}

impl LocalRemote {
    pub(super) fn new(url: RemoteUrl, path: PathBuf) -> Self {
        Self { url, path }
    }

    fn open(&self) -> Result<Repository, GitError> {
        // No search upwards: the address names the repository itself.
        Repository::open_ext(&self.path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>()).map_err(
            |error| match error.code() {
                ErrorCode::NotFound => {
                    GitError::NotFound { url: self.url.clone(), source: Cause::of(&error) }
                }
                _ => open_error(&error, &self.path),
            },
        )
    }

    fn failed(&self, action: &'static str) -> impl Fn(git2::Error) -> GitError + '_ {
        move |error| GitError::Remote { action, url: self.url.clone(), source: Cause::of(&error) }
    }

    fn missing(&self, theirs: &Repository, branch: &str) -> Result<GitError, git2::Error> {
        let mut existing = BTreeSet::new();
        for name in theirs.references_glob("refs/heads/*")?.names() {
            if let Ok(Some(branch)) = name.map(|name| name.strip_prefix("refs/heads/")) {
                existing.insert(branch.to_owned());
            }
        }
        Ok(if existing.is_empty() {
            GitError::EmptyRepository { repository: self.url.to_string() }
        } else {
            GitError::BranchMissing {
                repository: self.url.to_string(),
                branch: branch.to_owned(),
                existing: existing.into_iter().take(MAX_BRANCHES_NAMED).collect(),
            }
        })
    }
}

impl GitRemote for LocalRemote {
    fn fetch(&self, into: &Path, branch: Option<&str>, beside: &str) -> Result<RemoteTip, GitError> {
        let theirs = self.open()?;
        let failed = self.failed("fetch from");
        let branch = match branch {
            Some(branch) => branch.to_owned(),
            None => default_branch(&theirs).unwrap_or_else(|| "main".to_owned()),
        };
        let name = head_ref(&branch)?;
        let tip = match theirs.find_reference(&name) {
            Ok(reference) => reference.peel_to_commit().map_err(&failed)?.id(),
            Err(error) if error.code() == ErrorCode::NotFound => {
                return Err(self.missing(&theirs, &branch).map_err(&failed)?);
            }
            Err(error) => return Err(failed(error)),
        };
        let beside = tip_of(&theirs, &head_ref(beside)?).map_err(&failed)?;
        let ours = open_mirror(into)?;
        if !ours.odb().map_err(&failed)?.exists(tip) {
            copy(&theirs, &ours, tip).map_err(&failed)?;
        }
        Ok(RemoteTip { branch, commit: CommitId::of(tip), beside: beside.map(CommitId::of) })
    }

    fn push(&self, from: &Path, update: &RefUpdate) -> Result<PushOutcome, GitError> {
        let name = head_ref(&update.branch)?;
        let theirs = self.open()?;
        let failed = self.failed("push to");
        if !theirs.is_bare() && head_name(&theirs).as_deref() == Some(&name) {
            return Ok(PushOutcome::Rejected { reason: "the branch is checked out there".to_owned() });
        }
        let ours = open_mirror(from)?;
        let new = update.new.to_oid();
        let expected = update.expected.map(CommitId::to_oid);
        // Before any work: most races are lost here already.
        let present = tip_of(&theirs, &name).map_err(&failed)?;
        if present != expected {
            return Ok(moved());
        }
        if update.kind == UpdateKind::FastForward
            && let Some(old) = expected
            && new != old
            && !ours.graph_descendant_of(new, old).map_err(&failed)?
        {
            return Ok(PushOutcome::Rejected { reason: "non-fast-forward".to_owned() });
        }
        send(&ours, &theirs, new, expected).map_err(|error| match error {
            SendError::Read(error) => failed(error),
            SendError::Write(error) => error,
        })?;
        // An expected name of zero means "must not exist", compared under the lock.
        let swap = theirs.reference_matching(&name, new, true, expected.unwrap_or(Oid::ZERO_SHA1), "push");
        match swap {
            Ok(_) => Ok(PushOutcome::Accepted),
            Err(error) => match error.code() {
                ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists => Ok(moved()),
                ErrorCode::Locked => Ok(PushOutcome::Rejected { reason: plain(error.message()) }),
                _ => Err(failed(error)),
            },
        }
    }
}

/// Where a branch stands, if it is there.
fn tip_of(repository: &Repository, name: &str) -> Result<Option<Oid>, git2::Error> {
    match repository.refname_to_id(name) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn moved() -> PushOutcome {
    PushOutcome::Rejected { reason: "the branch has moved".to_owned() }
}

fn head_name(repository: &Repository) -> Option<String> {
    let head = repository.find_reference("HEAD").ok()?;
    Some(head.symbolic_target().ok()??.to_owned())
}

fn default_branch(repository: &Repository) -> Option<String> {
    Some(head_name(repository)?.strip_prefix("refs/heads/")?.to_owned())
}

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

fn copy(theirs: &Repository, ours: &Repository, tip: Oid) -> Result<(), git2::Error> {
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
enum SendError {
    Read(git2::Error),
    Write(GitError),
}

impl From<git2::Error> for SendError {
    fn from(error: git2::Error) -> Self {
        Self::Read(error)
    }
}

fn send(ours: &Repository, theirs: &Repository, tip: Oid, present: Option<Oid>) -> Result<(), SendError> {
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
    for _ in 0..FEW_COMMITS {
        if commit.id() == present {
            return Ok(Some(pack));
        }
        if commit.parent_count() != 1 {
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

#[cfg(test)]
mod tests {
    use git2::Signature;

    use super::*;

    /// Two bare repositories, of which one is the other's remote.
    struct Pair {
        dir: tempfile::TempDir,
        ours: Repository,
        theirs: Repository,
        /// Where their branch stands.
        present: Option<Oid>,
    }

    impl Pair {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let [ours, theirs] = ["ours", "theirs"].map(|name| Repository::init_bare(dir.path().join(name)));
            Self { ours: ours.unwrap(), theirs: theirs.unwrap(), present: None, dir }
        }

        fn commit(&self, tree: Oid, parents: &[Oid]) -> Oid {
            let parents: Vec<_> = parents.iter().map(|id| self.ours.find_commit(*id).unwrap()).collect();
            let who = Signature::new("a", "b@c", &git2::Time::new(1, 0)).unwrap();
            let tree = self.ours.find_tree(tree).unwrap();
            self.ours.commit(None, &who, &who, "m", &tree, &parents.iter().collect::<Vec<_>>()).unwrap()
        }

        /// A directory of files and directories: `name` is a file with its name in it, unless it ends with `/`.
        fn tree(&self, base: Option<Oid>, entries: &[(&str, Option<Oid>)]) -> Oid {
            let base = base.map(|id| self.ours.find_tree(id).unwrap());
            let mut builder = self.ours.treebuilder(base.as_ref()).unwrap();
            for (name, directory) in entries {
                let (id, mode) = match directory {
                    Some(id) => (*id, 0o040_000),
                    None => (self.ours.blob(name.as_bytes()).unwrap(), 0o100_644),
                };
                builder.insert(name, id, mode).unwrap();
            }
            builder.write().unwrap()
        }

        /// Pushes, and answers how many objects came.
        fn push(&mut self, new: Oid) -> usize {
            let path = self.dir.path().join("theirs");
            let remote = LocalRemote::new(RemoteUrl::local(&path), path);
            let (kind, expected) = (UpdateKind::FastForward, self.present.map(CommitId::of));
            let update = RefUpdate { branch: "status".to_owned(), new: CommitId::of(new), expected, kind };
            let before = self.objects();
            let pushed = remote.push(self.ours.path(), &update).unwrap();
            assert!(matches!(pushed, PushOutcome::Accepted), "{pushed:?}");
            self.present = Some(new);
            self.theirs.odb().unwrap().refresh().unwrap();
            self.all_there(new);
            self.objects() - before
        }

        fn objects(&self) -> usize {
            let mut all = BTreeSet::new();
            let odb = self.theirs.odb().unwrap();
            odb.refresh().unwrap();
            odb.foreach(|id| {
                all.insert(*id);
                true
            })
            .unwrap();
            all.len()
        }

        /// Whatever the commit leads to can be read there.
        fn all_there(&self, commit: Oid) {
            let mut walk = self.theirs.revwalk().unwrap();
            walk.push(commit).unwrap();
            for id in walk {
                let tree = self.theirs.find_commit(id.unwrap()).unwrap().tree().unwrap();
                tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
                    assert!(entry.to_object(&self.theirs).is_ok(), "{:?} is missing", entry.name());
                    git2::TreeWalkResult::Ok
                })
                .unwrap();
            }
        }
    }

    #[test]
    fn a_push_brings_what_is_new_of_each_commit_and_nothing_that_is_there() {
        let mut pair = Pair::new();
        let rack = pair.tree(None, &[("a", None), ("b", None)]);
        let other = pair.tree(None, &[("c", None)]);
        let root = pair.tree(None, &[("rack", Some(rack)), ("other", Some(other)), ("summary", None)]);
        let first = pair.commit(root, &[]);
        assert_eq!(pair.push(first), 8);
        // Two commits at once: a file more, and then a file where a directory was and the other way round.
        let rack = pair.tree(Some(rack), &[("d", None)]);
        let root = pair.tree(Some(root), &[("rack", Some(rack))]);
        let second = pair.commit(root, &[first]);
        let deep = pair.tree(None, &[("e", None)]);
        let root = pair.tree(Some(root), &[("other", None), ("summary", Some(deep))]);
        let third = pair.commit(root, &[second]);
        // Commit, root, rack, d; commit, root, deep, e, the file called other.
        assert_eq!(pair.push(third), 4 + 5);
    }

    #[test]
    fn a_push_that_a_walk_over_the_history_is_needed_for_brings_everything() {
        let mut pair = Pair::new();
        let tree = |pair: &Pair, name: &str| pair.tree(None, &[(name, None)]);
        let first = pair.commit(tree(&pair, "a"), &[]);
        pair.push(first);
        let (left, right) =
            (pair.commit(tree(&pair, "b"), &[first]), pair.commit(tree(&pair, "c"), &[first]));
        let merged = pair.commit(tree(&pair, "d"), &[left, right]);
        assert_eq!(pair.push(merged), 9);
        let mut tip = merged;
        for index in 0..FEW_COMMITS + 4 {
            tip = pair.commit(tree(&pair, &index.to_string()), &[tip]);
        }
        assert_eq!(pair.push(tip), 3 * (FEW_COMMITS + 4));
    }

    #[test]
    fn a_push_of_what_another_branch_has_brings_nothing() {
        let mut pair = Pair::new();
        let first = pair.commit(pair.tree(None, &[("a", None)]), &[]);
        pair.push(first);
        pair.theirs.reference("refs/heads/other", first, true, "").unwrap();
        pair.theirs.find_reference("refs/heads/status").unwrap().delete().unwrap();
        pair.present = None;
        assert_eq!(pair.push(first), 0);
    }
}
