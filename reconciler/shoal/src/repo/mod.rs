// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where an inventory is: a clone, an address, or a plain directory; and what is read there.

mod access;
mod observed;
mod planning;

pub(crate) use access::GitAccess;
pub(crate) use observed::{StatusArgs, StatusDirArgs, StatusFrom};
pub(crate) use planning::{Fleet, Planned, plan_at};

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use shoal_controller::commit_source::{CommitSource, INVENTORY_PATHS};
use shoal_git::{CloneView, CommitId, GitError, Reader, RemoteSpec, RemoteUrl, TempMirror};
use shoal_inventory::{Checks, DirectorySource, FileEntry, FileSource as _, Loaded, Loader};

use crate::error::CliError;
use crate::host::{Context, ScratchDir};

/// Where an inventory is.
pub(crate) enum Repository {
    /// A clone on this machine, with a work tree or bare.
    Clone(CloneView),
    /// A copy of a remote for the length of this command.
    Remote(Box<Remote>),
    /// A directory that is no repository.
    Directory(PathBuf),
}

/// A copy of a remote.
pub(crate) struct Remote {
    copy: TempMirror,
    /// Dropped last.
    _scratch: ScratchDir,
}

impl Repository {
    /// Opens what a person named: a directory, or the address of a repository.
    pub(crate) fn open(context: &Context, target: &str, access: &GitAccess) -> Result<Self, CliError> {
        if is_address(target) {
            return Self::fetch(context, target, access);
        }
        Self::local(Path::new(target))
    }

    /// Opens a directory: the repository that it is in, or the directory itself.
    pub(crate) fn local(dir: &Path) -> Result<Self, CliError> {
        if !dir.is_dir() {
            return Err(CliError::user("repo.missing", format!("{} is not a directory", dir.display()))
                .hint("name the directory of an inventory, or the address of its repository"));
        }
        match CloneView::discover(dir) {
            Ok(clone) if is_part_of(dir, &clone) => Ok(Self::Clone(clone)),
            // An inventory of its own inside of another repository: an example, a test.
            Ok(_) | Err(GitError::NotARepository { .. }) => Ok(Self::Directory(dir.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    fn fetch(context: &Context, address: &str, access: &GitAccess) -> Result<Self, CliError> {
        let url = RemoteUrl::parse(address).map_err(GitError::from)?;
        let _progress = context.progress(format!("fetching {url}"));
        let credentials = access.credential(context, address)?;
        let scratch = context.interrupts().scratch(&context.temp_dir())?;
        let spec = RemoteSpec { credentials: std::sync::Arc::new(credentials), ..RemoteSpec::new(url) };
        let copy = TempMirror::fetch(scratch.path(), spec)?;
        Ok(Self::Remote(Box::new(Remote { copy, _scratch: scratch })))
    }

    /// The commit that a revision names; without one, where the repository stands. Nothing where
    /// there are no commits because it is a plain directory.
    pub(crate) fn commit(&self, rev: Option<&str>) -> Result<Option<CommitId>, CliError> {
        match (self, rev) {
            (Self::Directory(dir), Some(rev)) => Err(CliError::user(
                "repo.no-git",
                format!("{} is no git repository, so there is no revision {rev}", dir.display()),
            )
            .hint("leave the revision out to read the directory as it is")),
            (Self::Directory(_), None) => Ok(None),
            (Self::Clone(clone), None) => Ok(Some(clone.head()?)),
            (Self::Clone(clone), Some(rev)) => Ok(Some(clone.reader()?.resolve(rev)?)),
            (Self::Remote(remote), None) => match remote.copy.mirror().watched()? {
                Some((_, tip)) => Ok(Some(tip)),
                None => Err(CliError::internal("git.no-tip", "the copy of the repository has no branch")),
            },
            (Self::Remote(remote), Some(rev)) => {
                let mirror = remote.copy.mirror();
                match mirror.reader()?.resolve(rev) {
                    // Another branch than the usual one was not fetched yet.
                    Err(GitError::UnknownRevision { .. }) => {
                        let branch = rev.strip_prefix("origin/").unwrap_or(rev);
                        mirror.fetch_branch(branch)?;
                        Ok(Some(mirror.reader()?.resolve(rev)?))
                    }
                    other => Ok(Some(other?)),
                }
            }
        }
    }

    /// Reads the inventory at a commit, or the directory as it is.
    pub(crate) fn load(&self, context: &Context, commit: Option<CommitId>) -> Result<Loaded, CliError> {
        let _progress = context.progress("reading the inventory");
        let checks = Checks { watched_branch: self.watched_branch(), now: Some(context.now()) };
        match (self.reader()?, commit) {
            (Some(reader), Some(commit)) => Ok(loader().load(&CommitSource::at(reader, commit)?, &checks)?),
            _ => load_directory(&self.root(), &checks),
        }
    }

    /// Reads the files as they lie in the directory or work tree.
    pub(crate) fn load_files(&self, context: &Context) -> Result<Loaded, CliError> {
        let _progress = context.progress("reading the inventory");
        load_directory(&self.root(), &Checks { watched_branch: None, now: Some(context.now()) })
    }

    /// Whether the work tree's inventory differs from a commit's.
    pub(crate) fn differs_from(&self, commit: CommitId) -> Result<bool, CliError> {
        let Self::Clone(clone) = self else { return Ok(false) };
        if clone.is_bare() {
            return Ok(false);
        }
        let listed = DirectorySource::new(clone.root()).list()?;
        let source = CommitSource::at(clone.reader()?, commit)?;
        let mut committed = source.list()?;
        committed.retain(|entry| is_inventory_path(&entry.path));
        let present: BTreeMap<&str, &FileEntry> = listed
            .iter()
            .filter(|entry| is_inventory_path(&entry.path))
            .map(|entry| (&*entry.path, entry))
            .collect();
        if present.len() != committed.len() {
            return Ok(true);
        }
        let files = DirectorySource::new(clone.root());
        for entry in &committed {
            let Some(now) = present.get(&*entry.path) else { return Ok(true) };
            if now.refused != entry.refused {
                return Ok(true);
            }
            if entry.refused.is_none()
                && (now.size != entry.size || files.read(now)? != source.read(entry)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A reader of its objects; nothing where it is a plain directory.
    pub(crate) fn reader(&self) -> Result<Option<Reader>, CliError> {
        Ok(match self {
            Self::Clone(clone) => Some(clone.reader()?),
            Self::Remote(remote) => Some(remote.copy.mirror().reader()?),
            Self::Directory(_) => None,
        })
    }

    /// The clone, for those who write.
    pub(crate) fn clone_view(&self) -> Option<&CloneView> {
        match self {
            Self::Clone(clone) => Some(clone),
            Self::Remote(_) | Self::Directory(_) => None,
        }
    }

    /// The directory with the files.
    pub(crate) fn root(&self) -> PathBuf {
        match self {
            Self::Clone(clone) => clone.root().to_owned(),
            Self::Remote(_) => PathBuf::new(),
            Self::Directory(dir) => dir.clone(),
        }
    }

    fn watched_branch(&self) -> Option<String> {
        match self {
            Self::Clone(clone) => clone.branch().ok().flatten(),
            Self::Remote(remote) => remote.copy.mirror().watched().ok().flatten().map(|(branch, _)| branch),
            Self::Directory(_) => None,
        }
    }
}

fn loader() -> Loader {
    Loader::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

fn load_directory(dir: &Path, checks: &Checks) -> Result<Loaded, CliError> {
    let mut loader = loader();
    let loaded = loader.load(&DirectorySource::new(dir), checks)?;
    // What it remembers is for the next load, and there is none. Nobody waits until that of 10,000 files is freed.
    drop(std::thread::Builder::new().spawn(move || drop(loader)));
    Ok(loaded)
}

/// Whether a directory is to be read through the repository that it is in. A directory with a Fleet
/// of its own, below the top of the repository, is an inventory by itself.
fn is_part_of(dir: &Path, clone: &CloneView) -> bool {
    let top = match (dir.canonicalize(), clone.root().canonicalize()) {
        (Ok(dir), Ok(root)) => dir == root,
        _ => false,
    };
    top || !dir.join("shoal.yaml").is_file()
}

/// Whether a path is one that is read, in a commit as in a work tree: hidden files are not.
fn is_inventory_path(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    !hidden
        && INVENTORY_PATHS.iter().any(|root| path == *root || (root.ends_with('/') && path.starts_with(root)))
}

/// Whether a text is an address and not a path, as git tells them apart.
fn is_address(target: &str) -> bool {
    if target.contains("://") {
        return true;
    }
    match target.split_once(':') {
        Some((host, _)) => !host.contains('/') && !Path::new(target).exists(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_told_apart_as_git_does() {
        for address in ["https://git.example/a", "file:///srv/a", "git@git.example:a.git"] {
            assert!(is_address(address), "{address}");
        }
        for path in [".", "inventory", "./a:b", "/srv/a:b"] {
            assert!(!is_address(path), "{path}");
        }
    }
}
