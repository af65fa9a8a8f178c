// SPDX-License-Identifier: AGPL-3.0-or-later
//! A Git remote in memory, and the mirror that a controller has of it.
//!
//! Guarantees, as of the real ones: a push to the status branch succeeds only from the tip that it was built on;
//! who finds another tip is asked again; what was fetched stays readable when the remote is gone.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shoal_controller::outside::{Judge, Repository, StatusBranch, StatusFiles, StatusNow};
use shoal_git::{Cause, CommitId, Fetched, GitError, PublishOutcome, RemoteUrl, StatusCommit, StatusError};
use shoal_inventory::{ContentId, FileEntry, FileSource, SourceError};
use shoal_schema::Sha256;
use shoal_schema::status::{SUMMARY_PATH, ServerStatus, StatusSummary};

use crate::world::World;

/// Content and its name.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    id: String,
    bytes: Arc<[u8]>,
}

/// Files by path.
pub(crate) type Tree = BTreeMap<String, Blob>;

/// A commit.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The one before.
    pub parent: Option<CommitId>,
    /// Its files.
    pub tree: Arc<Tree>,
}

/// The remote.
#[derive(Default)]
pub(crate) struct Remote {
    commits: BTreeMap<CommitId, Commit>,
    /// Tip of the watched branch.
    pub main: Option<CommitId>,
    /// Tip of the status branch.
    pub status: Option<CommitId>,
    /// Somebody put the status branch back, and nothing was published on it since.
    pub status_put_back: bool,
    /// Cannot be reached.
    pub down: bool,
    /// The watched branch cannot be fetched: its account may no longer read it, or somebody renamed it.
    pub hidden: bool,
    /// The next push arrives, but its answer does not.
    pub lose_next_answer: bool,
    /// The tip of the watched branch that each side fetched last.
    pub fetched: [Option<CommitId>; 2],
    made: u64,
}

/// A file.
pub(crate) fn blob(bytes: Vec<u8>) -> Blob {
    let mut hasher = std::hash::DefaultHasher::new();
    bytes.hash(&mut hasher);
    Blob { id: format!("{:016x}{:08x}", hasher.finish(), bytes.len()), bytes: bytes.into() }
}

impl Remote {
    /// Adds a commit; its name tells nothing but its number.
    pub(crate) fn commit(&mut self, parent: Option<CommitId>, tree: Arc<Tree>) -> CommitId {
        self.made += 1;
        let mut bytes = [0_u8; 20];
        // Spread, so that short forms differ as well.
        bytes[..8].copy_from_slice(&self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        bytes[12..].copy_from_slice(&self.made.to_be_bytes());
        let id = CommitId::from_bytes(bytes);
        self.commits.insert(id, Commit { parent, tree });
        id
    }

    /// A commit.
    pub(crate) fn get(&self, id: CommitId) -> Option<&Commit> {
        self.commits.get(&id)
    }

    /// A commit and those before it, newest first.
    pub(crate) fn history(&self, tip: CommitId) -> Vec<CommitId> {
        let mut all = Vec::new();
        let mut at = Some(tip);
        while let Some(id) = at {
            all.push(id);
            at = self.commits.get(&id).and_then(|commit| commit.parent);
        }
        all
    }

    /// Every server's status at a commit of the status branch.
    pub(crate) fn statuses(&self, id: CommitId) -> Vec<ServerStatus> {
        let files = self.commits.get(&id).into_iter().flat_map(|commit| commit.tree.iter());
        let servers = files.filter(|(path, _)| *path != SUMMARY_PATH);
        servers.filter_map(|(_, blob)| serde_json::from_slice(&blob.bytes).ok()).collect()
    }

    /// The summary at a commit of the status branch.
    pub(crate) fn summary(&self, id: CommitId) -> Option<StatusSummary> {
        let tree = &self.commits.get(&id)?.tree;
        tree.get(SUMMARY_PATH).and_then(|blob| serde_json::from_slice(&blob.bytes).ok())
    }
}

/// What a controller has of the remote.
pub(crate) struct SimMirror {
    world: Arc<World>,
    side: usize,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    main: Option<CommitId>,
    status: Option<CommitId>,
}

impl SimMirror {
    /// An empty mirror.
    pub(crate) fn new(world: Arc<World>, side: usize) -> Self {
        Self { world, side, known: Mutex::default() }
    }

    fn reach(&self) -> Result<MutexGuard<'_, Remote>, GitError> {
        let remote = lock(&self.world.remote);
        if remote.down {
            let source = Cause::new("no route to host");
            return Err(GitError::Unreachable { url: url(), source });
        }
        Ok(remote)
    }
}

/// Where the remote is said to be.
pub(crate) fn url() -> RemoteUrl {
    RemoteUrl::parse("https://git.test/fleet.git").expect("it is an address")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Repository for SimMirror {
    fn fetch(&self) -> Result<Fetched, GitError> {
        let mut remote = self.reach()?;
        let main = remote.main.filter(|_| !remote.hidden);
        let tip = main.ok_or_else(|| GitError::EmptyRepository { repository: url().to_string() })?;
        remote.fetched[self.side] = Some(tip);
        let mut known = lock(&self.known);
        let previous = known.main.replace(tip);
        let (changed, status_moved) = (previous != Some(tip), known.status != remote.status);
        Ok(Fetched { branch: "main".to_owned(), tip, previous, changed, status_moved })
    }

    fn watched_branch(&self) -> Option<String> {
        Some("main".to_owned())
    }

    fn follows(&self, tip: CommitId, old: CommitId) -> Result<bool, GitError> {
        Ok(lock(&self.world.remote).history(tip).contains(&old))
    }

    fn files(&self, commit: CommitId) -> Result<Box<dyn FileSource>, GitError> {
        let remote = lock(&self.world.remote);
        let commit =
            remote.get(commit).ok_or_else(|| GitError::EmptyRepository { repository: commit.to_string() })?;
        Ok(Box::new(Files(Arc::clone(&commit.tree))))
    }

    fn status(&self) -> Result<Option<StatusBranch>, GitError> {
        let remote = self.reach()?;
        lock(&self.known).status = remote.status;
        let Some(tip) = remote.status else { return Ok(None) };
        let Some(summary) = remote.summary(tip) else { return Ok(None) };
        let tree = &remote.commits[&tip].tree;
        let servers = tree
            .iter()
            .filter(|(path, _)| path.starts_with("servers/"))
            .filter_map(|(path, blob)| Some((path.clone(), serde_json::from_slice(&blob.bytes).ok()?)))
            .collect();
        Ok(Some(StatusBranch { summary, servers }))
    }

    fn status_if_moved(&self) -> Result<StatusNow, GitError> {
        let stands = self.reach()?.status;
        if lock(&self.known).status == stands {
            return Ok(StatusNow::AsKnown);
        }
        let now = self.status_files()?;
        Ok(now.map_or(StatusNow::Gone, |files| StatusNow::Moved(Box::new(files))))
    }

    fn status_files(&self) -> Result<Option<StatusFiles>, GitError> {
        let remote = self.reach()?;
        lock(&self.known).status = remote.status;
        let Some(tip) = remote.status else { return Ok(None) };
        let tree = &remote.commits[&tip].tree;
        let files = tree.iter().map(|(path, blob)| (path.clone(), Sha256::of(&blob.bytes))).collect();
        Ok(Some(StatusFiles { summary: remote.summary(tip), files }))
    }

    fn publish(&self, commit: &StatusCommit, judge: &mut Judge<'_>) -> Result<PublishOutcome, StatusError> {
        let mut remote = self.reach()?;
        let mut known = lock(&self.known);
        let mut files = commit.files.clone();
        if known.status != remote.status {
            let summary = remote.status.and_then(|tip| remote.summary(tip));
            files = judge(summary.as_ref())
                .map_err(|source| StatusError::Stopped { branch: "shoal/status".to_owned(), source })?;
            known.status = remote.status;
        }
        let mut tree = remote
            .status
            .and_then(|tip| remote.get(tip))
            .map(|commit| (*commit.tree).clone())
            .unwrap_or_default();
        let mut changed = 0;
        for (path, content) in files {
            if let Some(status) = content.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok()) {
                let now = self.world.elapsed();
                self.world.with(|state| state.told(&status, now));
            }
            let before = tree.get(&path).map(|blob| blob.id.clone());
            match content.map(blob) {
                Some(blob) if before.as_ref() != Some(&blob.id) => {
                    tree.insert(path, blob);
                    changed += 1;
                }
                None if before.is_some() => {
                    tree.remove(&path);
                    changed += 1;
                }
                _ => {}
            }
        }
        if changed == 0 {
            return Ok(PublishOutcome::Unchanged);
        }
        let parent = remote.status;
        let commit = remote.commit(parent, Arc::new(tree));
        remote.status = Some(commit);
        remote.status_put_back = false;
        if std::mem::take(&mut remote.lose_next_answer) {
            let source = Cause::new("connection reset by peer");
            return Err(GitError::Unreachable { url: url(), source }.into());
        }
        known.status = Some(commit);
        Ok(PublishOutcome::Pushed { commit, files: changed, attempts: 1 })
    }

    fn maintain(&self) -> Result<(), GitError> {
        Ok(())
    }
}

struct Files(Arc<Tree>);

impl FileSource for Files {
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        let entry = |(path, blob): (&String, &Blob)| FileEntry {
            path: path.as_str().into(),
            id: Some(ContentId::new(blob.id.as_bytes())),
            size: blob.bytes.len() as u64,
            refused: None,
        };
        Ok(self.0.iter().map(entry).collect())
    }

    fn read(&self, entry: &FileEntry) -> Result<Vec<u8>, SourceError> {
        let blob = self.0.get(&*entry.path).ok_or_else(|| SourceError::Failed {
            action: "read",
            subject: entry.path.to_string(),
            source: "no such file".into(),
        })?;
        Ok(blob.bytes.to_vec())
    }
}
