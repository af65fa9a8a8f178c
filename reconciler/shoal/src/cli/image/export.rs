// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image export`: images into one file, to be carried where there is no network.

use std::path::PathBuf;

use serde::Serialize;
use shoal_oci::ImageReference;
use shoal_registry_client::{ExportItem, export};

use super::bar;
use super::bundle_failed;
use super::connect::{RegistryArgs, reference};
use crate::error::{CliError, Outcome};
use crate::host::Context;
use crate::repo::{GitAccess, Repository};

/// Write images into one file, for a room without a network
///
/// The file is a tar archive of an OCI image layout: 'shoal image import' reads it, and so does skopeo
/// (oci-archive:). Signatures and whatever else refers to an image come along. The same images give the
/// same bytes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image export -o images.tar registry.example.org/os-images/debian:13.1
  shoal image export -o images.tar --inventory .        every image that an inventory names")]
pub(crate) struct Args {
    /// The images: `HOST[:PORT]/REPOSITORY:TAG` or `HOST[:PORT]/REPOSITORY@DIGEST`
    #[arg(value_name = "REF", required_unless_present = "inventory")]
    references: Vec<String>,
    /// Every image that this inventory names
    #[arg(long, value_name = "DIR|URL")]
    inventory: Option<String>,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    access: GitAccess,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    file: String,
    bytes: u64,
    blobs: u64,
    referrers: u64,
    images: Vec<String>,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let mut references =
            self.references.iter().map(|text| reference(text)).collect::<Result<Vec<_>, _>>()?;
        if let Some(inventory) = &self.inventory {
            references.extend(self.named(context, inventory)?);
        }
        let mut items = Vec::new();
        for reference in references {
            let client = self.registry.client(context, &reference.registry, Some(&reference.repository))?;
            items.push(ExportItem { client, reference });
        }
        let (progress, bar) = bar::watch(context);
        let exported = context.wait(export(&items, &self.output, &progress));
        bar.finish_and_clear();
        let exported = exported.map_err(bundle_failed)?;
        let images: Vec<String> = exported.images.iter().map(ToString::to_string).collect();
        if self.json {
            context.json(&Written {
                file: self.output.display().to_string(),
                bytes: exported.size,
                blobs: exported.blobs,
                referrers: exported.referrers,
                images,
            })?;
            return Ok(0);
        }
        for image in &images {
            context.data(&format!("{image}\n"))?;
        }
        let size = indicatif::HumanBytes(exported.size);
        context.say(&format!("wrote {} ({size}, {} images)", self.output.display(), images.len()));
        Ok(0)
    }

    fn named(&self, context: &Context, inventory: &str) -> Result<Vec<ImageReference>, CliError> {
        let repository = Repository::open(context, inventory, &self.access)?;
        let loaded = match &repository {
            Repository::Clone(clone) if !clone.is_bare() => repository.load_files(context)?,
            _ => repository.load(context, repository.commit(None)?)?,
        };
        let versions = loaded.inventory.images.values().flat_map(|image| image.value.spec.versions.values());
        let named: Vec<_> = versions.filter_map(|version| ImageReference::parse(&version.oci).ok()).collect();
        if named.is_empty() {
            return Err(CliError::user("image.none", format!("the inventory in {inventory} names no image")));
        }
        Ok(named)
    }
}
