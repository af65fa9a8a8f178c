// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller that goes away in the middle and comes back.

use super::puppet::Script;
use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_comes_back_boots_no_machine_twice() {
    let mut world = World::new(&["idrac9-6", "ilo5", "smc-x13-single"]).await;
    world.push("three servers");
    for _ in 0..12 {
        world.start().await;
        tokio::time::sleep(std::time::Duration::from_millis(350)).await;
        // No farewell: what was not durable is gone.
        world.crash().await;
    }
    world.start().await;
    for index in 0..3 {
        world.wait_job_complete(index, "succeeded").await;
        assert_eq!(world.puppets[index].seen().maintenance_boots, 1, "server {index}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_never_asks_is_tried_three_times_and_then_left_in_order() {
    let mut world = World::new(&["ilo5"]).await;
    world.puppets[0].set(Script { never_asks: true, ..Script::default() });
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "failed").await;
    assert_eq!(view["job"]["attempt"], 3);
    assert_eq!(view["job"]["failed_step"], "workflow.dispatcher");
    assert_eq!(view["job"]["error"]["code"], "no_permit_request");
    let bmc = world.farm.bmcs()[0].state();
    assert!(bmc.slots.iter().all(|slot| slot.image.is_none()));
    assert_eq!(format!("{:?}", bmc.power), "On", "power as it was found");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_loses_its_power_behind_the_permit_is_installed_by_a_later_attempt() {
    let mut world = World::new(&["ilo5"]).await;
    world.tweak = |settings| {
        // Without looking at the machine's power this would not end in time.
        settings.budgets.result_ms = 3_600_000;
        settings.budgets.off_ms = 400;
    };
    world.puppets[0].set(Script { power_cuts: 2, ..Script::default() });
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "succeeded").await;
    assert_eq!(view["job"]["attempt"], 3);
    let events = view["job"]["events"].as_array().unwrap();
    let off = |event: &&serde_json::Value| event["message"].as_str().unwrap().contains("stayed off");
    assert_eq!(events.iter().filter(off).count(), 2, "{events:#?}");
    assert_eq!(world.puppets[0].seen().maintenance_boots, 3);
    world.stop().await;
}
