// SPDX-License-Identifier: AGPL-3.0-or-later
//! The sample inventory.

use std::collections::BTreeSet;
use std::path::Path;

use shoal_core::desired::{fleet_spec, resolve};
use shoal_inventory::{Severity, codes};

use crate::support::{Tree, report};

/// What the README of the sample names.
const SECRETS: [&str; 5] = ["bmc/rack-a", "bmc/rack-b", "bmc/rack-c", "os/admin", "os/postgres"];

fn sample() -> Tree {
    Tree::directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/inventory"))
}

#[test]
fn the_sample_inventory_has_nothing_wrong_with_it_but_the_disk_it_warns_about() {
    let loaded = sample().load();
    let found: Vec<(&str, &str, Severity)> =
        loaded.diagnostics.iter().map(|d| (&*d.file, d.code, d.severity)).collect();
    assert_eq!(
        found,
        [("servers/rack-c/build-02.yaml", codes::DISK_UNSTABLE, Severity::Warning)],
        "{}",
        report(&loaded)
    );
    let readme = std::str::from_utf8(&sample().files["README.md"]).unwrap().to_owned();
    assert!(SECRETS.iter().all(|name| readme.contains(&format!("`{name}`"))));
}

#[test]
fn the_sample_inventory_has_several_racks_and_vendors() {
    let inventory = sample().load().inventory;
    assert!(inventory.servers.len() >= 10);
    let labels = |key: &str| -> BTreeSet<String> {
        inventory
            .servers
            .values()
            .filter_map(|server| server.value.metadata.labels.get(key).cloned())
            .collect()
    };
    let words =
        |words: &[&str]| -> BTreeSet<String> { words.iter().map(|word| (*word).to_owned()).collect() };
    assert_eq!(labels("rack"), words(&["a", "b", "c"]));
    assert_eq!(labels("vendor"), words(&["dell", "hpe", "lenovo", "openbmc", "supermicro"]));
}

#[test]
fn what_passes_here_passes_the_schema_of_recipes_on_the_wire() {
    for tree in [sample(), Tree::base()] {
        let inventory = tree.load().inventory;
        let fleet = fleet_spec(&inventory);
        let mut installs = 0;
        for name in inventory.servers.keys() {
            let Some(install) = resolve(&inventory, &fleet, name).unwrap().install else { continue };
            let recipe = serde_json::to_value(install.wire_recipe()).unwrap();
            assert_eq!(shoal_validate::recipe().check(&recipe), [], "{name}");
            installs += 1;
        }
        assert!(installs > 0);
    }
}
