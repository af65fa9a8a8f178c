// SPDX-License-Identifier: AGPL-3.0-or-later
//! How an attempt ends badly: the next one, or the end of the job.

use shoal_schema::api::Level;
use shoal_schema::step::Step;

use super::effect::{ends_on, keeps};
use super::event::Failure;
use super::{Budgets, Job, Outcome, Phase};

impl Job {
    /// Moves on; what belongs to a phase starts anew.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.phase_ms = 0;
        self.tries = 0;
        self.not_before_ms = 0;
    }

    /// This attempt is over. The next one follows where there is one left and it may go better.
    pub(super) fn attempt_failed(&mut self, failure: &Failure, budgets: &Budgets, now: jiff::Timestamp) {
        let again = failure.passing
            && self.attempt < budgets.max_attempts
            && !self.cancel_requested
            && self.total_ms < budgets.stuck_ms;
        if !again {
            self.fail(failure, now);
            return;
        }
        let error = failure.to_error(self.phase.step(), &self.id);
        let message =
            format!("attempt {} of {} failed: {}", self.attempt, budgets.max_attempts, error.message);
        self.note(now, Level::Warning, Some(error.step), message);
        self.failure = Some(error);
        self.attempt += 1;
        self.permit = None;
        self.medium_read = false;
        self.was_away = false;
        self.prepare_ms = 0;
        self.enter(Phase::Backoff);
    }

    /// The job fails; what is left is to leave the machine in order.
    pub(super) fn fail(&mut self, failure: &Failure, now: jiff::Timestamp) {
        self.set_failure(failure, now);
        self.finish(Outcome::Failed, now);
    }

    fn set_failure(&mut self, failure: &Failure, now: jiff::Timestamp) {
        let error = failure.to_error(self.phase.step(), &self.id);
        self.note(now, Level::Error, Some(error.step), error.message.clone());
        self.failure = Some(error);
    }

    /// The job fails, and the machine behind the BMC is none of ours: it is left alone. What the job put into
    /// the slots, whoever looks at the BMC next takes out, by its address and nothing else.
    pub(super) fn abandon(&mut self, failure: &Failure, now: jiff::Timestamp) {
        if self.route.is_none() {
            self.fail(failure, now);
            return;
        }
        self.set_failure(failure, now);
        self.outcome = Some(Outcome::Failed);
        self.cleanup_left = Some(Step::CleanupUnmount);
        self.note(
            now,
            Level::Warning,
            Some(Step::CleanupUnmount),
            "another machine is neither switched off nor on; media of ours are taken out of its BMC",
        );
        self.complete(now);
    }

    /// The machine is installed.
    pub(super) fn succeed(&mut self, now: jiff::Timestamp) {
        self.failure = None;
        self.finish(Outcome::Succeeded, now);
    }

    fn finish(&mut self, outcome: Outcome, now: jiff::Timestamp) {
        self.outcome = Some(outcome);
        // The way in is known from the moment when the machine may have been asked to shut down.
        if self.route.is_none() {
            self.note(now, Level::Info, None, "the machine was not touched");
            self.enter(Phase::Complete);
        } else if keeps(self) {
            self.note(now, Level::Info, None, "the maintenance OS stays up for a look (onFailure: keep)");
            self.enter(Phase::CleanEject);
        } else {
            self.enter(Phase::CleanOff);
        }
    }

    /// The next phase of cleanup.
    pub(super) fn cleaned(&mut self, now: jiff::Timestamp) {
        match self.phase {
            Phase::CleanOff => self.enter(Phase::CleanEject),
            Phase::CleanEject => self.enter(Phase::CleanOverride),
            Phase::CleanOverride if self.may_switch_on() => self.enter(Phase::CleanPower),
            _ => self.complete(now),
        }
    }

    /// A machine is never switched on with media or a boot override of ours left.
    fn may_switch_on(&self) -> bool {
        ends_on(self) && !keeps(self) && self.cleanup_left != Some(Step::CleanupUnmount)
    }

    /// A part of cleanup did not work out in time: a warning that does not hide the outcome. The
    /// other parts are still tried. Media that are left outweigh power that is left.
    pub(super) fn cleanup_failed(&mut self, failure: &Failure, now: jiff::Timestamp) {
        let step = self.phase.step();
        let message = format!("cleanup is left to the reconciler: {}", failure.message);
        self.note(now, Level::Warning, Some(step), message);
        if self.cleanup_left.is_none() || step == Step::CleanupUnmount {
            self.cleanup_left = Some(step);
        }
        match self.phase {
            Phase::CleanOff => self.enter(Phase::CleanEject),
            Phase::CleanEject => self.enter(Phase::CleanOverride),
            _ => self.complete(now),
        }
    }

    fn complete(&mut self, now: jiff::Timestamp) {
        let (level, message) = match self.outcome {
            Some(Outcome::Succeeded) => (Level::Info, "complete: installed, boot not observed yet"),
            _ => (Level::Error, "complete: failed"),
        };
        self.note(now, level, None, message);
        self.enter(Phase::Complete);
    }
}
