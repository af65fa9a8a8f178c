// SPDX-License-Identifier: AGPL-3.0-or-later
//! Looks from time to time whether a machine that has its permit still has power.
//!
//! Guarantees: a machine counts as gone only when its BMC says `Off`, at every look of a whole budget. A BMC that does
//! not answer, or whose word is not settled, lets the count begin anew, as a restart of the controller does.
//! Assumptions: a look that is no longer waited for may be dropped; its session on the BMC then ends by itself.

use std::time::Duration;

use shoal_core::job::{Job, Phase};
use shoal_redfish::PowerState;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::controller::Controller;

/// Looks within the budget, at least.
const LOOKS: u32 = 4;

/// What is known of the power of the machine that is waited for.
#[derive(Default)]
pub(crate) struct Watch {
    waits: Option<Wait>,
}

struct Wait {
    attempt: u32,
    due: Instant,
    off_since: Option<Instant>,
}

impl Watch {
    /// How long until the next look; nothing where this machine is not looked at.
    pub(crate) fn pause(&mut self, controller: &Controller, job: &Job) -> Option<Duration> {
        if job.phase != Phase::AwaitResult {
            self.waits = None;
            return None;
        }
        let now = Instant::now();
        self.waits.take_if(|waits| waits.attempt != job.attempt);
        let waits = self.waits.get_or_insert_with(|| Wait {
            attempt: job.attempt,
            due: now + every(controller),
            off_since: None,
        });
        Some(waits.due.saturating_duration_since(now))
    }

    /// Looks, if it is time to. True when the machine was off for the whole budget.
    pub(crate) async fn is_gone(&mut self, controller: &Controller, job: &Job) -> bool {
        let Some(waits) = &mut self.waits else { return false };
        if Instant::now() < waits.due {
            return false;
        }
        let span = tracing::info_span!("look", step = job.phase.step().key());
        let is_off = is_off(controller, job).instrument(span).await;
        let now = Instant::now();
        waits.due = now + every(controller);
        if !is_off {
            waits.off_since = None;
            return false;
        }
        let since = *waits.off_since.get_or_insert(now);
        now.duration_since(since) >= budget(controller)
    }
}

fn budget(controller: &Controller) -> Duration {
    Duration::from_millis(controller.settings.budgets.off_ms)
}

/// As often as a BMC is looked at anyway: while a job is active, nobody else does.
fn every(controller: &Controller) -> Duration {
    controller.settings.sweep.min(budget(controller) / LOOKS)
}

async fn is_off(controller: &Controller, job: &Job) -> bool {
    let bmc = match controller.bmcs.connect(controller, &job.server, &job.bmc, &job.identity).await {
        Ok(bmc) => bmc,
        Err(error) => {
            tracing::debug!(job_id = %job.id, error = %super::perform::chain(&error), "power is not known");
            return false;
        }
    };
    let state = bmc.read_state().await;
    crate::bmc::end(&*bmc).await;
    if state.is_err() {
        controller.bmcs.forget(&job.server);
    }
    state.is_ok_and(|state| state.power == PowerState::Off)
}
