// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal approve` and `shoal adopt`: agreements are commits, and work for exactly one entry.

use super::repository::{Team, server};

fn approvals(team: &Team) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(team.sandbox.path("fleet/approvals"))
        .map(|entries| {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn an_approval_is_a_commit_that_the_next_plan_counts() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let before = sandbox.git("fleet", &["rev-parse", "HEAD"]);
    let ran =
        sandbox.shoal(&["approve", "web-02", "--reason", "security fixes, CHG-17"]).at("fleet").run().ends(0);
    insta::assert_snapshot!("approve", ran.golden());
    let [file] = approvals(&team).try_into().expect("one file");
    let text = sandbox.read(&format!("fleet/approvals/{file}"));
    assert!(text.contains("reason: \"security fixes, CHG-17\"") && text.contains("expires: \""), "{text}");
    assert_eq!(sandbox.git("fleet", &["rev-parse", "HEAD~1"]), before);
    assert_eq!(sandbox.git("fleet", &["status", "--porcelain"]), "");
    let changed = sandbox.git("fleet", &["show", "--name-only", "--format=%s", "HEAD"]);
    assert_eq!(changed, format!("approve: install web-02\n\napprovals/{file}"));
    sandbox.shoal(&["validate", "--deny-warnings"]).at("fleet").run().ends(0).prints_nothing();
    let plan = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3).json();
    let entry = plan["entries"].as_array().expect("entries").iter().find(|e| e["server"] == "web-02");
    assert_eq!(entry.expect("an entry")["approval"]["state"], "approved");
    assert_eq!(plan["summary"]["unapproved"], 1, "db-01 still waits");
}

#[test]
fn all_means_everything_that_waits_and_a_second_time_there_is_nothing() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let ran = sandbox.shoal(&["approve", "--all", "--json", "--expires", "never"]).at("fleet").run().ends(0);
    let report = ran.json();
    let servers: Vec<&str> =
        report["entries"].as_array().expect("entries").iter().filter_map(|e| e["server"].as_str()).collect();
    assert_eq!(servers, ["db-01", "web-02"]);
    let file = report["files"][0].as_str().expect("a file");
    assert!(file.ends_with("-db-01-and-1-more.yaml"), "{file}");
    assert!(!sandbox.read(&format!("fleet/{file}")).contains("expires"));
    sandbox.shoal(&["plan"]).at("fleet").run().ends(2);
    sandbox.shoal(&["approve", "--all"]).at("fleet").run().ends(0).prints_nothing().says("nothing to write");
    sandbox.shoal(&["approve", "db-01"]).at("fleet").run().ends(0).says("agreed to already in approvals/");
}

#[test]
fn an_agreement_to_very_many_entries_is_several_files_that_can_all_be_read() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let many = (0..1_100).map(|n| {
        server(&format!("many-{n:04}"), &format!("MANY{n:04}"), &format!("many-{n:04}.test"), "13.1")
    });
    sandbox.write("fleet/servers/many.yaml", &many.collect::<Vec<_>>().join("---\n"));
    team.push("many servers");
    let report = sandbox.shoal(&["approve", "--all", "--json"]).at("fleet").run().ends(0).json();
    assert_eq!(report["entries"].as_array().expect("entries").len(), 1_102);
    assert_eq!(report["files"].as_array().expect("files").len(), 2, "{}", report["files"]);
    sandbox.shoal(&["validate", "--deny-warnings"]).at("fleet").run().ends(0);
    let plan = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(2).json();
    assert_eq!(plan["summary"]["unapproved"], 0);
}

#[test]
fn an_approval_does_not_fit_another_version_of_the_same_server() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    sandbox.shoal(&["approve", "web-02"]).at("fleet").run().ends(0);
    let path = "fleet/servers/rack-a/web-02.yaml";
    sandbox.write(path, &format!("{}  reinstall: 1\n", sandbox.read(path)));
    team.push("again");
    let plan = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3).json();
    let entry = plan["entries"].as_array().expect("entries").iter().find(|e| e["server"] == "web-02");
    assert_eq!(entry.expect("an entry")["approval"]["state"], "needed");
}

#[test]
fn names_that_cannot_be_agreed_to_are_all_said_and_then_nothing_is_written() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let before = sandbox.git("fleet", &["rev-parse", "HEAD"]);
    let ran = sandbox.shoal(&["approve", "web-02", "web-01", "web-3", "nope"]).at("fleet").run().ends(1);
    insta::assert_snapshot!("approve-wrong-names", ran.golden());
    assert_eq!(sandbox.git("fleet", &["rev-parse", "HEAD"]), before);
    assert!(approvals(&team).is_empty());
}

#[test]
fn nothing_is_agreed_to_while_a_job_would_make_it_void() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let path = "status/servers/rack-a/web-02.json";
    let mut status: serde_json::Value = serde_json::from_str(&sandbox.read(path)).expect("a status");
    let id = "1a2b3c4d5e6f708192a3b4c5d6e7f809";
    status["job"] = serde_json::json!({"id": id, "status": "provisioning", "attempt": 1});
    sandbox.write(path, &status.to_string());
    sandbox.git("status", &["commit", "-q", "-a", "-m", "a job is active"]);
    sandbox.git("status", &["push", "-q", "origin", "shoal/status"]);
    team.fetch();
    for command in ["approve", "adopt"] {
        let ran = sandbox.shoal(&[command, "web-02"]).at("fleet").run().ends(1).prints_nothing();
        assert!(ran.stderr.contains("web-02: job 1a2b3c4d is active"), "{}", ran.stderr);
    }
    // The others go on.
    let all = sandbox.shoal(&["approve", "--all", "--json"]).at("fleet").run().ends(0).says("would be void");
    let report = all.json();
    assert_eq!(report["entries"].as_array().expect("entries").len(), 1);
    assert_eq!(report["entries"][0]["server"], "db-01");
}

#[test]
fn adopting_records_a_machine_as_it_is_and_takes_the_install_out_of_the_plan() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let ran = sandbox.shoal(&["adopt", "db-01", "--reason", "runs since 2024"]).at("fleet").run().ends(0);
    insta::assert_snapshot!("adopt", ran.golden());
    let plan = sandbox.shoal(&["plan", "--json"]).at("fleet").run().ends(3).json();
    let entry = plan["entries"].as_array().expect("entries").iter().find(|e| e["server"] == "db-01");
    assert_eq!(entry.expect("an entry")["action"], "adopt");
    sandbox.shoal(&["adopt", "web-01"]).at("fleet").run().ends(1).says("as wanted");
}

#[test]
fn pruning_removes_what_was_carried_out_and_keeps_what_still_counts() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    sandbox.shoal(&["approve", "web-02"]).at("fleet").run().ends(0);
    sandbox.shoal(&["adopt", "db-01"]).at("fleet").run().ends(0);
    assert_eq!(approvals(&team).len(), 2);
    sandbox.shoal(&["approve", "--prune"]).at("fleet").run().ends(0).says("nothing to write");
    // The controller carried web-02 out.
    team.publish(&["web-01", "web-02"]);
    let ran = sandbox.shoal(&["approve", "--prune"]).at("fleet").run().ends(0).says("removed approvals/");
    assert!(ran.stdout.is_empty());
    let [left] = approvals(&team).try_into().expect("one file is left");
    assert!(left.contains("db-01"), "{left}");
    assert_eq!(sandbox.git("fleet", &["log", "-1", "--format=%s"]), "approvals: remove a consumed approval");
}

#[test]
fn many_servers_that_left_git_go_only_when_that_is_agreed_to() {
    let team = Team::without_status();
    team.publish(&["web-01", "web-02", "db-01"]);
    let sandbox = &team.sandbox;
    for name in ["rack-a/web-01", "rack-a/web-02"] {
        std::fs::remove_file(sandbox.path(&format!("fleet/servers/{name}.yaml"))).expect("the file goes");
    }
    team.push("two servers go");
    sandbox.shoal(&["plan"]).at("fleet").run().ends(3).prints("left Git in one go");
    let ran = sandbox.shoal(&["approve", "--removals", "--json"]).at("fleet").run().ends(0).json();
    assert_eq!(ran["entries"].as_array().expect("entries").len(), 2);
    sandbox.shoal(&["plan"]).at("fleet").run().ends(2).prints("release");
    sandbox.shoal(&["approve", "--removals"]).at("fleet").run().ends(0);
    sandbox.shoal(&["approve", "--prune"]).at("fleet").run().ends(0).says("nothing to write");
}

#[test]
fn without_a_commit_the_file_is_written_and_left_to_the_operator() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let before = sandbox.git("fleet", &["rev-parse", "HEAD"]);
    sandbox.shoal(&["approve", "web-02", "--no-commit"]).at("fleet").run().ends(0).says("not committed");
    assert_eq!(sandbox.git("fleet", &["rev-parse", "HEAD"]), before);
    assert!(sandbox.git("fleet", &["status", "--porcelain"]).contains("approvals/"));
    // A second one on the same day gets another name.
    sandbox.shoal(&["approve", "web-02", "--no-commit"]).at("fleet").run().ends(0);
    assert_eq!(approvals(&team).len(), 2);
}

#[test]
fn a_branch_for_a_pull_request_is_made_and_switched_to() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    let main = sandbox.git("fleet", &["rev-parse", "main"]);
    let ran = sandbox.shoal(&["approve", "web-02", "--branch", "approve-web-02"]).at("fleet").run().ends(0);
    assert!(ran.stderr.contains("to approve-web-02"), "{}", ran.stderr);
    assert_eq!(sandbox.git("fleet", &["rev-parse", "main"]), main);
    assert_eq!(sandbox.git("fleet", &["branch", "--show-current"]), "approve-web-02");
}

#[test]
fn nothing_is_agreed_to_beside_a_database_that_nobody_knows() {
    let team = Team::without_status();
    let ran = team.sandbox.shoal(&["approve", "--all"]).at("fleet").run().ends(1).prints_nothing();
    assert!(ran.stderr.contains("does not have the status branch"), "{}", ran.stderr);
    assert!(approvals(&team).is_empty());
}

#[test]
fn a_bare_repository_and_a_commit_that_must_be_signed_are_refused_with_a_way_out() {
    let team = Team::new();
    let sandbox = &team.sandbox;
    sandbox.run(&["approve", "web-02", "--repo", "origin.git"]).ends(1).says("work tree");
    sandbox.git("fleet", &["config", "commit.gpgsign", "true"]);
    sandbox.shoal(&["approve", "web-02"]).at("fleet").run().ends(1).says("git commit -S");
    assert!(approvals(&team).is_empty());
}
