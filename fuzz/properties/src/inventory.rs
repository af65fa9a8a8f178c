// SPDX-License-Identifier: AGPL-3.0-or-later
//! Inventories: a document beside, or files over, a small repository with which nothing is wrong.

mod shown;
mod tree;

use std::cell::RefCell;
use std::num::NonZeroUsize;

use shoal_core::desired::{fleet_spec, resolve};
use shoal_core::inventory::Inventory;
use shoal_core::observed::Observed;
use shoal_core::plan::{PlanRequest, lint, make};
use shoal_inventory::{Checks, Loaded, Loader};
use shoal_schema::plan_file;
use tree::Tree;

const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

thread_local! {
    /// Knows the files that all inputs have in common.
    static LOADER: RefCell<Loader> = RefCell::new(Loader::new(NonZeroUsize::MIN));
}

/// The input as files: `-- PATH --` begins one, `-- symlink PATH --` and the like one that is listed
/// and must not be read. Without such a line it is one document, where its kind belongs.
///
/// # Panics
///
/// Where two loads of the same tree differ, whatever was loaded before, where a diagnostic points out of its file, shows what a
/// terminal would act on or is lost in a rendering, where a file that must not be read is, or where
/// something was taken that no plan and no recipe can be made of.
pub fn inventory(input: &[u8]) -> bool {
    let tree = Tree::of(input);
    let loaded = LOADER.with_borrow_mut(|loader| {
        let loaded = load(loader, &tree);
        let again = load(loader, &tree);
        assert_eq!(again.parsed, 0, "what was parsed before is parsed again");
        same(&loaded, &again);
        loaded
    });
    // All of it anew, with several threads, costs many times as much.
    if input.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).is_multiple_of(8) {
        same(&loaded, &load(&mut Loader::new(TWO), &tree));
    }
    tree.refused_is_told(&loaded.diagnostics);
    shown::within_the_files(&tree, &loaded.diagnostics);
    shown::in_every_format(&loaded.diagnostics);
    let errors = loaded.has_errors();
    assert_eq!(loaded.inventory.problems.is_empty(), !errors);
    if !errors {
        leads_on(&loaded.inventory);
    }
    !errors
}

fn same(one: &Loaded, other: &Loaded) {
    assert_eq!(one.diagnostics, other.diagnostics);
    assert_eq!(one.inventory.digest, other.inventory.digest);
    assert_eq!(one.inventory.broken, other.inventory.broken);
}

fn load(loader: &mut Loader, tree: &Tree) -> Loaded {
    let now = jiff::Timestamp::new(1_780_000_000, 0).ok();
    let checks = Checks { watched_branch: Some("main".to_owned()), now };
    loader.load(tree, &checks).expect("a tree in memory can be listed")
}

/// What has no error is good for a plan, and every recipe out of it for a medium.
fn leads_on(inventory: &Inventory) {
    assert!(inventory.broken.is_empty() && !inventory.unreadable, "something is broken, and nothing is said");
    let fleet = fleet_spec(inventory);
    for name in inventory.servers.keys() {
        let desired = resolve(inventory, &fleet, name);
        let desired =
            desired.unwrap_or_else(|error| panic!("{name} was taken and cannot be resolved: {error:?}"));
        let Some(install) = desired.install else { continue };
        let recipe = serde_json::to_value(install.wire_recipe()).expect("a recipe is JSON");
        assert_eq!(shoal_validate::recipe().check(&recipe), [], "{name}: {recipe}");
    }
    let observed = Observed::default();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let plan = make(&PlanRequest { inventory, observed: &observed, commit: None, tool: "0", now });
    let plan = plan.expect("what was taken has a canonical form");
    assert_eq!(lint::check(&plan), []);
    let text = serde_json::to_string_pretty(&plan).expect("a plan is JSON");
    assert_eq!(plan_file::read(&text).expect("it was just written"), plan);
}
