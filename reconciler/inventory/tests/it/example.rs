// SPDX-License-Identifier: AGPL-3.0-or-later
//! The sample inventory.

use std::collections::BTreeSet;
use std::path::Path;

use shoal_inventory::{DirectorySource, Severity, codes};

use crate::support::{checks, loader};

#[test]
fn the_sample_inventory_is_fit_for_use_once_its_secrets_are_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/inventory");
    let loaded = loader().load(&DirectorySource::new(root), &checks()).unwrap();
    let without_secrets = loaded.inventory.secrets.is_empty();
    let other: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| {
            !(without_secrets && d.code == codes::REFERENCE && d.message.starts_with("there is no Secret"))
        })
        .collect();
    let errors: Vec<_> = other.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let warned: BTreeSet<&str> = other.iter().map(|d| d.code).collect();
    assert_eq!(warned, BTreeSet::from([codes::DISK_UNSTABLE]), "{other:#?}");
    assert!(loaded.inventory.servers.len() >= 10);
    let vendors: BTreeSet<&str> = loaded
        .inventory
        .servers
        .values()
        .filter_map(|server| server.value.metadata.labels.get("vendor").map(String::as_str))
        .collect();
    assert_eq!(vendors, BTreeSet::from(["dell", "hpe", "lenovo", "openbmc", "supermicro"]));
}
