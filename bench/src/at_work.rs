// SPDX-License-Identifier: AGPL-3.0-or-later
//! Jobs whose machines are at work: what a controller has kept of them, made without any machine.

use std::num::NonZeroUsize;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use shoal_controller::rows::{self, ServerRow};
use shoal_core::desired::{Desired, fleet_spec, resolve};
use shoal_core::job::{Job, PermitRecord, Phase, Route, Rung};
use shoal_core::ledger::Ledger;
use shoal_core::record;
use shoal_inventory::{Checks, DirectorySource, Loader};
use shoal_schema::disk::DiskFacts;
use shoal_schema::{JobId, Sha256};
use shoal_store::{Batch, Opening, RedbStore, Store as _, Table, ledger};
use shoal_testbed_site::Place;

/// Jobs that a commit of the database holds at most.
const AT_ONCE: usize = 1000;

/// What every server of the place's repository wants, in order.
pub(super) fn desired(place: &Place) -> Result<Vec<Desired>> {
    let threads = NonZeroUsize::new(2).context("two are some")?;
    let source = DirectorySource::new(place.checkout());
    let inventory = Loader::new(threads).load(&source, &Checks::default())?.inventory;
    let fleet = fleet_spec(&inventory);
    inventory.servers.keys().map(|name| Ok(resolve(&inventory, &fleet, name)?)).collect()
}

/// The job of a machine that has its permit and writes.
pub(super) fn job(desired: &Desired, ledger: &Ledger, index: usize) -> Result<Job> {
    let install = desired.install.clone().context("a server that installs nothing")?;
    let mut id = [0_u8; 16];
    id[..8].copy_from_slice(&(index as u64).to_be_bytes());
    let now = Timestamp::now();
    let disk = DiskFacts {
        path: "/dev/sda".to_owned(),
        serial: Some(format!("DISK{index:08}")),
        wwn: None,
        size_bytes: 1 << 40,
        rotational: None,
    };
    let permit = PermitRecord { attempt: 1, boot_id: boot_id(index), disk: disk.clone(), granted_at: now };
    Ok(Job {
        id: JobId::from_bytes(id),
        server: desired.name.clone(),
        machine: desired.machine.clone(),
        ledger: ledger.id.clone(),
        epoch: ledger.epoch,
        record: 1,
        entry_digest: Sha256::of(desired.name.as_bytes()),
        approved_by: None,
        expected_disk: None,
        require_blank: false,
        identity: desired.identity.clone(),
        bmc: desired.bmc.clone(),
        install,
        maintenance_iso: Sha256::of(b""),
        on_failure: desired.on_failure,
        power_wanted: desired.power,
        created_at: now,
        updated_at: now,
        phase: Phase::AwaitResult,
        phase_ms: 0,
        prepare_ms: 0,
        total_ms: 0,
        attempt: 1,
        tries: 0,
        not_before_ms: 0,
        route: Some(Route {
            rung: Rung::UefiHttp,
            boot_slot: None,
            task_slot: None,
            spare_slots: Vec::new(),
        }),
        power_found: None,
        touched: true,
        medium_read: true,
        unread_boots: 0,
        was_away: false,
        permit: Some(permit),
        written: Some(disk),
        cancel_requested: false,
        outcome: None,
        failure: None,
        cleanup_left: None,
        events: std::collections::VecDeque::new(),
        deliveries: std::collections::VecDeque::new(),
    })
}

/// The boot that has the permit.
pub(super) fn boot_id(index: usize) -> String {
    format!("00000000-0000-4000-8000-{index:012}")
}

/// Puts the jobs into a database that a controller made and that nobody has open.
pub(super) fn keep(place: &Place, jobs: impl FnOnce(&Ledger) -> Result<Vec<Job>>) -> Result<Vec<Job>> {
    let store = RedbStore::open(&place.database(), &Opening::new("shoal-bench", Timestamp::now()))
        .context("open the database")?;
    let ledger = ledger::read(&store)?.context("the database has no ledger")?;
    let jobs = jobs(&ledger)?;
    for some in jobs.chunks(AT_ONCE) {
        let mut batch = Batch::new();
        for job in some {
            let mut row = ServerRow::new(&job.server);
            row.status_mut().record.number = job.record;
            row.status_mut().record = record::permit_granted(&row.status.record, &[]);
            row.status_mut().job = Some(job.summary());
            rows::put_job(&mut batch, job);
            rows::put(&mut batch, Table::ActiveJobs, job.server.as_str(), &job.id);
            rows::put_server(&mut batch, &row);
        }
        store.commit(batch)?;
    }
    Ok(jobs)
}

/// How many of all jobs are kept with an outcome, in a database that nobody has open.
pub(super) fn ended(place: &Place) -> Result<usize> {
    let store = RedbStore::open(&place.database(), &Opening::new("shoal-bench", Timestamp::now()))
        .context("open the database")?;
    let jobs = rows::all::<Job, _>(&store, Table::Jobs)?;
    Ok(jobs.iter().filter(|(_, job)| job.outcome.is_some()).count())
}
