// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a push to a directory brings.

use git2::Signature;

use super::transfer::FEW_COMMITS;
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
    let (left, right) = (pair.commit(tree(&pair, "b"), &[first]), pair.commit(tree(&pair, "c"), &[first]));
    let merged = pair.commit(tree(&pair, "d"), &[left, right]);
    assert_eq!(pair.push(merged), 9);
    let mut tip = merged;
    for index in 0..FEW_COMMITS + 4 {
        tip = pair.commit(tree(&pair, &index.to_string()), &[tip]);
    }
    assert_eq!(pair.push(tip), 3 * (FEW_COMMITS + 4));
    // And as many as need no walk.
    for index in 0..FEW_COMMITS {
        tip = pair.commit(tree(&pair, &format!("more {index}")), &[tip]);
    }
    assert_eq!(pair.push(tip), 3 * FEW_COMMITS);
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
