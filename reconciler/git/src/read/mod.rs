// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading a repository's objects: the same for a mirror, a clone and a temporary copy.
//!
//! Guarantees: blobs come out of the object store as they were committed: no checkout, no filter,
//! no line-end change, no hook, nothing of the repository is run. A reader stays usable while packs
//! are merged underneath it.
//! A [`Reader`] belongs to one thread at a time; opening another is cheap (well under a
//! millisecond).

mod diff;
mod entry;
mod history;
mod path;
mod revision;
mod snapshot;

pub use diff::{Change, ChangeKind};
pub use entry::{BlobEntry, Limits, Refused, Why};
pub use history::CommitInfo;
pub use path::PathFilter;
pub(crate) use path::is_safe_name;
pub use snapshot::TreeSnapshot;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, Repository};

use crate::open::open_error;
use crate::{BlobId, CommitId, GitError, TreeId};

/// Reads objects of one repository.
pub struct Reader {
    path: PathBuf,
    name: String,
    repository: RefCell<Repository>,
}

impl Reader {
    /// Opens the repository whose git directory is `path`. `name` is what errors call it.
    pub(crate) fn open(path: &Path, name: String) -> Result<Self, GitError> {
        Ok(Self { repository: RefCell::new(open(path)?), path: path.to_owned(), name })
    }

    /// A blob's bytes, if it has at most `limit` of them.
    pub fn blob(&self, id: BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        let (size, kind) = self
            .with(|repository| repository.odb()?.read_header(id.to_oid()))
            .map_err(missing("blob", id))?;
        if kind != ObjectType::Blob {
            return Err(GitError::MissingObject { kind: "blob", id: id.to_string() });
        }
        if size as u64 > limit {
            return Err(GitError::BlobTooLarge { id: id.to_string(), size: size as u64, limit });
        }
        self.bytes(id)
    }

    /// The bytes of a blob of a snapshot, whose size is known to be within the limits.
    pub fn entry(&self, entry: &BlobEntry) -> Result<Vec<u8>, GitError> {
        self.bytes(entry.id)
    }

    /// The bytes of a file at a commit, or `None` if there is no regular file of that name.
    pub fn file(&self, commit: CommitId, path: &str, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        self.blob_at(commit, path)?.map(|id| self.blob(id, limit)).transpose()
    }

    /// The name of a file's blob at a commit, or `None` if there is no regular file of that name.
    pub fn blob_at(&self, commit: CommitId, path: &str) -> Result<Option<BlobId>, GitError> {
        self.with(|repository| {
            let tree = repository.find_commit(commit.to_oid())?.tree()?;
            Ok(entry_at(&tree, path)?
                .filter(|(_, mode)| path::is_regular(*mode))
                .map(|(id, _)| BlobId::of(id)))
        })
        .map_err(missing("commit", commit))
    }

    /// The tree of a commit. Commits with equal trees have equal contents.
    pub fn tree_of(&self, commit: CommitId) -> Result<TreeId, GitError> {
        self.with(|repository| Ok(TreeId::of(repository.find_commit(commit.to_oid())?.tree_id())))
            .map_err(missing("commit", commit))
    }

    /// What errors call this repository: an address or a path, masked.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn bytes(&self, id: BlobId) -> Result<Vec<u8>, GitError> {
        self.with(|repository| Ok(repository.odb()?.read(id.to_oid())?.data().to_vec()))
            .map_err(missing("blob", id))
    }

    /// Runs a read, and once more on a fresh handle if it failed: the packs that the first handle
    /// knew may have been merged into another since.
    fn with<T>(&self, read: impl Fn(&Repository) -> Result<T, git2::Error>) -> Result<T, git2::Error> {
        let first = {
            let repository = self.repository.borrow();
            read(&repository)
        };
        if first.is_ok() {
            return first;
        }
        match Repository::open_ext(
            &self.path,
            git2::RepositoryOpenFlags::NO_SEARCH,
            std::iter::empty::<&Path>(),
        ) {
            Ok(fresh) => {
                self.repository.replace(fresh);
                read(&self.repository.borrow())
            }
            Err(_) => first,
        }
    }
}

fn open(path: &Path) -> Result<Repository, GitError> {
    Repository::open_ext(path, git2::RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>())
        .map_err(|error| open_error(&error, path))
}

/// A failed look-up of a named object, for `map_err`.
fn missing(kind: &'static str, id: impl std::fmt::Display) -> impl FnOnce(git2::Error) -> GitError {
    move |error| match error.code() {
        ErrorCode::NotFound | ErrorCode::Invalid => GitError::MissingObject { kind, id: id.to_string() },
        _ => GitError::local("read", format!("{kind} {id}"))(error),
    }
}

/// Object and mode of a path, by names as bytes: the library's own look-up goes through the
/// platform's paths.
fn entry_at(tree: &git2::Tree<'_>, path: &str) -> Result<Option<(Oid, i32)>, git2::Error> {
    match tree.get_path(Path::new(path)) {
        Ok(entry) => Ok(Some((entry.id(), entry.filemode_raw()))),
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => Ok(None),
        Err(error) => Err(error),
    }
}
