// SPDX-License-Identifier: AGPL-3.0-or-later
//! The whole story, told quickly: real Git, real HTTP, the real controller.

use super::screen::Screen;
use super::verdict::sabotage::every_fact_fails_when_sabotaged;
use super::{Pace, tell};
use shoal_testbed_site::Place;

#[test]
fn the_story_is_told_every_fact_holds_and_none_of_them_survives_its_sabotage() {
    let place = Place::new("shoal-demo-", None).expect("a temporary directory");
    let screen = Screen::new(true);
    let (evidence, facts) = tell(&screen, &place, Pace::Fast).expect("the story comes to its end");
    for fact in &facts {
        assert!(fact.holds, "{} ({}): {}", fact.name, fact.source, fact.evidence);
    }
    every_fact_fails_when_sabotaged(&evidence);
}
