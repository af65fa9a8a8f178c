// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller with a large fleet: one file that changes, nothing that changes, nothing at all, and status.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use shoal_testbed_site::{Addresses, Controller, Place, Programs, Repository};

use super::{Args, Line};
use crate::emulator::Emulator;
use crate::report::{median, say};
use crate::scrape::Scrape;
use crate::sweep::{adopt, until};
use crate::{fleet, process};

/// Commits of one file each.
const CHANGES: usize = 20;
/// Cycles in which nothing changed.
const CYCLES: usize = 100;

/// Longer than the publisher waits for more.
const QUIET: Duration = Duration::from_secs(75);

/// Every BMC is looked at once, soon after the start, and Git is asked when told to.
const SETTINGS: [&str; 6] = ["--poll-interval", "24h", "--sweep-interval", "24h", "--log-level", "warn"];

pub(super) async fn measure(args: &Args, lines: &mut Vec<Line>) -> Result<()> {
    let (place, count) = (&Place::new("shoal-bench-", None)?, args.servers.to_string());
    let programs = &Programs::find(place)?;
    say(&format!("{count} emulated BMCs"));
    let emulator = Emulator::start(&[
        "--profile",
        "idrac9-6",
        "--count",
        &count,
        "--no-machines",
        "--powered-on",
        "--time-scale",
        "0",
    ])?;
    fleet::make(programs, place, &emulator.bmcs, super::SHAPE)?;
    status(args, programs, place, lines).await?;
    for waiting in [true, false] {
        if !waiting {
            adopt(programs, place, args.servers).await.context("adopt every server")?;
        }
        let how = if waiting { "all wait for an approval" } else { "all are as wanted" };
        say(&format!("a controller where {how}"));
        let before = emulator.totals().await?.sessions_closed;
        let controller = start(programs, place).await?;
        let all = before + args.servers as u64;
        until(|| async { Ok(emulator.totals().await?.sessions_closed >= all) })
            .await
            .context("wait until every BMC was looked at")?;
        commits(args, programs, place, how, lines).await?;
        quiet(place).await?;
        cycles(&controller, programs, place, how, lines).await?;
        idle(args, &controller, how, lines).await?;
        controller.stop().await?;
    }
    Ok(())
}

fn reconcile(programs: &Programs, place: &Place) -> Result<()> {
    programs.shoal(&place.checkout(), &["reconcile"])?.expect_success("shoal reconcile").map(drop)
}

/// Waits until nothing is left to publish.
async fn quiet(place: &Place) -> Result<()> {
    let published =
        || async { Ok::<_, anyhow::Error>(Scrape::of(place).await?.sum("status_commits_total", "")) };
    let mut before = published().await?;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = published().await?;
        if now <= before {
            return Ok(());
        }
        before = now;
    }
}

/// Waits until every server stands on the status branch.
async fn published(args: &Args, programs: &Programs, place: &Place) -> Result<()> {
    until(|| async {
        let listed = programs.git(&place.bare(), &["ls-tree", "-r", "--name-only", "shoal/status"]);
        let listed = listed.unwrap_or_default();
        Ok(listed.lines().filter(|path| path.starts_with("servers/")).count() == args.servers)
    })
    .await
    .context("wait until every server is published")
}

async fn start(programs: &Programs, place: &Place) -> Result<Controller> {
    let settings = SETTINGS.map(str::to_owned);
    Ok(Controller::start(programs, place, &Addresses::any(), &settings).await?.0)
}

/// One file changes, and another, each in a commit of its own.
async fn commits(
    args: &Args,
    programs: &Programs,
    place: &Place,
    how: &str,
    lines: &mut Vec<Line>,
) -> Result<()> {
    let repository = Repository::of(programs, place);
    let stages = ["commit", "read", "keep", "plan"];
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); stages.len()];
    for change in 0..CHANGES {
        let index = change * (args.servers / CHANGES).max(1);
        let path = fleet::path(index);
        let text = repository.read(&path)?.replace("note: \"", "note: \"again ");
        repository.write(&path, &text)?;
        repository.commit("one server")?;
        repository.push()?;
        let before = Scrape::of(place).await?;
        reconcile(programs, place)?;
        let after = Scrape::of(place).await?;
        for (stage, took) in stages.iter().zip(&mut took) {
            let label = format!("stage=\"{stage}\"");
            let change = |name: &str| after.sum(name, &label) - before.sum(name, &label);
            if *stage == "commit" && (change("plan_duration_seconds_count") - 1.0).abs() > 0.1 {
                bail!("one commit made {} plans", change("plan_duration_seconds_count"));
            }
            took.push(change("plan_duration_seconds_sum") * 1000.0);
        }
    }
    let middle: Vec<f64> = took.iter().map(|took| median(took).unwrap_or_default()).collect();
    lines.push(Line(
        format!("one file changes where {how}: from the commit to the plan"),
        format!(
            "{:.1} ms (read {:.1}, made durable {:.1}, planned {:.1})",
            middle[0], middle[1], middle[2], middle[3]
        ),
        "10 ms",
    ));
    Ok(())
}

/// Git is asked and a turn is taken, and nothing is to be done.
async fn cycles(
    controller: &Controller,
    programs: &Programs,
    place: &Place,
    how: &str,
    lines: &mut Vec<Line>,
) -> Result<()> {
    let commits = || programs.git(&place.bare(), &["rev-list", "--count", "shoal/status"]);
    let (before, written) = (Scrape::of(place).await?, commits()?);
    let cpu = process::cpu(controller.pid())?;
    for _ in 0..CYCLES {
        reconcile(programs, place)?;
    }
    let cpu = (process::cpu(controller.pid())? - cpu) * 1000.0 / CYCLES as f64;
    let after = Scrape::of(place).await?;
    let asked = after.sum("redfish_requests_total", "") - before.sum("redfish_requests_total", "");
    let commits: i64 = commits()?.trim().parse::<i64>()? - written.trim().parse::<i64>()?;
    lines.push(Line(
        format!("a cycle without news where {how}"),
        format!("{cpu:.1} ms of processor, {commits} commits, {asked:.0} BMC calls in {CYCLES}"),
        "20 ms, 0, 0",
    ));
    Ok(())
}

async fn idle(args: &Args, controller: &Controller, how: &str, lines: &mut Vec<Line>) -> Result<()> {
    let (cpu, began) = (process::cpu(controller.pid())?, Instant::now());
    tokio::time::sleep(Duration::from_secs(args.idle)).await;
    let share = (process::cpu(controller.pid())? - cpu) / began.elapsed().as_secs_f64() * 100.0;
    let memory = process::memory(controller.pid(), "VmRSS")?;
    let peak = process::memory(controller.pid(), "VmHWM")?;
    lines.push(Line(
        format!("idle for {} s where {how}", args.idle),
        format!("{memory:.0} MiB (at most {peak:.0}), {share:.2} % of a core"),
        "200 MB, 2 %",
    ));
    Ok(())
}

/// A controller that finds a fleet for the first time publishes every server in one commit.
async fn status(args: &Args, programs: &Programs, place: &Place, lines: &mut Vec<Line>) -> Result<()> {
    let mut took = Vec::new();
    for round in 0..args.rounds {
        if place.storage().exists() {
            std::fs::remove_dir_all(place.storage()).context("begin anew")?;
            programs.git(&place.bare(), &["update-ref", "-d", "refs/heads/shoal/status"])?;
        }
        let controller = start(programs, place).await?;
        published(args, programs, place).await?;
        // The branch moves before the controller counts that it did.
        until(|| async { Ok(Scrape::of(place).await?.sum("status_commits_total", "") > 0.0) }).await?;
        let scrape = Scrape::of(place).await?;
        let commits = scrape.sum("status_commits_total", "");
        took.push(scrape.sum("status_commit_duration_seconds_sum", ""));
        controller.stop().await?;
        say(&format!("status: round {} of {} done, {commits} commits", round + 1, args.rounds));
    }
    let took = median(&took).unwrap_or_default();
    lines.push(Line(
        format!("status of {} servers rendered, committed and pushed", args.servers),
        format!("{took:.2} s"),
        "2 s",
    ));
    Ok(())
}
