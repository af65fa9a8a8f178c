// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is known of the fleet: from the status branch, or from files that a controller of a plain
//! directory writes.
//!
//! Guarantees: a status that cannot be read is an error and never an unknown machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use shoal_core::observed::Observed;
use shoal_git::{CommitId, Limits, PathFilter, Reader};
use shoal_inventory::{DirectorySource, FileSource as _};
use shoal_schema::status::{SUMMARY_PATH, ServerStatus, StatusSummary};

use super::{Remote, Repository};
use crate::error::CliError;
use crate::host::Context;

/// A status file holds one server; its conditions and disks stay far below this.
const MAX_STATUS_FILE: u64 = 1 << 20;

/// Where the fleet's status is, for those who need one.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StatusDirArgs {
    /// Read the fleet's status from files in DIR instead of the status branch
    #[arg(long, value_name = "DIR")]
    status_dir: Option<PathBuf>,
}

/// Where the fleet's status is, for those who may do without one.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    dir: StatusDirArgs,
    /// Plan as if no controller had ever run: nothing is known, nothing can be approved
    #[arg(long, conflicts_with = "status_dir")]
    without_status: bool,
}

/// Where the fleet's status is read.
pub(crate) enum StatusFrom {
    /// The status branch.
    Branch,
    /// Files that a controller wrote.
    Dir(PathBuf),
    /// Nowhere.
    Nothing,
}

impl StatusDirArgs {
    /// What was asked for.
    pub(crate) fn choice(&self) -> StatusFrom {
        self.status_dir.clone().map_or(StatusFrom::Branch, StatusFrom::Dir)
    }
}

impl StatusArgs {
    /// What was asked for.
    pub(crate) fn choice(&self) -> StatusFrom {
        if self.without_status { StatusFrom::Nothing } else { self.dir.choice() }
    }
}

/// What is known, and where it was read.
pub(crate) struct Known {
    pub(crate) observed: Observed,
    /// For people: `status branch at 0123456789ab`.
    pub(crate) from: String,
}

impl StatusFrom {
    /// Reads what is known of the fleet.
    pub(super) fn read(
        &self,
        context: &Context,
        repository: &Repository,
        branch: &str,
    ) -> Result<Known, CliError> {
        match self {
            Self::Nothing => {
                let from = "the inventory alone: the fleet is unknown".to_owned();
                return Ok(Known { observed: Observed::default(), from });
            }
            Self::Dir(dir) => {
                let from = format!("status in {}", dir.display());
                return Ok(Known { observed: from_files(dir)?, from });
            }
            Self::Branch => {}
        }
        let found = match repository {
            Repository::Clone(clone) => clone.status(branch)?.map(|status| status.commit),
            Repository::Remote(remote) => status_of(remote, branch)?,
            Repository::Directory(_) => None,
        };
        let (Some(commit), Some(reader)) = (found, repository.reader()?) else {
            return Err(missing(repository, branch));
        };
        let _progress = context.progress("reading the status branch");
        let observed = from_commit(&reader, commit, branch)?;
        Ok(Known { observed, from: format!("status branch at {}", commit.short()) })
    }
}

fn status_of(remote: &Remote, branch: &str) -> Result<Option<CommitId>, CliError> {
    let mirror = remote.copy.mirror();
    if branch == shoal_git::RemoteSpec::STATUS_BRANCH {
        return Ok(mirror.status_tip()?);
    }
    match mirror.fetch_branch(branch) {
        Ok(fetched) => Ok(Some(fetched.tip)),
        Err(shoal_git::GitError::BranchMissing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn missing(repository: &Repository, branch: &str) -> CliError {
    let unknown = "where no controller has run yet, --without-status plans as of an unknown fleet";
    match repository {
        Repository::Clone(clone) => {
            let failed = CliError::user(
                "plan.no-status",
                format!(
                    "this clone does not have the status branch {branch}, so nothing is known of the fleet"
                ),
            );
            match clone.fetch_hint(branch) {
                Ok(command) => failed.hint(command).hint(unknown),
                Err(_) => failed.hint(unknown),
            }
        }
        Repository::Remote(_) => {
            CliError::user("plan.no-status", format!("the repository has no status branch {branch}"))
                .hint(unknown)
        }
        Repository::Directory(dir) => CliError::user(
            "plan.no-status",
            format!("{} is no git repository, so there is no status branch", dir.display()),
        )
        .hint("--status-dir names the files that its controller writes (STORAGE_ROOT/status)")
        .hint(unknown),
    }
}

fn from_commit(reader: &Reader, commit: CommitId, branch: &str) -> Result<Observed, CliError> {
    let summary = reader
        .file(commit, SUMMARY_PATH, MAX_STATUS_FILE)?
        .ok_or_else(|| damaged(SUMMARY_PATH, &format!("branch {branch} has no such file")))?;
    let mut observed = observed_of(&parse(SUMMARY_PATH, &summary)?);
    let snapshot = reader.snapshot(commit, &PathFilter::only(["servers/"]), Limits::default())?;
    if let Some(refused) = snapshot.refused.first() {
        return Err(damaged(&refused.path, &refused.why.to_string()));
    }
    for blob in &snapshot.blobs {
        add(&mut observed, &blob.path, &reader.entry(blob)?)?;
    }
    Ok(observed)
}

fn from_files(dir: &Path) -> Result<Observed, CliError> {
    let source = DirectorySource::new(dir);
    let entries = source.list()?;
    let mut observed = None;
    let mut servers = Vec::new();
    for entry in &entries {
        if let Some(refused) = entry.refused {
            return Err(damaged(&entry.path, refused.word()));
        }
        if *entry.path == *SUMMARY_PATH {
            observed = Some(observed_of(&parse(SUMMARY_PATH, &source.read(entry)?)?));
        } else if entry.path.starts_with("servers/") {
            servers.push(entry);
        }
    }
    let mut observed =
        observed.ok_or_else(|| damaged(SUMMARY_PATH, &format!("{} has no such file", dir.display())))?;
    for entry in servers {
        add(&mut observed, &entry.path, &source.read(entry)?)?;
    }
    Ok(observed)
}

fn observed_of(summary: &StatusSummary) -> Observed {
    Observed {
        ledger: Some(summary.ledger.clone()),
        counter: summary.counter,
        commit: summary.commit.clone(),
        paused: summary.paused,
        ..Observed::default()
    }
}

fn add(observed: &mut Observed, path: &str, bytes: &[u8]) -> Result<(), CliError> {
    let status: ServerStatus = parse(path, bytes)?;
    let name = status.name.clone();
    if observed.servers.insert(name.clone(), Arc::new(status)).is_some() {
        return Err(damaged(path, &format!("{name} has a status in another file too")));
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(bytes).map_err(|error| damaged(path, &error.to_string()))
}

fn damaged(path: &str, why: &str) -> CliError {
    CliError::user("status.damaged", format!("the status file {path} cannot be read: {why}"))
        .hint("it is the controller's to write: fetch the branch again, or look who else wrote to it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SUMMARY: &str = r#"{"apiVersion":"shoal.dev/v1","ledger":"07070707070707070707070707070707",
        "counter":3,"writer":"shoal 0.1.0","commit":"abc","counts":{}}"#;

    fn server(name: &str) -> String {
        format!(
            r#"{{"apiVersion":"shoal.dev/v1","name":"{name}","conditions":[],
                "record":{{"number":2,"state":"unknown","reinstall":0}}}}"#
        )
    }

    fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_fleet_is_read_from_its_summary_and_one_file_a_server() {
        let dir = files(&[
            ("summary.json", SUMMARY),
            ("servers/rack-a/web-01.json", &server("web-01")),
            ("servers/db-01.json", &server("db-01")),
        ]);
        let observed = from_files(dir.path()).unwrap();
        assert_eq!((observed.counter, observed.commit.as_deref()), (3, Some("abc")));
        assert_eq!(observed.servers.keys().collect::<Vec<_>>(), ["db-01", "web-01"]);
        assert_eq!(observed.servers["web-01"].record.number, 2);
    }

    #[test]
    fn a_status_that_cannot_be_read_is_never_an_unknown_machine() {
        for (broken, word) in [
            (files(&[("servers/a.json", &server("a"))]), "summary.json"),
            (files(&[("summary.json", "{}")]), "summary.json"),
            (files(&[("summary.json", SUMMARY), ("servers/a.json", "{")]), "servers/a.json"),
            (
                files(&[
                    ("summary.json", SUMMARY),
                    ("servers/a.json", &server("a")),
                    ("servers/b.json", &server("a")),
                ]),
                "another file too",
            ),
        ] {
            let error = from_files(broken.path()).unwrap_err().render(false);
            assert!(error.contains(word), "{error}");
        }
    }
}
