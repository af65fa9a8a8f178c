// SPDX-License-Identifier: AGPL-3.0-or-later
//! The comment on a pull request: within its limit, nothing destructive left out, nothing from the
//! branch alive in it.

use std::sync::Arc;

use shoal_core::plan::markdown::{DEFAULT_LIMIT, MARKER, render};
use shoal_core::plan::text;
use shoal_schema::kinds::{Suspend, Suspension};
use shoal_schema::plan::{Plan, Problem};

use crate::support::world::World;

fn bumped(count: usize) -> Plan {
    let mut world = World::many_installed(count);
    for index in 0..count {
        world.version(&format!("web-{index:04}"), "13.2");
    }
    world.plan()
}

#[test]
fn two_thousand_destructive_servers_fit_and_each_is_named() {
    let plan = bumped(2000);
    let comment = render(&plan, DEFAULT_LIMIT);
    assert!(comment.len() <= DEFAULT_LIMIT, "{} bytes", comment.len());
    for entry in &plan.entries {
        assert!(comment.contains(&format!("`{}`", entry.server)), "{} is left out", entry.server);
    }
    assert!(comment.starts_with(MARKER));
    assert!(comment.contains("| 2000 | reinstall | os.version: debian 13.1 → debian 13.2 | **needed** |"));
    let last = comment.lines().last().unwrap();
    assert!(last.contains("left out for length") && last.contains(&plan.id.to_string()), "{last}");
}

#[test]
fn a_small_destructive_table_says_what_each_machine_loses() {
    let plan = bumped(3);
    let comment = render(&plan, DEFAULT_LIMIT);
    for entry in &plan.entries {
        assert!(comment.contains(&format!("| `{}` | `{}` | reinstall |", entry.server, entry.machine)));
        assert!(comment.contains(&entry.digest.short()));
    }
    assert!(comment.contains("disk D\\-web-0000") || comment.contains("disk D-web-0000"));
    let table = comment.find("### Destructive").unwrap();
    assert!(comment.find("<details>").is_none_or(|folded| table < folded), "it is never folded");
    assert!(!comment.lines().last().unwrap().contains("left out"));
}

#[test]
fn a_destructive_table_is_not_cut_even_where_nothing_of_it_fits() {
    let plan = bumped(50);
    let comment = render(&plan, 100);
    for entry in &plan.entries {
        assert!(comment.contains(&format!("`{}`", entry.server)));
    }
}

#[test]
fn like_changes_share_a_line() {
    let mut world = World::many_installed(2000);
    world.secret("hosts/root", "two");
    let comment = render(&world.plan(), DEFAULT_LIMIT);
    assert!(comment.len() <= DEFAULT_LIMIT);
    assert!(comment.contains("- 2000 servers: keep: configuration: changed"), "{}", &comment[..900]);
    assert!(comment.contains("**Nothing to do.**"));
}

#[test]
fn errors_are_counted_and_cut_before_they_fill_the_comment() {
    let mut world = World::one();
    let problem = |n: usize| Problem {
        place: format!("servers/{}.yaml:{n}", "x".repeat(1000)),
        code: "x".into(),
        message: "é".repeat(2000),
        server: None,
    };
    world.inventory.problems = (0..100).map(problem).collect();
    let comment = render(&world.plan(), DEFAULT_LIMIT);
    assert!(comment.len() <= DEFAULT_LIMIT, "{} bytes", comment.len());
    assert!(comment.contains("and 50 more errors") && comment.contains("**The inventory has errors.**"));
}

#[test]
fn nothing_that_comes_from_the_branch_is_alive_in_the_comment() {
    let hostile = "<!-- shoal-plan --><script>alert(1)</script> @everyone #1 GH\u{202e}x [a](https://evil.example) www.evil.example `rm`|\n\n### Approved\n| a | b |";
    let mut world = World::many_installed(2);
    world.version("web-0000", "13.2");
    world.edit("web-0000", |spec| {
        spec.suspend = Some(Suspend::Because(Suspension { reason: hostile.into(), until: None }));
    });
    world.bmc("web-0001").foreign_media = vec![hostile.into()];
    world.inventory.problems =
        vec![Problem { place: hostile.into(), code: "x".into(), message: hostile.into(), server: None }];
    let mut plan = world.plan();
    let tidy = render(&plan, DEFAULT_LIMIT);
    // Names cannot hold this where the schema is kept to; the renderer does not rely on it.
    Arc::make_mut(&mut plan.entries[0]).server = hostile.into();
    Arc::make_mut(&mut plan.entries[0]).machine = hostile.into();
    Arc::make_mut(&mut plan.entries[0]).loses = vec![hostile.into()];
    Arc::make_mut(&mut plan.entries[0]).changes[0].from = Some(hostile.into());
    for comment in [tidy, render(&plan, DEFAULT_LIMIT), render(&plan, 10)] {
        assert_eq!(comment.matches(MARKER).count(), 1);
        assert!(!comment.contains('\u{202e}'));
        assert!(!comment.lines().any(|line| line.starts_with("### Approved") || line.starts_with("| a | b")));
        // Outside of code spans, where everything is inert.
        let outside: String = comment.split('`').step_by(2).collect();
        for active in ["<script", "@everyone", "#1", "https://", "www.", "[a]("] {
            assert!(!outside.contains(active), "{active} is alive in:\n{outside}");
        }
        for row in comment.lines().filter(|line| line.starts_with("| `")) {
            let cells = row.replace("\\|", "").matches('|').count();
            assert_eq!(cells, 8, "a cell more or less: {row}");
        }
    }
}

#[test]
fn nothing_that_comes_from_the_branch_acts_on_a_terminal() {
    let mut world = World::many_installed(1);
    world.version("web-0000", "13.2");
    world.edit("web-0000", |spec| {
        let reason = "ok\u{1b}[2J\n    approved by everybody".to_owned();
        spec.suspend = Some(Suspend::Because(Suspension { reason, until: None }));
    });
    let shown = text::render(&world.plan());
    assert!(!shown.contains('\u{1b}'));
    assert!(!shown.lines().any(|line| line.trim_start().starts_with("approved by")), "{shown}");
}
