// SPDX-License-Identifier: AGPL-3.0-or-later
//! A farm for a test, and waiting for what must come true.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use shoal_testbed::bmc::profiles::Profile;
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Clock, Credentials, Event, Farm, FarmConfig, Identity, Machine, NullMachine,
    Password, TokioClock, What,
};
use shoal_testbed::faults::FaultPlan;

use crate::client::Client;

pub(crate) const USER: &str = "root";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const SEED: u64 = 42;

/// One BMC, its machine and a client.
pub(crate) struct Fixture {
    pub(crate) farm: Farm,
    pub(crate) machine: Arc<NullMachine>,
    pub(crate) client: Client,
}

/// How a fixture differs from the usual: off, plain HTTP, no faults, a thousandth of real times.
pub(crate) struct Options {
    pub(crate) tls: bool,
    pub(crate) powered_on: bool,
    pub(crate) time_scale: f64,
    pub(crate) faults: &'static str,
    pub(crate) ignores_shutdown: bool,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: false,
            powered_on: false,
            time_scale: 0.001,
            faults: "rules: []",
            ignores_shutdown: false,
            clock: None,
        }
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials { user: USER.to_owned(), password: Password::new(PASSWORD.to_owned()) }
}

pub(crate) fn bmc_config(
    profile: &'static Profile,
    index: usize,
    machine: Arc<dyn Machine>,
    powered_on: bool,
) -> BmcConfig {
    BmcConfig {
        profile,
        identity: Identity::numbered(SEED, index),
        credentials: credentials(),
        machine,
        powered_on,
        log_capacity: 2000,
    }
}

pub(crate) fn farm_config(bmcs: Vec<BmcConfig>) -> FarmConfig {
    FarmConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: false,
        bmcs,
        faults: FaultPlan::default(),
        seed: SEED,
        clock: Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)),
        time_scale: 0.001,
        control: None,
        log_file: None,
    }
}

impl Fixture {
    pub(crate) async fn new(profile: &'static Profile) -> Self {
        Self::with(profile, Options::default()).await
    }

    pub(crate) async fn with(profile: &'static Profile, options: Options) -> Self {
        let machine =
            Arc::new(if options.ignores_shutdown { NullMachine::hung() } else { NullMachine::default() });
        let bmc = bmc_config(profile, 0, machine.clone(), options.powered_on);
        let mut config = farm_config(vec![bmc]);
        config.tls = options.tls;
        config.time_scale = options.time_scale;
        config.faults = FaultPlan::parse(options.faults).expect("the test's own faults");
        if let Some(clock) = options.clock {
            config.clock = clock;
        }
        let farm = Farm::start(config).await.expect("a farm on loopback");
        let client = Client::basic(&farm.bmcs()[0]);
        Self { farm, machine, client }
    }

    pub(crate) fn bmc(&self) -> &BmcHandle {
        &self.farm.bmcs()[0]
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let records = self.bmc().log(0).into_iter();
        records
            .filter_map(|record| match record.what {
                What::Event(event) => Some(event),
                What::Request(_) => None,
            })
            .collect()
    }

    /// Waits until `holds`; fails, with the state and the log, when it does not within ten seconds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "never came true: {what}\nstate: {:#?}\nevents: {:#?}",
                self.bmc().state(),
                self.events()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
