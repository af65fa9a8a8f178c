// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests share: a site, or the reason why there is none.

use std::time::Duration;

use shoal_schema::api::ServerView;
use shoal_schema::status::ConditionType;
use shoal_testbed_machines::{Artifacts, Site};
use shoal_testbed_site::Place;

/// A whole install with its first boot, under software emulation on a machine that has other things to do.
pub(crate) const INSTALL: Duration = Duration::from_secs(900);

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
