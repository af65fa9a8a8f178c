// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal-testbed`: emulated BMCs to try clients against.
//!
//! Prints one line per BMC on standard output once all of them answer, then serves until it is interrupted.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use shoal_testbed::bmc::profiles;
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Clock, Credentials, Farm, FarmConfig, Identity, Machine, NullMachine, Password,
    TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed::machine::{
    AfterInstall, BootReads, MachineBehaviour, MachineConfig, SimulatedMachine, Timing,
};
use tokio::signal::unix::{SignalKind, signal};

/// Password of the emulated account when none is given. Published on purpose: it opens nothing real.
const DEFAULT_PASSWORD: &str = "shoal-testbed";

#[derive(Parser)]
#[command(name = "shoal-testbed", version, about = "Emulated BMCs and simulated machines")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve emulated BMCs until interrupted
    Bmc(Box<BmcArgs>),
    /// List the BMC models
    Profiles,
}

#[derive(Args)]
struct BmcArgs {
    /// Address of the first BMC; port 0 lets the kernel choose a port for each, else each BMC has the next port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Model; `shoal-testbed profiles` lists them
    #[arg(long, value_name = "NAME")]
    profile: String,
    /// How many BMCs
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: usize,
    /// YAML or JSON list of machine identities, one for each BMC, instead of made-up ones
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    identities: Option<PathBuf>,
    /// YAML or JSON file of fault rules
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// HTTPS with a self-signed certificate for each BMC
    #[arg(long)]
    tls: bool,
    /// User name of the BMC account
    #[arg(long, value_name = "U", default_value = "root")]
    user: String,
    /// Environment variable that holds the password; without it the password is `shoal-testbed`
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
    /// Address of the control endpoint (no authentication: use a loopback address)
    #[arg(long, value_name = "ADDR")]
    control: Option<SocketAddr>,
    /// Seed of identities, tokens and faults; random when absent, and printed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Multiplier for power, POST and mount times; 1 is as slow as real hardware
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time_scale: f64,
    /// Start with the machines switched on
    #[arg(long)]
    powered_on: bool,
    /// Where the machines' disk files are kept. Without it they go with the process.
    #[arg(long, value_name = "DIR")]
    disks: Option<PathBuf>,
    /// How the machines misbehave: a file as the machine's documentation describes it.
    #[arg(long, value_name = "FILE", conflicts_with = "no_machines")]
    behaviour: Option<PathBuf>,
    /// BMCs alone: nothing behind them boots, reads or writes anything.
    #[arg(long, conflicts_with = "disks")]
    no_machines: bool,
    /// Append every request and event to this file, as JSON Lines
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match Cli::parse().command {
        Command::Profiles => list_profiles(),
        Command::Bmc(args) => {
            raise_file_limit();
            let runtime = tokio::runtime::Runtime::new().context("start the async runtime")?;
            runtime.block_on(serve(*args))
        }
    }
}

fn list_profiles() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for profile in profiles::every() {
        let (maker, model) = (profile.system.manufacturer, profile.system.model);
        writeln!(out, "{:<16} {maker} {model}, {}", profile.name, profile.manager.firmware)?;
    }
    Ok(())
}

async fn serve(args: BmcArgs) -> anyhow::Result<()> {
    let json_lines = args.json;
    let drawn = || getrandom::u64().map_err(|error| anyhow!("draw a seed: {error}"));
    let seed = args.seed.map_or_else(drawn, Ok)?;
    // Before anything is printed: a signal sent right after the first line must not be missed.
    let mut interrupted = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let scratch = tempfile::tempdir().context("make a directory for the machines' disks")?;
    let farm = Farm::start(farm_config(args, seed, scratch.path())?).await?;
    announce(&farm, seed, json_lines)?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    farm.shutdown().await;
    Ok(())
}

fn farm_config(args: BmcArgs, seed: u64, scratch: &Path) -> anyhow::Result<FarmConfig> {
    let Some(profile) = profiles::by_name(&args.profile) else {
        let known: Vec<&str> = profiles::every().map(|profile| profile.name).collect();
        bail!("no profile {:?}; there are {}", args.profile, known.join(", "));
    };
    let password = match &args.password_env {
        Some(name) => std::env::var(name).with_context(|| format!("read the password from ${name}"))?,
        None => DEFAULT_PASSWORD.to_owned(),
    };
    let credentials = Credentials { user: args.user, password: Password::new(password) };
    let identities = match &args.identities {
        Some(path) => {
            yaml_serde::from_str(&read(path)?).with_context(|| format!("parse {}", path.display()))?
        }
        None => (0..args.count).map(|index| Identity::numbered(seed, index)).collect::<Vec<_>>(),
    };
    let faults = match &args.faults {
        Some(path) => FaultPlan::parse(&read(path)?).with_context(|| format!("read {}", path.display()))?,
        None => FaultPlan::default(),
    };
    let behaviour = match &args.behaviour {
        Some(path) => {
            MachineBehaviour::parse(&read(path)?).with_context(|| format!("read {}", path.display()))?
        }
        None => MachineBehaviour::default(),
    };
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::now()));
    let disks = args.disks.as_deref().unwrap_or(scratch);
    let mut bmcs = Vec::with_capacity(identities.len());
    for (index, identity) in identities.into_iter().enumerate() {
        let machine: Arc<dyn Machine> = if args.no_machines {
            Arc::new(NullMachine::default())
        } else {
            let machine = SimulatedMachine::new(MachineConfig {
                directory: disks.join(&identity.serial),
                identity: identity.clone(),
                behaviour: behaviour.clone(),
                timing: Timing::default(),
                time_scale: args.time_scale,
                boot_reads: BootReads::Whole,
                after_install: AfterInstall::Waits,
                seed: seed.wrapping_add(index as u64),
                clock: Arc::clone(&clock),
            })
            .with_context(|| format!("make the machine {}", identity.serial))?;
            Arc::new(machine)
        };
        bmcs.push(BmcConfig {
            profile,
            identity,
            credentials: credentials.clone(),
            machine,
            powered_on: args.powered_on,
            log_capacity: 1000,
        });
    }
    Ok(FarmConfig {
        listen: args.listen,
        tls: args.tls,
        bmcs,
        faults,
        seed,
        clock,
        time_scale: args.time_scale,
        control: args.control,
        log_file: args.log,
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// One line per BMC: index, URL, serial, fingerprint.
fn announce(farm: &Farm, seed: u64, json_lines: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for bmc in farm.bmcs() {
        if json_lines {
            writeln!(out, "{}", described(bmc, seed))?;
        } else {
            let fingerprint =
                bmc.fingerprint().map_or_else(|| "-".to_owned(), |digits| format!("sha256:{digits}"));
            writeln!(out, "{} {} {} {fingerprint}", bmc.index(), bmc.url(), bmc.identity().serial)?;
        }
    }
    match (farm.control(), json_lines) {
        (Some(address), true) => writeln!(out, "{}", json!({"control": format!("http://{address}")}))?,
        (Some(address), false) => writeln!(out, "control http://{address}")?,
        (None, _) => {}
    }
    if !json_lines {
        writeln!(out, "seed {seed}")?;
    }
    out.flush()?;
    Ok(())
}

fn described(bmc: &BmcHandle, seed: u64) -> serde_json::Value {
    json!({
        "index": bmc.index(),
        "url": bmc.url(),
        "profile": bmc.profile().name,
        "serial": bmc.identity().serial,
        "uuid": bmc.identity().uuid,
        "sha256": bmc.fingerprint(),
        "seed": seed,
    })
}

/// Thousands of BMCs need thousands of sockets: takes all files that the system allows without asking.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "limit of open files not raised");
    }
}
