// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is listed of a tree, what is refused, and what changed.

use proptest::prelude::*;
use shoal_git::{
    Change, ChangeKind, CommitId, GitError, Limits, Mirror, PathFilter, Reader, RemoteSpec, TreeSnapshot, Why,
};

use crate::common::{Origin, git, git_with_input, id};
use crate::import::{blob, fleet, import, server, server_path};

fn reader(origin: &Origin) -> (Mirror, Reader, CommitId) {
    let mirror = origin.mirror();
    let tip = mirror.fetch().expect("fetched").tip;
    let reader = mirror.reader().expect("a reader");
    (mirror, reader, tip)
}

fn snapshot(reader: &Reader, commit: CommitId) -> TreeSnapshot {
    reader.snapshot(commit, &PathFilter::all(), Limits::default()).expect("a snapshot")
}

fn listed(snapshot: &TreeSnapshot) -> Vec<&str> {
    snapshot.blobs.iter().map(|blob| &*blob.path).collect()
}

fn refused(snapshot: &TreeSnapshot) -> Vec<(&str, Why)> {
    snapshot.refused.iter().map(|refused| (refused.path.as_str(), refused.why)).collect()
}

#[test]
fn one_bad_entry_is_refused_by_name_and_hides_no_other() {
    let origin = Origin::empty();
    let large = "x".repeat(1024 * 1024 + 1);
    let exact = "x".repeat(1024 * 1024);
    let blobs = [blob(1, "ok\n"), blob(2, &large), blob(3, &exact), blob(4, "/etc/passwd")].concat();
    import(
        &origin.bare(),
        "main",
        blobs.as_bytes(),
        format!(
            "M 100644 :1 servers/a.yaml\n\
             M 100755 :1 servers/exec.yaml\n\
             M 100644 :2 servers/large.yaml\n\
             M 100644 :3 servers/exact.yaml\n\
             M 120000 :4 servers/link.yaml\n\
             M 120000 :4 recipes\n\
             M 160000 {} servers/module\n\
             M 100644 :1 \"servers/b\\377d.yaml\"\n\
             M 100644 :1 \"servers/new\\nline.yaml\"\n\
             M 100644 :1 \"servers/b\\\\slash.yaml\"\n\
             M 120000 :4 elsewhere/link\n",
            "1".repeat(40)
        )
        .as_bytes(),
    );
    let (_mirror, reader, tip) = reader(&origin);
    let snapshot = reader
        .snapshot(tip, &PathFilter::only(["servers", "recipes/"]), Limits::default())
        .expect("a snapshot");
    assert_eq!(listed(&snapshot), ["servers/a.yaml", "servers/exact.yaml", "servers/exec.yaml"]);
    assert_eq!(
        refused(&snapshot),
        [
            ("recipes", Why::Symlink),
            ("servers/b\\\\slash.yaml", Why::UnsafeName),
            ("servers/b\\xffd.yaml", Why::NotUtf8),
            ("servers/large.yaml", Why::TooLarge { size: 1024 * 1024 + 1, limit: 1024 * 1024 }),
            ("servers/link.yaml", Why::Symlink),
            ("servers/module", Why::Submodule),
            ("servers/new\\nline.yaml", Why::UnsafeName),
        ]
    );
    assert!(snapshot.get("servers/exec.yaml").is_some_and(|blob| blob.executable));
    assert!(snapshot.get("servers/link.yaml").is_none());
    for refused in &snapshot.refused {
        assert!(!refused.why.to_string().is_empty());
    }
    // Neither can they be had by name.
    assert_eq!(reader.file(tip, "servers/link.yaml", 100).expect("read"), None);
    assert_eq!(reader.file(tip, "servers/module", 100).expect("read"), None);
    assert_eq!(reader.file(tip, "servers", 100).expect("read"), None);
    let error = reader.file(tip, "servers/large.yaml", 1024).expect_err("too large");
    assert!(matches!(error, GitError::BlobTooLarge { .. }), "{error}");
}

#[test]
fn a_tree_with_too_many_entries_is_refused_as_a_whole() {
    let origin = Origin::empty();
    let mut commands = String::new();
    for n in 0..200_000 {
        commands.push_str(&format!("M 100644 :1 d{}/f{n}\n", n % 256));
    }
    import(&origin.bare(), "main", blob(1, "x").as_bytes(), commands.as_bytes());
    let (_mirror, reader, tip) = reader(&origin);
    let error = reader.snapshot(tip, &PathFilter::all(), Limits::default()).expect_err("too many");
    assert!(matches!(error, GitError::TooManyEntries { limit: 200_000, .. }), "{error}");
    // What the filter leaves out costs nothing and is not counted.
    let some = reader.snapshot(tip, &PathFilter::only(["d0/"]), Limits::default()).expect("a snapshot");
    assert_eq!(some.blobs.len(), 782);
}

#[test]
fn a_tree_that_names_itself_over_and_over_ends_at_a_limit() {
    let origin = Origin::new();
    // 2^40 paths out of 41 objects.
    let mut tree = git(&origin.bare(), &["rev-parse", "main^{tree}"]);
    for _ in 0..40 {
        tree = make_tree(&origin, &format!("040000 tree {tree}\ta\n040000 tree {tree}\tb\n"));
    }
    commit_tree(&origin, &tree);
    let (_mirror, reader, tip) = reader(&origin);
    let error = reader.snapshot(tip, &PathFilter::all(), Limits::default()).expect_err("too many");
    assert!(matches!(error, GitError::TooManyEntries { .. }), "{error}");
}

#[test]
fn directories_that_go_too_deep_are_refused_by_name() {
    let origin = Origin::new();
    origin.write(&format!("{}x.yaml", "d/".repeat(64)), "fits");
    origin.write(&format!("{}x.yaml", "e/".repeat(65)), "too deep");
    origin.push("deep");
    let (_mirror, reader, tip) = reader(&origin);
    let snapshot = snapshot(&reader, tip);
    assert!(snapshot.get(&format!("{}x.yaml", "d/".repeat(64))).is_some());
    assert_eq!(refused(&snapshot), [("e/".repeat(65).trim_end_matches('/'), Why::TooDeep { limit: 64 })]);
}

#[test]
fn a_path_that_stands_twice_in_a_tree_made_by_hand_counts_as_neither() {
    let origin = Origin::new();
    let blob = |text: &str| {
        origin.write("tmp", text);
        git(&origin.work(), &["hash-object", "-w", "tmp"])
    };
    let (one, two) = (blob("one"), blob("two"));
    let raw = |mode: &str, name: &str, id: &str| {
        let mut entry = format!("{mode} {name}\0").into_bytes();
        entry.extend((0..20).map(|n| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).expect("hex")));
        entry
    };
    let tree = [
        raw("100644", "a.yaml", &one),
        raw("100644", "a.yaml", &two),
        raw("100644", "b.yaml", &one),
        raw("120000", "b.yaml", &two),
        raw("100644", "z.yaml", &one),
        // Out of order.
        raw("100644", "m.yaml", &one),
        raw("100644", "..", &one),
    ]
    .concat();
    let tree =
        git_with_input(&origin.work(), &["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &tree);
    let commit = git(&origin.work(), &["commit-tree", "-m", "odd", &tree]);
    git(&origin.work(), &["push", "-q", "--force", "origin", &format!("{commit}:refs/heads/main")]);
    let (_mirror, reader, tip) = reader(&origin);
    let seen = snapshot(&reader, tip);
    assert_eq!(listed(&seen), ["m.yaml", "z.yaml"]);
    assert_eq!(
        refused(&seen),
        [("..", Why::UnsafeName), ("a.yaml", Why::Duplicate), ("b.yaml", Why::Symlink),]
    );
    // Nothing of such a snapshot is taken over into the next one unseen.
    let again = reader.snapshot_after(&seen, tip).expect("a snapshot");
    assert_eq!(listed(&again), listed(&seen));
    assert_eq!(refused(&again), refused(&seen));
}

#[test]
fn a_change_is_found_without_looking_into_equal_directories() {
    let origin = Origin::empty();
    let first = fleet(&origin.bare(), "main", 1000);
    let second = import(
        &origin.bare(),
        "main",
        blob(1, &server(500, 1)).as_bytes(),
        format!(
            "M 100644 :1 {}\nD {}\nM 100644 :1 servers/new/x.yaml\nM 100644 :1 other\n",
            server_path(500),
            server_path(1)
        )
        .as_bytes(),
    );
    let (_mirror, reader, _) = reader(&origin);
    let filter = PathFilter::only(["servers/"]);
    // Only three racks, the directory above them and the root are read: far fewer than all.
    let limits = Limits { entries: 2 * (100 + 100 + 12 + 3) + 1, ..Limits::default() };
    let changes = reader.diff(first, second, &filter, limits).expect("compared");
    let kinds: Vec<_> = changes.iter().map(|change| (change.path.as_str(), change.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("servers/new/x.yaml", ChangeKind::Added),
            (server_path(1).as_str(), ChangeKind::Removed),
            (server_path(500).as_str(), ChangeKind::Modified),
        ]
    );
    assert_eq!(changes[0].new, changes[2].new);
    assert!(changes[1].new.is_none() && changes[0].old.is_none());
    assert!(reader.diff(second, second, &filter, limits).expect("compared").is_empty());
    let error = reader.diff(first, second, &filter, Limits { entries: 50, ..limits }).expect_err("too many");
    assert!(matches!(error, GitError::TooManyEntries { .. }), "{error}");
}

#[test]
fn a_file_that_becomes_a_directory_is_gone_and_its_contents_are_new() {
    let origin = Origin::new();
    let first = origin.head();
    std::fs::remove_file(origin.work().join("README.md")).expect("removed");
    origin.write("README.md/part.md", "hello\n");
    let second = origin.push("directory");
    let (_mirror, reader, _) = reader(&origin);
    let changes = reader.diff(first, second, &PathFilter::all(), Limits::default()).expect("compared");
    let kinds: Vec<_> = changes.iter().map(|Change { path, kind, .. }| (path.as_str(), *kind)).collect();
    assert_eq!(kinds, [("README.md", ChangeKind::Removed), ("README.md/part.md", ChangeKind::Added)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a snapshot takes over and what a diff reports agree with looking at everything.
    #[test]
    fn a_snapshot_made_from_an_earlier_one_equals_a_fresh_one(
        commits in prop::collection::vec(
            prop::collection::vec((0..3_usize, 0..3_usize, 0..4_usize, 0..4_usize), 1..6),
            2..6,
        )
    ) {
        let origin = Origin::empty();
        let blobs: String = (1..4).map(|n| blob(n, &format!("content {n}"))).collect();
        let mut tips = Vec::new();
        for edits in &commits {
            let commands: String = edits
                .iter()
                .map(|(outer, inner, name, content)| {
                    let path = format!("d{outer}/{}f{name}", "e/".repeat(*inner));
                    match content {
                        0 => format!("D {path}\n"),
                        n => format!("M 100644 :{n} {path}\n"),
                    }
                })
                .collect();
            tips.push(import(&origin.bare(), "main", blobs.as_bytes(), commands.as_bytes()));
        }
        let (_mirror, reader, _) = reader(&origin);
        let mut incremental = snapshot(&reader, tips[0]);
        for pair in tips.windows(2) {
            let before = snapshot(&reader, pair[0]);
            let fresh = snapshot(&reader, pair[1]);
            incremental = reader.snapshot_after(&incremental, pair[1]).expect("a snapshot");
            prop_assert_eq!(&incremental.blobs, &fresh.blobs);
            let changes = reader
                .diff(pair[0], pair[1], &PathFilter::all(), Limits::default())
                .expect("compared");
            let mut expected: Vec<Change> = Vec::new();
            for blob in &before.blobs {
                let now = fresh.get(&blob.path);
                if now.map(|now| now.id) != Some(blob.id) {
                    expected.push(Change {
                        path: blob.path.to_string(),
                        kind: if now.is_some() { ChangeKind::Modified } else { ChangeKind::Removed },
                        old: Some(blob.id),
                        new: now.map(|now| now.id),
                    });
                }
            }
            for blob in fresh.blobs.iter().filter(|blob| before.get(&blob.path).is_none()) {
                expected.push(Change {
                    path: blob.path.to_string(),
                    kind: ChangeKind::Added,
                    old: None,
                    new: Some(blob.id),
                });
            }
            expected.sort_by(|a, b| a.path.cmp(&b.path));
            prop_assert_eq!(changes, expected);
        }
    }
}

#[test]
fn a_shallow_clone_says_what_it_lacks() {
    let origin = Origin::new();
    let first = origin.head();
    origin.push("second");
    let url = format!("file://{}", origin.bare().display());
    git(origin.path(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let clone = shoal_git::CloneView::discover(&origin.path().join("shallow")).expect("a clone");
    let reader = clone.reader().expect("a reader");
    let error = reader.commit_info(first).expect_err("not there");
    assert!(matches!(error, GitError::MissingObject { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--unshallow")));
}

fn make_tree(origin: &Origin, entries: &str) -> String {
    git_with_input(&origin.bare(), &["mktree"], entries)
}

fn commit_tree(origin: &Origin, tree: &str) -> CommitId {
    let commit = git(&origin.bare(), &["commit-tree", "-m", "made by hand", tree]);
    git(&origin.bare(), &["update-ref", "refs/heads/main", &commit]);
    id(&commit)
}

#[test]
fn a_branch_that_is_named_reads_the_same_as_the_default_one() {
    let origin = Origin::new();
    let (_mirror, reader, tip) = reader(&origin);
    let mut spec = RemoteSpec::new(origin.url());
    spec.branch = Some("main".to_owned());
    let named = Mirror::open_or_init(&origin.path().join("named.git"), spec).expect("a mirror");
    assert_eq!(named.fetch().expect("fetched").tip, tip);
    let there = named.reader().expect("a reader");
    assert_eq!(there.tree_of(tip).expect("known"), reader.tree_of(tip).expect("known"));
}
