// SPDX-License-Identifier: AGPL-3.0-or-later
//! A server: a QEMU machine and the emulated BMC in front of it.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use shoal_testbed::bmc::profiles::Profile;
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Clock, Credentials, Farm, FarmConfig, Identity, Password, TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed_qemu::{QemuMachine, VmConfig};

use crate::inventory::Wanted;

/// The BMCs' times are multiplied by this: their part of a boot is not what is looked at here.
const BMC_SCALE: f64 = 0.02;
/// Records that a BMC remembers.
const LOG_CAPACITY: usize = 20_000;

/// The account of every BMC.
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// A machine with its BMC.
pub struct Server {
    /// The machine. Dropped before its BMC.
    pub machine: QemuMachine,
    farm: Farm,
    /// What Git says of it.
    pub wanted: Wanted,
}

impl Server {
    /// Starts both. The machine is off.
    pub(crate) async fn start(
        config: VmConfig,
        profile: &'static Profile,
        wanted: Wanted,
        account: &Account,
    ) -> anyhow::Result<Self> {
        let identity = config.identity.clone();
        let machine = QemuMachine::start(config).await.context("start a QEMU machine")?;
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::now()));
        let bmc = BmcConfig {
            profile,
            identity,
            credentials: Credentials {
                user: account.user.clone(),
                password: Password::new(account.password.clone()),
            },
            machine: machine.wire(),
            powered_on: false,
            log_capacity: LOG_CAPACITY,
        };
        let farm = Farm::start(FarmConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: true,
            bmcs: vec![bmc],
            faults: FaultPlan::default(),
            seed: 1,
            clock,
            time_scale: BMC_SCALE,
            control: None,
            log_file: None,
        })
        .await
        .context("start an emulated BMC")?;
        Ok(Self { machine, farm, wanted })
    }

    /// Its BMC.
    pub fn bmc(&self) -> &BmcHandle {
        &self.farm.bmcs()[0]
    }

    /// Who the machine is.
    pub fn identity(&self) -> &Identity {
        self.bmc().identity()
    }

    /// The end of what it said on its console, for messages.
    pub fn last_words(&self, lines: usize) -> String {
        let all = self.machine.console().lines(0);
        let texts: Vec<&str> =
            all[all.len().saturating_sub(lines)..].iter().map(|l| l.text.as_str()).collect();
        texts.join("\n")
    }
}
