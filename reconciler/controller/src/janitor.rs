// SPDX-License-Identifier: AGPL-3.0-or-later
//! Completed jobs, their journals, deliveries and idempotency keys go after `JOB_RETENTION_DAYS`; a
//! server's last job stays. The mirror is kept small.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use shoal_schema::JobId;
use shoal_store::{Batch, Reader, Scan, Table};

use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::rows;

const PERIOD: Duration = Duration::from_secs(3600);
/// Rows that one commit deletes at most.
const AT_ONCE: usize = 1000;

/// Cleans up until the controller stops.
pub(crate) async fn run(controller: Arc<Controller>) {
    loop {
        tokio::select! {
            biased;
            () = controller.shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        if let Err(error) = forget_jobs(&controller).await {
            tracing::warn!(error, "old jobs were not cleaned up");
        }
        if let Err(error) = forget_names(&controller).await {
            tracing::warn!(error, "names of old requests were not cleaned up");
        }
        if let Some(repository) = controller.repository.clone() {
            match controller.blocking.run(move || repository.maintain()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(error = %chain(&error), "the mirror was not tidied"),
                Err(error) => tracing::warn!(%error, "the mirror was not tidied"),
            }
        }
    }
}

/// Names of requests whose job is forgotten: no more of them are kept than jobs.
fn outdated_names<R: Reader + ?Sized>(
    reader: &R,
    is_kept: impl Fn(&JobId) -> bool,
) -> Result<Vec<String>, rows::RowError> {
    let names: Vec<(String, JobId)> = rows::all(reader, Table::IdempotencyKeys)?;
    Ok(names.into_iter().filter(|(_, job)| !is_kept(job)).map(|(name, _)| name).collect())
}

async fn forget_names(controller: &Controller) -> Result<(), String> {
    // Before the table is read: a job that starts meanwhile is kept, whether it is known here or not.
    let kept: HashSet<JobId> = controller.world().jobs.keys().cloned().collect();
    let outdated = outdated_names(&*controller.store, |job| {
        kept.contains(job) || controller.world().jobs.contains_key(job)
    })
    .map_err(|error| chain(&error))?;
    for names in outdated.chunks(AT_ONCE) {
        let mut batch = Batch::new();
        for name in names {
            batch.delete(Table::IdempotencyKeys, name.as_bytes());
        }
        controller.commit("names of old requests", batch).await.map_err(|error| chain(&error))?;
    }
    Ok(())
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
        controller.world_mut().jobs.forget(&id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shoal_store::{MemoryStore, Store as _};

    use super::*;

    #[test]
    fn the_name_of_a_request_goes_with_the_job_that_it_made() {
        let store = MemoryStore::default();
        let (kept, gone) = (JobId::from_bytes([1; 16]), JobId::from_bytes([2; 16]));
        let mut batch = Batch::new();
        for (name, job) in [("deploy-1", &gone), ("deploy-2", &kept), ("deploy-3", &gone)] {
            rows::put(&mut batch, Table::IdempotencyKeys, name, job);
        }
        store.commit(batch).unwrap();
        assert_eq!(outdated_names(&store, |job| *job == kept).unwrap(), ["deploy-1", "deploy-3"]);
        assert_eq!(outdated_names(&store, |_| true).unwrap(), Vec::<String>::new());
    }
}
