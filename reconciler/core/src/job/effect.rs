// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a job wants done next. Each effect says how things should be, not what to send: whoever
//! performs it reads first, writes only where it must, and reads back.

use serde::{Deserialize, Serialize};
use shoal_schema::kinds::{DesiredPower, OnFailure};

use super::{Budgets, Job, Outcome, Phase, Power};

/// How things should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Read the BMC and choose the route.
    Discover,
    /// The machine is off: asked to, and forced after so many milliseconds; at once with 0.
    EnsureOff {
        /// How long the operating system may take.
        graceful_ms: u64,
    },
    /// Our slots are empty.
    EjectAll,
    /// This attempt's medium is in its slot.
    Insert(Medium),
    /// The next boot is from the boot slot, or over HTTP where the route has none.
    SetOverride,
    /// The machine is on. Only ever `On`.
    EnsureOn,
    /// No boot override stands, and no address of ours in it.
    ClearOverride,
}

/// Which medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// The maintenance OS; with the task behind it where the two are one image.
    Boot,
    /// The task medium.
    Task,
}

/// What the executor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing before somebody gives the job its place.
    WaitForPlace,
    /// Perform this.
    Perform(Effect),
    /// Wait for an event, at most so long; then hand in [`super::Event::Elapsed`].
    Wait {
        /// Milliseconds.
        ms: u64,
    },
    /// Nothing any more.
    Done,
}

/// What a job wants done next.
pub fn next(job: &Job, budgets: &Budgets) -> Next {
    if job.not_before_ms > job.phase_ms {
        return Next::Wait { ms: job.not_before_ms - job.phase_ms };
    }
    let left = |budget: u64| Next::Wait { ms: budget.saturating_sub(job.phase_ms).max(1) };
    match job.phase {
        Phase::Queued => Next::WaitForPlace,
        Phase::Discover => Next::Perform(Effect::Discover),
        Phase::PowerOff => Next::Perform(Effect::EnsureOff { graceful_ms: graceful(job, budgets) }),
        Phase::Eject | Phase::CleanEject => Next::Perform(Effect::EjectAll),
        Phase::InsertBoot => Next::Perform(Effect::Insert(Medium::Boot)),
        Phase::InsertTask => Next::Perform(Effect::Insert(Medium::Task)),
        Phase::Override => Next::Perform(Effect::SetOverride),
        Phase::PowerOn => Next::Perform(Effect::EnsureOn),
        Phase::AwaitPermit => left(budgets.boot_ms),
        Phase::AwaitResult => left(budgets.result_ms),
        Phase::Backoff => left(budgets.attempt_pause(job.attempt)),
        Phase::CleanOff => Next::Perform(Effect::EnsureOff { graceful_ms: graceful(job, budgets) }),
        Phase::CleanOverride => Next::Perform(Effect::ClearOverride),
        Phase::CleanPower => Next::Perform(Effect::EnsureOn),
        Phase::Complete => Next::Done,
    }
}

/// What was found running is asked, in whichever attempt and phase it is first switched off. What
/// runs after that is the maintenance OS: it holds nothing that a shutdown would save.
fn graceful(job: &Job, budgets: &Budgets) -> u64 {
    if !job.touched && job.power_found == Some(Power::On) { budgets.graceful_off_ms } else { 0 }
}

/// Whether the machine is switched on at the very end.
pub(super) fn ends_on(job: &Job) -> bool {
    match job.outcome {
        Some(Outcome::Succeeded) => job.power_wanted != DesiredPower::Off,
        // After a write that failed the machine stays off; before it, power is as it was found.
        _ => job.written.is_none() && job.power_found == Some(Power::On),
    }
}

/// Whether the machine is left running the maintenance OS for a look.
pub(super) fn keeps(job: &Job) -> bool {
    job.outcome == Some(Outcome::Failed) && job.written.is_some() && job.on_failure == OnFailure::Keep
}
