// SPDX-License-Identifier: AGPL-3.0-or-later
//! Emulated servers, as fast as they can be: a BMC each over HTTPS, and a simulated machine with a disk file behind it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use shoal_testbed::bmc::profiles::{self, Profile};
use shoal_testbed::bmc::{
    BmcConfig, Clock, Credentials, Disk, Farm, FarmConfig, Identity, Password, TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed::machine::{
    AfterInstall, BootReads, MachineBehaviour, MachineConfig, SimulatedMachine, Timing,
};

pub(crate) const USER: &str = "root";
pub(crate) const PASSWORD: &str = "correct horse";

/// The models, in turn: two CDs, a CD and a stick, one slot.
const MODELS: [&Profile; 3] = [&profiles::IDRAC9_6, &profiles::ILO5, &profiles::SMC_X13_SINGLE];
/// Times of BMCs are multiplied by this: a power-on self-test takes a quarter of a second.
const BMC_SCALE: f64 = 0.002;
/// Times of machines are multiplied by this: an install takes half a second.
const MACHINE_SCALE: f64 = 0.01;
const DISK_BYTES: u64 = 256 << 20;
const LOG_CAPACITY: usize = 100_000;

/// The servers, by their index.
pub(crate) struct Machines {
    pub(crate) farm: Farm,
    pub(crate) simulated: Vec<SimulatedMachine>,
}

impl Machines {
    /// Starts so many. All are off, with blank disks.
    pub(crate) async fn start(directory: &Path, count: usize, seed: u64) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::now()));
        let mut simulated = Vec::new();
        let mut bmcs = Vec::new();
        for index in 0..count {
            let mut identity = Identity::numbered(seed, index);
            identity.disks = vec![Disk { size_bytes: DISK_BYTES, ..identity.disks[0].clone() }];
            let machine = SimulatedMachine::new(MachineConfig {
                identity: identity.clone(),
                directory: directory.join(index.to_string()),
                behaviour: MachineBehaviour::default(),
                timing: Timing::default(),
                time_scale: MACHINE_SCALE,
                boot_reads: BootReads::Sparse,
                after_install: AfterInstall::Waits,
                seed: seed.wrapping_add(index as u64),
                clock: Arc::clone(&clock),
            });
            let machine = machine.expect("a machine");
            bmcs.push(BmcConfig {
                profile: MODELS[index % MODELS.len()],
                identity,
                credentials: Credentials {
                    user: USER.to_owned(),
                    password: Password::new(PASSWORD.to_owned()),
                },
                machine: Arc::new(machine.clone()),
                powered_on: false,
                log_capacity: LOG_CAPACITY,
            });
            simulated.push(machine);
        }
        let farm = Farm::start(FarmConfig {
            listen: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0),
            tls: true,
            bmcs,
            faults: FaultPlan::default(),
            seed,
            clock,
            time_scale: BMC_SCALE,
            control: None,
            log_file: None,
        });
        Self { farm: farm.await.expect("BMCs"), simulated }
    }

    /// Ends everything.
    pub(crate) async fn stop(self) {
        for machine in &self.simulated {
            machine.halt();
        }
        self.farm.shutdown().await;
    }
}
