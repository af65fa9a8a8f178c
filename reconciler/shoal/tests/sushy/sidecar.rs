// SPDX-License-Identifier: AGPL-3.0-or-later
//! What `sushy-emulator --fake` lacks: the machine.
//!
//! A side-car looks at the emulator's power, media and boot device, as a hypervisor behind it would. It brings
//! about the same at an emulated BMC of the testbed, which has a simulated machine: when the power comes on,
//! that machine boots from what is inserted, reads it from where the emulator was told to, and installs itself.
//!
//! The boot device is for good until somebody changes it, as the emulator says (`Continuous`): a machine whose
//! override is not cleared boots its maintenance OS again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::{IDRAC9_6, ILO5, Profile};
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Credentials, Farm, FarmConfig, Identity, Password, Power, TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed::machine::{
    AfterInstall, BootReads, MachineBehaviour, MachineConfig, MachineReport, SimulatedMachine, Timing,
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::emulator::{Drives, Emulator};
use crate::redfish::Redfish;

/// Between two looks at the emulator.
const LOOK: Duration = Duration::from_millis(200);
/// The machine's times are multiplied by this: each step of an install takes three quarters of a second.
const MACHINE_SCALE: f64 = 0.05;
const SEED: u64 = 11;
/// The account of the testbed's BMC, which nobody but the side-car meets.
const USER: &str = "sidecar";
const PASSWORD: &str = "beside";

/// A side-car that runs, until it is dropped.
pub(crate) struct Sidecar {
    machine: SimulatedMachine,
    looking: Arc<AsyncMutex<()>>,
    last_error: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
    _farm: Farm,
}

impl Sidecar {
    /// Starts one with a machine whose disks are in `directory`.
    pub(crate) async fn start(emulator: &Emulator, identity: Identity, directory: PathBuf) -> Self {
        let clock = Arc::new(TokioClock::starting_at(jiff::Timestamp::now()));
        let machine = SimulatedMachine::new(MachineConfig {
            identity: identity.clone(),
            directory,
            behaviour: MachineBehaviour::default(),
            timing: Timing::default(),
            time_scale: MACHINE_SCALE,
            boot_reads: BootReads::Whole,
            after_install: AfterInstall::Waits,
            seed: SEED,
            clock: clock.clone(),
        })
        .expect("a machine");
        let system = emulator.system();
        let (profile, slots) = board(system.drives);
        let bmc = BmcConfig {
            profile,
            identity,
            credentials: Credentials { user: USER.to_owned(), password: Password::new(PASSWORD.to_owned()) },
            machine: Arc::new(machine.clone()),
            powered_on: system.powered_on,
            log_capacity: 500,
        };
        let farm = Farm::start(FarmConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: false,
            bmcs: vec![bmc],
            faults: FaultPlan::default(),
            seed: SEED,
            clock,
            time_scale: 0.0,
            control: None,
            log_file: None,
        })
        .await
        .expect("a BMC");
        let bmc = farm.bmcs().first().expect("one BMC").clone();
        let follower = Follower {
            emulator: emulator.redfish(),
            system: format!("/redfish/v1/Systems/{}", system.uuid),
            devices: system.drives.devices(),
            slots,
            board: Redfish::new(bmc.url(), USER, PASSWORD),
            bmc,
        };
        let (looking, last_error) = (Arc::default(), Arc::default());
        let task = tokio::spawn(follow(follower, Arc::clone(&looking), Arc::clone(&last_error)));
        Self { machine, looking, last_error, task, _farm: farm }
    }

    /// What really became of the machine.
    pub(crate) fn report(&self) -> MachineReport {
        self.machine.report()
    }

    /// Looks no more until the result is dropped: the machine stays as it is.
    pub(crate) async fn pause(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.looking).lock_owned().await
    }

    /// Why it could not follow the last time, for a test that fails.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
        self.machine.halt();
    }
}

/// A model with such drives, and the slot of each device.
fn board(drives: Drives) -> (&'static Profile, &'static [usize]) {
    match drives {
        Drives::OneCd => (&IDRAC9_6, &[0]),
        Drives::TwoCds => (&IDRAC9_6, &[0, 1]),
        Drives::CdAndStick => (&ILO5, &[1, 0]),
    }
}

async fn follow(follower: Follower, looking: Arc<AsyncMutex<()>>, last_error: Arc<Mutex<Option<String>>>) {
    loop {
        {
            let _looking = looking.lock().await;
            if let Err(error) = follower.once().await {
                *last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The emulator and the testbed's BMC that is to be like it.
struct Follower {
    emulator: Redfish,
    system: String,
    devices: &'static [&'static str],
    slots: &'static [usize],
    board: Redfish,
    bmc: BmcHandle,
}

impl Follower {
    async fn once(&self) -> Result<(), String> {
        let system = self.emulator.get(&self.system).await?;
        let mut images = Vec::new();
        for device in self.devices {
            let media = self.emulator.get(&format!("{}/VirtualMedia/{device}", self.system)).await?;
            let inserted = media["Inserted"] == true;
            images.push(media["Image"].as_str().filter(|_| inserted).map(ToOwned::to_owned));
        }
        // Power off comes before what is done to the media of a machine that is off; power on after it.
        let is_on = matches!(self.bmc.state().power, Power::On | Power::PoweringOn);
        let wanted_on = system["PowerState"] == "On";
        if is_on && !wanted_on {
            self.reset("ForceOff").await?;
        }
        for (slot, image) in self.slots.iter().zip(images) {
            self.set_image(*slot, image).await?;
        }
        if wanted_on && !is_on {
            if system["Boot"]["BootSourceOverrideTarget"] == "Cd" {
                self.boot_from_cd().await?;
            }
            self.reset("On").await?;
        }
        Ok(())
    }

    async fn set_image(&self, slot: usize, image: Option<String>) -> Result<(), String> {
        let state = self.bmc.state();
        let slot = &state.slots[slot];
        if slot.image == image {
            return Ok(());
        }
        let action = |name: &str| format!("{}/Actions/VirtualMedia.{name}", slot.path);
        if slot.image.is_some() {
            self.board.post(&action("EjectMedia"), json!({})).await?;
        }
        match image {
            Some(image) => self.board.post(&action("InsertMedia"), json!({"Image": image})).await.map(drop),
            None => Ok(()),
        }
    }

    async fn boot_from_cd(&self) -> Result<(), String> {
        let boot: Value = json!({"Boot": {
            "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "UEFI",
        }});
        self.board.patch(&self.bmc.profile().boot_path(), boot).await.map(drop)
    }

    async fn reset(&self, kind: &str) -> Result<(), String> {
        let path = format!("{}/Actions/ComputerSystem.Reset", self.bmc.profile().boot_path());
        self.board.post(&path, json!({"ResetType": kind})).await.map(drop)
    }
}
