// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that runs, and the switch that takes the power away from all of it.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everything that runs.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    power: CancellationToken,
}

impl Tasks {
    /// Runs while there is power.
    pub fn new(power: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), power }
    }

    /// Starts something. Without power it is dropped where it stands, and nobody hears of it any more.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let power = self.power.clone();
        self.tracker.spawn(async move {
            if let Some(output) = power.run_until_cancelled_owned(future).await {
                return output;
            }
            std::future::pending().await
        })
    }

    /// Counts what runs, for those who start something by themselves.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }
}
