// SPDX-License-Identifier: AGPL-3.0-or-later
//! One machine behind one BMC, with a controller beside it, and waiting for what must come true.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shoal_testbed::bmc::profiles::{IDRAC9_6, InsertRoute, Profile};
use shoal_testbed::bmc::{
    BmcConfig, BmcHandle, Clock, Credentials, Disk, Farm, FarmConfig, Identity, MediumKind, Password, Power,
    TokioClock,
};
use shoal_testbed::faults::FaultPlan;
use shoal_testbed::machine::{
    AfterInstall, BootReads, Happening, Installed, MachineBehaviour, MachineConfig, MachineReport, Running,
    SimulatedMachine, Timing, digest, read_back,
};

use crate::controller::{Controller, linux};

/// Serial of the machine.
pub(crate) const SERIAL: &str = "SB00001ABCD";

/// The bench.
pub(crate) struct Bench {
    pub(crate) controller: Controller,
    pub(crate) machine: SimulatedMachine,
    farm: Farm,
    http: reqwest::Client,
    _directory: tempfile::TempDir,
}

/// How a bench differs from the usual: two CDs, plain HTTP, a good machine, no time.
pub(crate) struct Options {
    pub(crate) profile: &'static Profile,
    pub(crate) behaviour: &'static str,
    pub(crate) time_scale: f64,
    pub(crate) boot_reads: BootReads,
    pub(crate) after_install: AfterInstall,
    pub(crate) disk_bytes: u64,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: &IDRAC9_6,
            behaviour: "{}",
            time_scale: 0.0,
            boot_reads: BootReads::Sparse,
            after_install: AfterInstall::Waits,
            disk_bytes: 64 << 20,
            clock: None,
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.machine.halt();
    }
}

impl Bench {
    pub(crate) async fn new(behaviour: &'static str) -> Self {
        Self::with(Controller::plain().await, Options { behaviour, ..Options::default() }).await
    }

    pub(crate) async fn with(controller: Controller, options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = options.clock.unwrap_or_else(|| {
            Arc::new(TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time")))
        });
        let disk = Disk {
            path: "/dev/sda".to_owned(),
            serial: "DISK1".to_owned(),
            wwn: None,
            size_bytes: options.disk_bytes,
            rotational: false,
        };
        let identity = Identity { serial: SERIAL.to_owned(), disks: vec![disk], ..Identity::numbered(42, 0) };
        let machine = SimulatedMachine::new(MachineConfig {
            identity: identity.clone(),
            directory: directory.path().to_owned(),
            behaviour: MachineBehaviour::parse(options.behaviour).expect("the test's own behaviour"),
            timing: Timing::default(),
            time_scale: options.time_scale,
            boot_reads: options.boot_reads,
            after_install: options.after_install,
            seed: 42,
            clock: clock.clone(),
        })
        .expect("a machine");
        let bmc = BmcConfig {
            profile: options.profile,
            identity,
            credentials: Credentials {
                user: "root".to_owned(),
                password: Password::new("secret".to_owned()),
            },
            machine: Arc::new(machine.clone()),
            powered_on: false,
            log_capacity: 500,
        };
        let farm = Farm::start(FarmConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: false,
            bmcs: vec![bmc],
            faults: FaultPlan::default(),
            seed: 42,
            clock,
            time_scale: 0.0,
            control: None,
            log_file: None,
        })
        .await
        .expect("a farm");
        let tls = shoal_testbed::tls::unverified_client_config().expect("ring is there");
        let http =
            reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
        Self { controller, machine, farm, http, _directory: directory }
    }

    pub(crate) fn bmc(&self) -> &BmcHandle {
        &self.farm.bmcs()[0]
    }

    fn system(&self) -> String {
        format!("/redfish/v1/Systems/{}", self.bmc().profile().system.id)
    }

    async fn send(&self, method: http::Method, path: &str, body: Value) {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.bmc().url()));
        if method == http::Method::PATCH {
            request = request.header("if-match", "*");
        }
        let answer = request.basic_auth("root", Some("secret")).json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.expect("a body"));
    }

    pub(crate) async fn reset(&self, kind: &str) {
        let path = format!("{}/Actions/ComputerSystem.Reset", self.system());
        self.send(http::Method::POST, &path, json!({"ResetType": kind})).await;
    }

    /// Inserts an image into the slot with this index, on the model's own route.
    pub(crate) async fn insert(&self, slot: usize, url: &str) {
        let media = &self.bmc().profile().media;
        let path = &self.bmc().state().slots[slot].path;
        let mut body = serde_json::Map::new();
        for name in media.required_parameters {
            let value = match *name {
                "Image" => url,
                "TransferProtocolType" if url.starts_with("https") => "HTTPS",
                "TransferProtocolType" => "HTTP",
                _ => "none",
            };
            body.insert((*name).to_owned(), json!(value));
        }
        match media.route {
            InsertRoute::Action => {
                let action = format!("{path}/Actions/VirtualMedia.InsertMedia");
                self.send(http::Method::POST, &action, body.into()).await;
            }
            InsertRoute::Patch => {
                body.insert("Inserted".to_owned(), json!(true));
                self.send(http::Method::PATCH, path, body.into()).await;
            }
            InsertRoute::OemPair
            | InsertRoute::Control { .. }
            | InsertRoute::Configured
            | InsertRoute::Listed => {
                panic!(
                    "{}: machines are tried on models with a way of the standard",
                    self.bmc().profile().name
                )
            }
        }
        // Where it is a task, it is not over yet.
        self.until("inserted", |bench| bench.bmc().state().slots[slot].image.is_some()).await;
    }

    pub(crate) async fn eject_all(&self) {
        for slot in self.bmc().state().slots.iter().filter(|slot| slot.image.is_some()) {
            match self.bmc().profile().media.route {
                InsertRoute::Action => {
                    let path = format!("{}/Actions/VirtualMedia.EjectMedia", slot.path);
                    self.send(http::Method::POST, &path, json!({})).await;
                }
                InsertRoute::Patch => {
                    self.send(http::Method::PATCH, &slot.path, json!({"Image": null})).await;
                }
                InsertRoute::OemPair
                | InsertRoute::Control { .. }
                | InsertRoute::Configured
                | InsertRoute::Listed => {}
            }
        }
        let empty = |bench: &Self| bench.bmc().state().slots.iter().all(|slot| slot.image.is_none());
        self.until("ejected", empty).await;
    }

    /// One-time boot from the virtual CD.
    pub(crate) async fn boot_once(&self) {
        self.set_boot(json!({
            "BootSourceOverrideEnabled": "Once",
            "BootSourceOverrideTarget": self.bmc().profile().boot.cd_target,
            "BootSourceOverrideMode": "UEFI",
        }))
        .await;
    }

    /// The same, with the firmware mode left out.
    pub(crate) async fn boot_once_without_mode(&self) {
        self.set_boot(json!({
            "BootSourceOverrideEnabled": "Once",
            "BootSourceOverrideTarget": self.bmc().profile().boot.cd_target,
        }))
        .await;
    }

    /// Sets the boot override where the model takes it.
    pub(crate) async fn set_boot(&self, boot: Value) {
        let path = self.bmc().profile().boot_path();
        self.send(http::Method::PATCH, &path, json!({"Boot": boot})).await;
    }

    /// What a controller does to start an attempt: media in, one-time boot, power on.
    pub(crate) async fn start(&self, task: &Value, recipe: &Value) {
        let (boot, task) = (self.controller.maintenance(), self.controller.task(task, recipe));
        self.insert(0, &boot).await;
        self.insert(1, &task).await;
        self.boot_once().await;
        self.reset("On").await;
    }

    /// The usual attempt.
    pub(crate) async fn attempt(&self) {
        self.start(&self.controller.task_for(SERIAL), &linux()).await;
    }

    /// What a controller does at the end of an attempt: off, media out.
    pub(crate) async fn finish(&self) {
        if self.bmc().state().power != Power::Off {
            self.reset("ForceOff").await;
            self.until("off", |bench| bench.bmc().state().power == Power::Off).await;
        }
        self.eject_all().await;
    }

    pub(crate) fn report(&self) -> MachineReport {
        self.machine.report()
    }

    /// Waits until `holds`; fails, with what happened, when it does not within 20 seconds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            let said = || {
                format!("never came true: {what}\n{:#?}\n{:#?}", self.report(), self.controller.webhooks())
            };
            assert!(started.elapsed() < Duration::from_secs(20), "{}", said());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn until_webhooks(&self, count: usize) {
        self.until("webhooks", |bench| bench.controller.webhooks().len() >= count).await;
    }

    pub(crate) async fn until_running(&self, running: Running) {
        self.until("running", |bench| bench.report().running == running).await;
    }

    /// Waits until something happened `count` times.
    pub(crate) async fn until_happened(&self, count: usize, pick: impl Fn(&Happening) -> bool) {
        self.until("happened", |bench| bench.report().find(|what| pick(what).then_some(())).count() >= count)
            .await;
    }

    pub(crate) fn disk_digest(&self) -> String {
        digest(self.machine.disks()[0].path()).expect("readable")
    }

    pub(crate) fn disk_writes(&self) -> u64 {
        self.report().disks.iter().map(|disk| disk.writes).sum()
    }

    pub(crate) fn installed(&self) -> Option<Installed> {
        read_back(self.machine.disks()[0].path()).expect("readable")
    }

    pub(crate) fn medium_kind(&self, slot: usize) -> Option<MediumKind> {
        self.bmc().state().slots[slot].kind
    }
}
