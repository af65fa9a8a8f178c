// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image restore`: brings content back that the garbage collection took out.

use std::collections::BTreeSet;

use shoal_oci::Digest;
use shoal_registry::api::Restored;

use super::keeper::KeeperArgs;
use crate::client::segment;
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Bring back what a garbage collection took out
///
/// By its digest, while it is in quarantine. It is kept for the grace time then: push a tag or name it in
/// the inventory meanwhile.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image restore sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub(crate) struct Args {
    /// The digest
    #[arg(value_name = "DIGEST", required = true)]
    digests: Vec<String>,
    #[command(flatten)]
    keeper: KeeperArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let keeper = self.keeper.keeper(context, None, BTreeSet::new())?;
        for text in &self.digests {
            let digest = Digest::parse(text).map_err(|error| {
                CliError::user("image.digest", format!("{text} is no digest: {error}"))
                    .hint("sha256: and 64 hex digits, as 'shoal image gc' printed it")
            })?;
            let path = format!("/api/v1/registry/restore?digest={}", segment(&digest.to_string()));
            let restored: Restored = keeper.post(context, &path)?;
            context.say(&format!("{} is back", restored.digest));
        }
        Ok(0)
    }
}
