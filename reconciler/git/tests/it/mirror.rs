// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mirrors of a repository in a directory of this machine.

use std::fs;

use shoal_git::{BlobEntry, GitError, Limits, Mirror, PathFilter, RemoteSpec, RemoteUrl, TempMirror};

use crate::common::{Origin, fsck, git, publish};

fn paths(blobs: &[BlobEntry]) -> Vec<&str> {
    blobs.iter().map(|blob| &*blob.path).collect()
}

#[test]
fn a_push_is_seen_by_the_next_fetch_and_read_without_a_checkout() {
    let origin = Origin::new();
    let first = origin.head();
    let mirror = origin.mirror();
    assert_eq!(mirror.watched().expect("readable"), None);
    let fetched = mirror.fetch().expect("fetched");
    assert_eq!(
        (fetched.branch.as_str(), fetched.tip, fetched.previous, fetched.changed),
        ("main", first, None, true)
    );
    assert!(!mirror.fetch().expect("fetched").changed);

    origin.write("servers/rack-a/web-01.yaml", "name: web-01\npower: On\n");
    let second = origin.push("second");
    let fetched = mirror.fetch().expect("fetched");
    assert_eq!((fetched.tip, fetched.previous, fetched.changed), (second, Some(first), true));
    assert_eq!(mirror.watched().expect("readable"), Some(("main".to_owned(), second)));

    let reader = mirror.reader().expect("a reader");
    let filter = PathFilter::only(["shoal.yaml", "servers/"]);
    let snapshot = reader.snapshot(second, &filter, Limits::default()).expect("a snapshot");
    assert_eq!(
        paths(&snapshot.blobs),
        ["servers/rack-a/web-01.yaml", "servers/rack-b/db-01.yaml", "shoal.yaml"]
    );
    assert!(snapshot.refused.is_empty());
    let web = snapshot.get("servers/rack-a/web-01.yaml").expect("listed");
    assert_eq!(reader.entry(web).expect("read"), b"name: web-01\npower: On\n");
    assert_eq!(web.size, 23);
    fsck(&origin.mirror_dir());
}

#[test]
fn a_repository_without_commits_says_so() {
    let origin = Origin::empty();
    let mirror = origin.mirror();
    let error = mirror.fetch().expect_err("nothing to fetch");
    assert!(matches!(error, GitError::EmptyRepository { .. }), "{error}");
    assert_eq!(error.hint().as_deref(), Some("push a first commit"));
    assert_eq!(mirror.fetch_status().expect("no branch is no error"), None);

    let first = origin.push("first");
    assert_eq!(mirror.fetch().expect("fetched").tip, first);
}

#[test]
fn a_missing_branch_is_answered_with_those_that_exist() {
    let origin = Origin::new();
    git(&origin.work(), &["push", "-q", "origin", "HEAD:refs/heads/staging"]);
    let mut spec = RemoteSpec::new(origin.url());
    spec.branch = Some("prod".to_owned());
    let mirror = Mirror::open_or_init(&origin.mirror_dir(), spec).expect("a mirror");
    match mirror.fetch().expect_err("no such branch") {
        GitError::BranchMissing { branch, existing, .. } => {
            assert_eq!(branch, "prod");
            assert_eq!(existing, ["main", "staging"]);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_last_tip_stays_readable_when_the_branch_is_rewritten() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    let accepted = mirror.fetch().expect("fetched").tip;
    git(&origin.work(), &["commit", "-q", "--amend", "-m", "rewritten"]);
    git(&origin.work(), &["push", "-q", "--force", "origin", "main"]);
    let fetched = mirror.fetch().expect("fetched");
    assert_eq!(fetched.tip, origin.head());
    assert_eq!(fetched.previous, Some(accepted));

    let reader = mirror.reader().expect("a reader");
    assert!(!reader.is_descendant(fetched.tip, accepted).expect("known"));
    assert_eq!(reader.merge_base(fetched.tip, accepted).expect("known"), None);
    assert!(reader.file(accepted, "shoal.yaml", 1024).expect("read").is_some());

    let next = origin.push("third");
    mirror.fetch().expect("fetched");
    assert!(reader.is_descendant(next, fetched.tip).expect("known"));
    assert!(reader.is_descendant(next, next).expect("known"));
}

#[test]
fn only_the_wanted_branches_are_copied() {
    let origin = Origin::new();
    git(&origin.work(), &["switch", "-q", "-c", "big"]);
    origin.write("big.bin", &"x".repeat(4096));
    let big = origin.push("big");
    git(&origin.work(), &["tag", "v1"]);
    git(&origin.work(), &["push", "-q", "origin", "v1"]);
    git(&origin.work(), &["switch", "-q", "main"]);
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    let refs = git(&origin.mirror_dir(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/main");
    let reader = mirror.reader().expect("a reader");
    let error = reader.commit_info(big).expect_err("not copied");
    assert!(matches!(error, GitError::MissingObject { .. }), "{error}");

    // Named, it can be read at a revision, and the watched branch is the same as before.
    assert_eq!(mirror.fetch_branch("big").expect("fetched").tip, big);
    assert_eq!(reader.resolve("big").expect("known"), big);
    assert_eq!(mirror.watched().expect("readable").map(|(branch, _)| branch), Some("main".to_owned()));
}

#[test]
fn a_mirror_of_another_address_starts_over() {
    let origin = Origin::new();
    let other = Origin::new();
    other.write("x", "x");
    let tip = other.push("other");
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    publish(&mirror, &[("summary.yaml", Some("a: 1\n"))]);
    drop(mirror);
    let mirror = Mirror::open_or_init(&origin.mirror_dir(), RemoteSpec::new(other.url())).expect("a mirror");
    assert_eq!(mirror.watched().expect("readable"), None);
    assert_eq!(mirror.status_tip().expect("readable"), None);
    assert_eq!(mirror.fetch().expect("fetched").tip, tip);
}

#[test]
fn a_directory_with_other_things_is_not_taken() {
    let origin = Origin::new();
    let dir = origin.path().join("home");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("precious.txt"), "x").expect("a file");
    for dir in [dir, origin.bare(), origin.work()] {
        let error = Mirror::open_or_init(&dir, RemoteSpec::new(origin.url())).err().expect("refused");
        assert!(matches!(error, GitError::NotAMirror { .. }), "{error}");
    }
}

#[test]
fn a_damaged_mirror_is_named_with_what_to_do() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    fs::remove_file(origin.mirror_dir().join("HEAD")).expect("removed");
    let error = mirror.fetch().expect_err("damaged");
    assert!(error.hint().is_some_and(|hint| hint.contains("remove")), "{error}: {:?}", error.hint());
}

#[test]
fn an_address_without_a_repository_is_not_found() {
    let origin = Origin::new();
    for path in ["nothing", "work/servers"] {
        let url = RemoteUrl::local(&origin.path().join(path));
        let dir = origin.path().join(format!("mirror-{}", path.len()));
        let mirror = Mirror::open_or_init(&dir, RemoteSpec::new(url)).expect("a mirror");
        let error = mirror.fetch().expect_err("nothing there");
        assert!(matches!(error, GitError::NotFound { .. }), "{error}");
    }
}

#[test]
fn a_repository_with_sha256_names_is_refused_by_name() {
    let origin = Origin::new();
    git(origin.path(), &["init", "-q", "--bare", "--object-format=sha256", "new.git"]);
    let url = RemoteUrl::local(&origin.path().join("new.git"));
    let mirror = Mirror::open_or_init(&origin.mirror_dir(), RemoteSpec::new(url)).expect("a mirror");
    let error = mirror.fetch().expect_err("refused");
    assert!(matches!(error, GitError::Sha256 { .. }), "{error}: {error:?}");
}

#[test]
fn the_status_branch_cannot_be_the_watched_one() {
    let origin = Origin::new();
    let mut spec = RemoteSpec::new(origin.url());
    spec.branch = Some("shoal/status".to_owned());
    let error = Mirror::open_or_init(&origin.mirror_dir(), spec).err().expect("refused");
    assert!(matches!(error, GitError::StatusIsWatched { .. }), "{error}");

    // Nor when it is the branch that the remote's HEAD happens to name.
    let mut spec = RemoteSpec::new(origin.url());
    spec.status_branch = "main".to_owned();
    let mirror = Mirror::open_or_init(&origin.mirror_dir(), spec).expect("a mirror");
    let error = mirror.fetch().expect_err("refused");
    assert!(matches!(error, GitError::StatusIsWatched { .. }), "{error}");
}

#[test]
fn a_file_address_and_a_temporary_copy_work_too() {
    let origin = Origin::new();
    publish(&origin.mirror(), &[("summary.yaml", Some("a: 1\n"))]);
    let url = RemoteUrl::parse(&format!("file://{}", origin.bare().display())).expect("valid");
    let copy = TempMirror::fetch(origin.path(), RemoteSpec::new(url)).expect("copied");
    let reader = copy.mirror().reader().expect("a reader");
    assert_eq!(reader.resolve("HEAD").expect("known"), origin.head());
    assert_eq!(reader.resolve("origin/main").expect("known"), origin.head());
    let status = copy.mirror().status_tip().expect("readable").expect("there");
    assert!(reader.file(status, "summary.yaml", 100).expect("read").is_some());
    let left = |origin: &Origin| {
        fs::read_dir(origin.path())
            .expect("readable")
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("shoal-git-"))
            })
            .count()
    };
    assert_eq!(left(&origin), 1);
    drop((reader, copy));
    assert_eq!(left(&origin), 0);
}
