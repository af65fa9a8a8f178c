// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal restore`: a database out of a backup.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shoal_controller::outside::SystemRandom;
use shoal_controller::restored::{Renewed, renew};
use shoal_store::{Aside, Opening, RedbStore, Restore, RestoreError, Restored};

use super::backup::{DatabaseArgs, human, not_opened, open, unusable};
use crate::VERSION;
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::output::clean;

/// Make a controller's database out of a backup
///
/// For a controller that is stopped. The database is built beside its place, checked, and renamed: it is there whole
/// or not at all. It takes a new ledger id, so that every approval in Git is void; every record of a machine says
/// that it was restored, and every job that was active is over. Nothing is installed before somebody agrees anew, with
/// 'shoal adopt' where a machine is as Git says, or with 'shoal approve'.
///
/// The next start takes from the status branch what came after the backup. If the branch is another database's by
/// then, the controller only observes until 'shoal takeover'.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  systemctl stop shoal
  shoal restore shoal-prod-20260301T120000Z.backup --config /etc/shoal/shoal.env
  shoal restore shoal.backup --replace     the database that is there is kept under another name
  ssh vault cat shoal.backup | shoal restore -
  shoal backup verify shoal.backup         only look")]
pub(crate) struct Args {
    /// The backup; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the place of a database that is there; it is kept under another name
    #[arg(long)]
    replace: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    database: String,
    kept_as: Option<String>,
    fleet: Option<&'a str>,
    made_at: jiff::Timestamp,
    former_ledger: Option<String>,
    ledger: String,
    servers: usize,
    jobs_over: usize,
    unsent: usize,
    paused: bool,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let input = open(&self.file)?;
        let path = self.database.path(context)?;
        let made_by = format!("shoal {VERSION}");
        let restore = Restore {
            path: &path,
            aside: if self.replace { Aside::Any } else { Aside::OnlyEmpty },
            opening: Opening::new(&made_by, context.now()),
        };
        let _half = context.interrupts().half(&Restore::building(&path));
        let progress = context.progress(format!("restoring {}", self.file.display()));
        let restored =
            RedbStore::restore(&restore, input, |store| renew(store, &SystemRandom, context.now()));
        drop(progress);
        let restored = restored.map_err(|error| self.failed(error))?;
        if self.json {
            context.json(&Done::new(&path, &restored))?;
        } else {
            context.data(&clean(&told(&path, &restored)))?;
        }
        Ok(0)
    }

    fn failed(&self, error: RestoreError) -> CliError {
        match error {
            RestoreError::Open(error) => not_opened(error, "stop the controller first: systemctl stop shoal"),
            RestoreError::Backup(error) => unusable(&self.file, error),
            RestoreError::Taken { .. } => CliError::user("database.taken", error.to_string())
                .hint("--replace takes its place; it is kept under another name, nothing is deleted"),
            RestoreError::Newer { .. } => CliError::user("backup.newer", error.to_string()),
            RestoreError::NoLedger => CliError::user("backup.other", error.to_string()),
            RestoreError::Finish(_) => {
                CliError::user("backup.unusable", "the backup cannot be made ready; nothing was changed")
                    .because(error)
                    .hint("was it made by a newer Shoal? 'shoal backup verify' says which")
            }
        }
    }
}

impl<'a> Done<'a> {
    fn new(path: &Path, restored: &'a Restored<Renewed>) -> Self {
        let (about, made) = (&restored.contents.about, &restored.made);
        Self {
            database: path.display().to_string(),
            kept_as: restored.aside.as_ref().map(|path| path.display().to_string()),
            fleet: about.fleet.as_deref(),
            made_at: about.made_at,
            former_ledger: about.ledger.as_ref().map(ToString::to_string),
            ledger: made.ledger.id.to_string(),
            servers: made.servers,
            jobs_over: made.jobs_over,
            unsent: made.unsent,
            paused: made.paused,
        }
    }
}

/// What was done, what it means, and what comes next.
fn told(path: &Path, restored: &Restored<Renewed>) -> String {
    let made = &restored.made;
    let mut out = format!("restored {}\n{}", path.display(), human(&restored.contents));
    if let Some(aside) = &restored.aside {
        let _ = writeln!(out, "kept     the database of before, as {}", aside.display());
    }
    let _ = writeln!(
        out,
        "\nits ledger is {} from now on: every approval in Git is void, and every record says that it was restored",
        made.ledger.id.short()
    );
    if made.jobs_over > 0 {
        let _ = writeln!(
            out,
            "{} jobs were active when the backup was taken and are over; their machines get no permit",
            made.jobs_over
        );
    }
    if made.unsent > 0 {
        let _ = writeln!(out, "{} notifications of that time are not sent any more", made.unsent);
    }
    if made.paused {
        out.push_str("everything is paused, as it was then; 'shoal pause --off' goes on\n");
    }
    out.push_str(
        "\nnext:
  systemctl start shoal    no other controller of this fleet may run; records that are newer come from the branch
  shoal status             what is known of every machine
  shoal adopt SERVER       it is as Git says: nothing is installed
  shoal approve SERVER     install it anew
",
    );
    out
}
