// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override and what a machine is handed at the end of POST.

use serde_json::json;
use shoal_testbed::bmc::profiles::{IDRAC9_6, ILO5, SMC_X13_SINGLE};
use shoal_testbed::bmc::{BootDevice, BootMode, BootPlan, Enabled, Event, MediumError, Power, Told};

use crate::behaviour_media::with_media;
use crate::behaviour_power::{reset, system};
use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;
use crate::route::{accepted, boot_shown, cd_index, cd_slot, images, insert, set_boot};

pub(crate) fn boots(fixture: &Fixture) -> Vec<BootPlan> {
    let told = fixture.machine.told().into_iter();
    told.filter_map(|told| if let Told::Boot(plan) = told { Some(plan) } else { None }).collect()
}

pub(crate) async fn booted(fixture: &Fixture, count: usize) -> BootPlan {
    fixture.until("the machine was booted", |fixture| boots(fixture).len() >= count).await;
    boots(fixture).remove(count - 1)
}

pub(crate) async fn power_on(fixture: &Fixture) {
    let mut answer = reset(fixture, "On").await;
    // Some take no `On` for a while after the machine went off.
    while answer.status == 409 && answer.message_id().ends_with("ActionParameterValueConflict") {
        answer = reset(fixture, "On").await;
    }
    accepted(&answer);
}

pub(crate) async fn force_off(fixture: &Fixture) {
    accepted(&reset(fixture, "ForceOff").await);
    fixture.until("off", |fixture| fixture.bmc().state().power == Power::Off).await;
}

#[tokio::test]
async fn once_boots_the_cd_a_single_time() {
    // Where the virtual CD answers to no target, an import names it; that has a test of its own.
    for profile in with_media().filter(|profile| profile.boot.cd_target.is_some()) {
        let images = images(profile, 4096).await;
        let fixture = Fixture::new(profile).await;
        insert(&fixture, &cd_slot(&fixture), &images.url("boot.iso")).await;
        let target = profile.boot.cd_target.expect("a target for the CD");
        accepted(&set_boot(&fixture, "Once", target).await);
        let shown = boot_shown(&fixture).await;
        assert_eq!(shown["BootSourceOverrideEnabled"], "Once");
        assert_eq!(shown["BootSourceOverrideTarget"], target);

        power_on(&fixture).await;
        let plan = booted(&fixture, 1).await;
        assert_eq!(
            plan.device,
            BootDevice::Cd { slot: cd_index(profile).expect("a CD") },
            "{}",
            profile.name
        );
        assert_eq!((plan.boot, plan.mode, plan.overridden), (1, BootMode::Uefi, true));
        assert_eq!(plan.media[0].url, images.url("boot.iso"));
        assert_eq!(boot_shown(&fixture).await["BootSourceOverrideEnabled"], "Disabled");

        force_off(&fixture).await;
        power_on(&fixture).await;
        assert_eq!(booted(&fixture, 2).await.device, BootDevice::Disk);
        let log = fixture.events();
        let image = images.url("boot.iso");
        let from_cd = |event: &&Event| matches!(event, Event::Boot { image: Some(url), .. } if *url == image);
        assert_eq!(log.iter().filter(from_cd).count(), 1, "{log:#?}");
    }
}

#[tokio::test]
async fn continuous_boots_the_cd_until_it_is_changed() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&IDRAC9_6).await;
    insert(&fixture, &cd_slot(&fixture), &images.url("boot.iso")).await;
    set_boot(&fixture, "Continuous", "Cd").await.expect(200);
    power_on(&fixture).await;
    booted(&fixture, 1).await;
    reset(&fixture, "ForceRestart").await.expect(204);
    assert_eq!(booted(&fixture, 2).await.device, BootDevice::Cd { slot: 0 });
    set_boot(&fixture, "Disabled", "None").await.expect(200);
    reset(&fixture, "ForceRestart").await.expect(204);
    assert_eq!(booted(&fixture, 3).await.device, BootDevice::Disk);
}

#[tokio::test]
async fn a_cd_override_without_a_cd_falls_through_to_disk_and_is_used_up() {
    let fixture = Fixture::new(&ILO5).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    power_on(&fixture).await;
    let plan = booted(&fixture, 1).await;
    assert_eq!((plan.device, plan.overridden), (BootDevice::Disk, false));
    assert_eq!(fixture.bmc().state().boot_override.enabled, Enabled::Disabled);
}

#[tokio::test]
async fn supermicro_boots_nothing_from_cd_and_the_image_from_usbcd() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&SMC_X13_SINGLE).await;
    insert(&fixture, &cd_slot(&fixture), &images.url("boot.iso")).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
    power_on(&fixture).await;
    assert_eq!(booted(&fixture, 1).await.device, BootDevice::Disk);
    set_boot(&fixture, "Once", "UsbCd").await.expect(200);
    reset(&fixture, "ForceRestart").await.expect(200);
    assert_eq!(booted(&fixture, 2).await.device, BootDevice::Cd { slot: 0 });
}

#[tokio::test]
async fn supermicro_boots_in_legacy_mode_when_the_mode_was_left_out() {
    let fixture = Fixture::new(&SMC_X13_SINGLE).await;
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}});
    fixture.client.patch("/redfish/v1/Systems/1", boot).await.expect(200);
    power_on(&fixture).await;
    let plan = booted(&fixture, 1).await;
    assert_eq!((plan.device, plan.mode), (BootDevice::Pxe, BootMode::Legacy));
}

#[tokio::test]
async fn uefi_http_boot_carries_its_uri_and_forgets_it() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    let boot = json!({"Boot": {
        "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "UefiHttp",
        "BootSourceOverrideMode": "UEFI", "HttpBootUri": "http://192.0.2.1/boot.efi",
    }});
    fixture.client.patch(&system(&IDRAC9_6), boot).await.expect(200);
    power_on(&fixture).await;
    let uri = Some("http://192.0.2.1/boot.efi".to_owned());
    assert_eq!(booted(&fixture, 1).await.device, BootDevice::UefiHttp { uri });
    assert_eq!(fixture.bmc().state().boot_override.http_boot_uri, None);
}

#[tokio::test]
async fn hpe_takes_no_boot_change_during_post() {
    let fixture = Fixture::with(&ILO5, Options { time_scale: 0.01, ..Options::default() }).await;
    power_on(&fixture).await;
    fixture.until("in POST", |fixture| fixture.bmc().state().in_post).await;
    let answer = set_boot(&fixture, "Once", "Cd").await.expect(400);
    assert_eq!(answer.message_id(), "iLO.2.18.UnableToModifyDuringSystemPOST");
    booted(&fixture, 1).await;
    set_boot(&fixture, "Once", "Cd").await.expect(200);
}

#[tokio::test]
async fn hpe_boot_on_next_reset_boots_once_and_ejects_at_the_second() {
    let images = ImageServer::start(4096).await;
    let fixture = Fixture::new(&ILO5).await;
    let slot = &cd_slot(&fixture);
    insert(&fixture, slot, &images.url("boot.iso")).await;
    let patch = json!({"Oem": {"Hpe": {"BootOnNextServerReset": true}}});
    fixture.client.patch(slot, patch.clone()).await.expect(200);
    assert_eq!(fixture.client.get(slot).await.json()["Oem"]["Hpe"]["BootOnNextServerReset"], true);
    power_on(&fixture).await;
    assert_eq!(booted(&fixture, 1).await.device, BootDevice::Cd { slot: 1 });
    assert_eq!(fixture.client.get(slot).await.json()["Inserted"], true);
    reset(&fixture, "ForceRestart").await.expect(200);
    let second = booted(&fixture, 2).await;
    assert_eq!((second.device, second.media), (BootDevice::Disk, vec![]));
    assert_eq!(fixture.client.get(slot).await.json()["Inserted"], false);
    // The USB slot knows no such thing.
    let usb = "/redfish/v1/Managers/1/VirtualMedia/1";
    fixture.client.patch(usb, patch).await.expect(400);
}

/// A machine that keeps the hold it was given, so that a test can act as the system.
#[derive(Default)]
struct Puppet {
    hosts: std::sync::Mutex<Vec<(shoal_testbed::bmc::Host, BootPlan)>>,
}

impl shoal_testbed::bmc::Machine for Puppet {
    fn boot(&self, host: shoal_testbed::bmc::Host, plan: BootPlan) {
        self.hosts.lock().expect("no test panicked here").push((host, plan));
    }

    fn stop(&self, _cause: shoal_testbed::bmc::StopCause) {}

    fn shutdown_requested(&self, _host: shoal_testbed::bmc::Host, _then: shoal_testbed::bmc::AfterShutdown) {}
}

#[tokio::test]
async fn a_machine_reads_its_media_by_ranges_until_they_are_gone() {
    use std::sync::Arc;

    use shoal_testbed::bmc::{BootProgress, Farm};

    use crate::client::Client;
    use crate::fixture::{bmc_config, farm_config};

    let images = ImageServer::start(200_000).await;
    let puppet = Arc::new(Puppet::default());
    let bmcs = vec![bmc_config(&SMC_X13_SINGLE, 0, puppet.clone(), false)];
    let farm = Farm::start(farm_config(bmcs)).await.expect("a farm on loopback");
    let client = Client::basic(&farm.bmcs()[0]);
    let fixture = Fixture { farm, machine: Arc::default(), client };
    insert(&fixture, &cd_slot(&fixture), &images.url("boot.iso")).await;
    set_boot(&fixture, "Once", "UsbCd").await.expect(200);
    power_on(&fixture).await;
    let hosts = || puppet.hosts.lock().expect("no test panicked here").clone();
    fixture.until("booted", |_| !hosts().is_empty()).await;
    let (host, plan) = hosts().remove(0);

    let before = images.ranges().len();
    let reader = host.open(&plan.media[0]).await.expect("the image is there");
    assert_eq!(reader.size(), 200_000);
    let read = reader.read_at(32_700, 100).await.expect("across a block's edge");
    assert_eq!(read[..], images.image[32_700..32_800]);
    let tail = reader.read_at(199_990, 100).await.expect("the end");
    assert_eq!(tail[..], images.image[199_990..]);
    assert!(reader.read_at(199_999, 0).await.expect("nothing").is_empty());
    assert!(matches!(reader.read_at(200_001, 1).await, Err(MediumError::Beyond { .. })));
    assert_eq!(images.ranges()[before..], ["bytes=0-32767", "bytes=32768-65535", "bytes=196608-229375"]);
    let slot = &fixture.bmc().state().slots[0];
    assert_eq!((slot.reads, slot.bytes), (3, 32_768 * 2 + (200_000 - 196_608)));

    assert!(host.report(BootProgress::OSRunning));
    assert_eq!(fixture.bmc().state().progress, BootProgress::OSRunning);

    // The system reboots: its old hold is worth nothing, cached blocks included.
    assert!(host.reboot());
    assert!(
        !host.is_current() && !host.reboot() && !host.power_off() && !host.report(BootProgress::OSRunning)
    );
    assert!(matches!(reader.read_at(0, 1).await, Err(MediumError::Gone { .. })));
    fixture.until("booted again", |_| hosts().len() == 2).await;
    let (host, plan) = hosts().remove(1);
    assert_eq!((plan.boot, plan.device.clone()), (2, BootDevice::Disk));

    // An eject pulls the medium from under the running system.
    let reader = host.open(&plan.media[0]).await.expect("still inserted");
    let eject = format!("{}/Actions/VirtualMedia.EjectMedia", cd_slot(&fixture));
    fixture.client.post(&eject, json!({})).await.expect(200);
    assert!(matches!(reader.read_at(0, 1).await, Err(MediumError::Gone { .. })));
    let pulled = |event: &Event| matches!(event, Event::Ejected { while_running: true, .. });
    assert!(fixture.events().iter().any(pulled), "{:?}", fixture.events());
    assert!(host.power_off());
    fixture.until("off", |fixture| fixture.bmc().state().power == Power::Off).await;
}
