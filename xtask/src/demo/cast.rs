// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who plays: eight servers of the example inventory, and the machines that stand in for them.
//!
//! Identities, disks and layouts come from the inventory itself, so that what is emulated is what the
//! files say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use shoal_schema::disk::DiskSelector;
use shoal_schema::kinds::{Recipe, Server};
use shoal_schema::size::ByteSize;
use shoal_testbed::bmc::profiles::{self, Profile};
use shoal_testbed::bmc::{Disk, Identity};
use uuid::Uuid;

use super::evidence::Actor;

/// The servers that play, in the order of their emulators.
pub(crate) const SERVERS: [&str; 8] =
    ["web-01", "web-02", "web-03", "db-01", "db-02", "cache-01", "cache-02", "cache-03"];
/// The one that fails,
pub(crate) const FAILS: &str = "cache-02";
/// in this unit.
pub(crate) const FAILS_IN: &str = "bootloader-linux.service";
/// The ones that get another version later on.
pub(crate) const BUMPED: [&str; 2] = ["web-01", "web-02"];
/// From this version
pub(crate) const BUMP_FROM: &str = "12.8";
/// to this one.
pub(crate) const BUMP_TO: &str = "13.1";

/// Seed of made-up parts of identities.
const SEED: u64 = 20_261_121;
/// Disks whose selector says nothing of a size, in bytes. Their files are sparse.
const DISK_BYTES: u64 = 64 << 30;
/// What mainboards say whose serial nobody set.
const NO_SERIAL: &str = "To be filled by O.E.M.";

/// A server that plays.
pub(crate) struct Player {
    /// Its file, below the inventory.
    pub(crate) file: PathBuf,
    /// The document.
    pub(crate) server: Server,
    /// The model of its BMC.
    pub(crate) profile: &'static Profile,
    /// Its BMC tells how far a boot has come; the others are silent about it.
    pub(crate) tells_progress: bool,
    /// The machine.
    pub(crate) identity: Identity,
    /// Labels of its partitions.
    partitions: Vec<String>,
}

/// Reads the players from an inventory.
pub(crate) fn read(inventory: &Path) -> anyhow::Result<Vec<Player>> {
    let mut recipes: BTreeMap<String, Recipe> = BTreeMap::new();
    for file in files(&inventory.join("recipes"))? {
        let recipe: Recipe = document(&file)?;
        recipes.insert(recipe.metadata.name.clone(), recipe);
    }
    let mut servers = BTreeMap::new();
    for file in files(&inventory.join("servers"))? {
        let server: Server = document(&file)?;
        servers.insert(server.metadata.name.clone(), (file, server));
    }
    let mut players = Vec::new();
    for (index, name) in SERVERS.iter().enumerate() {
        let (file, server) =
            servers.remove(*name).with_context(|| format!("the example inventory has no server {name}"))?;
        let recipe = server.spec.recipe.as_deref().unwrap_or("debian");
        let recipe =
            recipes.get(recipe).with_context(|| format!("the example inventory has no recipe {recipe}"))?;
        let labels = recipe.spec.layout.iter().map(|partition| partition.label.clone().unwrap_or_default());
        let profile = profile(&server)?;
        players.push(Player {
            partitions: labels.collect(),
            profile,
            // As in the recordings of these three models.
            tells_progress: profile.name == profiles::SMC_X13_SINGLE.name,
            identity: identity(&server, index)?,
            file: file.strip_prefix(inventory).unwrap_or(&file).to_owned(),
            server,
        });
    }
    Ok(players)
}

impl Player {
    /// Its name in Git.
    pub(crate) fn name(&self) -> &str {
        &self.server.metadata.name
    }

    /// What is wanted of it in the end.
    pub(crate) fn actor(&self) -> Actor {
        let name = self.name();
        let version = self.server.spec.os.as_ref().map(|os| os.version.clone()).unwrap_or_default();
        let bumped = BUMPED.contains(&name);
        Actor {
            name: name.to_owned(),
            rack: self.server.metadata.labels.get("rack").cloned().unwrap_or_default(),
            profile: self.profile.name.to_owned(),
            tells_progress: self.tells_progress,
            version: if bumped { BUMP_TO.to_owned() } else { version.clone() },
            bumped_from: bumped.then_some(version),
            fails_in: (name == FAILS).then(|| FAILS_IN.to_owned()),
            partitions: self.partitions.clone(),
        }
    }
}

/// A model of the vendor that the example names.
fn profile(server: &Server) -> anyhow::Result<&'static Profile> {
    Ok(match server.metadata.labels.get("vendor").map(String::as_str) {
        Some("dell") => &profiles::IDRAC9_6,
        Some("hpe") => &profiles::ILO5,
        Some("supermicro") => &profiles::SMC_X13_SINGLE,
        other => bail!("{} is of vendor {other:?}, for which there is no emulator", server.metadata.name),
    })
}

/// The machine that the file describes; what it does not say is made up.
fn identity(server: &Server, index: usize) -> anyhow::Result<Identity> {
    let spec = &server.spec;
    let mut identity = Identity::numbered(SEED, index);
    identity.serial = spec.serial.clone().unwrap_or_else(|| NO_SERIAL.to_owned());
    if let Some(uuid) = &spec.uuid {
        identity.uuid =
            Uuid::parse_str(uuid).with_context(|| format!("read the UUID of {}", server.metadata.name))?;
    }
    let wired = spec.network.iter().filter_map(|interface| interface.mac.as_ref());
    let macs: Vec<String> = spec.macs.iter().chain(wired).map(|mac| mac.as_str().to_owned()).collect();
    for (place, mac) in identity.macs.iter_mut().zip(distinct(macs)) {
        *place = mac;
    }
    let selector = spec.disk.clone().unwrap_or_default();
    identity.disks = disks(&selector, index);
    Ok(identity)
}

fn distinct(macs: Vec<String>) -> Vec<String> {
    let mut seen = Vec::new();
    for mac in macs {
        if !seen.contains(&mac) {
            seen.push(mac);
        }
    }
    seen
}

/// The disk that fits, first; and, where a size alone chooses, two that do not.
fn disks(selector: &DiskSelector, index: usize) -> Vec<Disk> {
    let disk = |path: &str, number: usize, size_bytes, rotational| Disk {
        path: path.to_owned(),
        serial: format!("DEMO{index:02}{number:02}"),
        wwn: None,
        size_bytes,
        rotational,
    };
    let mut first = disk("/dev/sda", 0, selector.min_size.map_or(DISK_BYTES, ByteSize::bytes), false);
    let by_size = selector.min_size.is_some() || selector.max_size.is_some();
    if by_size {
        "/dev/nvme0n1".clone_into(&mut first.path);
    }
    if let Some(path) = &selector.path {
        first.path.clone_from(path);
    }
    if let Some(serial) = &selector.serial {
        first.serial.clone_from(serial);
    }
    first.wwn = selector.wwn.as_ref().map(|wwn| wwn.trim_start_matches("0x").to_owned());
    first.rotational = selector.rotational.unwrap_or(false);
    let mut disks = vec![first];
    if by_size {
        disks.push(disk("/dev/sda", 1, 2_000_398_934_016, true));
        disks.push(disk("/dev/sdb", 2, 2_000_398_934_016, true));
    }
    disks
}

fn document<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    yaml_serde::from_str(&text).with_context(|| format!("understand {}", file.display()))
}

/// Every YAML file below a directory, in order.
pub(crate) fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("read the directory {}", dir.display()))? {
            let path = entry.with_context(|| format!("read the directory {}", dir.display()))?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use shoal_schema::disk::DiskFacts;

    use super::*;
    use shoal_testbed_site::example_inventory;

    #[test]
    fn the_selector_of_each_player_fits_the_first_of_its_disks_and_no_other() {
        for player in read(&example_inventory()).unwrap() {
            let selector = player.server.spec.disk.clone().unwrap();
            let fits: Vec<bool> = player
                .identity
                .disks
                .iter()
                .map(|disk| {
                    selector.matches(&DiskFacts {
                        path: disk.path.clone(),
                        serial: Some(disk.serial.clone()),
                        wwn: disk.wwn.clone(),
                        size_bytes: disk.size_bytes,
                        rotational: Some(disk.rotational),
                    })
                })
                .collect();
            assert!(fits[0] && fits[1..].iter().all(|fit| !fit), "{}: {fits:?}", player.name());
        }
    }

    #[test]
    fn there_are_eight_machines_of_three_unlike_profiles() {
        let players = read(&example_inventory()).unwrap();
        let mut names: Vec<&str> = players.iter().map(|player| player.profile.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((players.len(), names.len()), (8, 3));
        let mut bumped: Vec<Actor> = players.iter().map(Player::actor).collect();
        bumped.retain(|actor| actor.bumped_from.is_some());
        assert!(bumped.iter().all(|actor| actor.bumped_from.as_deref() == Some(BUMP_FROM)));
        assert_eq!(bumped.len(), BUMPED.len());
    }
}
