// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image push`: a file becomes an image that an inventory can name.

use std::path::PathBuf;

use serde::Serialize;
use shoal_registry_client::{BlobOutcome, FilePush};
use shoal_schema::kinds::ImageFormat;

use super::bar;
use super::connect::{RegistryArgs, failed, reference};
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Push a file as an image, and print what to write into the inventory
///
/// A root file system as a tar archive, a whole disk, a Windows image or an installer's ISO; tar and disk
/// may be compressed with gzip or zstd. What the file is, is found from its content and name; --format
/// says it where that is not enough. The same file pushed twice is the same digest. An upload that
/// breaks is taken up where it stopped.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image push debian-13.tar.zst registry.example.org/os-images/debian:13.1
  shoal image push disk.raw.zst localhost:5000/os-images/appliance:7 --format raw-disk
  shoal image push install.wim localhost:5000/os-images/windows:2025 --json

Standard output has the reference with its digest, ready for spec.versions.VERSION.oci of an Image.

Exit codes: 0 pushed or there already, 1 refused or no image, 69 the registry does not answer.")]
pub(crate) struct Args {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to: `HOST[:PORT]/REPOSITORY:TAG`
    #[arg(value_name = "REF")]
    reference: String,
    /// What the file is: rootfs-tar, raw-disk, wim, iso; found from the file without it
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<ImageFormat>,
    /// The image's name in its manifest; the file's name without it
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pushed {
    oci: String,
    digest: String,
    format: ImageFormat,
    bytes: u64,
    sent: bool,
}

fn format(text: &str) -> Result<ImageFormat, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| "expected rootfs-tar, raw-disk, wim or iso".to_owned())
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let to = reference(&self.reference)?;
        let (Some(tag), None) = (to.tag, to.digest) else {
            return Err(CliError::user("image.reference", "a push goes to a tag; the digest is its result")
                .hint("HOST[:PORT]/REPOSITORY:TAG"));
        };
        let client = self.registry.client(context, &to.registry, Some(&to.repository))?;
        let push = FilePush {
            path: self.file.clone(),
            format: self.format,
            title: self.title.clone(),
            annotations: std::collections::BTreeMap::new(),
            repository: to.repository,
            tag: Some(tag),
        };
        let (progress, bar) = bar::watch(context);
        let pushed = context.wait(client.push_artifact(&push, &progress));
        bar.finish_and_clear();
        let pushed = pushed.map_err(failed)?;
        let sent = matches!(pushed.outcome, BlobOutcome::Uploaded);
        let oci = pushed.reference.to_string();
        if self.json {
            context.json(&Pushed {
                oci,
                digest: pushed.digest.to_string(),
                format: pushed.format,
                bytes: pushed.size,
                sent,
            })?;
        } else {
            let word = if sent { "pushed" } else { "there already:" };
            context.say(&format!("{word} {} ({})", self.file.display(), indicatif::HumanBytes(pushed.size)));
            context.data(&format!("{oci}\n"))?;
        }
        Ok(0)
    }
}
