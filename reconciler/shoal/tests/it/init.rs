// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal init` and `shoal schema`.

use std::collections::BTreeSet;

use super::harness::Sandbox;

#[test]
fn a_new_inventory_is_valid_without_a_warning_that_matters() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["init", "fleet"]).ends(0).says("git init");
    assert_eq!(
        ran.stdout,
        "fleet/shoal.yaml\nfleet/servers/rack-a/web-01.yaml\nfleet/recipes/debian.yaml\n\
         fleet/images/debian.yaml\nfleet/README.md\nfleet/.gitignore\n"
    );
    let ran = sandbox.run(&["validate", "fleet"]).ends(0).says("4 files, 1 server: 0 errors");
    insta::assert_snapshot!("validate-of-init", ran.golden());
}

#[test]
fn the_schemas_that_the_first_lines_name_are_there() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init", "fleet"]).ends(0);
    let mut seen = BTreeSet::new();
    for file in ["shoal.yaml", "servers/rack-a/web-01.yaml", "recipes/debian.yaml", "images/debian.yaml"] {
        let text = sandbox.read(&format!("fleet/{file}"));
        let first = text.lines().next().unwrap();
        let schema = first.strip_prefix("# yaml-language-server: $schema=").expect("a hint for editors");
        let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let json: serde_json::Value =
            serde_json::from_str(&sandbox.read(&format!("fleet/{folder}{schema}"))).expect("a schema");
        seen.insert(json["title"].as_str().expect("a title").to_owned());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["Fleet", "Image", "Recipe", "Server"]);
}

#[test]
fn a_new_inventory_becomes_a_repository_that_can_be_planned() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init", "fleet"]).ends(0);
    sandbox.git("fleet", &["init", "-q", "-b", "main"]);
    sandbox.git("fleet", &["add", "-A"]);
    sandbox.git("fleet", &["commit", "-q", "-m", "inventory"]);
    let ran = sandbox.shoal(&["plan", "--without-status"]).at("fleet").run().ends(3);
    insta::assert_snapshot!("plan-of-init", ran.golden());
}

#[test]
fn a_directory_with_files_in_it_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("fleet/notes.txt", "mine");
    sandbox.run(&["init", "fleet"]).ends(1).prints_nothing().says("not empty").says("notes.txt");
    sandbox.run(&["init", "fleet", "--force"]).ends(0);
    assert_eq!(sandbox.read("fleet/notes.txt"), "mine");
    // A second time there is something that would be overwritten.
    sandbox.run(&["init", "fleet", "--force"]).ends(1).prints_nothing().says("shoal.yaml");
}

#[test]
fn an_empty_repository_is_an_empty_directory() {
    let sandbox = Sandbox::new();
    sandbox.git("", &["init", "-q", "fleet"]);
    sandbox.shoal(&["init"]).at("fleet").run().ends(0);
}

#[test]
fn schemas_are_listed_printed_and_written() {
    let sandbox = Sandbox::new();
    let listed = sandbox.run(&["schema"]).ends(0);
    insta::assert_snapshot!("schema", listed.stdout);
    let printed = sandbox.run(&["schema", "SERVER"]).ends(0);
    assert_eq!(printed.json()["title"], "Server");
    sandbox.run(&["schema", "--all", "out/schemas"]).ends(0).prints_nothing();
    assert_eq!(sandbox.read("out/schemas/server.json"), printed.stdout);
    assert!(sandbox.exists("out/schemas/status-summary.json"));
}
