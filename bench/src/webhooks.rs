// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reports of machines: so many a second on connections that stay open, each for a job of its own, each durable before
//! its answer.
//!
//! A report is due at its time whether the one before was answered or not, and its latency counts from there: a
//! controller that falls behind cannot hide it. Then the controller is killed, and its database is asked what it kept.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use shoal_controller::keys::Keys;
use shoal_core::job::Job;
use shoal_testbed_site::{Addresses, Controller, Place, Programs};
use tokio::net::TcpStream;

use super::report::{print, say};
use super::{at_work, fleet, fleet_bench, process};

/// Reports of machines on open connections, each durable before its answer
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Reports a second
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    rate: usize,
    /// For so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: usize,
    /// Connections
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    connections: usize,
    /// Keep everything in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
}

const SETTINGS: [&str; 6] = ["--poll-interval", "24h", "--sweep-interval", "24h", "--log-level", "error"];

pub(crate) fn main(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: &Args) -> Result<()> {
    let place = Place::new("shoal-bench-", args.keep.clone())?;
    let programs = Programs::find(&place)?;
    let count = args.rate * args.seconds;
    fleet::make(&programs, &place, &fleet_bench::addresses(count), fleet_bench::SHAPE)?;
    let settings = SETTINGS.map(str::to_owned);
    // It makes the database and the keys.
    Controller::start(&programs, &place, &Addresses::any(), &settings).await?.0.stop().await?;
    let wanted = at_work::desired(&place)?;
    let jobs = at_work::keep(&place, |ledger| {
        wanted.iter().enumerate().map(|(index, desired)| at_work::job(desired, ledger, index)).collect()
    })?;
    let keys = Keys::kept(&place.storage().join("keys/signing.secret"), None)?;
    let reports: Vec<Report> =
        jobs.iter().enumerate().map(|(index, job)| Report::of(job, &keys, index)).collect();
    let (controller, addresses) = Controller::start(&programs, &place, &Addresses::any(), &settings).await?;
    say(&format!("{count} machines at work"));
    // So that what a start costs is over.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let cpu = process::cpu(controller.pid())?;
    let began = Instant::now();
    let mut latencies = send(args, addresses.api, reports).await?;
    let took = began.elapsed().as_secs_f64();
    let cpu = process::cpu(controller.pid())? - cpu;
    let peak = process::memory(controller.pid(), "VmHWM")?;
    controller.kill()?;
    let ended = at_work::ended(&place)?;
    if ended != count {
        bail!("{count} reports were answered, and the database has {ended} of them");
    }
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((count as f64 * share) as usize).min(count - 1)] * 1000.0;
    print(&format!(
        "\n| webhooks | measured | aim |\n|---|---:|---:|\n\
         | answered, and found in the database after kill -9 | {count} of {count} | all |\n\
         | a second, on {} connections | {:.0} | {} |\n\
         | median | {:.1} ms | |\n| 95 of 100 within | {:.1} ms | 50 ms |\n| 99 of 100 within | {:.1} ms | |\n\
         | longest | {:.1} ms | |\n| processor time of the controller | {:.2} ms each | |\n\
         | peak memory | {peak:.0} MiB | |\n",
        args.connections,
        count as f64 / took,
        args.rate,
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        cpu * 1000.0 / count as f64,
    ))
}

/// A report as it goes over the wire.
struct Report {
    path: String,
    token: String,
    body: Bytes,
}

impl Report {
    fn of(job: &Job, keys: &Keys, index: usize) -> Self {
        let body = serde_json::json!({
            "status": "success",
            "attempt": 1,
            "delivery_id": format!("delivery-{index}"),
            "boot_id": at_work::boot_id(index),
        });
        Self {
            path: format!("/api/v1/status-webhook/{}", job.machine),
            token: keys.token(job).expose().to_owned(),
            body: Bytes::from(body.to_string()),
        }
    }
}

/// Sends every report at its time; seconds from then to the answer.
async fn send(args: &Args, to: SocketAddr, reports: Vec<Report>) -> Result<Vec<f64>> {
    let mut lanes: Vec<Vec<(Duration, Report)>> = Vec::new();
    lanes.resize_with(args.connections, Vec::new);
    for (index, report) in reports.into_iter().enumerate() {
        let due = Duration::from_secs_f64(index as f64 / args.rate as f64);
        lanes[index % args.connections].push((due, report));
    }
    let mut connections = Vec::new();
    for lane in lanes {
        connections.push((connect(to).await?, lane));
    }
    let began = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (mut connection, lane) in connections {
        tasks.spawn(async move {
            let mut latencies = Vec::with_capacity(lane.len());
            for (due, report) in lane {
                let due = began + due;
                tokio::time::sleep_until(due).await;
                post(&mut connection, to, report).await?;
                latencies.push(due.elapsed().as_secs_f64());
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(lane) = tasks.join_next().await {
        all.extend(lane??);
    }
    Ok(all)
}

async fn connect(to: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(to).await.context("connect")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn post(connection: &mut SendRequest<Full<Bytes>>, to: SocketAddr, report: Report) -> Result<()> {
    connection.ready().await?;
    let request = Request::post(&report.path)
        .header("host", to.to_string())
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", report.token))
        .body(Full::new(report.body))?;
    let answer = connection.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body);
    if status != StatusCode::OK || body.contains("\"idempotent\":true") {
        bail!("{} was answered with {status}: {body}", report.path);
    }
    Ok(())
}
