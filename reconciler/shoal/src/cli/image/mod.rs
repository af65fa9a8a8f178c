// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image`: images in registries, from a file to the digest in the inventory and back.

mod bar;
pub(crate) mod connect;
mod export;
mod gc;
mod import;
mod keeper;
mod list;
mod push;
mod restore;
mod rm;
mod scrub;

use std::collections::BTreeSet;

use clap::Subcommand;
use shoal_core::inventory::Inventory;
use shoal_oci::Digest;
use shoal_registry_client::BundleError;

use crate::error::{CliError, Outcome};
use crate::host::Context;

/// Push, list, check and move the images that machines are installed from
///
/// push, rm, export and import talk to any OCI registry. list, gc, scrub and restore are about Shoal's
/// own: that of a running controller (on this machine, or named with --url), or a directory that no
/// registry has open, named with --storage.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Push(push::Args),
    List(list::Args),
    Rm(rm::Args),
    Gc(gc::Args),
    Scrub(scrub::Args),
    Restore(restore::Args),
    Export(export::Args),
    Import(import::Args),
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        match &self.command {
            Command::Push(args) => args.perform(context),
            Command::List(args) => args.perform(context),
            Command::Rm(args) => args.perform(context),
            Command::Gc(args) => args.perform(context),
            Command::Scrub(args) => args.perform(context),
            Command::Restore(args) => args.perform(context),
            Command::Export(args) => args.perform(context),
            Command::Import(args) => args.perform(context),
        }
    }
}

/// The images that an inventory names.
fn digests(inventory: &Inventory) -> BTreeSet<Digest> {
    let versions = inventory.images.values().flat_map(|image| image.value.spec.versions.values());
    versions.filter_map(|version| Digest::parse(version.digest()?).ok()).collect()
}

/// An error of a bundle for people.
fn bundle_failed(error: BundleError) -> CliError {
    match error {
        BundleError::Client(error) => connect::failed(error),
        error => {
            let (hint, message) = (error.hint(), error.to_string());
            CliError::user("image.bundle", message).because(error).maybe_hint(hint)
        }
    }
}
