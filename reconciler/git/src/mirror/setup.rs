// SPDX-License-Identifier: AGPL-3.0-or-later
//! Making a directory a mirror, once.

use std::fs;
use std::path::Path;

use git2::{ErrorCode, Repository, RepositoryInitOptions};

use super::maintain;
use super::shared::{DEFAULT_BRANCH, Shared};
use crate::GitError;

/// Marks a directory as ours, in the repository's own configuration.
const MARK: &str = "shoal.mirrorof";

/// Makes the directory a mirror of the address.
pub(super) fn prepare(shared: &Shared) -> Result<(), GitError> {
    let dir = &shared.dir;
    let is_new = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(GitError::io("read directory", dir)(error)),
    };
    let repository = if is_new {
        init(dir)?
    } else {
        shared.open().map_err(|error| {
            // A foreign directory is named as such; only what looks like a repository is damaged.
            if matches!(error, GitError::MirrorDamaged { .. }) && !dir.join("objects").is_dir() {
                GitError::NotAMirror { path: dir.clone() }
            } else {
                error
            }
        })?
    };
    let mut config = repository.config().map_err(GitError::local("read configuration of", shared.shown()))?;
    let url = shared.url.to_string();
    match config.get_string(MARK) {
        Ok(same) if same == url => return maintain::clean(dir),
        Ok(_) => {
            maintain::clean(dir)?;
            clear(&repository).map_err(GitError::local("clear branches of", shared.shown()))?;
        }
        Err(_) if is_new => {}
        // Made and not marked: nothing in it yet.
        Err(_) if repository.is_bare() && repository.is_empty().unwrap_or(false) => maintain::clean(dir)?,
        Err(_) => return Err(GitError::NotAMirror { path: dir.clone() }),
    }
    config.set_str(MARK, &url).map_err(GitError::local("configure", shared.shown()))
}

/// Makes a mirror beside its place and gives it its name when it is whole: half a repository would be one that
/// somebody else made.
fn init(dir: &Path) -> Result<Repository, GitError> {
    let failed = |error: git2::Error| GitError::local("make mirror", dir.display().to_string())(error);
    let mut name = dir.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    match fs::remove_dir_all(new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(GitError::io("remove", new)(error));
        }
        Err(_) | Ok(()) => {}
    }
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).external_template(false).initial_head("main");
    let repository = Repository::init_opts(new, &options).map_err(failed)?;
    repository
        .config()
        .and_then(|mut config| {
            // Else a mirror that lost its last pack in a power cut would have to be removed by hand.
            config.set_bool("core.fsyncObjectFiles", true)?;
            // Else a forge that redirects elsewhere would have our credentials sent there too.
            // Redirects on the same host are still followed.
            config.set_bool("http.followRedirects", false)
        })
        .map_err(failed)?;
    drop(repository);
    fs::rename(new, dir).map_err(GitError::io("name mirror", dir))?;
    Repository::open_bare(dir).map_err(failed)
}

/// Takes the branches of another remote away.
fn clear(repository: &Repository) -> Result<(), git2::Error> {
    let names: Vec<String> =
        repository.references()?.names().filter_map(|name| name.ok().map(str::to_owned)).collect();
    for name in names {
        repository.find_reference(&name)?.delete()?;
    }
    let mut config = repository.config()?;
    match config.remove(DEFAULT_BRANCH) {
        Err(error) if error.code() != ErrorCode::NotFound => Err(error),
        _ => Ok(()),
    }
}
