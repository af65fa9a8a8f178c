// SPDX-License-Identifier: AGPL-3.0-or-later
//! Waiting for an effect: reads at growing intervals until a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// See the module.
pub(crate) struct Patience {
    deadline: Instant,
    budget: Duration,
    poll: Duration,
    pause: Duration,
}

impl Patience {
    /// Waits `budget` in all, at first `poll` between two reads, five times that at most.
    pub(crate) fn new(budget: Duration, poll: Duration) -> Self {
        Self { deadline: Instant::now() + budget, budget, poll, pause: poll }
    }

    /// One of so many parts of it, which begins now and ends with the whole at the latest.
    pub(crate) fn share(&self, of: u32) -> Self {
        let deadline = (Instant::now() + self.budget / of.max(1)).min(self.deadline);
        Self { deadline, pause: self.poll, ..*self }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sleeps until the next read. False, at once, when there is no time left for one. The last
    /// read happens at the deadline itself, so that no effect is missed by a long pause.
    pub(crate) async fn wait(&mut self) -> bool {
        let pause = self.pause;
        self.pause = (pause + pause / 2).min(self.poll.saturating_mul(5));
        self.wait_for(pause).await
    }

    /// As [`Patience::wait`], with a pause of its own.
    pub(crate) async fn wait_for(&mut self, pause: Duration) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        tokio::time::sleep_until((now + pause).min(self.deadline)).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_reads_last_at_the_deadline_and_then_gives_up() {
        let started = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(10), Duration::from_secs(1));
        let mut reads = 0;
        while patience.wait().await {
            reads += 1;
        }
        assert_eq!(started.elapsed(), Duration::from_secs(10));
        assert_eq!(reads, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_ends_with_its_part_or_with_the_whole() {
        let started = Instant::now();
        let whole = Patience::new(Duration::from_secs(9), Duration::from_secs(1));
        for end in [3, 7, 9] {
            let mut share = whole.share(3);
            while share.wait().await {}
            assert_eq!(started.elapsed(), Duration::from_secs(end));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
