// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine that runs something which Shoal did not install, and whose job ends before its permit: its system is asked
//! to shut down, nothing of its disk is touched, and in the end it runs again as it was found.

use shoal_schema::status::{ConditionType, RecordState};
use shoal_testbed::bmc::Event;
use shoal_testbed::faults::FaultPlan;
use shoal_testbed_machines::{Artifacts, Disk, Options, SMALL_DISK};
use shoal_testbed_qemu::{DiskBus, VmDisk};

use crate::world::{INSTALL, assert_clean_bmc, bmc_says, reason, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_ran_and_is_refused_before_its_permit_runs_its_old_system_again() -> anyhow::Result<()>
{
    let Some(mut site) = site().await else { return Ok(()) };
    let options = Options {
        disks: vec![VmDisk { bus: DiskBus::Sata, serial: "DISK0001".to_owned(), size_bytes: 2 << 30 }],
        first_disk: Some(Artifacts::find()?.image(SMALL_DISK)),
        ..Options::default()
    };
    let server = site.add("old-01", options).await?;
    site.person_at(&server)?.reset("On").await?;
    server.says("nobody login:", INSTALL).await?;

    // No medium can be put in or taken out for now: there is time to look at what the old system left.
    let stuck = || {
        FaultPlan::parse(
            "rules: [{name: stuck, methods: [POST], path: '**/VirtualMedia/**', fault: {kind: status, status: 503}}]",
        )
    };
    server.bmc().set_faults(stuck()?)?;
    site.push()?;
    // A system that listens to its power button is given the time to do so.
    bmc_says(
        &server,
        "the button",
        |event| matches!(event, Event::Reset { kind } if kind == "GracefulShutdown"),
    )
    .await?;
    server.machine.type_text("off\n").await?;
    server.goes_off(INSTALL).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    let before = disk.contents()?;
    server.bmc().set_faults(FaultPlan::default())?;

    // The Fleet installs blank disks without asking, and this one is not.
    server.says("looks for its task", INSTALL).await?;
    server.bmc().set_faults(stuck()?)?;
    server.goes_off(INSTALL).await?;
    assert!(disk.contents()? == before, "the disk was written to");
    server.bmc().set_faults(FaultPlan::default())?;

    let failed = site.until(&server, "the refusal", INSTALL, |view| {
        view.job.as_ref().is_some_and(|job| job.status == "complete")
            && reason(view, ConditionType::Stalled).is_some()
    });
    let view = failed.await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!((job.attempt, job.outcome.as_deref()), (1, Some("failed")), "{:#?}", job.events);
    let error = view.status.last_error.as_ref().expect("a reason");
    assert!(error.message.contains("blank"), "{error:?}");
    assert_eq!(reason(&view, ConditionType::Stalled), Some("Failed"), "nothing was written");
    assert_eq!(view.status.record.state, RecordState::Unknown);
    assert_clean_bmc(&server);

    // Running, as it was found.
    server.goes_on(INSTALL).await?;
    server.says_more_often("small: version 1", 1, INSTALL).await?;
    server.says_more_often("nobody login:", 1, INSTALL).await?;
    assert_eq!(server.said("looks for its task"), 1);
    assert_eq!(server.said("target started"), 0);
    let resets = |wanted: &str| {
        crate::world::bmc_events(&server)
            .filter(|event| matches!(event, Event::Reset { kind } if kind == wanted))
            .count()
    };
    assert_eq!((resets("On"), resets("ForceOff")), (3, 1), "by a person, to the medium, and back");
    Ok(())
}
