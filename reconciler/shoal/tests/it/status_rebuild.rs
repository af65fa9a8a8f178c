// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal status rebuild`: the branch as the database says, whatever was done to it by hand.

use super::harness::Sandbox;
use super::repository::write_inventory;
use super::restore::team;
use super::running::{Running, nobody_answers, write_iso};

#[test]
fn what_was_done_to_the_branch_by_hand_is_put_right_in_one_commit() {
    let team = team();
    let sandbox = &team.sandbox;
    let controller = Running::start(sandbox, "origin.git", &["--sweep-interval", "1h"]);
    let shown =
        |path: &str| sandbox.git("", &["--git-dir", "origin.git", "show", &format!("shoal/status:{path}")]);
    let tip = || sandbox.git("", &["--git-dir", "origin.git", "rev-parse", "shoal/status"]);
    let listed =
        || sandbox.git("", &["--git-dir", "origin.git", "ls-tree", "-r", "--name-only", "shoal/status"]);
    controller.until("status is published", |_| {
        sandbox.git("", &["ls-remote", "origin.git", "shoal/status"]).contains("shoal/status")
            && listed().contains("web-02")
    });
    // Until nothing moves any more: the first looks at the BMCs are news.
    controller.until("nothing is left to publish", |controller| {
        controller.shoal(&["status", "rebuild"]).ends(0).stdout.contains("nothing was written")
    });
    let (before, files) = (tip(), listed());
    let whole: Vec<String> = files.lines().map(shown).collect();
    controller.shoal(&["status", "rebuild"]).ends(0).prints("nothing was written");
    assert_eq!(tip(), before, "no commit without a difference");

    // Changed, removed, added, a link, a directory where a file belongs and a file where a directory does.
    sandbox.git("", &["clone", "-q", "-b", "shoal/status", "origin.git", "damage"]);
    sandbox.write("damage/servers/rack-a/web-01.json", "{}");
    std::fs::remove_file(sandbox.path("damage/servers/rack-a/web-02.json")).expect("a file");
    sandbox.write("damage/servers/rack-a/web-02.json/odd", "x");
    std::fs::remove_dir_all(sandbox.path("damage/servers/rack-b")).expect("a directory");
    sandbox.write("damage/servers/rack-b", "no directory");
    sandbox.write("damage/servers/rack-c/ghost.json", "{\"name\": \"ghost\"}");
    std::os::unix::fs::symlink("/etc/passwd", sandbox.path("damage/servers/link.json")).expect("a link");
    std::fs::remove_file(sandbox.path("damage/summary.json")).expect("a file");
    sandbox.write("damage/README.md", "what this branch is");
    sandbox.git("damage", &["add", "-A"]);
    sandbox.git("damage", &["commit", "-q", "-m", "by hand"]);
    sandbox.git("damage", &["push", "-q"]);
    let damaged = tip();

    controller.shoal(&["status", "rebuild"]).ends(0).prints("written anew: 4 files written, 2 removed");
    assert_eq!(listed(), format!("README.md\n{files}"));
    assert_eq!(files.lines().map(shown).collect::<Vec<_>>(), whole);
    let parent = sandbox.git("", &["--git-dir", "origin.git", "rev-parse", "shoal/status^"]);
    assert_eq!(parent, damaged, "one commit, on top of what stood there");

    // Gone altogether.
    sandbox.git("", &["--git-dir", "origin.git", "update-ref", "-d", "refs/heads/shoal/status"]);
    let ran = controller.shoal(&["status", "rebuild", "--json"]).ends(0).json();
    assert!(ran["message"].as_str().expect("words").contains("4 files written, 0 removed"), "{ran}");
    assert_eq!(files.lines().map(shown).collect::<Vec<_>>(), whole);

    // Somebody else's: it is left to them.
    sandbox.git("damage", &["fetch", "-q"]);
    sandbox.git("damage", &["reset", "-q", "--hard", "origin/shoal/status"]);
    let summary = sandbox.read("damage/summary.json");
    let ledger = controller.shoal(&["status", "--json"]).json()["controller"]["ledger"].clone();
    let foreign = summary.replace(ledger.as_str().expect("an id"), &"ab".repeat(16));
    sandbox.write("damage/summary.json", &foreign);
    sandbox.write("damage/servers/rack-a/web-01.json", "{}");
    sandbox.write("damage/servers/rack-z/theirs.json", "{}");
    sandbox.git("damage", &["add", "-A"]);
    sandbox.git("damage", &["commit", "-q", "-m", "another one"]);
    sandbox.git("damage", &["push", "-q"]);
    let theirs = tip();
    controller.shoal(&["status", "rebuild"]).ends(1).says("takeover").prints_nothing();
    assert_eq!(tip(), theirs);
    controller.shoal(&["status"]).ends(0).prints("only observing");

    // Until somebody says that they are gone: then all that stands there is written over.
    controller.shoal(&["takeover"]).ends(0);
    controller.until("the branch is this controller's", |_| listed() == files);
    assert_ne!(shown("servers/rack-a/web-01.json"), "{}");
    assert_eq!(controller.stop(), Some(0));
}

#[test]
fn plain_files_are_put_right_too() {
    let sandbox = &Sandbox::new();
    write_inventory(sandbox, "fleet");
    nobody_answers(sandbox);
    write_iso(sandbox);
    let fleet = sandbox.read("fleet/shoal.yaml");
    sandbox.write("fleet/shoal.yaml", &format!("{fleet}  status:\n    flushSeconds: 0\n"));
    let controller = Running::start(sandbox, "fleet", &["--sweep-interval", "1h"]);
    controller.until("status is published", |_| sandbox.exists("state/status/servers/rack-a/web-01.json"));
    controller.until("nothing is left to publish", |controller| {
        controller.shoal(&["status", "rebuild"]).ends(0).stdout.contains("nothing was written")
    });
    let whole = sandbox.read("state/status/servers/rack-a/web-01.json");
    sandbox.write("state/status/servers/rack-a/web-01.json", "{}");
    sandbox.write("state/status/servers/rack-c/ghost.json", "{}");
    controller.shoal(&["status", "rebuild"]).ends(0).prints("1 files written, 1 removed");
    assert_eq!(sandbox.read("state/status/servers/rack-a/web-01.json"), whole);
    assert!(!sandbox.exists("state/status/servers/rack-c/ghost.json"));
    assert_eq!(controller.stop(), Some(0));
}
