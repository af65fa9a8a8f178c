// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happens to a machine after its install: another version, an old medium; and a machine that is another one.

use std::time::Duration;

use shoal_schema::status::ConditionType;
use shoal_testbed::bmc::{Identity, Power};
use shoal_testbed_machines::{Artifacts, Disk, Options, SMALL, SMALL_NEXT};

use crate::world::{INSTALL, assert_clean_bmc, is_ready, reason, site};

/// What needs no machine.
const SHORT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_version_bump_waits_for_approval_and_an_old_medium_changes_nothing() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let mut server = site.add("web-01", Options::default()).await?;
    site.push()?;
    site.until(&server, "the install", INSTALL, is_ready).await?;
    server.says(&format!("small: version {}", SMALL.version), INSTALL).await?;
    server.says("web-01 login:", INSTALL).await?;

    // Another version destroys what is there: it is planned, and held.
    let boots = server.bmc().state().last_boot.map(|plan| plan.boot);
    server.wanted.os = SMALL_NEXT;
    site.write_server(&server)?;
    site.repository().commit("web-01: the next version")?;
    site.push()?;
    let held = site.until(&server, "the hold", SHORT, |view| {
        reason(view, ConditionType::Reconciling) == Some("ApprovalNeeded")
    });
    let held = held.await?;
    let entry = held.entry.as_ref().expect("an entry of the plan");
    assert_eq!(entry.class, shoal_schema::plan::Class::Destructive);
    assert_eq!(server.bmc().state().last_boot.map(|plan| plan.boot), boots, "nothing was booted");

    // Agreed to, it is carried out.
    site.approve("web-01", "the next version, CHG-7").await?;
    let installing = site.until(&server, "the second install", INSTALL, |view| {
        view.job.as_ref().is_some_and(|job| job.phase == "installing")
    });
    installing.await?;
    // The task medium of this very job, as somebody might keep it.
    let slots = server.bmc().state().slots;
    let task = slots.iter().filter_map(|slot| slot.image.as_deref()).find(|image| image.contains("task"));
    let task = site.fetch(task.unwrap_or_else(|| panic!("no task medium in {slots:?}"))).await?;
    let next = |view: &shoal_schema::api::ServerView| {
        is_ready(view)
            && view.status.record.installed.as_ref().is_some_and(|it| it.version == SMALL_NEXT.version)
    };
    site.until(&server, "the second install", INSTALL, next).await?;
    server.says(&format!("small: version {}", SMALL_NEXT.version), INSTALL).await?;
    assert_clean_bmc(&server);

    // An old medium, booted again by hand: no permit, and not a byte of the disk is another one.
    server.switch_off(SHORT).await?;
    let disk = Disk::new(&server.machine.disks()[0]);
    let before = disk.contents()?;
    assert!(!before.is_empty());
    let person = site.person_at(&server)?;
    person.insert(1, &site.publish_link("m.iso", &Artifacts::find()?.maintenance_iso())?).await?;
    person.insert(2, &site.publish_file("t.iso", &task)?).await?;
    person.boot_once_from_cd().await?;
    let looked = server.said("looks for its task");
    person.reset("On").await?;
    server.says_more_often("looks for its task", looked, INSTALL).await?;
    let refused = server.says_whole("ask for the permit: ", INSTALL).await?;
    assert!(refused.contains("refused") || refused.contains("status 4"), "{refused}");
    server.switch_off(SHORT).await?;
    assert!(disk.contents()? == before, "the disk was written to");
    let view = site.server("web-01").await?.expect("known");
    let installed = view.status.record.installed.as_ref().expect("a record of the install");
    assert_eq!(installed.version, SMALL_NEXT.version);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_not_the_one_of_its_bmc_is_left_alone() -> anyhow::Result<()> {
    let Some(mut site) = site().await else { return Ok(()) };
    let impostor = Some(Identity::numbered(99, 7));
    let server = site.add("web-01", Options { impostor, ..Options::default() }).await?;
    site.push()?;
    let failed = site.until(&server, "the refusal", INSTALL, |view| {
        view.job.as_ref().is_some_and(|job| job.status == "complete")
    });
    let view = failed.await?;
    let job = view.job.as_ref().expect("a job");
    assert_eq!(job.outcome.as_deref(), Some("failed"));
    let error = view.status.last_error.as_ref().expect("a reason");
    let said = site.shoal(&["status", "web-01"])?;
    assert!(said.contains(&error.message), "{said}");
    assert!(error.message.contains(&Identity::numbered(99, 7).serial), "{}", error.message);
    assert_clean_bmc(&server);
    assert_eq!(server.bmc().state().power, Power::Off);
    assert!(Disk::new(&server.machine.disks()[0]).contents()?.is_empty(), "the disk was written to");
    Ok(())
}
