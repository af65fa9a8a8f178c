// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image rm`: a tag, or a manifest with every tag of it.

use shoal_oci::Reference;

use super::connect::{RegistryArgs, failed, reference};
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Remove a tag, or an image by its digest
///
/// HOST/REPOSITORY:TAG removes the tag; the image stays until nothing needs it. HOST/REPOSITORY@DIGEST
/// removes the image and every tag that means it. Content is freed by the garbage collection, which
/// never takes what an inventory names.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image rm localhost:5000/tools/partition:0.3
  shoal image rm localhost:5000/os-images/debian@sha256:…")]
pub(crate) struct Args {
    /// `HOST[:PORT]/REPOSITORY:TAG` or `HOST[:PORT]/REPOSITORY@DIGEST`
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        for text in &self.references {
            let wanted = reference(text)?;
            let what = match (&wanted.tag, &wanted.digest) {
                (Some(_), Some(_)) => {
                    return Err(CliError::user(
                        "image.reference",
                        format!("{text} has a tag and a digest; say which of them goes"),
                    )
                    .hint("REPOSITORY:TAG removes the tag, REPOSITORY@DIGEST the image with all its tags"));
                }
                (Some(tag), None) => Reference::Tag(tag.clone()),
                (None, Some(digest)) => Reference::Digest(digest.clone()),
                (None, None) => continue,
            };
            let client = self.registry.client(context, &wanted.registry, Some(&wanted.repository))?;
            let progress = context.progress(format!("asking {}", wanted.registry));
            let was_there =
                context.wait(client.delete_manifest(&wanted.repository, &what)).map_err(failed)?;
            drop(progress);
            if !was_there {
                return Err(CliError::user("image.unknown", format!("{text} is not there"))
                    .hint("'shoal image list' says what is"));
            }
            context.say(&format!("removed {text}"));
        }
        Ok(0)
    }
}
