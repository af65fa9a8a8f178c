// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine, its BMC over HTTPS, and a Redfish client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::IDRAC9_6;
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Credentials, Farm, FarmConfig, Identity, Password, TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed::tls::unverified_client_config;
use shoal_testbed_qemu::{Acceleration, DiskBus, Programs, QemuMachine, VmConfig, VmDisk, VmEvent};

pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/System.Embedded.1";
const PASSWORD: &str = "correct horse";
/// How long a boot may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// The programs, or nothing where a test is to be skipped: these take minutes, and are asked for with
/// `SHOAL_REQUIRE_E2E=1` (`just e2e-full`).
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn programs() -> Option<Programs> {
    if std::env::var_os("SHOAL_REQUIRE_E2E").is_none_or(|value| value != "1") {
        eprintln!("skipped: SHOAL_REQUIRE_E2E is not 1");
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = match Programs::find(&path) {
        Err(missing) => missing.to_string(),
        Ok(programs) => match tool(&path) {
            Some(tool) => format!("{tool} is missing"),
            None => {
                let forwarder = Some(PathBuf::from(env!("CARGO_BIN_EXE_shoal-vm-forward")));
                return Some(Programs { forwarder, ..programs });
            }
        },
    };
    panic!("{missing}")
}

fn tool(path: &OsString) -> Option<&'static str> {
    let there = |name: &str| std::env::split_paths(path).any(|directory| directory.join(name).is_file());
    let program = ["grub-mkstandalone", "xorriso"].into_iter().find(|name| !there(name));
    let modules = "/usr/lib/grub/x86_64-efi";
    program.or_else(|| (!Path::new(modules).is_dir()).then_some(modules))
}

/// The usual machine: half a gigabyte, in software, its disk an NVMe one.
pub(crate) fn config(programs: Programs, directory: &Path) -> VmConfig {
    let mut config = VmConfig::new(Identity::numbered(7, 0), directory.to_owned(), programs);
    config.memory_mib = 512;
    config.acceleration = Acceleration::Software;
    config.disks = vec![VmDisk { bus: DiskBus::Nvme, serial: "DISK0".to_owned(), size_bytes: 64 << 20 }];
    config
}

pub(crate) struct World {
    pub(crate) machine: QemuMachine,
    pub(crate) farm: Farm,
    http: reqwest::Client,
}

impl World {
    pub(crate) async fn start(config: VmConfig) -> Self {
        let identity = config.identity.clone();
        let machine = QemuMachine::start(config).await.unwrap_or_else(|error| panic!("{error:?}"));
        let credentials =
            Credentials { user: "root".to_owned(), password: Password::new(PASSWORD.to_owned()) };
        let bmc = BmcConfig {
            profile: &IDRAC9_6,
            identity,
            credentials,
            machine: machine.wire(),
            powered_on: false,
            log_capacity: 500,
        };
        let farm = Farm::start(FarmConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: true,
            bmcs: vec![bmc],
            faults: FaultPlan::default(),
            seed: 7,
            clock: Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)),
            time_scale: 0.001,
            control: None,
            log_file: None,
        });
        let farm = farm.await.expect("a farm on loopback");
        let tls = unverified_client_config().expect("ring is there");
        let http =
            reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
        Self { machine, farm, http }
    }

    pub(crate) fn bmc(&self) -> &BmcHandle {
        &self.farm.bmcs()[0]
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.basic_auth("root", Some(PASSWORD)).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("text"));
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn url(&self, path: &str) -> String {
        let url = self.bmc().url();
        assert!(url.starts_with("https://"), "{url}");
        format!("{url}{path}")
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(self.url(path))).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(self.http.post(self.url(path)).json(&body)).await
    }

    pub(crate) async fn insert(&self, slot: u8, url: &str) {
        let path = format!("{SYSTEM}/VirtualMedia/{slot}/Actions/VirtualMedia.InsertMedia");
        self.post(&path, json!({"Image": url})).await;
    }

    pub(crate) async fn eject(&self, slot: u8) {
        let path = format!("{SYSTEM}/VirtualMedia/{slot}/Actions/VirtualMedia.EjectMedia");
        self.post(&path, json!({})).await;
    }

    pub(crate) async fn boot_once(&self, target: &str) {
        let boot = json!({"Boot": {
            "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": target, "BootSourceOverrideMode": "UEFI",
        }});
        self.send(self.http.patch(self.url(SYSTEM)).json(&boot)).await;
    }

    pub(crate) async fn reset(&self, kind: &str) {
        self.post(&format!("{SYSTEM}/Actions/ComputerSystem.Reset"), json!({"ResetType": kind})).await;
    }

    /// Waits until Redfish shows this power state.
    pub(crate) async fn power(&self, wanted: &str) {
        let started = Instant::now();
        loop {
            let shown = self.get(SYSTEM).await["PowerState"].clone();
            if shown == wanted {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{shown} instead of {wanted}: {}", self.story());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a line of the console with `text`, from line `from` on; the number of the next line.
    pub(crate) async fn says(&self, from: u64, text: &str) -> u64 {
        let found = self.machine.console().wait_for(from, |line| line.contains(text));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(Some(line)) => line.number + 1,
            _ => panic!("never said {text:?}: {}", self.story()),
        }
    }

    /// Waits for an event, from position `from` on; the next position.
    pub(crate) async fn event(&self, from: usize, wanted: impl Fn(&VmEvent) -> bool) -> usize {
        match tokio::time::timeout(PATIENCE, self.machine.wait_for(from, wanted)).await {
            Ok(Some(position)) => position + 1,
            _ => panic!("never happened: {}", self.story()),
        }
    }

    /// Types a line once the guest asks for one.
    pub(crate) async fn orders(&self, from: u64, order: &str) -> u64 {
        let after = self.says(from, "guest: ready").await;
        self.machine.type_text(&format!("{order}\r")).await.expect("typed");
        after
    }

    fn story(&self) -> String {
        let lines = self.machine.console().lines(0);
        let lines: Vec<_> = lines.into_iter().map(|line| line.text).collect();
        format!("events {:#?}\nconsole {lines:#?}", self.machine.events())
    }
}
