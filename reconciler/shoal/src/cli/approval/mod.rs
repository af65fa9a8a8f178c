// SPDX-License-Identifier: AGPL-3.0-or-later
//! What `approve` and `adopt` share: picking entries, and writing the change in Git that an
//! agreement is.

mod document;
mod live;
mod pick;

pub(super) use live::consumed;
pub(super) use pick::{Picked, adoptions, all_unapproved, installs, removals};

use std::collections::BTreeMap;

use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;
use shoal_git::{WorktreeChange, Written};
use shoal_schema::kinds::ApprovedEntry;

use crate::error::CliError;
use crate::host::Context;
use crate::output::{Table, parse_duration};
use crate::repo::{Fleet, Repository, StatusDirArgs};
use document::{file_text, free_name};

/// Entries of one file: it stays well below what the inventory takes as one.
const ENTRIES_OF_A_FILE: usize = 1_000;

/// How an agreement is written.
#[derive(clap::Args)]
pub(super) struct WriteArgs {
    /// Directory of a clone of the inventory's repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) repo: std::path::PathBuf,
    /// Why, for those who read it in a year; what the plan says without it
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: Option<String>,
    /// After so long the agreement counts no more: 12h, 7d, or never
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = expiry)]
    expires: Expiry,
    /// Write the file and leave the commit to you
    #[arg(long)]
    no_commit: bool,
    /// Commit to a new branch of this name, for a pull request
    #[arg(long, value_name = "NAME", conflicts_with = "no_commit")]
    branch: Option<String>,
    /// Print what was written as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) status: StatusDirArgs,
}

/// How long an agreement counts.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    After(std::time::Duration),
    Never,
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    match parse_duration(text) {
        Ok(after) if after.is_zero() => Err("it would be over at once".to_owned()),
        Ok(after) => Ok(Expiry::After(after)),
        Err(error) => Err(error.to_string()),
    }
}

/// What was written, for `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    files: &'a [String],
    entries: &'a [ApprovedEntry],
    pruned: &'a [String],
    commit: Option<String>,
    branch: Option<&'a str>,
}

impl WriteArgs {
    /// Opens the clone and reads the fleet at its HEAD.
    pub(super) fn fleet(&self, context: &Context) -> Result<(Repository, Fleet), CliError> {
        let repository = Repository::local(&self.repo)?;
        if repository.clone_view().is_some_and(shoal_git::CloneView::is_bare) {
            return Err(CliError::user(
                "worktree",
                format!("{} is a bare repository: there is no work tree to write to", self.repo.display()),
            )
            .hint("run it in a clone with a work tree"));
        }
        let commit = repository.commit(None)?;
        if let Some(commit) = commit
            && repository.differs_from(commit)?
        {
            let commit = commit.short();
            context
                .warn(&format!("the work tree has changes that are not committed; this agrees to {commit}"));
        }
        let fleet = Fleet::read(context, &repository, commit, &self.status.choice())?;
        context.say(&format!("made from {}", fleet.status_from));
        Ok((repository, fleet))
    }

    /// Writes the agreement, takes consumed ones out, commits, and says what was done.
    pub(super) fn write(
        &self,
        context: &Context,
        repository: &Repository,
        fleet: &Fleet,
        picked: Picked,
        pruned: Vec<String>,
    ) -> Result<(), CliError> {
        let mut files: BTreeMap<String, Option<Vec<u8>>> =
            pruned.iter().map(|path| (path.clone(), None)).collect();
        let now = context.now();
        let expires = match self.expires {
            Expiry::Never => None,
            Expiry::After(after) => Some(whole_seconds(now, after)?),
        };
        let root = repository.root();
        let mut new = Vec::new();
        for entries in picked.entries.chunks(ENTRIES_OF_A_FILE) {
            let taken = |path: &str| {
                let stays = !pruned.iter().any(|gone| gone == path);
                new.iter().any(|other| other == path) || (root.join(path).exists() && stays)
            };
            let name = free_name(now, entries, &fleet.inventory, taken);
            let reason = self.reason.clone().unwrap_or_else(|| picked.reason());
            let text = file_text(&name, &reason, expires, entries)?;
            let path = format!("approvals/{name}.yaml");
            files.insert(path.clone(), Some(text.into_bytes()));
            new.push(path);
        }
        if files.is_empty() {
            context.say("nothing to write");
            if self.json {
                report(context, &[], &picked, &pruned, &nothing_written())?;
            }
            return Ok(());
        }
        let written = self.put(context, repository, &files, &picked, &pruned)?;
        if self.json {
            report(context, &new, &picked, &pruned, &written)?;
        } else if !picked.entries.is_empty() {
            context.data(&table(&picked.entries))?;
        }
        for path in &pruned {
            context.say(&format!("removed {path}"));
        }
        for path in &new {
            context.say(&format!("wrote {path}"));
        }
        match (&written.commit, &written.branch) {
            (Some(commit), Some(branch)) => {
                context.say(&format!("committed {} to {branch}; push it to make it count", commit.short()));
            }
            _ => context.say("not committed; it counts once it is in the watched branch"),
        }
        Ok(())
    }

    fn put(
        &self,
        context: &Context,
        repository: &Repository,
        files: &BTreeMap<String, Option<Vec<u8>>>,
        picked: &Picked,
        pruned: &[String],
    ) -> Result<Written, CliError> {
        let Some(clone) = repository.clone_view() else {
            write_plain(&repository.root(), files)?;
            return Ok(nothing_written());
        };
        if self.no_commit {
            return Ok(clone.write(files, false)?);
        }
        let change = WorktreeChange {
            message: message(picked, pruned),
            branch: self.branch.clone(),
            identity: None,
            time: context.now().as_second(),
        };
        Ok(clone.write_and_commit(files, false, &change)?)
    }
}

fn report(
    context: &Context,
    files: &[String],
    picked: &Picked,
    pruned: &[String],
    written: &Written,
) -> Result<(), CliError> {
    context.json(&Report {
        files,
        entries: &picked.entries,
        pruned,
        commit: written.commit.map(|commit| commit.to_string()),
        branch: written.branch.as_deref(),
    })
}

fn nothing_written() -> Written {
    Written { paths: Vec::new(), commit: None, branch: None }
}

/// An agreement says its time to the second.
fn whole_seconds(now: jiff::Timestamp, after: std::time::Duration) -> Result<jiff::Timestamp, CliError> {
    now.checked_add(after)
        .and_then(|time| jiff::Timestamp::from_second(time.as_second()))
        .map_err(|_| CliError::user("approval.expires", "the agreement would last beyond the calendar"))
}

/// In a directory that is no repository the files are all there is.
fn write_plain(root: &std::path::Path, files: &BTreeMap<String, Option<Vec<u8>>>) -> Result<(), CliError> {
    for (path, content) in files {
        let full = root.join(path);
        let failed =
            |error| CliError::user("file.write", format!("cannot change {}", full.display())).because(error);
        match content {
            None => std::fs::remove_file(&full).map_err(failed)?,
            Some(bytes) => {
                if let Some(parent) = full.parent() {
                    std::fs::create_dir_all(parent).map_err(failed)?;
                }
                crate::host::write_whole(&full, bytes)?;
            }
        }
    }
    Ok(())
}

fn table(entries: &[ApprovedEntry]) -> String {
    let mut table = Table::new(&["server", "agreed to", "entry", "loses"]);
    for entry in entries {
        let (action, digest) = (document::word(entry.action), entry.entry.short());
        table.row([&*entry.server, action, &digest, entry.loses.as_deref().unwrap_or("nothing")]);
    }
    table.render()
}

fn message(picked: &Picked, pruned: &[String]) -> String {
    let names: Vec<&str> = picked.entries.iter().map(|entry| entry.server.as_str()).collect();
    let what = picked.entries.first().map(|entry| document::word(entry.action));
    let prune = match pruned.len() {
        0 => None,
        1 => Some("remove a consumed approval".to_owned()),
        more => Some(format!("remove {more} consumed approvals")),
    };
    let Some(what) = what else { return format!("approvals: {}", prune.unwrap_or_default()) };
    let subject = match names.as_slice() {
        [one] => format!("approve: {what} {one}"),
        [first, rest @ ..] => format!("approve: {what} {first} and {} more", rest.len()),
        [] => String::new(),
    };
    let mut body = Vec::new();
    if names.len() > 1 {
        body.extend(picked.entries.iter().map(|e| format!("* {}: {}", e.server, e.entry.short())));
    }
    if let Some(prune) = prune {
        body.push(format!("* {prune}"));
    }
    if body.is_empty() { subject } else { format!("{subject}\n\n{}", body.join("\n")) }
}
