// SPDX-License-Identifier: AGPL-3.0-or-later
//! Machines that a job of a lost database, or of another controller, may still be writing.
//!
//! Such a job cannot be asked: its tokens are dead, and what it reports is refused. So its machine is neither
//! switched off nor on, its media stay in and no job starts on it for as long as an install may take; unless an
//! operator says retry.
//!
//! Guarantees: it is elapsed time that counts, over restarts of the controller, and never the wall clock: one that
//! jumps ends nothing. A crash makes the wait longer by at most one turn, and never shorter.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::controller::Controller;

/// How often what has passed is kept.
const TURN: Duration = Duration::from_secs(60);

/// Lets the time pass until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    let mut since = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(TURN) => {}
        }
        let passed = since.elapsed();
        since = Instant::now();
        pass(&controller, passed.as_millis() as u64).await;
    }
}

async fn pass(controller: &Controller, ms: u64) {
    let waiting: Vec<String> = {
        let world = controller.world();
        let waiting = world.servers.iter().filter(|(_, row)| row.left_alone_ms.is_some());
        waiting.map(|(name, _)| name.clone()).collect()
    };
    for server in waiting {
        let _held = controller.lock(&server).await;
        let Some(row) = controller.world().servers.get(&server).cloned() else { continue };
        let Some(left) = row.left_alone_ms else { continue };
        let mut row = (*row).clone();
        row.left_alone_ms = left.checked_sub(ms).filter(|left| *left > 0);
        let over = row.left_alone_ms.is_none();
        if over {
            row.status_mut().next_try = None;
        }
        match controller.put_row(row, false).await {
            Ok(()) if over => {
                tracing::info!(server, "no longer left alone: a job of before is over by now");
                controller.wake.notify_one();
            }
            Ok(()) => {}
            // It is waited for longer, then.
            Err(error) => error.tell(&server, "the time that passed was not kept"),
        }
    }
}
