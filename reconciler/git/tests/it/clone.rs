// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clones as operators and continuous integration have them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use shoal_git::{CloneView, GitError, Limits, PathFilter};

use crate::common::{Origin, git, publish};

#[test]
fn a_clone_is_found_from_below_and_read_at_any_revision() {
    let origin = Origin::new();
    let first = origin.head();
    origin.write("servers/rack-a/web-01.yaml", "committed\n");
    let second = origin.commit("not pushed");
    origin.write("servers/rack-a/web-01.yaml", "only in the work tree\n");

    let clone = CloneView::discover(&origin.work().join("servers/rack-a")).expect("a clone");
    let same = |a: &std::path::Path, b: &std::path::Path| {
        fs::canonicalize(a).expect("there") == fs::canonicalize(b).expect("there")
    };
    assert!(same(clone.root(), &origin.work()));
    assert!(!clone.is_bare());
    assert_eq!(clone.branch().expect("readable").as_deref(), Some("main"));
    assert_eq!(clone.head().expect("born"), second);
    assert_eq!(
        clone.remote_url().expect("readable").expect("set").local_path(),
        Some(origin.bare().as_path())
    );
    let reader = clone.reader().expect("a reader");
    assert_eq!(reader.resolve("origin/main").expect("known"), first);
    let text = reader.file(second, "servers/rack-a/web-01.yaml", 100).expect("read");
    assert_eq!(text.as_deref(), Some(b"committed\n".as_slice()));
    let snapshot =
        reader.snapshot(first, &PathFilter::only(["servers"]), Limits::default()).expect("a snapshot");
    assert_eq!(snapshot.blobs.len(), 2);
}

#[test]
fn a_detached_checkout_knows_the_base_branch_by_its_short_name() {
    let origin = Origin::new();
    let base = origin.head();
    let ci = origin.path().join("ci");
    fs::create_dir(&ci).expect("a directory");
    git(&ci, &["init", "-q", "-b", "unrelated"]);
    let url = origin.bare().display().to_string();
    git(&ci, &["remote", "add", "origin", &url]);
    git(&ci, &["fetch", "-q", "origin", "main"]);
    git(&ci, &["checkout", "-q", "--detach", "origin/main"]);
    let clone = CloneView::discover(&ci).expect("a clone");
    assert_eq!(clone.branch().expect("readable"), None);
    assert_eq!(clone.head().expect("born"), base);
    let reader = clone.reader().expect("a reader");
    assert_eq!(reader.resolve("main").expect("known"), base);
}

#[test]
fn the_status_branch_is_read_after_the_command_of_the_hint() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    publish(&mirror, &[("summary.yaml", Some("a: 1\n"))]);
    let tip = mirror.status_tip().expect("readable").expect("pushed");
    let work = origin.work();
    let clone = CloneView::discover(&work).expect("a clone");
    assert_eq!(clone.status("shoal/status").expect("readable"), None);

    let hint = clone.fetch_hint("shoal/status").expect("readable");
    let words: Vec<&str> = hint.split(' ').collect();
    assert_eq!(words[0], "git");
    git(origin.path(), &words[1..]);
    let status = clone.status("shoal/status").expect("readable").expect("fetched");
    assert_eq!(status.name, "refs/remotes/origin/shoal/status");
    assert_eq!(status.commit, tip);

    // In the bare repository itself it is a branch like any other.
    let bare = CloneView::discover(&origin.bare()).expect("a repository");
    assert!(bare.is_bare());
    let status = bare.status("shoal/status").expect("readable").expect("there");
    assert_eq!((status.name.as_str(), status.commit), ("refs/heads/shoal/status", tip));
}

#[test]
fn a_clone_whose_remote_has_another_name_is_understood() {
    let origin = Origin::new();
    git(&origin.work(), &["remote", "rename", "origin", "upstream"]);
    let clone = CloneView::discover(&origin.work()).expect("a clone");
    let hint = clone.fetch_hint("shoal/status").expect("readable");
    assert!(hint.ends_with("fetch upstream +refs/heads/shoal/status:refs/remotes/upstream/shoal/status"));
}

#[test]
fn a_directory_outside_any_repository_and_a_repository_without_commits_say_so() {
    let origin = Origin::empty();
    let outside = tempfile::TempDir::new().expect("a directory");
    for dir in [outside.path().to_owned(), outside.path().join("missing")] {
        let error = CloneView::discover(&dir).err().expect("refused");
        assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    }
    let clone = CloneView::discover(&origin.work()).expect("a clone");
    let error = clone.head().expect_err("unborn");
    assert!(matches!(error, GitError::EmptyRepository { .. }), "{error}");
}

#[test]
fn a_clone_with_sha256_names_is_refused_by_name() {
    let origin = Origin::new();
    git(origin.path(), &["init", "-q", "--object-format=sha256", "new"]);
    let error = CloneView::discover(&origin.path().join("new")).err().expect("refused");
    assert!(matches!(error, GitError::Sha256 { .. }), "{error}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_repository_of_another_user_is_refused_with_the_command_that_trusts_it() {
    let origin = Origin::new();
    let bare = origin.bare();
    let me = fs::metadata(&bare).expect("there").uid();
    if me != 0 {
        eprintln!("skipped: only root can give a directory away");
        return;
    }
    chown(&bare, Some(12_345), Some(12_345)).expect("given away");
    let clone = CloneView::discover(&bare).err().expect("refused");
    let fetch = origin.mirror().fetch().expect_err("refused");
    for error in [clone, fetch] {
        assert!(matches!(error, GitError::Ownership { .. }), "{error}");
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("safe.directory"), "{hint}");
    }
}
