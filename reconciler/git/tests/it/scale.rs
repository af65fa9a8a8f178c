// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ten thousand servers.

use shoal_git::{Files, Limits, PathFilter, PublishOutcome};

use crate::common::{Origin, fsck, git, status};
use crate::import::{blob, fleet, import, server, server_path};

const SERVERS: usize = 10_000;

/// The status file of a server.
fn state(n: usize, revision: usize) -> (String, Option<Vec<u8>>) {
    (server_path(n), Some(server(n, revision).into_bytes()))
}

#[test]
fn ten_thousand_servers_are_read_and_a_change_of_one_reads_one() {
    let origin = Origin::empty();
    let first = fleet(&origin.bare(), "main", SERVERS);
    let mirror = origin.mirror();
    assert_eq!(mirror.fetch().expect("fetched").tip, first);
    let reader = mirror.reader().expect("a reader");
    let snapshot =
        reader.snapshot(first, &PathFilter::only(["servers/"]), Limits::default()).expect("a snapshot");
    assert_eq!(snapshot.blobs.len(), SERVERS);
    for entry in &snapshot.blobs {
        assert_eq!(reader.entry(entry).expect("read").len() as u64, entry.size);
    }
    let second = import(
        &origin.bare(),
        "main",
        blob(1, &server(77, 1)).as_bytes(),
        format!("M 100644 :1 {}\n", server_path(77)).as_bytes(),
    );
    let fetched = mirror.fetch().expect("fetched");
    assert_eq!(fetched.tip, second);
    let after = reader.snapshot_after(&snapshot, second).expect("a snapshot");
    let changes =
        reader.diff(first, second, &PathFilter::only(["servers/"]), Limits::default()).expect("compared");
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].path, server_path(77));
    let now = after.get(&server_path(77)).expect("listed");
    assert_eq!(changes[0].new, Some(now.id));
    assert_eq!(after.blobs.len(), SERVERS);
}

#[test]
fn a_status_commit_of_ten_thousand_files_is_one_commit_and_sound() {
    let origin = Origin::new();
    let mirror = origin.mirror();
    let writer = mirror.status_writer();
    let publish = |files: Files| {
        writer.publish(&status(files), &mut |_| Err("nobody else writes here".into())).expect("published")
    };
    let all = |revision| (1..=SERVERS).map(|n| state(n, revision)).collect::<Files>();
    for revision in 0..2 {
        let outcome = publish(all(revision));
        assert!(matches!(outcome, PublishOutcome::Pushed { files: SERVERS, attempts: 1, .. }), "{outcome:?}");
    }
    assert_eq!(publish(all(1)), PublishOutcome::Unchanged);
    let outcome = publish(Files::from([state(77, 2)]));
    assert!(matches!(outcome, PublishOutcome::Pushed { files: 1, .. }), "{outcome:?}");
    // One blob, the directories above it, and the commit.
    assert_eq!(
        git(&origin.bare(), &["rev-list", "--count", "--objects", "shoal/status~1..shoal/status"]),
        "5"
    );
    let listed = git(&origin.bare(), &["ls-tree", "-r", "--name-only", "shoal/status"]);
    assert_eq!(listed.lines().count(), SERVERS);
    origin.is_sound();
    fsck(&origin.mirror_dir());
}
