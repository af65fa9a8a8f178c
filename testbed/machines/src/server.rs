// SPDX-License-Identifier: AGPL-3.0-or-later
//! A server: a QEMU machine and the emulated BMC in front of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use shoal_testbed::bmc::profiles::Profile;
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Clock, Credentials, Farm, FarmConfig, Identity, Password, Power, TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed_qemu::{AfterPowerCut, ConsoleLine, QemuMachine, VmConfig};
use tokio::time::Instant;

use crate::inventory::Wanted;

/// The BMCs' times are multiplied by this: their part of a boot is not what is looked at here.
const BMC_SCALE: f64 = 0.02;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
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
    /// Starts both. The machine is off. `identity` is who the BMC takes it for.
    pub(crate) async fn start(
        config: VmConfig,
        identity: Identity,
        profile: &'static Profile,
        wanted: Wanted,
        account: &Account,
    ) -> anyhow::Result<Self> {
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

    /// Waits until the console shows a line with this text; the line as far as it has come, for a prompt never ends.
    pub async fn says(&self, text: &str, patience: Duration) -> anyhow::Result<String> {
        let console = self.machine.console();
        self.waits_for(text, patience, console.wait_for(0, |line| line.contains(text))).await
    }

    /// The same, and until the line has its end: for what stands behind the text.
    pub async fn says_whole(&self, text: &str, patience: Duration) -> anyhow::Result<String> {
        let console = self.machine.console();
        let whole = async {
            let begun = console.wait_for(0, |line| line.contains(text)).await?;
            console.next(begun.number).await
        };
        self.waits_for(text, patience, whole).await
    }

    async fn waits_for(
        &self,
        text: &str,
        patience: Duration,
        line: impl Future<Output = Option<ConsoleLine>>,
    ) -> anyhow::Result<String> {
        match tokio::time::timeout(patience, line).await {
            Ok(Some(line)) => Ok(line.text),
            Ok(None) => bail!("the machine ended before it said {text:?}\n{}", self.last_words(60)),
            Err(_) => bail!(
                "never said {text:?} in {} s\n{:?}\n{}",
                patience.as_secs(),
                self.machine.events(),
                self.last_words(60)
            ),
        }
    }

    /// Waits until a line was said more than `times` times.
    pub async fn says_more_often(&self, text: &str, times: usize, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while self.said(text) <= times {
            if Instant::now() >= deadline {
                bail!("did not say {text:?} again in {} s\n{}", patience.as_secs(), self.last_words(60));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// How often a line was said so far.
    pub fn said(&self, text: &str) -> usize {
        self.machine.console().lines(0).iter().filter(|line| line.text.contains(text)).count()
    }

    /// Takes the power away and waits until the BMC shows the machine off.
    pub async fn switch_off(&self, patience: Duration) -> anyhow::Result<()> {
        self.machine.cut_power(AfterPowerCut::StaysOff).await.context("cut the power")?;
        self.goes_off(patience).await
    }

    /// Waits until the BMC shows the machine off.
    pub async fn goes_off(&self, patience: Duration) -> anyhow::Result<()> {
        self.shows(Power::Off, patience).await
    }

    /// Waits until the BMC shows the machine on, which is some time after it was told to switch it on.
    pub async fn goes_on(&self, patience: Duration) -> anyhow::Result<()> {
        self.shows(Power::On, patience).await
    }

    async fn shows(&self, wanted: Power, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while self.bmc().state().power != wanted {
            if Instant::now() >= deadline {
                bail!("the machine is never {wanted:?}\n{}", self.last_words(20));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The end of what it said on its console, for messages.
    pub fn last_words(&self, lines: usize) -> String {
        let all = self.machine.console().lines(0);
        let texts: Vec<&str> =
            all[all.len().saturating_sub(lines)..].iter().map(|l| l.text.as_str()).collect();
        texts.join("\n")
    }
}
