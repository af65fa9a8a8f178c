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

#[test]
fn what_must_not_be_read_is_named_with_what_to_do_in_a_directory_and_in_git() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    std::os::unix::fs::symlink("/etc/passwd", sandbox.path("fleet/servers/link.yaml")).expect("a link");
    std::os::unix::fs::symlink("/etc", sandbox.path("fleet/recipes/linked")).expect("a link");
    sandbox.write("fleet/servers/large.yaml", &"#".repeat((1 << 20) + 1));
    sandbox.write("fleet/servers/bad.yaml", "kind: Server\n\tmetadata: {}\n");
    let wanted: [(&str, &str, &str); 3] = [
        ("servers/link.yaml", "symbolic links are not followed", "put the file itself here"),
        ("servers/large.yaml", "the file is over 1 MiB", "one document a file keeps files small"),
        ("servers/bad.yaml:2", "a tab in the indentation", "indent with spaces"),
    ];
    let say = |args: &[&str], more: &[(&str, &str, &str)]| {
        let ran = sandbox.run(args).ends(7);
        for (place, message, hint) in wanted.iter().chain(more) {
            for words in [place, message, hint] {
                assert!(ran.stdout.contains(words), "{words:?} is not in {}", ran.stdout);
            }
        }
        assert!(!ran.stdout.contains("root:"), "a link was followed: {}", ran.stdout);
    };
    say(&["validate", "fleet"], &[("recipes/linked", "symbolic links", "put the file itself here")]);
    sandbox.git("fleet", &["init", "-q", "-b", "main"]);
    sandbox.git("fleet", &["add", "-A"]);
    let submodule = format!("160000,{},servers/vendor", "5".repeat(40));
    sandbox.git("fleet", &["update-index", "--add", "--cacheinfo", &submodule]);
    sandbox.git("fleet", &["commit", "-q", "-m", "traps"]);
    let vendor = ("servers/vendor", "submodules are not read", "put the files themselves here");
    say(&["validate", "fleet", "--rev", "HEAD"], &[vendor]);
}

#[test]
fn repositories_that_are_empty_away_or_too_large_are_named_with_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.git("", &["init", "-q", "-b", "main", "nothing"]);
    sandbox.run(&["validate", "nothing", "--rev", "HEAD"]).ends(1).says("nothing").says("hint:");
    sandbox
        .run(&["plan", "--repo", "https://127.0.0.1:1/fleet.git"])
        .ends(69)
        .says("127.0.0.1:1")
        .says("hint:");
    let team = Team::without_status();
    let tree = |entries: &str| team.sandbox.git_fed("fleet", &["mktree"], entries);
    // Two hundred thousand files and more, out of a few small objects.
    let blob = team.sandbox.git("fleet", &["rev-parse", "HEAD:shoal.yaml"]).trim().to_owned();
    let files: Vec<String> = (0..501).map(|n| format!("100644 blob {blob}\t{n}.yaml\n")).collect();
    let files = tree(&files.concat());
    let racks: Vec<String> = (0..400).map(|n| format!("040000 tree {files}\t{n}\n")).collect();
    let servers = tree(&racks.concat());
    let root = tree(&format!("040000 tree {servers}\tservers\n"));
    let commit = team.sandbox.git("fleet", &["commit-tree", "-m", "many", &root]).trim().to_owned();
    let ran = team.sandbox.run(&["validate", "fleet", "--rev", &commit]).ends(1).prints_nothing();
    for words in ["200000 entries", "hint: keep only the inventory in this repository"] {
        assert!(ran.stderr.contains(words), "{words:?} is not in {}", ran.stderr);
    }
}
