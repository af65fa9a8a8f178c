// SPDX-License-Identifier: AGPL-3.0-or-later
//! An inventory for emulated BMCs: a Git repository that the controller watches.

use std::fs;

use anyhow::{Context as _, Result};
use shoal_testbed_site::{Place, Programs, Repository, example_inventory};

use super::emulator::{Bmc, PASSWORD, USER};

/// What is the same for all servers.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// `approve` or `blankOnly`.
    pub(super) first_install: &'static str,
    /// The disks have serial numbers.
    pub(super) known_disks: bool,
    /// So many bytes a file is longer than it need be.
    pub(super) padding: usize,
}

/// Servers as a sweep or a job needs them.
pub(super) fn plain(first_install: &'static str) -> Shape {
    Shape { first_install, known_disks: false, padding: 0 }
}

/// Makes the repository with a server for each BMC, and what else a controller needs to start. Each server wants an
/// image.
pub(super) fn make(programs: &Programs, place: &Place, bmcs: &[Bmc], shape: Shape) -> Result<()> {
    let Shape { first_install, known_disks, padding } = shape;
    let repository = Repository::make(programs, place)?;
    let key = repository.make_age_key()?;
    repository.write(
        "shoal.yaml",
        &format!(
            "apiVersion: shoal.dev/v1\nkind: Fleet\nmetadata: {{name: bench}}\nspec:\n  firstInstall: {first_install}\n  \
             limits: {{concurrent: 1000, sharePercent: 100}}\n  \
             recipients: [{{name: controller, key: {key}}}]\n  defaults:\n    bmc: {{credentials: {{secret: bmc/all}}}}\n"
        ),
    )?;
    repository.write(
        "recipes/debian.yaml",
        "apiVersion: shoal.dev/v1\nkind: Recipe\nmetadata: {name: debian}\nspec:\n  target: install-linux.target\n  \
         layout:\n    - {size: 512M, type_guid: ef00, format: vfat, label: esp}\n    \
         - {size: 100%, type_guid: \"8300\", format: ext4, label: root}\n  \
         parameters:\n    hostname: {description: Host name.}\n    note: {default: \"\"}\n  \
         userData:\n    text: |\n      #cloud-config\n      hostname: ${hostname|quote}\n      \
         write_files: [{path: /etc/note, content: ${note|quote}}]\n",
    )?;
    let image =
        fs::read_to_string(example_inventory().join("images/debian.yaml")).context("read the image")?;
    repository.write("images/debian.yaml", &image)?;
    let note = "x".repeat(padding);
    for (index, bmc) in bmcs.iter().enumerate() {
        let (name, rack) = (name(index), rack(index));
        let disk = if known_disks { format!("serial: DISK{index:08}") } else { "path: /dev/sda".to_owned() };
        repository.write(
            path(index),
            &format!(
                "apiVersion: shoal.dev/v1\nkind: Server\nmetadata:\n  name: {name}\n  labels: {{rack: \"{rack:02}\"}}\n\
                 spec:\n  serial: {}\n  bmc:\n    address: {}\n    tls: {{sha256: \"{}\"}}\n  recipe: debian\n  \
                 os: {{image: debian, version: \"13.1\"}}\n  disk: {{{disk}}}\n  \
                 vars:\n    hostname: {name}\n    note: \"{note}\"\n",
                bmc.serial, bmc.url, bmc.sha256
            ),
        )?;
    }
    repository.write_secret("bmc/all", &format!("username: {USER}\npassword: {PASSWORD}\n"))?;
    repository.commit("fleet")?;
    repository.push()?;
    place.write_maintenance_stand_in()
}

fn rack(index: usize) -> usize {
    index % 100
}

/// Where a server stands in Git.
pub(super) fn path(index: usize) -> String {
    format!("servers/rack-{:02}/{}.yaml", rack(index), name(index))
}

/// The name of a server in Git.
pub(super) fn name(index: usize) -> String {
    format!("host-{index:05}")
}
