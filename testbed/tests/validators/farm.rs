// SPDX-License-Identifier: AGPL-3.0-or-later
//! The BMCs that are validated: over HTTPS, with a machine that is on, and the same ids in each run.

use std::sync::Arc;

use jiff::Timestamp;
use shoal_testbed::bmc::profiles::Profile;
use shoal_testbed::bmc::{
    BmcConfig, Credentials, Farm, FarmConfig, Identity, NullMachine, Password, TokioClock,
};
use shoal_testbed::faults::FaultPlan;

pub(crate) const USER: &str = "root";
pub(crate) const PASSWORD: &str = "correct horse";
const SEED: u64 = 1;

/// One BMC for each model, in that order.
pub(crate) async fn start(models: &[&'static Profile]) -> Farm {
    let bmcs = models.iter().enumerate().map(|(index, profile)| BmcConfig {
        profile,
        identity: Identity::numbered(SEED, index),
        credentials: Credentials { user: USER.to_owned(), password: Password::new(PASSWORD.to_owned()) },
        machine: Arc::new(NullMachine::default()),
        powered_on: true,
        log_capacity: 100,
    });
    let config = FarmConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: true,
        bmcs: bmcs.collect(),
        faults: FaultPlan::default(),
        seed: SEED,
        clock: Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)),
        time_scale: 0.001,
        control: None,
        log_file: None,
    };
    Farm::start(config).await.expect("a farm on loopback")
}
