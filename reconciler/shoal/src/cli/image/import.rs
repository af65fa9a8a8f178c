// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image import`: a bundle's images into a registry.

use std::path::PathBuf;

use shoal_oci::RepositoryName;
use shoal_registry_client::{ImportOptions, import};

use super::bar;
use super::bundle_failed;
use super::connect::RegistryArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Push the images of a bundle into a registry
///
/// Everything in the bundle is compared with its digests first: a damaged bundle pushes nothing. What the
/// registry has is not sent again, so that an import which broke off is simply repeated. Digests stay what
/// they are: only the host in the inventory's references changes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image import images.tar localhost:5000
  shoal image import podman-save.tar localhost:5000 --repository tools/partition")]
pub(crate) struct Args {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The registry: `HOST[:PORT]`
    #[arg(value_name = "HOST")]
    registry_host: String,
    /// The repository of images that name none, as other tools write them
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let repository = match &self.repository {
            None => None,
            Some(text) => Some(RepositoryName::parse(text).map_err(|error| {
                CliError::user("image.repository", format!("{text} is no repository: {error}"))
                    .hint("lower-case parts with / between them, such as os-images/debian")
            })?),
        };
        let client = self.registry.client(context, &self.registry_host, repository.as_ref())?;
        let (progress, bar) = bar::watch(context);
        let imported = context.wait(import(&client, &self.file, &ImportOptions { repository }, &progress));
        bar.finish_and_clear();
        let imported = imported.map_err(bundle_failed)?;
        let images: Vec<String> = imported.images.iter().map(|image| image.reference.to_string()).collect();
        if self.json {
            context.json(&serde_json::json!({
                "images": images, "sent": imported.sent, "present": imported.present,
            }))?;
            return Ok(0);
        }
        for image in &images {
            context.data(&format!("{image}\n"))?;
        }
        context.say(&format!(
            "{} images; {} blobs sent, {} there already",
            images.len(),
            imported.sent,
            imported.present
        ));
        Ok(0)
    }
}
