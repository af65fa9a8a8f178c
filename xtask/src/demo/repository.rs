// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Git repository: made from the example inventory, for the machines that were started.
//!
//! Guarantees: only what has to differ does: where the BMCs are, their certificates, who can read
//! secrets, and how often status is published. Comments stay.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::cast::{self, BUMP_FROM, BUMP_TO, BUMPED, Player};
use super::edit;
use super::machines::Reached;
use super::secrets::Planted;
use shoal_testbed_site::Place;
use shoal_testbed_site::{Programs, Repository, example_inventory};

/// Status is gathered for so long before it is published, in seconds.
const FLUSH_SECONDS: u32 = 1;
/// Percent of the fleet in flight: six of eight, so that the limit by rack is the one that counts.
const SHARE_PERCENT: u32 = 75;

/// Machines of a rack in flight, as the example's Fleet says.
pub(crate) const RACK_LIMIT: usize = 3;

/// Makes the bare repository and a clone with the inventory in it, committed and not pushed.
pub(crate) fn make(
    programs: &Programs,
    place: &Place,
    players: &[Player],
    reached: &[Reached],
    planted: &Planted,
) -> anyhow::Result<()> {
    let repository = Repository::make(programs, place)?;
    let public = repository.make_age_key()?;
    write_inventory(&place.checkout(), players, reached, &public)?;
    for (secret, values) in &planted.secrets {
        let lines: Vec<String> =
            values.iter().map(|(key, value)| format!("{key}: \"{}\"\n", value.expose())).collect();
        repository.write_secret(secret, &lines.concat())?;
    }
    programs.shoal(&place.checkout(), &["validate"])?.expect_success("shoal validate")?;
    repository.commit("fleet: eight servers")
}

fn write_inventory(
    clone: &Path,
    players: &[Player],
    reached: &[Reached],
    public: &str,
) -> anyhow::Result<()> {
    let example = example_inventory();
    for dir in ["recipes", "images"] {
        for file in cast::files(&example.join(dir))? {
            let path = file.strip_prefix(&example).unwrap_or(&file).to_owned();
            write(clone, &path, &read(&file)?)?;
        }
    }
    write(clone, Path::new("shoal.yaml"), &fleet(&read(&example.join("shoal.yaml"))?, public)?)?;
    for (player, reached) in players.iter().zip(reached) {
        let text = read(&example.join(&player.file))?;
        let text = server(&text, reached).with_context(|| format!("rewrite {}", player.file.display()))?;
        write(clone, &player.file, &text)?;
    }
    Ok(())
}

/// The Fleet with somebody who can read its secrets, and status that comes soon.
fn fleet(text: &str, public: &str) -> anyhow::Result<String> {
    let recipients = format!("[{{name: controller, key: {public}}}]");
    let text = edit::set(text, "recipients", &recipients)?;
    let text = edit::set(&text, "sharePercent", &SHARE_PERCENT.to_string())?;
    edit::add_below(&text, "branch", &[format!("flushSeconds: {FLUSH_SECONDS}")])
}

/// A server with its BMC where the emulator is.
fn server(text: &str, reached: &Reached) -> anyhow::Result<String> {
    let mut text = edit::set(text, "address", &reached.address)?;
    if text.contains("tls: {sha256:") {
        text = edit::set(&text, "tls", &format!("{{sha256: \"{}\"}}", reached.fingerprint))?;
    }
    // The emulators have one system each.
    if edit::has(&text, "system") {
        text = edit::remove(&text, "system")?;
    }
    // A protected machine is never installed: a story of its own.
    if edit::has(&text, "protect") {
        text = edit::remove(&text, "protect")?;
    }
    Ok(text)
}

/// Commits another version for some servers.
pub(crate) fn bump(programs: &Programs, place: &Place, players: &[Player]) -> anyhow::Result<()> {
    let clone = place.checkout();
    for player in players.iter().filter(|player| BUMPED.contains(&player.name())) {
        let text = read(&clone.join(&player.file))?;
        let text = edit::set(&text, "os", &format!("{{image: debian, version: \"{BUMP_TO}\"}}"))?;
        write(&clone, &player.file, &text)?;
    }
    Repository::of(programs, place).commit(&format!("{}: debian {BUMP_FROM} → {BUMP_TO}", BUMPED.join(", ")))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn write(root: &Path, path: &Path, text: &str) -> anyhow::Result<()> {
    let path = root.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("make the directory {}", parent.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use shoal_schema::kinds::{Fleet, Server};

    use super::*;

    #[test]
    fn what_is_rewritten_still_reads_as_what_it_was() {
        let example = example_inventory();
        let reached = Reached { address: "https://127.0.0.1:4443".to_owned(), fingerprint: "ab".repeat(32) };
        for player in cast::read(&example).unwrap() {
            let text = server(&read(&example.join(&player.file)).unwrap(), &reached).unwrap();
            let after: Server = yaml_serde::from_str(&text).unwrap();
            assert_eq!(after.spec.bmc.address, reached.address);
            assert_eq!(after.spec.os, player.server.spec.os);
            assert!(!after.spec.protect && after.spec.bmc.system.is_none());
            let pin = after.spec.bmc.tls.unwrap_or_default();
            assert!(pin.trust_on_first_use || pin.sha256 == Some("ab".repeat(32)), "{}", player.name());
        }
        let public = format!("age1{}", "q".repeat(58));
        let text = fleet(&read(&example.join("shoal.yaml")).unwrap(), &public).unwrap();
        let after: Fleet = yaml_serde::from_str(&text).unwrap();
        assert_eq!(after.spec.recipients[0].key, public);
        assert_eq!(after.spec.status.flush_seconds, FLUSH_SECONDS);
        let limit = after.spec.limits.per_label.iter().find(|limit| limit.label == "rack");
        assert_eq!(limit.map(|limit| limit.max as usize), Some(RACK_LIMIT));
    }
}
