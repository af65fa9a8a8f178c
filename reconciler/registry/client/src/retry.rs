// SPDX-License-Identifier: AGPL-3.0-or-later
//! How often, and after what wait, something is tried again.

use std::time::Duration;

use crate::error::ClientError;
use crate::options::Retries;

/// What is left of the repetitions.
pub(crate) struct Budget {
    rules: Retries,
    failures: u32,
    restarts: u32,
    moved: bool,
}

impl Budget {
    pub(crate) fn new(rules: Retries) -> Self {
        Self { rules, failures: 0, restarts: 0, moved: false }
    }

    /// Something moved: failures are counted anew. Beginnings are not, so that a transfer that loses
    /// everything again and again ends.
    pub(crate) fn moved(&mut self) {
        self.failures = 0;
        self.moved = true;
    }

    /// Waits before the next attempt and hands the error back, for who gives up for another reason; fails
    /// with it when there is no attempt left.
    pub(crate) async fn failed(&mut self, error: ClientError) -> Result<ClientError, ClientError> {
        self.failures += 1;
        let unanswered = error.is_unanswered() && !self.moved;
        let attempts = if unanswered { self.rules.unanswered } else { self.rules.attempts };
        if self.failures > attempts.min(self.rules.attempts) {
            return Err(error);
        }
        tracing::debug!(error = %error, attempt = self.failures, "a request is repeated");
        tokio::time::sleep(wait(&self.rules, self.failures, error.retry_after())).await;
        Ok(error)
    }

    /// Waits before beginning from nothing, or gives the error back when that was done often enough.
    pub(crate) async fn lost(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.restarts += 1;
        if self.restarts > self.rules.attempts {
            return Err(error);
        }
        tracing::debug!(error = %error, attempt = self.restarts, "a transfer begins again");
        tokio::time::sleep(wait(&self.rules, self.restarts, error.retry_after())).await;
        Ok(())
    }
}

fn wait(rules: &Retries, failures: u32, asked: Option<Duration>) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).filter(|factor| *factor > 0);
    let own = rules.first_wait.saturating_mul(doubled.unwrap_or(u32::MAX));
    asked.unwrap_or(own).max(own).min(rules.longest_wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_one() {
        let rules = Retries {
            attempts: 9,
            unanswered: 1,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(10),
        };
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 40].map(|n| wait(&rules, n, None).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn the_registrys_own_wait_counts_but_not_for_ever() {
        let rules = Retries {
            attempts: 9,
            unanswered: 1,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(10),
        };
        assert_eq!(wait(&rules, 1, Some(Duration::from_secs(7))).as_secs(), 7);
        assert_eq!(wait(&rules, 1, Some(Duration::from_secs(3600))).as_secs(), 10);
        assert_eq!(wait(&rules, 3, Some(Duration::from_secs(0))).as_secs(), 4);
    }
}
