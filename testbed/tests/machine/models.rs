// SPDX-License-Identifier: AGPL-3.0-or-later
//! A whole install on every model, through its own habits: media by its route, the override where it takes it, and the
//! disk afterwards.

use serde_json::json;
use shoal_testbed::bmc::profiles::{ALL, InsertRoute, OwnBoot, Profile, SlotModel, Takes};
use shoal_testbed::bmc::{BootProgress, Enabled, Power};
use shoal_testbed::machine::{Happening, Running};

use crate::bench::{Bench, Options, SERIAL};
use crate::controller::{Controller, linux};

/// Slots that take a CD by its address: those that firmware boots from come first.
fn cds(profile: &Profile) -> Vec<usize> {
    let fits = |slot: &SlotModel| slot.optical() && slot.takes == Takes::Address;
    let mut slots: Vec<usize> =
        (0..profile.slots.len()).filter(|index| fits(&profile.slots[*index])).collect();
    slots.sort_by_key(|index| !profile.slots[*index].boots);
    slots
}

/// Puts media in, or an address, and sets the override.
async fn prepare(bench: &Bench) {
    let profile = bench.bmc().profile();
    let task = bench.controller.task_for(SERIAL);
    match cds(profile).as_slice() {
        [] => {
            let boot = json!({
                "BootSourceOverrideEnabled": "Once",
                "BootSourceOverrideTarget": "UefiHttp",
                "BootSourceOverrideMode": "UEFI",
                "HttpBootUri": bench.controller.composed(&task, &linux()),
            });
            return bench.set_boot(boot).await;
        }
        [only] => bench.insert(*only, &bench.controller.composed(&task, &linux())).await,
        [first, second, ..] => {
            bench.insert(*first, &bench.controller.maintenance()).await;
            bench.insert(*second, &bench.controller.task(&task, &linux())).await;
        }
    }
    bench.boot_once().await;
}

#[tokio::test]
async fn every_model_installs_through_its_own_habits_and_boots_the_disk_then() {
    // Those that go a maker's own way are driven by the client itself, in its own tests.
    let standard = |profile: &&'static Profile| {
        matches!(profile.media.route, InsertRoute::Action | InsertRoute::Patch)
            && profile.boot.own == OwnBoot::None
    };
    for profile in ALL.into_iter().filter(standard) {
        let plain = profile.slots.is_empty() || profile.media.schemes.contains(&"http");
        let controller = if plain { Controller::plain().await } else { Controller::tls(true).await };
        let bench = Bench::with(controller, Options { profile, ..Options::default() }).await;
        prepare(&bench).await;
        bench.reset("On").await;
        bench.until_webhooks(1).await;
        assert_eq!(bench.controller.webhooks()[0]["status"], "success", "{}", profile.name);
        assert_eq!(bench.bmc().state().boot_override.enabled, Enabled::Disabled, "{}", profile.name);

        bench.finish().await;
        bench.reset("On").await;
        bench.until_running(Running::System).await;
        bench.until("progress", |bench| bench.bmc().state().progress == BootProgress::OSRunning).await;
        assert_eq!(bench.bmc().state().power, Power::On);
    }
}

#[tokio::test]
async fn http_boot_of_what_is_not_there_starts_nothing() {
    let profile = ALL.into_iter().find(|profile| profile.name == "bluefield").expect("it is listed");
    let bench = Bench::with(Controller::plain().await, Options { profile, ..Options::default() }).await;
    let missing = format!("{}-not-there", bench.controller.maintenance());
    let boot = json!({
        "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "UefiHttp", "HttpBootUri": missing,
    });
    bench.set_boot(boot).await;
    bench.reset("On").await;
    bench.until_happened(1, |what| matches!(what, Happening::NotBooted { .. })).await;
    assert_eq!(bench.report().running, Running::NoBootDevice);
}
