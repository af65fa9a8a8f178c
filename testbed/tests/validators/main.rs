// SPDX-License-Identifier: AGPL-3.0-or-later
//! The public validators of the DMTF, over the emulated BMCs: the service validator compares what they show with the
//! Redfish schemas, the protocol validator how they answer with the Redfish specification.
//!
//! Every FAIL is compared with `expected.yaml`, which holds those that hardware of that kind would get too, each with
//! its reason. A new FAIL fails the test, and so does one that is gone.
//!
//! The service validator needs the schemas, which no package brings: `just validate-redfish` names a directory of them
//! in `SHOAL_REDFISH_SCHEMAS`, and then both validators see every model. Without it the protocol validator sees two.

mod expected;
mod fail;
mod farm;
mod protocol;
mod service;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use shoal_testbed::bmc::profiles::{self, IDRAC9_6, OPENBMC_GB200, Profile};
use shoal_testbed::python;

use expected::Expected;
use fail::{Report, Validator};

/// Fewer passed checks than any model has: a validator that saw less has not seen the model.
const PASSES: usize = 150;

/// The directory of schemas, where the caller names one.
fn schemas() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("SHOAL_REDFISH_SCHEMAS")?);
    assert!(
        directory.join("ComputerSystem_v1.xml").exists(),
        "SHOAL_REDFISH_SCHEMAS is {}, and there is no ComputerSystem_v1.xml",
        directory.display()
    );
    Some(directory)
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr");
}

/// A Python with the validators.
async fn python() -> Option<PathBuf> {
    let find = || {
        let requirements = include_str!("requirements.txt");
        python::for_tests(env!("CARGO_TARGET_TMPDIR"), "redfish-validators", requirements)
    };
    tokio::task::spawn_blocking(find).await.expect("it says whether")
}

/// Fails with everything that is not as expected, of all models.
fn judge(validator: Validator, reports: &[(&'static Profile, Report)]) {
    let expected = Expected::read();
    let mut complaints = Vec::new();
    for (profile, report) in reports {
        let (passes, fails) = (report.passes, report.fails.len());
        say(&format!("{:16} {validator:?}: {passes} passed, {fails} failed", profile.name));
        complaints.extend(expected.compare(validator, profile.name, &report.fails));
        if report.finished && passes < PASSES {
            complaints.push(format!("{}: {passes} checks passed, not {PASSES}", profile.name));
        }
    }
    assert!(complaints.is_empty(), "not as expected.yaml says:\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn the_service_validator_finds_what_is_expected_on_every_model() {
    let Some(schemas) = schemas() else {
        say("SKIPPED: SHOAL_REDFISH_SCHEMAS names no directory of schemas; see `just validate-redfish`");
        return;
    };
    let Some(python) = python().await else { return };
    let models: Vec<&'static Profile> = profiles::every().collect();
    judge(Validator::Service, &service::validate(&python, &schemas, &models).await);
}

#[tokio::test]
async fn the_protocol_validator_finds_what_is_expected() {
    let Some(python) = python().await else { return };
    let models: Vec<&'static Profile> =
        if schemas().is_some() { profiles::every().collect() } else { vec![&IDRAC9_6, &OPENBMC_GB200] };
    judge(Validator::Protocol, &protocol::validate(&python, &models).await);
}

/// A program with nobody's environment: the validators prefer certificates and proxies in it to their own flags.
fn command(program: &Path, directory: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .current_dir(directory)
        .kill_on_drop(true);
    command
}
