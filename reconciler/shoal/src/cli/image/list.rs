// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image list`: what a registry holds.

use shoal_registry::api::Images;

use super::keeper::KeeperArgs;
use crate::client::segment;
use crate::error::Outcome;
use crate::host::Context;
use crate::output::{Table, ago};

/// List the images of Shoal's registry
///
/// Every tag, and every image that can be reached by its digest alone, with its size and age.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image list
  shoal image list 'os-images/*' --url https://shoal.example.org
  shoal image list --storage /var/lib/shoal/oci --json")]
pub(crate) struct Args {
    /// Repositories: NAME, or PREFIX/*
    #[arg(value_name = "REPOSITORY", default_value = "*", hide_default_value = true)]
    repository: String,
    /// Whole digests
    #[arg(long)]
    digests: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keeper: KeeperArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let keeper = self.keeper.keeper(context, None, std::collections::BTreeSet::new())?;
        let path = format!("/api/v1/registry/images?repository={}", segment(&self.repository));
        let found: Images = keeper.get(context, &path)?;
        if self.json {
            context.json(&found)?;
            return Ok(0);
        }
        if found.images.is_empty() {
            context.say("no image; 'shoal image push FILE REF' brings one");
            return Ok(0);
        }
        let now = context.now();
        let mut table = Table::new(&["image", "digest", "size", "pushed"]);
        for image in found.images {
            let name = match &image.tag {
                Some(tag) => format!("{}:{tag}", image.repository),
                None => format!("{} (no tag)", image.repository),
            };
            let digest = if self.digests {
                image.digest.to_string()
            } else {
                format!("{}:{}", image.digest.algorithm().as_str(), &image.digest.hex()[..12])
            };
            let size = indicatif::HumanBytes(image.size).to_string();
            table.row([name, digest, size, ago(image.pushed, now)]);
        }
        context.data(&table.render())?;
        Ok(0)
    }
}
