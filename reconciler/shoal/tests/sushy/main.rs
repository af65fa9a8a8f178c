// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whole jobs through a BMC that we did not write: `sushy-emulator --fake` of OpenStack's sushy-tools, as a process
//! of its own, over HTTPS with Basic authentication. Repository and controller are real; the machine is simulated.

mod emulator;
mod lab;
mod redfish;
mod sidecar;

use std::net::SocketAddr;
use std::time::Duration;

use shoal_schema::api::ServerView;
use shoal_schema::status::RecordState;
use shoal_testbed::bmc::BootDevice;
use shoal_testbed::machine::{Happening, Running};
use tokio::net::TcpListener;

use crate::emulator::Drives;
use crate::lab::{Lab, Server};

/// A call of the controller comes within this time, on a busy host too.
const A_CALL: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_push_installs_machines_behind_sushy_emulator_with_one_cd_and_with_two() {
    let Some(mut lab) = Lab::new() else { return };
    let one = lab.add("web-01", Drives::OneCd, false).await;
    let two = lab.add("web-02", Drives::TwoCds, true).await;
    lab.push("two servers");
    lab.start_controller().await;
    for (server, rung) in [(&one, "single"), (&two, "two-cd")] {
        is_installed(&lab, server, rung).await;
    }
    // One medium holds both, or each has its own.
    assert_eq!(media_of_the_task(&one), [("/dev/sr0".to_owned(), true)]);
    assert_eq!(media_of_the_task(&two), [("/dev/sr1".to_owned(), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_sent_once_and_the_install_begins_when_it_is_right() {
    let Some(mut lab) = Lab::new() else { return };
    let held = lab.add("web-01", Drives::OneCd, false).await;
    let other = lab.add("web-02", Drives::CdAndStick, false).await;
    lab.write_password(held.name, "wrong");
    lab.push("two servers, and the password of one is wrong");
    lab.start_controller().await;
    lab.until(&held, "is held", is_held).await;
    // Its neighbour is discovered, prepared and started meanwhile, which takes many sweeps.
    lab.until(&other, "installs", |view| phase(view) == "installing").await;
    assert_eq!(held.emulator.answered(401), 1, "{}", held.emulator.log());

    lab.write_password(held.name, emulator::PASSWORD);
    lab.push("the right password");
    is_installed(&lab, &held, "single").await;
    is_installed(&lab, &other, "cd-usb").await;
    assert_eq!(held.emulator.answered(401), 1, "{}", held.emulator.log());
    let log = lab.log();
    assert!(!log.contains(emulator::PASSWORD), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_survives_a_bmc_that_dies_and_comes_back_without_its_media() {
    let Some(mut lab) = Lab::new() else { return };
    let mut server = lab.add("web-01", Drives::TwoCds, false).await;
    lab.push("one server");
    lab.start_controller().await;
    lab.until(&server, "installs", |view| phase(view) == "installing").await;
    let pause = server.sidecar.pause().await;
    server.emulator.kill();
    knocked(server.emulator.address(), 3).await;
    server.emulator.forget_media();
    server.emulator.start_again().await;
    drop(pause);
    is_installed(&lab, &server, "two-cd").await;
    let report = server.sidecar.report();
    assert_eq!((report.permits_granted, report.installs), (1, 1));
}

/// Waits until the machine runs what was wanted and nothing of the job is left in its BMC, as everybody says.
async fn is_installed(lab: &Lab, server: &Server, rung: &str) {
    let view = lab
        .until(server, "a job that is complete, and did not end at the account", |view| {
            view.job.as_ref().is_some_and(|job| {
                job.status == "complete"
                    && job.error.as_ref().is_none_or(|error| error.code != "credentials-rejected")
            })
        })
        .await;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.outcome.as_deref(), job.attempt), (Some("succeeded"), 1), "{job:#?}\n{}", lab.log());
    let status = lab
        .until_published(server, |status| {
            status.job.as_ref().is_some_and(|job| job.outcome.as_deref() == Some("succeeded"))
                && status.bmc.as_ref().is_some_and(|bmc| bmc.power.as_deref() == Some("On"))
        })
        .await;
    assert_eq!(status.record.state, RecordState::Installed);
    assert_eq!(status.record.installed.map(|installed| installed.version).as_deref(), Some("1"));
    let bmc = status.bmc.expect("it was seen");
    assert_eq!(bmc.rung.as_deref(), Some(rung));
    assert!(!bmc.own_media && !bmc.boot_override, "{bmc:?}");

    // The emulator itself.
    let emulator = &server.emulator;
    let (redfish, path) = (emulator.redfish(), format!("/redfish/v1/Systems/{}", emulator.system().uuid));
    for device in emulator.system().drives.devices() {
        let media = redfish.get(&format!("{path}/VirtualMedia/{device}")).await.expect("a device");
        assert_eq!((&media["Inserted"], &media["Image"]), (&false.into(), &"".into()), "{media}");
    }
    let system = redfish.get(&path).await.expect("the system");
    assert_eq!(system["PowerState"], "On", "{system}");
    // As before: it knows no `None`.
    assert_eq!(system["Boot"]["BootSourceOverrideTarget"], "Hdd", "{system}");

    // The machine.
    lab.until_machine(server, "runs its own system", |report| report.running == Running::System).await;
    let report = server.sidecar.report();
    assert_eq!(report.installs, 1, "{:#?}", report.events);
    let from_media = report.find(|what| match what {
        Happening::Booted { device: BootDevice::Cd { .. } } => Some(()),
        _ => None,
    });
    assert_eq!(from_media.count(), 1, "{:#?}", report.events);
}

/// The devices that the task was found on, and whether something was in front of it.
fn media_of_the_task(server: &Server) -> Vec<(String, bool)> {
    let report = server.sidecar.report();
    let found = report.find(|what| match what {
        Happening::TaskFound { device, offset, .. } => Some((device.clone(), *offset > 0)),
        _ => None,
    });
    found.collect()
}

/// By the look that came first, the sweep's or the job's.
fn is_held(view: &ServerView) -> bool {
    let said = |text: &str| text.contains("refused the account");
    view.waits.as_deref().is_some_and(said)
        || view.status.conditions.iter().any(|condition| condition.status && said(&condition.message))
}

fn phase(view: &ServerView) -> &str {
    view.job.as_ref().map_or("", |job| job.phase.as_str())
}

/// Waits until somebody wanted to connect so many times to a BMC that is away.
async fn knocked(address: SocketAddr, times: usize) {
    let listener = TcpListener::bind(address).await.expect("the port of a BMC that is away");
    for _ in 0..times {
        let knock = tokio::time::timeout(A_CALL, listener.accept()).await.expect("a call in time");
        drop(knock.expect("a connection"));
    }
}
