// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal plan`, `shoal show` and `shoal explain --repo`, from a clone alone.

use super::repository::Team;

#[test]
fn a_plan_says_what_would_happen_and_why() {
    let team = Team::new();
    let ran = team.sandbox.shoal(&["plan"]).at("fleet").run().ends(3);
    insta::assert_snapshot!("plan-text", ran.golden());
}

#[test]
fn a_plan_in_markdown_fits_a_pull_request() {
    let team = Team::new();
    let ran = team.sandbox.shoal(&["plan", "--format", "markdown"]).at("fleet").run().ends(3);
    insta::assert_snapshot!("plan-markdown", ran.golden());
}

#[test]
fn the_same_commit_and_status_give_the_same_plan_from_a_clone_an_address_and_a_bare_repository() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let id = |args: &[&str], at: &str| {
        let plan = sandbox.shoal(args).at(at).run().ends(3).json();
        (plan["id"].clone(), plan["source"].clone())
    };
    let address = format!("file://{}", sandbox.path("origin.git").display());
    let clone = id(&["plan", "--json"], "fleet");
    assert_eq!(id(&["plan", "--json", "--repo", &address], ""), clone);
    assert_eq!(id(&["plan", "--json", "--repo", "origin.git"], ""), clone);
    assert_eq!(id(&["plan", "--json", "--rev", "main"], "fleet/servers"), clone);
    // The copy of the address is gone again.
    assert_eq!(std::fs::read_dir(sandbox.tmp()).expect("a directory").count(), 0);
}

#[test]
fn a_clone_without_the_status_branch_is_told_the_command_that_brings_it() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    sandbox.git("", &["clone", "-q", "--single-branch", "-b", "main", "origin.git", "ci"]);
    let ran = sandbox.shoal(&["plan"]).at("ci").run().ends(1).prints_nothing();
    insta::assert_snapshot!("plan-no-status", ran.golden());
    let command = ran.stderr.lines().find_map(|line| line.strip_prefix("hint: git ")).expect("a command");
    let args: Vec<&str> = command.split_whitespace().collect();
    sandbox.git("ci", &args);
    sandbox.shoal(&["plan"]).at("ci").run().ends(3);
}

#[test]
fn without_status_everything_is_unknown_and_nothing_can_be_agreed_to() {
    let team = Team::without_status();
    let plan = team.sandbox.shoal(&["plan", "--without-status", "--json"]).at("fleet").run().ends(3).json();
    assert_eq!(plan["summary"]["destructive"], 3);
    assert!(plan["inputs"].get("ledger").is_none(), "{plan}");
    let holds = plan["entries"][0]["holds"].to_string();
    assert!(holds.contains("no-ledger"), "{holds}");
}

#[test]
fn a_directory_that_is_no_repository_is_planned_as_it_is_beside_status_files() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    std::fs::remove_dir_all(sandbox.path("fleet/.git")).expect("the repository goes");
    sandbox.shoal(&["plan"]).at("fleet").run().ends(1).says("--status-dir");
    let args = ["plan", "--status-dir", "../status", "--json"];
    let plan = sandbox.shoal(&args).at("fleet").run().ends(3).json();
    assert!(plan["source"].get("commit").is_none());
    assert_eq!(plan["summary"]["unchanged"], 1);
    let args = ["plan", "--status-dir", "../status", "--rev", "HEAD"];
    sandbox.shoal(&args).at("fleet").run().ends(1).says("no git repository");
}

#[test]
fn with_a_base_only_what_the_branch_changes_is_shown() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    sandbox.git("fleet", &["switch", "-q", "-c", "bump-web-01"]);
    team.bump("web-01");
    sandbox.git("fleet", &["commit", "-q", "-a", "-m", "web-01: debian 13.2"]);
    // Meanwhile others went on with the base.
    sandbox.git("fleet", &["switch", "-q", "main"]);
    let path = "fleet/servers/rack-b/db-01.yaml";
    sandbox.write(path, &sandbox.read(path).replace("13.1", "13.2"));
    team.push("db-01: debian 13.2");
    let args = ["plan", "--rev", "bump-web-01", "--base", "origin/main", "--json"];
    let plan = sandbox.shoal(&args).at("fleet").run().ends(3).json();
    let servers: Vec<&str> =
        plan["entries"].as_array().expect("entries").iter().filter_map(|e| e["server"].as_str()).collect();
    assert_eq!(servers, ["web-01"]);
    let args = ["plan", "--base", "HEAD"];
    sandbox.shoal(&args).at("fleet").run().ends(0).prints("0 destructive");
}

#[test]
fn nothing_to_do_ends_with_zero_and_an_invalid_inventory_with_seven() {
    let team = Team::without_status();
    team.publish(&["web-01", "web-02", "db-01"]);
    let sandbox = &team.sandbox;
    sandbox.shoal(&["plan"]).at("fleet").run().ends(0);
    sandbox.write("fleet/servers/rack-a/web-01.yaml", "kind: Server\n");
    team.push("broken");
    let ran = sandbox.shoal(&["plan"]).at("fleet").run().ends(7);
    insta::assert_snapshot!("plan-invalid", ran.golden());
}

#[test]
fn what_is_not_committed_is_not_planned_and_said_to_be_so() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let before = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3);
    assert!(!before.stderr.contains("not committed"), "{}", before.stderr);
    // What is not read does not count.
    sandbox.write("fleet/servers/.gitkeep", "");
    sandbox.write("fleet/notes.yaml", "a: 1\n");
    let same = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3);
    assert!(!same.stderr.contains("not committed"), "{}", same.stderr);
    sandbox.git("fleet", &["add", "servers/.gitkeep"]);
    sandbox.git("fleet", &["commit", "-q", "-m", "keep the directory"]);
    let before = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3);
    assert!(!before.stderr.contains("not committed"), "{}", before.stderr);
    team.bump("web-01");
    let after = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3).says("not committed");
    assert_eq!(after.json()["id"], before.json()["id"]);
}

#[test]
fn a_plan_file_is_shown_again_and_refused_when_it_was_changed() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let planned = sandbox.shoal(&["plan", "--out", "plan.json"]).at("fleet").run().ends(3);
    let shown = sandbox.shoal(&["show", "plan.json"]).at("fleet").run().ends(0);
    assert_eq!(shown.stdout, planned.stdout);
    let text = sandbox.read("fleet/plan.json");
    let piped = sandbox.shoal(&["show", "-", "--json"]).stdin(&text).run().ends(0);
    assert_eq!(piped.stdout, text);
    // The time is outside of the id, everything else is inside.
    sandbox.write("fleet/plan.json", &text.replace("\"createdAt\": \"2", "\"createdAt\": \"1"));
    sandbox.shoal(&["show", "plan.json"]).at("fleet").run().ends(0);
    let changes = [
        ("web-02", "web-03"),
        ("\"steps\": [", "\"steps\": [\"look away\", "),
        ("\"action\": \"reinstall\"", "\"extra\": 1, \"action\": \"reinstall\""),
        ("\"complete\": true", "\"complete\": true, \"extra\": 1"),
    ];
    for (from, to) in changes {
        assert!(text.contains(from));
        sandbox.write("fleet/plan.json", &text.replace(from, to));
        let ran = sandbox.shoal(&["show", "plan.json"]).at("fleet").run().ends(1).prints_nothing();
        assert!(ran.stderr.contains("plan.damaged"), "{}", ran.stderr);
    }
    sandbox.write("fleet/plan.json", &text.replace("\"2.0\"", "\"1.0\""));
    sandbox
        .shoal(&["show", "plan.json"])
        .at("fleet")
        .run()
        .ends(1)
        .says("reads 2.x")
        .says("hint: make the plan again");
    sandbox.write("fleet/plan.json", "[]");
    sandbox.shoal(&["show", "plan.json"]).at("fleet").run().ends(1).says("is not a plan");
}

#[test]
fn a_clone_explains_a_server_with_the_place_of_every_value() {
    let team = Team::new();
    let ran = team.sandbox.shoal(&["explain", "web-02", "--repo", "."]).at("fleet").run().ends(0);
    insta::assert_snapshot!("explain-repo", ran.golden());
    let json = team.sandbox.shoal(&["explain", "web-01", "--repo", ".", "--json"]).at("fleet").run().ends(0);
    assert_eq!(json.json()["status"]["record"]["state"], "installed");
}

#[test]
fn no_secret_is_in_a_plan_in_any_format() {
    let team = Team::new();
    for format in ["text", "json", "markdown"] {
        let ran = team.sandbox.shoal(&["plan", "--format", format]).at("fleet").run().ends(3);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains("c4n4ry") && !text.contains("AGE ENCRYPTED"), "{text}");
        }
    }
}
