// SPDX-License-Identifier: AGPL-3.0-or-later
//! Watches a controller that sweeps: where one sweep ends and the next begins, and what it cost.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::others::Looked;
use crate::emulator::{Emulator, Totals};
use crate::process;

/// A sweep takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(300);

/// A controller, and the BMCs that it looks at.
pub(super) struct Watch<'a> {
    emulator: &'a Emulator,
    count: u64,
    controller: u32,
    /// Since when sweeps are counted, and how many were.
    base: Totals,
    sweeps: u64,
    /// When the last sweep ended, and how things were then.
    last: Point,
}

#[derive(Clone, Copy)]
struct Point {
    at: Instant,
    cpu: f64,
    emulator_cpu: f64,
    totals: Totals,
}

/// One look at every BMC.
pub(super) struct Sweep {
    /// What it cost.
    pub(super) looked: Looked,
    /// Looks that were told that nothing changed.
    unchanged: u64,
    /// Memory at its end, in MiB.
    resident: f64,
    /// From the end of the one before, pause included.
    since: f64,
}

impl<'a> Watch<'a> {
    /// Before the controller is started.
    pub(super) async fn new(emulator: &'a Emulator, count: usize) -> Result<Self> {
        let base = emulator.totals().await?;
        let emulator_cpu = process::cpu(emulator.pid())?;
        let last = Point { at: Instant::now(), cpu: 0.0, emulator_cpu, totals: base };
        Ok(Self { emulator, count: count as u64, controller: 0, base, sweeps: 0, last })
    }

    /// It was started.
    pub(super) fn controller(&mut self, pid: u32) {
        self.controller = pid;
    }

    /// What happened since the last sweep is no part of the next one.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        self.base = self.emulator.totals().await?;
        self.sweeps = 0;
        self.last = self.point(self.base)?;
        Ok(())
    }

    /// Waits for the end of the next sweep: as many logouts as there are BMCs.
    pub(super) async fn sweep(&mut self) -> Result<Sweep> {
        self.sweeps += 1;
        let wanted = self.base.sessions_closed + self.sweeps * self.count;
        // Looks that began before the last of the sweep before had ended belong to it, as good as.
        let pause = Duration::from_millis((self.count / 100).clamp(5, 50));
        let mut began = None;
        let now = loop {
            let before = Instant::now();
            let totals = self.emulator.totals().await?;
            if totals.requests > self.last.totals.requests && began.is_none() {
                began = Some(before);
            }
            if totals.sessions_closed >= wanted {
                break self.point(totals)?;
            }
            if before.duration_since(self.last.at) > PATIENCE {
                bail!("no sweep in {} s: {totals:?}", PATIENCE.as_secs());
            }
            tokio::time::sleep(pause).await;
        };
        // The last look at one may be under way, and counting may have begun in the middle of a sweep.
        if now.totals.fewest_sessions_closed + 2 < self.base.fewest_sessions_closed + self.sweeps {
            bail!("a BMC was left out: {:?}", now.totals);
        }
        let last = std::mem::replace(&mut self.last, now);
        let (totals, before) = (now.totals, last.totals);
        Ok(Sweep {
            looked: Looked {
                wall: now.at.duration_since(began.unwrap_or(last.at)).as_secs_f64(),
                cpu: now.cpu - last.cpu,
                emulator_cpu: now.emulator_cpu - last.emulator_cpu,
                reads: totals.reads - before.reads,
                sessions: totals.sessions + totals.sessions_closed - before.sessions - before.sessions_closed,
                peak: 0.0,
            },
            unchanged: totals.unchanged - before.unchanged,
            resident: process::memory(self.controller, "VmRSS")?,
            since: now.at.duration_since(last.at).as_secs_f64(),
        })
    }

    fn point(&self, totals: Totals) -> Result<Point> {
        Ok(Point {
            at: Instant::now(),
            cpu: process::cpu(self.controller)?,
            emulator_cpu: process::cpu(self.emulator.pid())?,
            totals,
        })
    }
}

impl Sweep {
    /// One line about it.
    pub(super) fn said(&self, count: usize) -> String {
        let each = |number: u64| number as f64 / count as f64;
        let looked = &self.looked;
        format!(
            "{:.2} s ({:.2} s with the pause), {:.2} s of processor, {:.2} s of the emulator's; per BMC {:.2} looks, \
             {:.2} of them unchanged, {:.2} for sessions; {:.0} MiB",
            looked.wall,
            self.since,
            looked.cpu,
            looked.emulator_cpu,
            each(looked.reads),
            each(self.unchanged),
            each(looked.sessions),
            self.resident
        )
    }
}

/// How sweeps went, one after the other.
pub(super) fn growth(sweeps: &[Sweep], count: usize) -> String {
    let mut out = String::from(
        "| sweep | wall clock | processor time | looks per BMC | memory at its end |\n|---|---:|---:|---:|---:|\n",
    );
    for (index, sweep) in sweeps.iter().enumerate() {
        let looked = &sweep.looked;
        out.push_str(&format!(
            "| {} | {:.2} s | {:.2} s | {:.2} | {:.0} MiB |\n",
            index + 1,
            looked.wall,
            looked.cpu,
            looked.reads as f64 / count as f64,
            sweep.resident
        ));
    }
    out
}
