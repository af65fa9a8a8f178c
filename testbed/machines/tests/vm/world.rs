// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests share: a site, or the reason why there is none.

use std::time::Duration;

use shoal_schema::api::ServerView;
use shoal_schema::status::ConditionType;
use shoal_testbed::bmc::{Enabled, Event, What};
use shoal_testbed_machines::{Artifacts, Disk, Server, Site};
use shoal_testbed_site::Place;
use tokio::time::Instant;

/// A whole install with its first boot, under software emulation on a machine that has other things to do.
pub(crate) const INSTALL: Duration = Duration::from_secs(900);
/// Between two looks: some of what is waited for is over in a moment.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// A site, or nothing where the test is to be skipped.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) async fn site() -> Option<Site> {
    if std::env::var_os("SHOAL_REQUIRE_E2E").is_none_or(|value| value != "1") {
        eprintln!("skipped: SHOAL_REQUIRE_E2E is not 1");
        return None;
    }
    let artifacts = Artifacts::find().unwrap_or_else(|error| panic!("{error:#}"));
    let keep = std::env::var_os("SHOAL_KEEP").map(Into::into);
    let place = Place::new("shoal-machines-", keep).unwrap_or_else(|error| panic!("{error:#}"));
    Some(Site::start(artifacts, place).await.unwrap_or_else(|error| panic!("{error:#}")))
}

/// Installed, nothing runs, and all is well.
pub(crate) fn is_ready(server: &ServerView) -> bool {
    let idle = server.job.as_ref().is_some_and(|job| job.status == "complete");
    let ready = |kind| server.status.conditions.iter().any(|held| held.kind == kind && held.status);
    idle && ready(ConditionType::Ready)
}

/// A condition's reason, where it holds.
pub(crate) fn reason(server: &ServerView, kind: ConditionType) -> Option<&str> {
    let held = server.status.conditions.iter().find(|condition| condition.kind == kind && condition.status);
    held.map(|condition| condition.reason.as_str())
}

/// Nothing is left in the BMC of what an install needs: no medium, no boot override.
#[track_caller]
pub(crate) fn assert_clean_bmc(server: &Server) {
    let state = server.bmc().state();
    assert!(state.slots.iter().all(|slot| slot.image.is_none()), "{:?}", state.slots);
    assert_eq!(state.boot_override.enabled, Enabled::Disabled, "{:?}", state.boot_override);
}

/// What happened in the BMC so far.
pub(crate) fn bmc_events(server: &Server) -> impl Iterator<Item = Event> {
    let event = |what| match what {
        What::Event(event) => Some(event),
        What::Request(_) => None,
    };
    server.bmc().log(0).into_iter().filter_map(move |record| event(record.what))
}

/// Waits until something happened in the BMC.
pub(crate) async fn bmc_says(server: &Server, what: &str, is: impl Fn(&Event) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + INSTALL;
    while !bmc_events(server).any(|event| is(&event)) {
        if Instant::now() >= deadline {
            anyhow::bail!("{what}: not seen by the BMC\n{}", server.last_words(60));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Planted secrets are nowhere but where they belong: nobody was told, and on the disk they are in the seed and what
/// cloud-init made of it alone.
pub(crate) fn secrets_stay_secret(site: &Site, server: &Server) -> anyhow::Result<()> {
    nobody_was_told(site, server)?;
    let disk = Disk::new(&server.machine.disks()[0]);
    for (what, value) in site.canaries() {
        let is_seed = what == "user-data";
        assert_eq!(disk.contains(value)?, is_seed, "the {what} on the disk");
    }
    Ok(())
}

/// Planted secrets are not on the console, not on the status branch, not in what the controller logged or says.
pub(crate) fn nobody_was_told(site: &Site, server: &Server) -> anyhow::Result<()> {
    let recording = std::fs::read(server.machine.recording())?;
    let places = [
        ("the console", String::from_utf8_lossy(&recording).into_owned()),
        ("the status branch", site.status_history()?),
        ("the controller's log", std::fs::read_to_string(site.place().controller_log())?),
        ("shoal status", site.shoal(&["status", &server.wanted.name])?),
        ("shoal jobs", site.shoal(&["jobs", "--json"])?),
    ];
    for (what, value) in site.canaries() {
        for (place, text) in &places {
            assert!(!text.contains(value.as_str()), "the {what} stands in {place}");
        }
    }
    Ok(())
}
