// SPDX-License-Identifier: AGPL-3.0-or-later
//! The emulated servers: a BMC each over HTTPS, a simulated machine behind it with real disk files, and
//! the control endpoint that tells what really happened.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use shoal_testbed::bmc::{BmcConfig, Clock, Credentials, Farm, FarmConfig, Password, TokioClock};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed::machine::{
    AfterInstall, BootReads, MachineBehaviour, MachineConfig, MachineFault, Mishap, SimulatedMachine, Stage,
    Timing,
};

use super::cast::{FAILS, Player};
use super::secrets::Planted;
use shoal_testbed_site::Place;

/// The BMCs' times are multiplied by this: a power-on self-test of two minutes takes two and a half
/// seconds.
const BMC_SCALE: f64 = 0.02;
/// The machines' times are multiplied by this. Not less: the webhook of a machine that is ready while
/// the controller is away is tried ten times, ten seconds apart, and must outlive a restart.
const MACHINE_SCALE: f64 = 0.05;
/// How long each step of an install takes, in milliseconds before scaling.
const STEP_MS: u64 = 20_000;
/// Records that a BMC remembers: more than a demo makes, so that none is lost.
const LOG_CAPACITY: usize = 100_000;
/// Seed of tokens.
const SEED: u64 = 20_261_121;
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The emulated servers, in the order of the players.
pub(crate) struct Machines {
    farm: Farm,
    simulated: Vec<SimulatedMachine>,
    /// Where the control endpoint is.
    pub(crate) control: SocketAddr,
}

/// How a server is reached.
pub(crate) struct Reached {
    /// The BMC's address.
    pub(crate) address: String,
    /// The fingerprint of its certificate.
    pub(crate) fingerprint: String,
}

impl Machines {
    /// Starts them. All are off, with blank disks.
    pub(crate) async fn start(place: &Place, players: &[Player], planted: &Planted) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::now()));
        let mut simulated = Vec::new();
        let mut bmcs = Vec::new();
        for (index, player) in players.iter().enumerate() {
            let machine = SimulatedMachine::new(MachineConfig {
                identity: player.identity.clone(),
                directory: place.disks().join(player.name()),
                behaviour: behaviour(player.name()),
                timing: Timing { step_ms: STEP_MS, ..Timing::default() },
                time_scale: MACHINE_SCALE,
                boot_reads: BootReads::Whole,
                after_install: AfterInstall::Waits,
                seed: SEED.wrapping_add(index as u64),
                clock: Arc::clone(&clock),
            })
            .with_context(|| format!("make the machine of {}", player.name()))?;
            bmcs.push(BmcConfig {
                profile: player.profile,
                identity: player.identity.clone(),
                credentials: Credentials {
                    user: planted.bmc_user.clone(),
                    password: Password::new(planted.bmc_password.expose().to_owned()),
                },
                machine: Arc::new(machine.clone()),
                powered_on: false,
                log_capacity: LOG_CAPACITY,
            });
            simulated.push(machine);
        }
        let farm = Farm::start(FarmConfig {
            listen: LOOPBACK,
            tls: true,
            bmcs,
            faults: FaultPlan::default(),
            seed: SEED,
            clock,
            time_scale: BMC_SCALE,
            control: Some(LOOPBACK),
            log_file: Some(place.bmc_log()),
        })
        .await
        .context("start the emulated BMCs")?;
        let control = farm.control().context("find the control endpoint")?;
        Ok(Self { farm, simulated, control })
    }

    /// How each is reached, in the order of the players.
    pub(crate) fn reached(&self) -> Vec<Reached> {
        let reached = self.farm.bmcs().iter().map(|bmc| Reached {
            address: bmc.url(),
            fingerprint: bmc.fingerprint().unwrap_or_default().to_owned(),
        });
        reached.collect()
    }

    /// The disk files of each, in the order of the players and of their disks.
    pub(crate) fn disk_files(&self) -> Vec<Vec<PathBuf>> {
        let of =
            |machine: &SimulatedMachine| machine.disks().iter().map(|disk| disk.path().to_owned()).collect();
        self.simulated.iter().map(of).collect()
    }

    /// Ends everything.
    pub(crate) async fn stop(self) {
        for machine in &self.simulated {
            machine.halt();
        }
        self.farm.shutdown().await;
    }
}

/// One of them fails half way through its boot loader, for a reason that another attempt would meet again.
fn behaviour(name: &str) -> MachineBehaviour {
    if name != FAILS {
        return MachineBehaviour::default();
    }
    let mishap = Mishap::Fail {
        stage: Stage::BootloaderLinux,
        code: "disk_full".to_owned(),
        message: "cannot write EFI/BOOT/BOOTX64.EFI: no space left on device".to_owned(),
    };
    MachineBehaviour {
        faults: vec![MachineFault { mishap, after: 0, count: None }],
        ..MachineBehaviour::default()
    }
}
