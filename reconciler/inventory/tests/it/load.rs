// SPDX-License-Identifier: AGPL-3.0-or-later
//! Loading: what is read again and what is not, what a broken file stops, digests.

use std::fs;

use shoal_inventory::{
    Checks, DirectorySource, FileEntry, FileSource, Refused, Severity, SourceError, codes as code,
};

use crate::support::{Tree, checks, codes, loader, server};

#[test]
fn an_unchanged_file_is_never_parsed_twice() {
    for with_ids in [true, false] {
        let mut tree = Tree { with_ids, ..Tree::base() };
        let mut loader = loader();
        let first = loader.load(&tree, &checks()).unwrap();
        assert_eq!((first.files, first.parsed), (6, 6));
        tree.reads.borrow_mut().clear();
        let again = loader.load(&tree, &checks()).unwrap();
        assert_eq!(again.parsed, 0);
        // With ids not even a byte is read.
        assert_eq!(tree.reads.borrow().len(), if with_ids { 0 } else { 6 });
        assert!(again.inventory.digest == first.inventory.digest);
        tree = tree.with("servers/new.yaml", server("new", 1));
        assert_eq!(loader.load(&tree, &checks()).unwrap().parsed, 1);
    }
}

#[test]
fn two_trees_loaded_in_turn_stay_known() {
    let base = Tree { with_ids: true, ..Tree::base() };
    let head = base.clone().with("servers/base-01.yaml", server("base-01", 7));
    let mut loader = loader();
    loader.load(&base, &checks()).unwrap();
    assert_eq!(loader.load(&head, &checks()).unwrap().parsed, 1);
    for tree in [&base, &head, &base, &head] {
        assert_eq!(loader.load(tree, &checks()).unwrap().parsed, 0);
    }
}

#[test]
fn what_nobody_asks_for_is_forgotten() {
    let small = Tree { with_ids: true, ..Tree::base() };
    let large = small.clone().with("servers/new.yaml", server("new", 1));
    let mut loader = loader();
    loader.load(&large, &checks()).unwrap();
    for _ in 0..4 {
        loader.load(&small, &checks()).unwrap();
    }
    assert_eq!(loader.load(&large, &checks()).unwrap().parsed, 1);
}

#[test]
fn a_warning_that_stays_costs_no_read() {
    let broken = server("case", 1).replace("{serial: D-000001}", "{path: /dev/sda}");
    let tree = Tree { with_ids: true, ..Tree::base() }.with("servers/case.yaml", broken);
    let mut loader = loader();
    let first = loader.load(&tree, &checks()).unwrap();
    assert_eq!(codes(&first.diagnostics), [code::DISK_UNSTABLE]);
    tree.reads.borrow_mut().clear();
    let again = loader.load(&tree, &checks()).unwrap();
    assert_eq!(first.diagnostics, again.diagnostics);
    assert!(tree.reads.borrow().is_empty());
}

#[test]
fn many_files_on_several_threads_give_what_one_thread_gives() {
    let mut tree = Tree { with_ids: true, ..Tree::base() };
    for number in 0..500 {
        let mut text = server(&format!("srv-{number:03}"), number);
        if number % 50 == 0 {
            text = text.replace("\"13.1\"", "13.1");
        }
        tree = tree.with(&format!("servers/rack-{}/srv-{number:03}.yaml", number % 7), text);
    }
    let several = loader().load(&tree, &checks()).unwrap();
    let one = shoal_inventory::Loader::new(std::num::NonZeroUsize::MIN).load(&tree, &checks()).unwrap();
    assert_eq!(several.diagnostics.len(), 10);
    assert_eq!(several.diagnostics, one.diagnostics);
    assert_eq!(several.inventory.servers.len(), 491);
    assert_eq!(several.inventory.broken, one.inventory.broken);
    assert!(several.inventory.digest == one.inventory.digest);
    let sorted = several.diagnostics.windows(2).all(|pair| pair[0].file <= pair[1].file);
    assert!(sorted);
}

#[test]
fn a_broken_server_is_broken_and_all_others_are_there() {
    let tree = Tree::base()
        .with("servers/bad.yaml", server("bad", 1).replace("serial:", "seriel:"))
        .with("servers/good.yaml", server("good", 2));
    let inventory = tree.load().inventory;
    assert!(inventory.broken.contains(&("Server", "bad".to_owned())));
    assert!(!inventory.unreadable);
    assert!(inventory.servers.contains_key("good") && inventory.servers.contains_key("base-01"));
    let problem = inventory.problems.iter().find(|p| p.code == code::SCHEMA_UNKNOWN).unwrap();
    assert_eq!(problem.server.as_deref(), Some("bad"));
    assert_eq!(problem.place, "servers/bad.yaml:7:3");
}

#[test]
fn the_last_good_version_of_what_is_broken_comes_back() {
    let good = Tree::base().with("servers/a.yaml", server("a", 1));
    let last = good.load().inventory;
    for broken in ["kind: Server\nmetadata: {name: a}\nspec: [\n", "\u{7f}", "[", "kind: Server\n"] {
        let mut now = good.clone().with("servers/a.yaml", broken).load().inventory;
        assert!(!now.servers.contains_key("a"), "{broken:?}");
        now.keep_last_good(&last);
        assert!(now.servers.contains_key("a"), "{broken:?}");
    }
    // What was removed on purpose stays away.
    let mut now = Tree::base().load().inventory;
    now.keep_last_good(&last);
    assert!(!now.servers.contains_key("a"));
}

#[test]
fn a_server_in_two_files_counts_in_neither() {
    let tree =
        Tree::base().with("servers/a.yaml", server("same", 1)).with("servers/b.yaml", server("same", 2));
    let inventory = tree.load().inventory;
    assert!(!inventory.servers.contains_key("same"));
    assert!(inventory.broken.contains(&("Server", "same".to_owned())));
    assert!(inventory.problems.iter().all(|problem| problem.server.as_deref() == Some("same")));
}

#[test]
fn every_server_behind_one_bmc_is_stopped() {
    let tree = Tree::base()
        .with("servers/a.yaml", server("a", 1))
        .with("servers/b.yaml", server("b", 2).replace("10.1.0.2", "10.1.0.1"));
    let inventory = tree.load().inventory;
    let stopped: Vec<&str> = inventory.problems.iter().filter_map(|p| p.server.as_deref()).collect();
    assert_eq!(stopped, ["a", "b"]);
}

#[test]
fn a_server_that_moves_to_another_file_is_the_same_server() {
    let mut loader = loader();
    let before = Tree::base().with("servers/a.yaml", server("a", 1));
    let after = Tree::base().with("servers/rack-b/moved.yaml", server("a", 1));
    let first = loader.load(&before, &checks()).unwrap().inventory;
    let second = loader.load(&after, &checks()).unwrap().inventory;
    assert!(first.servers["a"].value.spec == second.servers["a"].value.spec);
    assert_eq!(&*second.servers["a"].file, "servers/rack-b/moved.yaml");
    assert_eq!(second.servers["a"].place("/spec/os/version"), "servers/rack-b/moved.yaml:10");
    assert!(first.digest != second.digest);
}

#[test]
fn files_that_cannot_be_used_are_said_and_nothing_counts_as_removed() {
    for (path, refused) in [
        ("servers/link.yaml", Refused::Symlink),
        ("servers/rack-b", Refused::Submodule),
        ("servers", Refused::Symlink),
        ("servers/big.yaml", Refused::TooLarge),
        ("servers/pipe.yml", Refused::Special),
    ] {
        let mut tree = Tree::base();
        tree.refused.insert(path.to_owned(), refused);
        let loaded = tree.load();
        assert_eq!(loaded.diagnostics.len(), 1, "{path}");
        assert_eq!(&*loaded.diagnostics[0].file, path);
        assert_eq!(loaded.diagnostics[0].severity, Severity::Error);
        assert!(loaded.inventory.unreadable, "{path}");
    }
    let mut tree = Tree::base();
    tree.refused.insert("docs/link.yaml".to_owned(), Refused::Symlink);
    assert!(tree.load().diagnostics.is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_said_with_the_cause() {
    let mut tree = Tree::base();
    tree.failing.push("recipes/debian.yaml".to_owned());
    let loaded = tree.load();
    assert_eq!(codes(&loaded.diagnostics), [code::UNREADABLE]);
    assert_eq!(loaded.diagnostics[0].message, "cannot read recipes/debian.yaml: input/output error");
    assert!(loaded.inventory.unreadable);
}

#[test]
fn a_file_that_grew_beyond_the_limit_since_the_listing_is_refused() {
    let tree = Tree::base().with("servers/big.yaml", vec![b'#'; (1 << 20) + 1]);
    assert_eq!(codes(&tree.load().diagnostics), [code::TOO_LARGE]);
}

#[test]
fn a_tree_without_end_is_refused_as_a_whole() {
    struct Endless;
    impl FileSource for Endless {
        fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
            let entry = FileEntry { path: "x".into(), id: None, size: 0, refused: None };
            Ok(vec![entry; shoal_inventory::MAX_ENTRIES + 1])
        }
        fn read(&self, _: &FileEntry) -> Result<Vec<u8>, SourceError> {
            Ok(Vec::new())
        }
    }
    let error = loader().load(&Endless, &checks()).err().unwrap();
    assert_eq!(error.to_string(), "the tree has more than 200000 entries");
}

#[test]
fn an_empty_tree_lacks_a_fleet_and_nothing_else() {
    let loaded = Tree::default().load();
    assert_eq!(codes(&loaded.diagnostics), [code::FLEET_MISSING]);
    assert!(!loaded.inventory.unreadable);
}

#[test]
fn a_directory_and_a_tree_with_the_same_content_have_the_same_digest() {
    let tree = Tree { with_ids: true, ..Tree::base() }.with("README.md", "words").with("docs/x.yaml", "a: 1");
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in &tree.files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let source = DirectorySource::new(directory.path());
    let from_directory = loader().load(&source, &checks()).unwrap();
    assert!(from_directory.inventory.digest == tree.load().inventory.digest);
    // Files that are not read change nothing, files that are read change it.
    let same = tree.clone().with("README.md", "other words");
    assert!(same.load().inventory.digest == tree.load().inventory.digest);
    let other = tree.clone().with("servers/a.yaml", server("a", 1));
    assert!(other.load().inventory.digest != tree.load().inventory.digest);
}

#[test]
fn without_a_time_nothing_is_over() {
    let suspended = server("a", 1) + "  suspend: {reason: fans, until: 2020-01-01T00:00:00Z}\n";
    let tree = Tree::base().with("servers/a.yaml", suspended);
    let at = |checks: &Checks| codes(&loader().load(&tree, checks).unwrap().diagnostics);
    assert_eq!(at(&Checks::default()), Vec::<&str>::new());
    assert_eq!(at(&checks()), [code::SUSPEND_OVER]);
}

#[test]
fn status_must_not_go_to_the_watched_branch_however_it_is_written() {
    for (watched, wrong) in [("shoal/status", true), ("refs/heads/shoal/status", true), ("main", false)] {
        let checks = Checks { watched_branch: Some(watched.to_owned()), now: None };
        let loaded = loader().load(&Tree::base(), &checks).unwrap();
        assert_eq!(codes(&loaded.diagnostics).contains(&code::FLEET_STATUS_BRANCH), wrong, "{watched}");
        assert_eq!(loaded.inventory.fleet.is_none(), wrong);
    }
}
