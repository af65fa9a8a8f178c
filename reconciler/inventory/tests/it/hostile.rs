// SPDX-License-Identifier: AGPL-3.0-or-later
//! Large files that are made to cost time or room. None of these tests measures time: with a cost
//! that grows with the square they would not end.

use shoal_inventory::{Severity, codes as code};

use crate::support::{Tree, codes, server};

/// A quarter of what a file may have: enough for a square to be felt.
const FULL: usize = 1 << 18;

/// A server with something after its last line, repeated until the file is full.
fn full(head: &str, repeated: impl Fn(usize) -> String) -> String {
    let mut text = server("case", 1) + head;
    let mut index = 0;
    loop {
        let more = repeated(index);
        if text.len() + more.len() > FULL {
            return text;
        }
        text.push_str(&more);
        index += 1;
    }
}

fn load(text: String) -> Vec<&'static str> {
    assert!(text.len() <= FULL);
    let loaded = Tree::base().with("servers/case.yaml", text).load();
    assert!(!loaded.inventory.servers.contains_key("case") || loaded.has_errors());
    assert!(loaded.inventory.servers.contains_key("base-01"));
    assert!(loaded.diagnostics.len() <= 600, "{} diagnostics", loaded.diagnostics.len());
    let mut found = codes(&loaded.diagnostics);
    found.dedup();
    found
}

#[test]
fn a_list_of_nothing() {
    assert!(load(full("  macs:\n", |_| "  - ~\n".to_owned())).contains(&code::SCHEMA_OTHER));
}

#[test]
fn a_mapping_of_unknown_fields() {
    assert!(load(full("", |index| format!("  f{index}: ~\n"))).contains(&code::SCHEMA_OTHER));
}

#[test]
fn one_key_again_and_again() {
    assert!(load(full("", |_| "  power: On\n".to_owned())).contains(&code::DUPLICATE_KEY));
}

#[test]
fn ambiguous_words_without_end() {
    let tree = Tree::base().with("servers/case.yaml", full("  macs:\n", |_| "  - no\n".to_owned()));
    let loaded = tree.load();
    assert!(loaded.diagnostics.len() <= 600 && loaded.has_errors());
}

#[test]
fn documents_that_are_all_broken() {
    assert!(load(full("", |_| "---\n[\n".to_owned())).contains(&code::SYNTAX));
    assert!(load(full("", |_| "---\nkind: Server\n".to_owned())).contains(&code::SCHEMA_OTHER));
}

#[test]
fn documents_that_all_have_one_name() {
    let text = full("", |index| "---\n".to_owned() + &server("same", index + 2));
    let loaded = Tree::base().with("servers/case.yaml", text).load();
    let doubles = loaded.diagnostics.iter().filter(|d| d.code == code::DUPLICATE_NAME);
    assert!(doubles.clone().count() > 500);
    assert!(doubles.clone().all(|d| d.related.len() == 8 && d.severity == Severity::Error));
}

#[test]
fn servers_that_all_have_one_identity_and_one_bmc() {
    let text = full("", |index| {
        "---\n".to_owned() + &server("x", 1).replace("x}", "y}").replace(" x\n", &format!(" srv-{index}\n"))
    });
    let loaded = Tree::base().with("servers/case.yaml", text).load();
    for code in [code::SERVER_DUPLICATE, code::BMC_DUPLICATE] {
        let shared = loaded.diagnostics.iter().filter(|d| d.code == code);
        assert!(shared.clone().count() > 500 && shared.clone().all(|d| d.related.len() == 8));
    }
}

#[test]
fn interfaces_without_end() {
    let interfaces = full("  network:\n", |index| format!("  - {{name: e{index}, bond: [a, b]}}\n"));
    assert_eq!(load(interfaces), [code::NETWORK_SIZE]);
    let members = full("  network:\n  - name: b\n    bond:\n", |index| format!("    - e{index}\n"));
    assert_eq!(load(members), [code::NETWORK_SIZE]);
}

#[test]
fn values_that_nobody_asked_for() {
    let text = full("", |_| String::new() + "#\n").replace(
        "{hostname: case}",
        &format!(
            "{{hostname: case{}}}",
            (0..5000).map(|i| format!(", v{i}: x")).collect::<Vec<_>>().concat()
        ),
    );
    let text = text[..text.len().min(FULL)].to_owned();
    assert_eq!(load(text), [code::VAR_UNKNOWN]);
}

#[test]
fn references_and_parameters_without_end() {
    let mut recipe = String::from(
        "apiVersion: shoal.dev/v1\nkind: Recipe\nmetadata: {name: case}\nspec:\n  target: x.target\n  parameters:\n",
    );
    for index in 0..5000 {
        recipe.push_str(&format!("    parameter-{index}: {{}}\n"));
    }
    recipe.push_str("  userData:\n    text: |\n");
    while recipe.len() < FULL - 100 {
        recipe.push_str("      ${parametre-1} ${parametre-2}\n");
    }
    let loaded = Tree::base().with("recipes/case.yaml", recipe).load();
    assert!(codes(&loaded.diagnostics).contains(&code::TEMPLATE_REFERENCE));
}

#[test]
fn many_servers_with_a_wrong_name_among_many_names() {
    let secret = String::from_utf8(Tree::base().files["secrets/os-admin.yaml"].clone()).unwrap();
    let mut tree = Tree::base();
    for index in 0..1000 {
        // Every server has a Secret of its own, and names another.
        let text = server(&format!("srv-{index}"), index)
            .replace("  recipe:", &format!("    credentials: {{secret: bmc/srv-{index}x}}\n  recipe:"))
            .replace("bmc: {address: ", "bmc:\n    address: ")
            .replace("\"}\n    cred", "\"\n    cred");
        tree = tree
            .with(&format!("servers/{index}.yaml"), text)
            .with(&format!("secrets/{index}.yaml"), secret.replace("os/admin", &format!("bmc/srv-{index}")));
    }
    let loaded = tree.load();
    assert_eq!(loaded.diagnostics.iter().filter(|d| d.code == code::REFERENCE).count(), 1000);
}

#[test]
fn one_line_without_end() {
    let text = server("case", 1) + "  x: \"" + &"y".repeat(FULL - 1000) + "\"\n";
    let loaded = Tree::base().with("servers/case.yaml", text).load();
    let longest = loaded.diagnostics.iter().filter_map(|d| d.source_line.as_ref()).map(String::len).max();
    assert!(longest.unwrap() < 300);
}
