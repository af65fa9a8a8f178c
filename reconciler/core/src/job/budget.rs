// SPDX-License-Identifier: AGPL-3.0-or-later
//! How long each part of a job may take (contracts §4). Milliseconds of elapsed time, never of the
//! wall clock: a clock that jumps expires nothing.

/// The budgets of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// For an operating system to shut itself down before it is forced.
    pub graceful_off_ms: u64,
    /// Discovery, power off, media and boot override in all, per attempt.
    pub prepare_ms: u64,
    /// From power-on to the request for a permit.
    pub boot_ms: u64,
    /// From the permit to the webhook.
    pub result_ms: u64,
    /// How long a machine that had its permit may be seen off before its attempt is over.
    pub off_ms: u64,
    /// For each part of leaving the machine in order, so that a power-off that hangs leaves time to
    /// eject.
    pub cleanup_ms: u64,
    /// For a whole job; past it the job fails wherever no permit is running.
    pub stuck_ms: u64,
    /// The first pause before an effect is tried again; doubles.
    pub effect_backoff_ms: u64,
    /// The longest such pause.
    pub effect_backoff_max_ms: u64,
    /// The pause before the second attempt; the third waits four times as long.
    pub attempt_backoff_ms: u64,
    /// Attempts in all.
    pub max_attempts: u32,
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

impl Default for Budgets {
    fn default() -> Self {
        Self {
            graceful_off_ms: 2 * MINUTE,
            prepare_ms: 20 * MINUTE,
            boot_ms: 15 * MINUTE,
            result_ms: 120 * MINUTE,
            off_ms: 15 * MINUTE,
            cleanup_ms: 10 * MINUTE,
            stuck_ms: 240 * MINUTE,
            effect_backoff_ms: 5 * SECOND,
            effect_backoff_max_ms: MINUTE,
            attempt_backoff_ms: 30 * SECOND,
            max_attempts: 3,
        }
    }
}

impl Budgets {
    /// The pause before an effect's next try, after so many failed ones.
    pub fn effect_pause(&self, tries: u32) -> u64 {
        let factor = 1_u64 << tries.saturating_sub(1).min(16);
        self.effect_backoff_ms.saturating_mul(factor).min(self.effect_backoff_max_ms)
    }

    /// The pause before an attempt.
    pub fn attempt_pause(&self, attempt: u32) -> u64 {
        let factor = 4_u64.saturating_pow(attempt.saturating_sub(2).min(8));
        self.attempt_backoff_ms.saturating_mul(factor)
    }

    /// Every budget divided by a factor, for worlds where time runs faster.
    #[must_use]
    pub fn divided(self, by: u64) -> Self {
        let by = by.max(1);
        let d = |ms: u64| (ms / by).max(1);
        Self {
            graceful_off_ms: d(self.graceful_off_ms),
            prepare_ms: d(self.prepare_ms),
            boot_ms: d(self.boot_ms),
            result_ms: d(self.result_ms),
            off_ms: d(self.off_ms),
            cleanup_ms: d(self.cleanup_ms),
            stuck_ms: d(self.stuck_ms),
            effect_backoff_ms: d(self.effect_backoff_ms),
            effect_backoff_max_ms: d(self.effect_backoff_max_ms),
            attempt_backoff_ms: d(self.attempt_backoff_ms),
            max_attempts: self.max_attempts,
        }
    }
}
