// SPDX-License-Identifier: AGPL-3.0-or-later
//! Completed jobs, their journals and deliveries go after `JOB_RETENTION_DAYS`; a server's last job
//! stays. The mirror is kept small.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shoal_schema::JobId;
use shoal_store::{Batch, Scan, Table};

use crate::controller::Controller;
use crate::jobs::perform::chain;

const PERIOD: Duration = Duration::from_secs(3600);

/// Cleans up until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    loop {
        tokio::select! {
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        if let Err(error) = forget_jobs(&controller).await {
            tracing::warn!(error, "old jobs were not cleaned up");
        }
        if let Some(mirror) = controller.mirror.clone() {
            match tokio::task::spawn_blocking(move || mirror.maintain()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(error = %chain(&error), "the mirror was not tidied"),
                Err(error) => tracing::warn!(%error, "the mirror was not tidied"),
            }
        }
    }
}

async fn forget_jobs(controller: &Controller) -> Result<(), String> {
    let keep = controller.settings.job_retention;
    let now = controller.now();
    let old: Vec<JobId> = {
        let world = controller.world();
        let mut last: BTreeMap<&str, (jiff::Timestamp, &JobId)> = BTreeMap::new();
        for job in world.jobs.values() {
            let entry = last.entry(&job.server).or_insert((job.created_at, &job.id));
            if job.created_at >= entry.0 {
                *entry = (job.created_at, &job.id);
            }
        }
        world
            .jobs
            .values()
            .filter(|job| !job.is_active())
            // A clock that went back makes no job old.
            .filter(|job| Duration::try_from(now.duration_since(job.updated_at)).is_ok_and(|age| age > keep))
            .filter(|job| last.get(job.server.as_str()).is_none_or(|(_, id)| **id != job.id))
            .map(|job| job.id.clone())
            .collect()
    };
    for id in old {
        let mut batch = Batch::new();
        batch.delete(Table::Jobs, id.as_str());
        let prefix = format!("{id}/");
        for table in [Table::Journal, Table::Deliveries] {
            let rows = controller
                .store
                .scan(table, &Scan::prefix(prefix.as_bytes()))
                .map_err(|error| chain(&error))?;
            for (key, _) in rows {
                batch.delete(table, key);
            }
        }
        controller.commit(&format!("the end of job {id}"), batch).await.map_err(|error| chain(&error))?;
        controller.world_mut().jobs.remove(&id);
    }
    Ok(())
}
