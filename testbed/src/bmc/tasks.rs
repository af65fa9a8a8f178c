// SPDX-License-Identifier: AGPL-3.0-or-later
//! Work that goes on after its answer: 202, and a task that tells how it ends.

use std::sync::Arc;
use std::time::Duration;

use super::errors::Refusal;
use super::instance::Bmc;
use super::state::Task;

/// Tasks that a BMC remembers.
const MOST_TASKS: usize = 20;

/// How an insertion or ejection was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is done.
    Now,
    /// It goes on, and this task tells how it ends.
    Later {
        /// Its number.
        task: u64,
    },
}

impl Bmc {
    /// Does `work` in a task that clients can read. One that fails at once is still seen to run for `at_least`.
    pub(crate) fn as_task(
        self: &Arc<Self>,
        name: &'static str,
        at_least: Duration,
        work: impl Future<Output = Result<(), Refusal>> + Send + 'static,
    ) -> Done {
        let started = self.shared.clock.elapsed();
        let task = {
            let mut locked = self.lock();
            let state = &mut locked.state;
            state.tasks_made += 1;
            if state.tasks.len() >= MOST_TASKS {
                state.tasks.pop_front();
            }
            let id = state.tasks_made;
            state.tasks.push_back(Task { id, name, started: self.shared.clock.now(), outcome: None });
            id
        };
        let bmc = self.clone();
        self.spawn(async move {
            let result = work.await;
            let left =
                bmc.scaled(at_least).saturating_sub(bmc.shared.clock.elapsed().saturating_sub(started));
            if result.is_err() && !left.is_zero() {
                bmc.shared.clock.sleep(left).await;
            }
            let ended = (bmc.shared.clock.now(), bmc.shared.clock.elapsed(), result);
            let mut locked = bmc.lock();
            if let Some(known) = locked.state.tasks.iter_mut().find(|known| known.id == task) {
                known.outcome = Some(ended);
            }
        });
        Done::Later { task }
    }
}
