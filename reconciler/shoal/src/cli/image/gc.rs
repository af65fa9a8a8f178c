// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image gc`: takes out what nothing needs, or says what that would be.

use std::collections::BTreeSet;
use std::path::PathBuf;

use shoal_oci::Digest;

use super::keeper::KeeperArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::output::Table;
use crate::repo::{GitAccess, Repository};

/// Take out what nothing needs
///
/// The registry does this by itself every hour; this asks for it now. Tags, what they reach, what refers
/// to that, everything younger than the grace time, and every image of the inventory and of running jobs
/// stay. What goes is kept in quarantine for some days: 'shoal image restore' brings it back.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image gc --dry-run
  shoal image gc
  shoal image gc --storage /var/lib/shoal/oci --inventory ~/fleet \
            --policy-file /etc/shoal/registry-policy.yaml")]
pub(crate) struct Args {
    /// Say what would go, and take nothing
    #[arg(long)]
    dry_run: bool,
    /// With --storage: the inventory whose images stay
    #[arg(long, value_name = "DIR|URL", requires = "storage", conflicts_with = "without_inventory")]
    inventory: Option<String>,
    /// With --storage: no inventory names these images; what has no tag goes
    #[arg(long, requires = "storage")]
    without_inventory: bool,
    /// With --storage: the registry's policy file
    #[arg(long, value_name = "FILE", requires = "storage", conflicts_with = "default_policy")]
    policy_file: Option<PathBuf>,
    /// With --storage: the registry has no policy file; the newest five tags of tools/* stay
    #[arg(long, requires = "storage")]
    default_policy: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keeper: KeeperArgs,
    #[command(flatten)]
    access: GitAccess,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        if self.keeper.is_directory() && self.policy_file.is_none() && !self.default_policy {
            return Err(CliError::user(
                "image.policy",
                "a directory does not say which policy its registry has; without it, tags could go that are kept there",
            )
            .hint("name the registry's policy with --policy-file FILE, or say --default-policy"));
        }
        let keeper = self.keeper.keeper(context, self.policy_file.as_deref(), self.roots(context)?)?;
        let path = format!("/api/v1/registry/gc?dryRun={}", self.dry_run);
        let task = keeper.task(context, &path, "collecting what nothing needs")?;
        let collected = task.collected.unwrap_or_default();
        if self.json {
            context.json(&collected)?;
            return Ok(0);
        }
        if !collected.removed.is_empty() {
            let mut table = Table::new(&["what", "name", "size", "why"]);
            for removed in &collected.removed {
                let size = indicatif::HumanBytes(removed.bytes).to_string();
                table.row([removed.kind.clone(), removed.name.clone(), size, removed.why.clone()]);
            }
            context.data(&table.render())?;
        }
        for record in &collected.damaged {
            context.warn(&format!(
                "{} cannot be read, and what it may stand for was kept: {}",
                record.path, record.why
            ));
        }
        for repository in &collected.skipped {
            context.warn(&format!("everything of {repository} was kept; push or delete the manifest above"));
        }
        if collected.postponed {
            context.warn("the clock is days ahead of the last collection: nothing counted as old; ask again if it is right");
        }
        let word = if self.dry_run { "would go" } else { "went into quarantine" };
        let bytes = indicatif::HumanBytes(collected.bytes);
        context.say(&match collected.count {
            0 => "nothing to take out".to_owned(),
            1 => format!("1 thing with {bytes} {word}"),
            count => format!("{count} things with {bytes} {word}"),
        });
        if collected.freed_bytes > 0 {
            let freed = indicatif::HumanBytes(collected.freed_bytes);
            context.say(&format!("{freed} were freed: their time in quarantine was over"));
        } else if collected.count > 0 && !self.dry_run {
            context.say(
                "the disk has that back when the quarantine is over; the policy's gc.quarantine says when",
            );
        }
        Ok(0)
    }

    /// The images that must stay, where a directory is collected and no controller knows them.
    fn roots(&self, context: &Context) -> Result<BTreeSet<Digest>, CliError> {
        if !self.keeper.is_directory() || self.without_inventory {
            return Ok(BTreeSet::new());
        }
        let Some(inventory) = &self.inventory else {
            return Err(CliError::user(
                "image.inventory",
                "a directory does not say which images an inventory names; without that, some of them could go",
            )
            .hint("name the inventory with --inventory DIR, or say --without-inventory"));
        };
        let repository = Repository::open(context, inventory, &self.access)?;
        let loaded = match &repository {
            Repository::Clone(clone) if !clone.is_bare() => repository.load_files(context)?,
            _ => repository.load(context, repository.commit(None)?)?,
        };
        if loaded.files == 0 {
            return Err(CliError::user("inventory.none", format!("there is no inventory in {inventory}")));
        }
        if loaded.has_errors() {
            return Err(CliError::user(
                "inventory.invalid",
                format!("the inventory in {inventory} is not valid; what it names is not known"),
            )
            .hint(format!("'shoal validate {inventory}' says why")));
        }
        Ok(super::digests(&loaded.inventory))
    }
}
