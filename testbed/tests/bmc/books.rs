// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whatever clients do, the books stay right: counters, events, state and machine tell one story.

use shoal_testbed::bmc::profiles::Profile;
use shoal_testbed::bmc::{Event, Power, Told};

use crate::behaviour_media::with_media;
use crate::behaviour_power::reset;
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{self, cd_slot, set_boot, try_eject, try_insert};

/// A small generator, so that a failure can be repeated from the seed that it prints.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

async fn a_random_request(
    fixture: &Fixture,
    profile: &'static Profile,
    images: &ImageServer,
    dice: &mut Dice,
) {
    let slot = &cd_slot(fixture);
    match dice.below(5) {
        0 => {
            try_insert(fixture, slot, &images.url("a.iso")).await;
        }
        1 => {
            try_eject(fixture, slot).await;
        }
        2 => {
            set_boot(fixture, "Once", profile.boot.cd_target.unwrap_or("Pxe")).await;
        }
        _ => {
            let types = profile.system.reset_types;
            reset(fixture, types[dice.below(types.len() as u64) as usize]).await;
        }
    }
}

fn settled(fixture: &Fixture) -> bool {
    let state = fixture.bmc().state();
    matches!(state.power, Power::On | Power::Off) && !state.in_post
}

#[tokio::test]
async fn the_books_are_right_after_any_sequence_of_requests() {
    for (profile, seed) in with_media().zip((1..).map(|number| number * 11)) {
        let mut dice = Dice(seed);
        let images = route::images(profile, 4096).await;
        let fixture = Fixture::with(profile, Options { time_scale: 0.00001, ..Options::default() }).await;
        for _ in 0..240 {
            a_random_request(&fixture, profile, &images, &mut dice).await;
            // Half of the time the next request meets a transition, half of the time a machine at rest: without the
            // latter it would be chance whether any POST ever ends.
            if dice.below(2) == 0 {
                fixture.until("settled", settled).await;
            }
        }
        // A press of the button may still be on its way: only an off machine is at rest for good.
        fixture.until("settled", settled).await;
        reset(&fixture, "ForceOff").await;
        fixture.until("off", |fixture| fixture.bmc().state().power == Power::Off).await;

        let state = fixture.bmc().state();
        let counters = state.counters;
        let context = format!("{}, seed {seed}: {counters:?}", profile.name);
        let events = fixture.events();
        let count = |what: fn(&Event) -> bool| events.iter().filter(|event| what(event)).count() as u64;
        assert_eq!(counters.power_ons, counters.power_offs, "{context}");
        assert_eq!(counters.power_ons, count(|event| matches!(event, Event::PoweredOn)), "{context}");
        assert_eq!(counters.boots, count(|event| matches!(event, Event::Boot { .. })), "{context}");
        assert!(counters.boots <= counters.power_ons + counters.resets, "{context}");
        let left = state.slots.iter().filter(|slot| slot.image.is_some()).count() as u64;
        assert_eq!(counters.inserts - counters.ejects, left, "{context}");
        let told = fixture.machine.told();
        let boots = told.iter().filter(|told| matches!(told, Told::Boot(_))).count() as u64;
        assert_eq!(boots, counters.boots, "{context}");
        assert!(counters.boots > 5 && counters.inserts > 5, "too little happened: {context}");
        // A machine is never booted twice without having been stopped in between.
        let mut running = false;
        for told in told {
            match told {
                Told::Boot(plan) => {
                    assert!(!running, "boot {} came while another ran: {context}", plan.boot);
                    running = true;
                }
                Told::Stop(_) => running = false,
                _ => {}
            }
        }
    }
}
