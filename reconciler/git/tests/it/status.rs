// SPDX-License-Identifier: AGPL-3.0-or-later
//! The status branch: what is written, when nothing is, and who wins a race.

use std::collections::BTreeSet;

use shoal_git::{GitError, Mirror, PublishOutcome, RemoteSpec, StatusError};

use crate::common::{Origin, author, files, fsck, git, git_with_input, id, publish, status};

const BRANCH: &str = "shoal/status";

fn tip(origin: &Origin) -> String {
    git(&origin.bare(), &["rev-parse", BRANCH])
}

fn listed(origin: &Origin) -> Vec<String> {
    git(&origin.bare(), &["ls-tree", "-r", "--name-only", BRANCH]).lines().map(str::to_owned).collect()
}

#[test]
fn the_first_publication_makes_an_orphan_branch_with_parseable_trailers() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    let outcome = publish(
        &mirror,
        &[("summary.yaml", Some("ledger: x\n")), ("servers/rack-a/web-01.yaml", Some("ready: true\n"))],
    );
    let PublishOutcome::Pushed { commit, files, attempts } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((files, attempts), (2, 1));
    assert_eq!(id(&tip(&origin)), commit);
    assert_eq!(mirror.status_tip().expect("readable"), Some(commit));
    assert_eq!(listed(&origin), ["servers/rack-a/web-01.yaml", "summary.yaml"]);
    // An orphan: nothing of the inventory is behind it.
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), "1");
    let message = git(&origin.bare(), &["log", "-1", "--format=%B", BRANCH]);
    let trailers = git_with_input(&origin.bare(), &["interpret-trailers", "--parse"], &message);
    assert_eq!(trailers.trim(), format!("Source-Commit: {}\nWritten-By: controller-1", "a".repeat(40)));
    assert_eq!(
        git(&origin.bare(), &["log", "-1", "--format=%an <%ae> %at %s", BRANCH]),
        "Shoal <shoal@example.org> 1700000100 status: servers changed"
    );
    origin.is_sound();
    fsck(&origin.mirror_dir());
}

#[test]
fn the_same_contents_make_no_commit_and_no_push() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    publish(&mirror, &[("a/x.yaml", Some("1")), ("b.yaml", Some("2"))]);
    let before = tip(&origin);
    assert_eq!(
        publish(&mirror, &[("a/x.yaml", Some("1")), ("gone.yaml", None), ("no/dir/gone.yaml", None)]),
        PublishOutcome::Unchanged
    );
    assert_eq!(tip(&origin), before);
}

#[test]
fn only_named_files_change_and_empty_directories_disappear() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    publish(&mirror, &[("a/x", Some("1")), ("a/y", Some("1")), ("b/c/d", Some("1")), ("e", Some("1"))]);
    publish(&mirror, &[("a/x", Some("2")), ("b/c/d", None)]);
    assert_eq!(listed(&origin), ["a/x", "a/y", "e"]);
    assert_eq!(git(&origin.bare(), &["show", &format!("{BRANCH}:a/x")]), "2");
    // A file becomes a directory, and the other way round.
    publish(&mirror, &[("e/f", Some("1")), ("a", Some("now a file"))]);
    assert_eq!(listed(&origin), ["a", "e/f"]);
    publish(&mirror, &[("a", None), ("e/f", None)]);
    assert_eq!(listed(&origin), Vec::<String>::new());
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), "4");
    origin.is_sound();
}

#[test]
fn the_slower_of_two_writers_is_asked_again_and_both_survive() {
    let origin = Origin::new();
    let (fast, slow) = (origin.mirror_at("fast.git"), origin.mirror_at("slow.git"));
    publish(&fast, &[("summary", Some("fast"))]);
    slow.fetch_status().expect("fetched");
    publish(&fast, &[("servers/a", Some("fast"))]);

    let mut asked = 0;
    let outcome = slow
        .status_writer()
        .publish(&status(files(&[("servers/b", Some("slow"))])), &mut |tip| {
            asked += 1;
            let tip = tip.expect("the branch is there");
            let summary = tip.reader.file(tip.commit, "summary", 100).expect("read");
            assert_eq!(summary.as_deref(), Some(b"fast".as_slice()));
            Ok(files(&[("servers/b", Some("slow, again"))]))
        })
        .expect("published");
    assert!(matches!(outcome, PublishOutcome::Pushed { attempts: 2, .. }), "{outcome:?}");
    assert_eq!(asked, 1);
    assert_eq!(listed(&origin), ["servers/a", "servers/b", "summary"]);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), "3");
    origin.is_sound();
}

#[test]
fn a_caller_who_finds_a_foreign_ledger_can_stop() {
    let origin = Origin::new();
    let (theirs, ours) = (origin.mirror_at("theirs.git"), origin.mirror_at("ours.git"));
    publish(&ours, &[("summary", Some("ledger: ours"))]);
    theirs.fetch_status().expect("fetched");
    publish(&theirs, &[("summary", Some("ledger: theirs"))]);
    let before = tip(&origin);
    let error = ours
        .status_writer()
        .publish(&status(files(&[("servers/a", Some("x"))])), &mut |tip| {
            let tip = tip.expect("the branch is there");
            let summary = tip.reader.file(tip.commit, "summary", 100).expect("read");
            assert_eq!(summary.as_deref(), Some(b"ledger: theirs".as_slice()));
            Err("another controller writes here".into())
        })
        .expect_err("stopped");
    assert!(matches!(error, StatusError::Stopped { .. }), "{error}");
    assert_eq!(tip(&origin), before);
    // Somebody else of the same program comes right after: who refused did not look for both.
    let error = ours
        .status_writer()
        .publish(&status(files(&[("servers/b", Some("x"))])), &mut |_| Err("it is still not ours".into()))
        .expect_err("stopped again");
    assert!(matches!(error, StatusError::Stopped { .. }), "{error}");
    assert_eq!(tip(&origin), before);
}

#[test]
fn a_branch_that_this_mirror_never_saw_is_looked_at_before_anything_is_written_on_top_of_it() {
    let origin = Origin::new();
    let (theirs, ours) = (origin.mirror_at("theirs.git"), origin.mirror_at("ours.git"));
    publish(&theirs, &[("summary", Some("ledger: theirs"))]);
    let before = tip(&origin);
    for _ in 0..2 {
        let error = ours
            .status_writer()
            .publish(&status(files(&[("servers/a", Some("x"))])), &mut |tip| {
                assert!(tip.is_some());
                Err("another controller writes here".into())
            })
            .expect_err("stopped");
        assert!(matches!(error, StatusError::Stopped { .. }), "{error}");
        assert_eq!(tip(&origin), before);
    }
    assert_eq!(ours.status_tip().expect("readable"), None);
    let outcome = ours
        .status_writer()
        .publish(&status(files(&[("servers/a", Some("x"))])), &mut |_| Ok(files(&[("servers/b", Some("y"))])))
        .expect("published");
    assert!(matches!(outcome, PublishOutcome::Pushed { attempts: 1, .. }), "{outcome:?}");
    assert_eq!(listed(&origin), ["servers/b", "summary"]);
}

#[test]
fn a_branch_that_was_removed_is_written_anew_with_all_files() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    publish(&mirror, &[("a", Some("1")), ("b", Some("1"))]);
    git(&origin.bare(), &["branch", "-D", BRANCH]);
    let outcome = mirror
        .status_writer()
        .publish(&status(files(&[("a", Some("2"))])), &mut |tip| {
            assert!(tip.is_none());
            Ok(files(&[("a", Some("2")), ("b", Some("1"))]))
        })
        .expect("published");
    assert!(matches!(outcome, PublishOutcome::Pushed { attempts: 2, .. }));
    assert_eq!(listed(&origin), ["a", "b"]);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), "1");
}

#[test]
fn a_branch_that_was_removed_is_forgotten_by_the_next_fetch() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    publish(&mirror, &[("a", Some("1"))]);
    assert!(mirror.status_tip().expect("readable").is_some());
    git(&origin.bare(), &["branch", "-D", BRANCH]);
    assert_eq!(mirror.fetch_status().expect("no branch is no error"), None);
    assert_eq!(mirror.status_tip().expect("readable"), None);
}

#[test]
fn a_fetch_of_the_watched_branch_says_that_somebody_else_moved_the_status_branch() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    assert!(!mirror.fetch().expect("a fetch").status_moved, "there is none");
    publish(&mirror, &[("mine", Some("1"))]);
    assert!(!mirror.fetch().expect("a fetch").status_moved);
    let other = origin.mirror_at("other.git");
    other.fetch_status().expect("a fetch");
    publish(&other, &[("theirs", Some("1"))]);
    assert!(mirror.fetch().expect("a fetch").status_moved);
    assert!(mirror.fetch().expect("a fetch").status_moved, "until it is looked at");
    mirror.fetch_status().expect("a fetch");
    assert!(!mirror.fetch().expect("a fetch").status_moved);
    git(&origin.bare(), &["update-ref", "-d", "refs/heads/shoal/status"]);
    assert!(mirror.fetch().expect("a fetch").status_moved);
}

#[test]
fn writers_on_many_threads_lose_nothing() {
    const WRITERS: usize = 3;
    const ROUNDS: usize = 12;
    let origin = Origin::new();
    let mirrors: Vec<Mirror> = (0..WRITERS).map(|n| origin.mirror_at(&format!("writer-{n}.git"))).collect();
    std::thread::scope(|scope| {
        for (n, mirror) in mirrors.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let path = format!("servers/w{n}/s{round}.yaml");
                    let mine = files(&[(path.as_str(), Some("x"))]);
                    // Every lost round means that another writer won one.
                    mirror
                        .status_writer()
                        .with_attempts((WRITERS * ROUNDS * 4) as u32)
                        .publish(&status(mine.clone()), &mut |_| Ok(mine.clone()))
                        .expect("published");
                }
            });
        }
    });
    let expected: BTreeSet<String> = (0..WRITERS)
        .flat_map(|n| (0..ROUNDS).map(move |round| format!("servers/w{n}/s{round}.yaml")))
        .collect();
    assert_eq!(listed(&origin).into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), (WRITERS * ROUNDS).to_string());
    origin.is_sound();
}

#[test]
fn paths_and_messages_that_git_could_not_hold_are_refused_before_anything_happens() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    let writer = mirror.status_writer();
    let mut never =
        |_: Option<&shoal_git::StatusTip<'_>>| -> Result<_, shoal_git::Refuse> { panic!("not asked") };
    let error = writer.publish(&status(files(&[("../x", Some("1"))])), &mut never).expect_err("refused");
    assert!(matches!(error, StatusError::Path(_)), "{error}");
    let mut commit = status(files(&[("x", Some("1"))]));
    commit.trailers.push(("Bad Key".to_owned(), "x".to_owned()));
    let error = writer.publish(&commit, &mut never).expect_err("refused");
    assert!(matches!(error, StatusError::Message(_)), "{error}");
    assert_eq!(git(&origin.bare(), &["branch", "--list", BRANCH]), "");
}

#[test]
fn the_writer_never_writes_into_the_watched_branch() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    drop(mirror);
    // The same mirror, opened with the branch it watches as the status branch.
    let mut spec = RemoteSpec::new(origin.url());
    spec.status_branch = "main".to_owned();
    let mirror = Mirror::open_or_init(&origin.mirror_dir(), spec).expect("a mirror");
    let before = git(&origin.bare(), &["rev-parse", "main"]);
    let error = mirror
        .status_writer()
        .publish(&status(files(&[("x", Some("1"))])), &mut |_| Ok(files(&[])))
        .expect_err("refused");
    assert!(matches!(error, StatusError::Git(GitError::StatusIsWatched { .. })), "{error}");
    assert_eq!(git(&origin.bare(), &["rev-parse", "main"]), before);
}

#[test]
fn a_rotation_keeps_the_files_and_archives_the_history() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    let writer = mirror.status_writer();
    let rotate = |archive: &str| writer.rotate(archive, "status: history starts over", &[], &author());
    let error = rotate("shoal/archive").expect_err("nothing to rotate");
    assert!(matches!(error, StatusError::Git(GitError::BranchMissing { .. })), "{error}");

    for round in ["1", "2", "3"] {
        publish(&mirror, &[("a", Some(round)), (round, Some("x"))]);
    }
    let old = tip(&origin);
    let before = listed(&origin);
    for taken in ["main", "shoal/status"] {
        let error = rotate(taken).expect_err("taken");
        assert!(matches!(error, StatusError::Refused { .. }), "{error}");
    }
    // A branch of that name that holds something else.
    git(&origin.bare(), &["branch", "other", "main"]);
    let error = rotate("other").expect_err("taken");
    assert!(matches!(error, StatusError::Refused { .. }), "{error}");
    assert_eq!(tip(&origin), old);

    // As if it had been interrupted after the first half.
    git(&origin.bare(), &["branch", "shoal-archive/2026", BRANCH]);
    let done = rotate("shoal-archive/2026").expect("rotated");
    assert_eq!(done.archived, id(&old));
    assert_eq!(done.root, id(&tip(&origin)));
    assert_eq!(listed(&origin), before);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), "1");
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", "shoal-archive/2026"]), "3");

    // It goes on from there.
    publish(&mirror, &[("a", Some("4"))]);
    assert_eq!(git(&origin.bare(), &["rev-list", "--count", BRANCH]), "2");
    origin.is_sound();
}
