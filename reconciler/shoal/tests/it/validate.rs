// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal validate`.

use super::harness::Sandbox;
use super::repository::{Team, server, write_inventory};

/// An inventory with three kinds of mistakes in two files.
fn broken() -> Sandbox {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    let text = server("web-01", "SN-WEB-01", "10.0.0.1", "13.1").replace("serial:", "serail:");
    sandbox.write("fleet/servers/rack-a/web-01.yaml", &text);
    let text = server("web-02", "SN-DB-01", "10.0.0.3", "13.9");
    sandbox.write("fleet/servers/rack-a/web-02.yaml", &text);
    sandbox
}

#[test]
fn a_valid_inventory_prints_nothing_and_ends_with_zero() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    let ran = sandbox.run(&["validate", "fleet"]).ends(0).prints_nothing();
    assert_eq!(ran.stderr, "7 files, 3 servers: 0 errors, 0 warnings\n");
}

#[test]
fn every_mistake_is_shown_at_once_with_its_line() {
    let ran = broken().run(&["validate", "fleet"]).ends(7);
    insta::assert_snapshot!("validate-text", ran.golden());
}

#[test]
fn every_format_says_the_same_to_its_reader() {
    let sandbox = broken();
    let count = sandbox.run(&["validate", "fleet", "--json"]).ends(7).json()["diagnostics"]
        .as_array()
        .expect("a list")
        .len();
    assert!(count >= 3, "{count}");
    let same = sandbox.run(&["validate", "fleet", "--format", "json"]).ends(7);
    assert_eq!(same.stdout, sandbox.run(&["validate", "fleet", "--json"]).ends(7).stdout);
    let sarif = sandbox.run(&["validate", "fleet", "--format", "sarif"]).ends(7).json();
    assert_eq!(sarif["runs"][0]["results"].as_array().expect("results").len(), count);
    let gitlab = sandbox.run(&["validate", "fleet", "--format", "gitlab"]).ends(7).json();
    assert_eq!(gitlab.as_array().expect("a list").len(), count);
    let github = sandbox.run(&["validate", "fleet", "--format", "github"]).ends(7);
    assert_eq!(github.stdout.lines().filter(|line| line.starts_with("::")).count(), count);
}

#[test]
fn warnings_are_no_errors_unless_asked_for() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    let path = "fleet/servers/rack-b/db-01.yaml";
    let text = sandbox.read(path).replace("trustOnFirstUse: true", "insecure: true");
    sandbox.write(path, &text);
    sandbox.run(&["validate", "fleet"]).ends(0).prints("bmc.insecure-tls");
    sandbox.run(&["validate", "fleet", "--deny-warnings"]).ends(7);
}

#[test]
fn a_revision_is_read_from_git_and_the_directory_as_it_lies() {
    let team = Team::without_status();
    let sandbox = &team.sandbox;
    sandbox.write("fleet/servers/rack-a/web-01.yaml", "kind: Nonsense\n");
    sandbox.shoal(&["validate"]).at("fleet").run().ends(7);
    sandbox.shoal(&["validate", "--rev", "HEAD"]).at("fleet").run().ends(0);
    // From a directory below, the repository is meant.
    sandbox.shoal(&["validate", "--rev", "main"]).at("fleet/servers").run().ends(0);
    // A bare repository has nothing but what is committed.
    sandbox.run(&["validate", "origin.git"]).ends(0).says("7 files");
    sandbox.shoal(&["validate", "--rev", "nope"]).at("fleet").run().ends(1).says("nope");
}

#[test]
fn an_inventory_inside_of_another_repository_is_read_as_it_lies() {
    let team = Team::without_status();
    let sandbox = &team.sandbox;
    write_inventory(sandbox, "fleet/examples/inventory");
    let ran = sandbox.run(&["validate", "fleet/examples/inventory"]).ends(0);
    assert!(ran.stderr.starts_with("7 files"), "{}", ran.stderr);
}
