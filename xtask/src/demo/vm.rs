// SPDX-License-Identifier: AGPL-3.0-or-later
//! A real machine in the demo: firmware, kernel, disk, with its console in view.
//!
//! A push, and a QEMU machine behind an emulated BMC is installed with Debian by the real maintenance OS. What is shown
//! is what the machine says on its serial console, and where the controller says that it is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use shoal_schema::api::{JobProgress, ServerView};
use shoal_schema::status::ConditionType;
use shoal_testbed_machines::{Artifacts, DEBIAN, Disk, Options, Server, Site};
use shoal_testbed_site::Place;
use tokio::signal::unix::{SignalKind, signal};

use super::screen::{Mood, Screen};
use super::watch::condition;

/// An install with its first boot, under software emulation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Bytes.
const MB: u64 = 1_000_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// The name of the machine.
const NAME: &str = "web-01";
/// Progress goes by too quickly to be read on the console.
const PROGRESS: &str = "{\"step\":";

/// A QEMU machine, a controller, a push: watch Debian being installed
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Keep everything in this new directory, to look at afterwards
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// No colour; NO_COLOR does the same
    #[arg(long, alias = "no-color")]
    no_colour: bool,
}

/// Runs it; 0 where the machine runs what Git names.
pub(crate) fn main(args: Args) -> ExitCode {
    let screen = Screen::new(args.no_colour);
    let told = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(interruptible(&screen, args.keep)));
    screen.clear();
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.failure(&error);
            ExitCode::FAILURE
        }
    }
}

async fn interruptible(screen: &Screen, keep: Option<PathBuf>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        told = tell(screen, keep) => told,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn tell(screen: &Screen, keep: Option<PathBuf>) -> anyhow::Result<()> {
    screen.act("A repository, a controller with its registry, a machine that is off and blank");
    let place = Place::new("shoal-demo-vm-", keep)?;
    let kept = place.is_kept().then(|| place.root().to_owned());
    let mut site = Site::start(Artifacts::find()?, place).await?;
    let server = site.add(NAME, Options { os: DEBIAN, ..Options::default() }).await?;
    screen.say(&format!("{NAME}: {} of Dell's kind at {}", server.identity().serial, server.bmc().url()));
    screen.say(&site.repository().read(format!("servers/{NAME}.yaml"))?);
    screen.act("A push");
    let planned = site.plan()?;
    screen.command("shoal plan", &planned);
    site.push()?;
    screen.command("git push", "");

    screen.act("What the machine says");
    let times = watch(screen, &site, &server).await?;
    screen.settle();
    screen.act("What is there now");
    screen.command(&format!("shoal status {NAME}"), &site.shoal(&["status", NAME])?);
    server.switch_off(PATIENCE).await?;
    for partition in Disk::new(&server.machine.disks()[0]).partitions()? {
        let format = partition.format.as_deref().unwrap_or("-");
        screen.say(&format!("{:<8} {:>6} MiB  {format}", partition.name, partition.size >> 20));
    }
    screen.say(&times.text());
    if let Some(kept) = kept {
        screen.say(&format!("everything is in {}", kept.display()));
    }
    Ok(())
}

/// When what happened, from the push on.
#[derive(Default)]
struct Times {
    /// The firmware said something.
    firmware: Option<Duration>,
    /// The dispatcher ran.
    dispatcher: Option<Duration>,
    /// The controller had the report.
    installed: Option<Duration>,
    /// The installed system asked for a login.
    running: Option<Duration>,
}

impl Times {
    fn text(&self) -> String {
        let [firmware, dispatcher, installed, running] =
            [self.firmware, self.dispatcher, self.installed, self.running]
                .map(|at| at.unwrap_or_default().as_secs_f64());
        format!(
            "power-on to dispatcher {:.1} s; push to report {installed:.1} s; push to login {running:.1} s",
            dispatcher - firmware
        )
    }

    /// Takes a line of the console in.
    fn hear(&mut self, line: &str, now: Duration) {
        self.firmware.get_or_insert(now);
        if line.contains("looks for its task") {
            self.dispatcher.get_or_insert(now);
        }
        if line.contains(&format!("{NAME} login:")) && self.installed.is_some() {
            self.running.get_or_insert(now);
        }
    }
}

/// Shows console and phases until the machine is installed and asks for a login.
async fn watch(screen: &Screen, site: &Site, server: &Server) -> anyhow::Result<Times> {
    let pushed = Instant::now();
    let mut from = 0;
    let mut times = Times::default();
    while times.running.is_none() {
        if let Some(view) = site.server(NAME).await? {
            let (mood, text) = line(&view);
            screen.server(NAME, mood, &text);
            if mood == Mood::Bad {
                bail!("{NAME}: {text}");
            }
            if view.status.record.installed.is_some() {
                times.installed.get_or_insert(pushed.elapsed());
            }
        }
        for line in server.machine.console().lines(from) {
            times.hear(&line.text, pushed.elapsed());
            // A line without an end is shown when it has one.
            if line.number >= server.machine.console().position() {
                break;
            }
            from = line.number + 1;
            let text = line.text.trim_end();
            if !text.is_empty() && !text.contains(PROGRESS) {
                screen.say(text);
            }
        }
        if pushed.elapsed() >= PATIENCE {
            bail!("not installed in {} min", PATIENCE.as_secs() / 60);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(times)
}

fn line(view: &ServerView) -> (Mood, String) {
    if condition(view, ConditionType::Stalled).is_some() {
        let why = view.status.last_error.as_ref().map(|error| error.message.clone());
        return (Mood::Bad, why.unwrap_or_else(|| "stalled".to_owned()));
    }
    match view.job.as_ref().filter(|job| job.status != "complete") {
        Some(job) => {
            (Mood::Busy, format!("{}{}", job.phase, job.progress.as_ref().map(far).unwrap_or_default()))
        }
        None if view.status.record.installed.is_some() => (Mood::Good, "installed".to_owned()),
        None => (Mood::Idle, "known".to_owned()),
    }
}

/// How far the machine is.
fn far(progress: &JobProgress) -> String {
    let JobProgress { step, bytes, total, rate, .. } = progress;
    if *total == 0 {
        return format!(": {step}");
    }
    format!(": {step}, {} of {} MB, {:.1} MB/s", bytes / MB, total / MB, *rate as f64 / MB as f64)
}
