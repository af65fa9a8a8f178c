// SPDX-License-Identifier: AGPL-3.0-or-later
//! What Redfish orders, real firmware does.

use shoal_testbed::bmc::BootDevice;
use shoal_testbed_qemu::{Route, VmEvent};

use crate::guest;
use crate::images::Images;
use crate::world::{SYSTEM, World, config, programs};

#[tokio::test]
async fn a_disc_boots_once_over_http_then_the_disk_does() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("disk0.raw"), guest::disk("disk", 64 << 20)).expect("written");
    let images = Images::serve([("boot.iso", guest::disc("disc"))]).await;
    let world = World::start(config(programs, directory.path())).await;
    world.power("Off").await;

    world.insert(1, &images.url("boot.iso")).await;
    world.boot_once("Cd").await;
    let probed = images.ranges();
    world.reset("On").await;
    let line = world.says(0, "guest: from disc").await;
    world.power("On").await;
    assert!(images.ranges() > probed, "the disc was read in ranges");
    let loaded = |event: &VmEvent| matches!(event, VmEvent::Loaded { slot: 0, .. });
    world.event(0, loaded).await;

    // The guest resets itself. The disc is still in its drive; the override is used up.
    let line = world.orders(line, "reset").await;
    let line = world.says(line, "guest: from disk").await;
    assert_eq!(world.bmc().state().last_boot.expect("booted").device, BootDevice::Disk);
    assert_eq!(world.get(&format!("{SYSTEM}/VirtualMedia/1")).await["Inserted"], true);

    let before = world.machine.events().len();
    world.eject(1).await;
    world.event(before, |event| *event == VmEvent::Unloaded { slot: 0 }).await;

    // It switches itself off, and Redfish on.
    let line = world.orders(line, "off").await;
    world.power("Off").await;
    world.reset("On").await;
    world.power("On").await;
    world.says(line, "guest: from disk").await;
    world.reset("ForceOff").await;
    world.power("Off").await;

    let said = std::fs::read(world.machine.recording()).expect("recorded");
    assert!(String::from_utf8_lossy(&said).contains("guest: from disc"));
}

#[tokio::test]
async fn a_stick_boots_through_the_bmc() {
    let Some(programs) = programs() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let images = Images::serve([("stick.img", guest::disk("stick", 8 << 20))]).await;
    let mut config = config(programs, directory.path());
    config.media = shoal_testbed_qemu::MediaRoute::ThroughBmc;
    config.disks.clear();
    let world = World::start(config).await;
    world.insert(2, &images.url("stick.img")).await;
    world.boot_once("Floppy").await;
    world.reset("On").await;
    world.says(0, "guest: from stick").await;
    let through = |event: &VmEvent| matches!(event, VmEvent::Loaded { route: Route::ThroughBmc, .. });
    world.event(0, through).await;
    let slot = &world.bmc().state().slots[1];
    assert!(slot.bytes > 500_000, "the BMC counts what the machine reads: {slot:?}");

    let before = world.machine.events().len();
    world.eject(2).await;
    world.event(before, |event| *event == VmEvent::Unloaded { slot: 1 }).await;
}
