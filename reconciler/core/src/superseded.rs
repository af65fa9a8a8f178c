// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether Git still wants what a job does: asked before a machine may write.

use jiff::Timestamp;
use shoal_schema::kinds::FleetSpec;

use crate::desired::resolve;
use crate::inventory::Inventory;
use crate::job::Job;
use crate::mistake::Mistake;

/// Why an inventory, which is that of the commit in force, no longer wants what the job does.
pub fn superseded(inventory: &Inventory, fleet: &FleetSpec, job: &Job, now: Timestamp) -> Option<String> {
    if !inventory.servers.contains_key(&job.server) {
        return Some(format!("server {} is no longer in Git", job.server));
    }
    let desired = match resolve(inventory, fleet, &job.server) {
        Ok(desired) => desired,
        Err(error) => return Some(error.to_string()),
    };
    if desired.identity != job.identity {
        return Some("it names another machine".to_owned());
    }
    let is_suspended =
        desired.suspended.as_ref().is_some_and(|suspended| suspended.until.is_none_or(|until| until > now));
    if is_suspended && !Mistake::SuspensionIsNotSeen.is_made() {
        return Some("the server is suspended".to_owned());
    }
    if desired.protect {
        return Some("the server is protected".to_owned());
    }
    match &desired.install {
        Some(target) if target.digest == job.install.digest => None,
        Some(target) => Some(format!("it wants {} {} in another form", target.image, target.version)),
        None => Some("it wants nothing installed".to_owned()),
    }
}
