// SPDX-License-Identifier: AGPL-3.0-or-later
//! Revisions and facts about commits, compared with what `git` says.

use shoal_git::{CommitId, GitError, Mirror, Reader};

use crate::common::{Origin, git, id};
use crate::import::{blob, import};

fn reader(origin: &Origin) -> (Mirror, Reader) {
    let mirror = origin.mirror();
    mirror.fetch().expect("fetched");
    let reader = mirror.reader().expect("a reader");
    (mirror, reader)
}

#[test]
fn a_revision_is_a_branch_a_tag_a_prefix_or_a_way_back() {
    let origin = Origin::new();
    let first = origin.head();
    let second = origin.push("second");
    let (_mirror, reader) = reader(&origin);
    git(&origin.mirror_dir(), &["tag", "-m", "annotated", "v1", &first.to_string()]);
    for (rev, commit) in [
        ("main", second),
        ("HEAD", second),
        ("HEAD~1", first),
        ("main^", first),
        ("origin/main", second),
        ("v1", first),
        (&first.to_string(), first),
        (&first.short(), first),
        ("refs/heads/main", second),
    ] {
        assert_eq!(reader.resolve(rev).expect(rev), commit, "{rev}");
    }
    for rev in ["", "nope", "HEAD~9", "origin/nope", "main:README.md", "a\0b", "..", "-x"] {
        let error = reader.resolve(rev).expect_err(rev);
        assert!(matches!(error, GitError::UnknownRevision { .. }), "{rev}: {error}");
    }
}

#[test]
fn a_prefix_that_two_commits_share_is_ambiguous() {
    let origin = Origin::empty();
    // Seventeen commits: two share their first digit. git wants four digits, so look for more.
    let mut seen = std::collections::BTreeMap::<String, CommitId>::new();
    let shared = (0..2000)
        .find_map(|n| {
            let commands = format!("M 100644 :1 f{n}\n");
            if n % 400 == 0 {
                // Many at a time: one process each would be slow.
                let mut all = String::new();
                for m in n + 1..n + 400 {
                    all.push_str(&format!(
                        "{commands}\ncommit refs/heads/main\ncommitter A <a@b> {m} +0000\n\
                         data 1\nx\n"
                    ));
                }
                import(&origin.bare(), "main", blob(1, "x").as_bytes(), all.as_bytes());
            }
            let list = if n % 400 == 0 {
                git(&origin.bare(), &["rev-list", "main"])
            } else {
                return None;
            };
            seen.clear();
            list.lines().find_map(|line| {
                let prefix = line[..4].to_owned();
                seen.insert(prefix.clone(), id(line)).map(|_| prefix)
            })
        })
        .expect("two of two thousand commits share four digits");
    let (_mirror, reader) = reader(&origin);
    let error = reader.resolve(&shared).expect_err("ambiguous");
    assert!(matches!(error, GitError::AmbiguousRevision { .. }), "{error}");
}

#[test]
fn a_commit_tells_who_and_when_and_what() {
    let origin = Origin::new();
    let first = origin.head();
    let second = origin.push("subject\n\nbody\nmore");
    let (_mirror, reader) = reader(&origin);
    let info = reader.commit_info(second).expect("known");
    assert_eq!(info.subject, "subject");
    assert_eq!(info.message, "subject\n\nbody\nmore\n");
    assert_eq!(
        (info.author_name.as_str(), info.author_email.as_str(), info.author_time),
        ("Ada", "ada@example.org", 1_700_000_000)
    );
    assert_eq!(info.commit_time, 1_700_000_000);
    assert_eq!(info.parents, [first]);
    assert_eq!(info.tree.to_string(), git(&origin.work(), &["rev-parse", "HEAD^{tree}"]));
}

#[test]
fn the_commit_a_file_comes_from_is_the_one_git_names() {
    let origin = Origin::new();
    let work = origin.work();
    origin.write("servers/rack-a/web-01.yaml", "changed\n");
    origin.push("web");
    git(&work, &["switch", "-q", "-c", "side", "HEAD~1"]);
    origin.write("servers/rack-b/db-01.yaml", "side\n");
    origin.commit("side");
    git(&work, &["switch", "-q", "main"]);
    git(&work, &["merge", "-q", "--no-edit", "side"]);
    for n in 0..5 {
        origin.write("README.md", &format!("{n}"));
        origin.commit("noise");
    }
    let tip = origin.push("last");
    let (_mirror, reader) = reader(&origin);
    for path in [
        "servers/rack-a/web-01.yaml",
        "servers/rack-b/db-01.yaml",
        "servers/rack-a",
        "README.md",
        "shoal.yaml",
    ] {
        let expected = id(&git(&work, &["log", "-1", "--format=%H", "--", path]));
        let found = reader.last_commit_touching(path, tip, 100).expect("known");
        assert_eq!(found, Some(expected), "{path}");
    }
    let far = "servers/rack-a/web-01.yaml";
    assert_eq!(reader.last_commit_touching(far, tip, 4).expect("known"), None);
    assert_eq!(reader.last_commit_touching("nope", tip, 100).expect("known"), None);
}

#[test]
fn a_common_ancestor_is_found_and_unknown_commits_are_errors() {
    let origin = Origin::new();
    let base = origin.head();
    git(&origin.work(), &["switch", "-q", "-c", "side"]);
    let side = origin.push("side");
    git(&origin.work(), &["switch", "-q", "main"]);
    let main = origin.push("main");
    let (mirror, reader) = reader(&origin);
    mirror.fetch_branch("side").expect("fetched");
    assert_eq!(reader.merge_base(main, side).expect("known"), Some(base));
    assert!(reader.is_descendant(side, base).expect("known"));
    assert!(!reader.is_descendant(base, side).expect("known"));
    let unknown = id(&"7".repeat(40));
    for error in [
        reader.is_descendant(main, unknown).expect_err("unknown"),
        reader.is_descendant(unknown, main).expect_err("unknown"),
        reader.merge_base(main, unknown).expect_err("unknown"),
        reader.commit_info(unknown).map(|_| true).expect_err("unknown"),
    ] {
        assert!(matches!(error, GitError::MissingObject { .. }), "{error}");
    }
}
