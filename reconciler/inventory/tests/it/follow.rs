// SPDX-License-Identifier: AGPL-3.0-or-later
//! A loader that loaded other trees before comes to what a loader that loaded nothing comes to.

use proptest::prelude::*;
use shoal_core::by_name::ByName;
use shoal_core::inventory::Inventory;
use shoal_inventory::{Checks, Loaded, Refused};

use crate::support::{Tree, checks, loader, server};

const NAMES: [&str; 5] = ["case-0", "case-1", "case-2", "case-3", "base-01"];

/// One commit: what is changed, in which file, and how.
type Step = (u8, u8, u8);

fn path(which: u8) -> String {
    match which % 7 {
        0..=4 => format!("servers/{}.yaml", NAMES[usize::from(which % 7)]),
        5 => "servers/rack/case-0.yaml".to_owned(),
        _ => "servers/two.yaml".to_owned(),
    }
}

/// A server, with what others may have as well, or with something wrong.
fn text(which: u8, how: u8) -> String {
    // Some are the machines of others.
    let number = if how < 200 { 10 + usize::from(which % 7) } else { usize::from(how % 3) };
    let text = server(NAMES[usize::from(which) % NAMES.len()], number);
    match how / 3 % 16 {
        0 => text.replace("recipe:", "recipes:"),
        1 => text.replace("debian", "nowhere"),
        2 => text.replace("{serial: D-", "{path: /dev/sda, serial: D-"),
        3 => text.replace("spec:\n", "spec:\n  macs: [\"02:00:00:00:00:01\"]\n"),
        4 => text.replace("spec:\n", "spec:\n  uuid: 03000200-0400-0500-0006-000700080009\n"),
        5 => text.replace("spec:\n", "spec:\n  suspend: {reason: x, until: 2026-06-02T00:00:00Z}\n"),
        6 => text.replace("spec:\n", "spec:\n  network: [{name: eno1, addresses: [10.0.0.5/24]}]\n"),
        7 => text.replace("name: case", "name: case/x"),
        8 => text.replace("https://", "http://"),
        9 => format!("{text}---\n{}", server("case-4", 9)),
        10 => "a: [".to_owned(),
        11 => String::new(),
        _ => text,
    }
}

fn take(tree: &mut Tree, (what, which, how): Step) {
    let file = path(which);
    match what {
        0..=7 => drop(tree.files.insert(file, text(which, how).into_bytes())),
        8 => drop(tree.files.remove(&file)),
        9 => {
            if let Some(content) = tree.files.remove(&file) {
                tree.files.insert(path(how), content);
            }
        }
        10 => drop(tree.refused.insert("servers/link.yaml".to_owned(), Refused::Symlink)),
        11 => drop(tree.refused.remove("servers/link.yaml")),
        12 => {
            // The recipe changes, or asks for more, or becomes wrong, or is as it was.
            let recipe = tree.files.iter().find(|(path, _)| path.starts_with("recipes/"));
            let (path, content) = recipe.map(|(path, content)| (path.clone(), content.clone())).unwrap();
            let was = String::from_utf8(content).unwrap();
            let line = "# changed\n";
            let asks = "  parameters:\n    must: {}\n";
            let now = match how % 4 {
                0 => format!("{line}{was}"),
                1 => was.replace(line, "").replace(asks, "  parameters:\n").replace("  nonsense: 1\n", ""),
                // Every server lacks a value now.
                2 => was.replace("  parameters:\n    hostname", &format!("{asks}    hostname")),
                _ => format!("{was}  nonsense: 1\n"),
            };
            tree.files.insert(path, now.into_bytes());
        }
        13 => drop(tree.files.insert("elsewhere.yaml".to_owned(), text(which, how).into_bytes())),
        // What is known by its id is not read again, so that nobody would meet the error.
        14 if !tree.with_ids => {
            tree.failing = if how % 2 == 0 { vec!["servers/two.yaml".to_owned()] } else { Vec::new() }
        }
        _ => {}
    }
}

/// All that can be said of a load, as text.
fn said(loaded: &Loaded) -> String {
    let Inventory {
        servers,
        problems,
        broken,
        last_good,
        unreadable,
        digest,
        fleet,
        recipes,
        images,
        secrets,
        approvals,
    } = &loaded.inventory;
    let servers: Vec<_> = servers
        .iter()
        .map(|(name, it)| (name, &it.file, serde_json::to_string(&it.value).unwrap(), it.place("/spec/os")))
        .collect();
    fn names<T>(map: &ByName<T>) -> Vec<&String> {
        map.keys().collect()
    }
    let others = (names(recipes), names(images), names(secrets), names(approvals), fleet.is_some());
    format!(
        "{servers:#?}\n{problems:#?}\n{broken:?} {last_good:?}\n{unreadable} {digest:?}\n{others:?}\n{:#?}\n{}",
        loaded.diagnostics, loaded.files
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_loaded_before_the_result_is_the_same(
        commits in proptest::collection::vec(
            (proptest::collection::vec((0_u8..16, any::<u8>(), any::<u8>()), 1..4), any::<u8>()),
            1..14,
        ),
        with_ids: bool,
    ) {
        let mut tree = Tree { with_ids, ..Tree::base() };
        let mut trees = vec![tree.clone()];
        let mut loader = loader();
        for (steps, how) in commits {
            // Now and then a commit is reverted.
            if how % 5 == 0 {
                tree = trees[usize::from(how) % trees.len()].clone();
            } else {
                for step in steps {
                    take(&mut tree, step);
                }
            }
            trees.push(tree.clone());
            let now = if how % 7 == 0 { "2026-07-01T00:00:00Z" } else { "2026-06-01T00:00:00Z" };
            let checks = Checks { now: Some(now.parse().unwrap()), ..checks() };
            let followed = loader.load(&tree, &checks).unwrap();
            let fresh = super::support::loader().load(&tree, &checks).unwrap();
            prop_assert_eq!(said(&followed), said(&fresh));
        }
    }
}
