// SPDX-License-Identifier: AGPL-3.0-or-later
//! Changes that commands make in an operator's clone.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use shoal_git::{CloneView, Identity, WorktreeChange, WorktreeError};

use crate::common::{Origin, files, fsck, git, git_command};

fn change(message: &str) -> WorktreeChange {
    WorktreeChange {
        message: message.to_owned(),
        branch: None,
        identity: Some(Identity { name: "Grace".to_owned(), email: "grace@example.org".to_owned() }),
        time: 1_700_000_200,
    }
}

fn clone(origin: &Origin) -> CloneView {
    CloneView::discover(&origin.work()).expect("a clone")
}

fn porcelain(origin: &Origin) -> String {
    git(&origin.work(), &["status", "--porcelain"])
}

#[test]
fn exactly_the_given_files_are_committed_and_all_else_stays_as_it_was() {
    let origin = Origin::new();
    origin.write("shoal.yaml", "staged\n");
    git(&origin.work(), &["add", "shoal.yaml"]);
    origin.write("README.md", "not staged\n");
    origin.write("notes.txt", "untracked\n");
    let before = porcelain(&origin);

    let written = clone(&origin)
        .write_and_commit(
            &files(&[("approvals/2026/web-01.yaml", Some("kind: Approval\n"))]),
            false,
            &change("approve web-01"),
        )
        .expect("committed");
    assert_eq!(written.paths, ["approvals/2026/web-01.yaml"]);
    assert_eq!(written.branch.as_deref(), Some("main"));
    assert_eq!(written.commit, Some(origin.head()));
    assert_eq!(porcelain(&origin), before);
    assert_eq!(
        git(&origin.work(), &["show", "--format=%an <%ae> %at %s", "--name-status", "HEAD"]),
        "Grace <grace@example.org> 1700000200 approve web-01\n\nA\tapprovals/2026/web-01.yaml"
    );
    assert_eq!(git(&origin.work(), &["diff", "--cached", "--name-only"]), "shoal.yaml");
    fsck(&origin.work());
    // The same again is nothing.
    let again = clone(&origin)
        .write_and_commit(
            &files(&[("approvals/2026/web-01.yaml", Some("kind: Approval\n"))]),
            false,
            &change("approve web-01"),
        )
        .expect("nothing to do");
    assert_eq!((again.paths.len(), again.commit), (0, None));
}

#[test]
fn a_first_commit_in_an_unborn_repository_works() {
    let origin = Origin::empty();
    let written = clone(&origin)
        .write_and_commit(&files(&[("shoal.yaml", Some("x"))]), false, &change("init"))
        .expect("committed");
    assert_eq!(written.commit, Some(origin.head()));
    assert_eq!(porcelain(&origin), "");
}

#[test]
fn writing_alone_leaves_the_commit_to_the_operator() {
    let origin = Origin::new();
    let head = origin.head();
    let written = clone(&origin)
        .write(&files(&[("approvals/a.yaml", Some("x")), ("README.md", None)]), false)
        .expect("written");
    assert_eq!(written.paths, ["README.md", "approvals/a.yaml"]);
    assert_eq!((written.commit, origin.head()), (None, head));
    assert_eq!(porcelain(&origin), " D README.md\n?? approvals/");
}

#[test]
fn a_new_branch_takes_the_commit_and_is_checked_out() {
    let origin = Origin::new();
    let main = origin.head();
    origin.write("README.md", "dirty\n");
    let mut on_branch = change("approve");
    on_branch.branch = Some("approve/web-01".to_owned());
    let files = files(&[("approvals/a.yaml", Some("x"))]);
    let written = clone(&origin).write_and_commit(&files, false, &on_branch).expect("committed");
    assert_eq!(written.branch.as_deref(), Some("approve/web-01"));
    assert_eq!(git(&origin.work(), &["branch", "--show-current"]), "approve/web-01");
    assert_eq!(git(&origin.work(), &["rev-parse", "main"]), main.to_string());
    assert_eq!(git(&origin.work(), &["rev-parse", "HEAD~1"]), main.to_string());
    assert_eq!(porcelain(&origin), " M README.md");

    git(&origin.work(), &["switch", "-q", "main"]);
    let error = clone(&origin).write_and_commit(&files, false, &on_branch).expect_err("there already");
    assert!(matches!(error, WorktreeError::BranchExists { .. }), "{error}");
    assert!(!origin.work().join("approvals").exists());
}

#[test]
fn a_change_made_in_the_second_of_the_last_index_is_still_seen_after_the_commit() {
    let origin = Origin::new();
    let work = origin.work();
    // The times of the change are set by hand, and this one cannot be.
    git(&work, &["config", "core.trustctime", "false"]);
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let at = |path: &str, milliseconds: u64| {
        let time = second + Duration::from_millis(milliseconds);
        let file = fs::File::options().append(true).open(work.join(path)).expect("there");
        file.set_times(fs::FileTimes::new().set_modified(time)).expect("set");
    };
    at("README.md", 100);
    git(&work, &["update-index", "--refresh"]);
    at(".git/index", 500);
    // As many bytes as before.
    origin.write("README.md", "HELLO\n");
    at("README.md", 700);
    clone(&origin)
        .write_and_commit(&files(&[("a.yaml", Some("x"))]), false, &change("x"))
        .expect("committed");
    assert_eq!(porcelain(&origin), " M README.md");
}

#[test]
fn a_file_with_other_contents_is_replaced_only_when_told() {
    let origin = Origin::new();
    let wanted = files(&[("approvals/a.yaml", Some("x")), ("README.md", Some("other\n"))]);
    let error = clone(&origin).write_and_commit(&wanted, false, &change("x")).expect_err("exists");
    assert!(matches!(&error, WorktreeError::Exists { path } if path == "README.md"), "{error}");
    // All was checked before anything was written.
    assert_eq!(porcelain(&origin), "");
    clone(&origin).write_and_commit(&wanted, true, &change("x")).expect("committed");
    assert_eq!(porcelain(&origin), "");
    assert_eq!(fs::read_to_string(origin.work().join("README.md")).expect("there"), "other\n");
}

#[test]
fn removed_files_and_the_directories_they_leave_empty_are_gone() {
    let origin = Origin::new();
    let written = clone(&origin)
        .write_and_commit(
            &files(&[("servers/rack-a/web-01.yaml", None), ("servers/nope.yaml", None)]),
            false,
            &change("remove"),
        )
        .expect("committed");
    assert_eq!(written.paths, ["servers/rack-a/web-01.yaml"]);
    assert!(!origin.work().join("servers/rack-a").exists());
    assert!(origin.work().join("servers/rack-b").exists());
    assert_eq!(porcelain(&origin), "");
}

#[test]
fn no_path_leads_through_a_link_or_into_another_repository() {
    let origin = Origin::new();
    let outside = origin.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    symlink(&outside, origin.work().join("approvals")).expect("a link");
    symlink(outside.join("file"), origin.work().join("link.yaml")).expect("a link");
    git(&origin.work(), &["init", "-q", "nested"]);
    for path in ["approvals/a.yaml", "link.yaml", "nested/a.yaml", "servers", "README.md/x"] {
        let error = clone(&origin).write(&files(&[(path, Some("x"))]), true).expect_err(path);
        assert!(matches!(error, WorktreeError::Elsewhere { .. }), "{path}: {error}");
    }
    for path in ["../outside/x", "/etc/x", ".git/hooks/post-commit", "a/../b"] {
        let error = clone(&origin).write(&files(&[(path, Some("x"))]), true).expect_err(path);
        assert!(matches!(error, WorktreeError::Path(_)), "{path}: {error}");
    }
    assert_eq!(fs::read_dir(&outside).expect("there").count(), 0);
}

#[test]
fn an_unset_identity_is_named_with_the_command_that_sets_it() {
    let origin = Origin::new();
    let mut by_config = change("x");
    by_config.identity = None;
    let wanted = files(&[("a.yaml", Some("x"))]);
    // Empty here hides whatever the user who runs the tests has configured.
    git(&origin.work(), &["config", "user.name", ""]);
    git(&origin.work(), &["config", "user.email", "linus@example.org"]);
    let error = clone(&origin).write_and_commit(&wanted, false, &by_config).expect_err("no name");
    assert!(matches!(error, WorktreeError::NoIdentity { missing: "user.name" }), "{error}");
    assert_eq!(error.hint().as_deref(), Some("git config --global user.name 'Your Name'"));
    assert!(!origin.work().join("a.yaml").exists());

    git(&origin.work(), &["config", "user.name", "Linus"]);
    clone(&origin).write_and_commit(&wanted, false, &by_config).expect("committed");
    assert_eq!(git(&origin.work(), &["log", "-1", "--format=%an %ae"]), "Linus linus@example.org");
}

#[test]
fn what_a_commit_would_disturb_or_could_not_honour_stops_it_before_a_file_is_written() {
    let origin = Origin::new();
    let work = origin.work();
    let wanted = files(&[("a.yaml", Some("x"))]);
    let refused = |what: &str| {
        let error = clone(&origin).write_and_commit(&wanted, false, &change("x")).expect_err(what);
        assert!(!work.join("a.yaml").exists(), "{what}");
        assert!(error.hint().is_some(), "{what}");
        error
    };

    git(&work, &["config", "commit.gpgsign", "true"]);
    assert!(matches!(refused("signing"), WorktreeError::Signing));
    git(&work, &["config", "--unset", "commit.gpgsign"]);

    fs::write(work.join(".git/index.lock"), "").expect("a lock");
    assert!(matches!(refused("lock"), WorktreeError::Busy { .. }));
    fs::remove_file(work.join(".git/index.lock")).expect("removed");

    git(&work, &["checkout", "-q", "--detach"]);
    assert!(matches!(refused("detached"), WorktreeError::Detached { .. }));
    git(&work, &["switch", "-q", "main"]);

    git(&work, &["switch", "-q", "-c", "side"]);
    origin.write("README.md", "side\n");
    origin.commit("side");
    git(&work, &["switch", "-q", "main"]);
    origin.write("README.md", "main\n");
    origin.commit("main");
    let merge = git_command(&work).args(["merge", "side"]).output().expect("git runs");
    assert!(!merge.status.success());
    assert!(matches!(refused("merge"), WorktreeError::InProgress { what: "a merge", .. }));

    let bare = CloneView::discover(&origin.bare()).expect("a repository");
    let error = bare.write(&wanted, false).expect_err("bare");
    assert!(matches!(error, WorktreeError::Bare { .. }), "{error}");
}

#[test]
fn no_hook_of_the_clone_runs() {
    let origin = Origin::new();
    let hooks = origin.work().join(".git/hooks");
    fs::create_dir_all(&hooks).expect("hooks");
    for hook in ["pre-commit", "post-commit", "reference-transaction", "commit-msg"] {
        let path = hooks.join(hook);
        fs::write(&path, "#!/bin/sh\ntouch ran\nexit 1\n").expect("a hook");
        let mut permissions = fs::metadata(&path).expect("there").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&path, permissions).expect("executable");
    }
    clone(&origin)
        .write_and_commit(&files(&[("a.yaml", Some("x"))]), false, &change("x"))
        .expect("committed");
    assert!(!origin.work().join("ran").exists());
}
