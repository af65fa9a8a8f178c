// SPDX-License-Identifier: AGPL-3.0-or-later
//! A repository, a controller, and servers whose BMC is `sushy-emulator`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use shoal_schema::api::ServerView;
use shoal_schema::status::ServerStatus;
use shoal_testbed::bmc::{Disk, Identity};
use shoal_testbed::machine::MachineReport;
use shoal_testbed::python;
use shoal_testbed_site::{Addresses, Controller, Peer, Place, Programs, Repository};
use tokio::time::Instant;

use crate::emulator::{Drives, Emulator, PASSWORD, System, USER};
use crate::sidecar::Sidecar;

/// A job waits at most eleven seconds for each change of power, twice or three times; the rest is for a host that has
/// other things to do.
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// The controller's times are divided by this. Not more: a power on that does not show within a third of its budget is
/// asked for again, and each time the emulator draws another delay of up to eleven seconds.
const TIME_DIVISOR: &str = "--time-divisor=2";
const DISK_BYTES: u64 = 256 << 20;

const RECIPE: &str = "apiVersion: shoal.dev/v1
kind: Recipe
metadata: {name: linux}
spec:
  target: install-linux.target
  layout:
    - {size: 64M, type_guid: ef00, format: vfat, label: esp}
    - {size: 34M, type_guid: \"8300\", format: vfat, label: cidata}
    - {size: 100%, type_guid: \"8300\", format: ext4, label: root}
  userData:
    text: |
      #cloud-config
      hostname: ${server.name}
";
/// What machines install; simulated ones do not pull it.
const IMAGE: &str = "apiVersion: shoal.dev/v1
kind: Image
metadata: {name: small}
spec:
  versions:
    \"1\": {oci: \"registry.test/os/small@sha256:1111111111111111111111111111111111111111111111111111111111111111\"}
";

/// A server: its BMC, and what makes a machine of it.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) emulator: Emulator,
    pub(crate) sidecar: Sidecar,
}

/// All of it. Dropped in this order.
pub(crate) struct Lab {
    controller: Option<Controller>,
    programs: Programs,
    python: PathBuf,
    servers: usize,
    place: Place,
}

impl Lab {
    /// A lab without servers, whose controller does not run yet; nothing where sushy-tools cannot be had.
    pub(crate) fn new() -> Option<Self> {
        let requirements = include_str!("sushy.txt");
        let python = python::for_tests(env!("CARGO_TARGET_TMPDIR"), "sushy", requirements)?;
        let place = Place::new("shoal-sushy-", None).expect("a directory");
        let programs = Programs::find(&place).expect("shoal");
        place.write_maintenance_stand_in().expect("a file");
        let repository = Repository::make(&programs, &place).expect("a repository");
        let recipient = repository.make_age_key().expect("a key");
        let fleet = format!(
            "apiVersion: shoal.dev/v1
kind: Fleet
metadata: {{name: lab}}
spec:
  firstInstall: blankOnly
  recipients: [{{name: controller, key: {recipient}}}]
  limits: {{concurrent: 4, sharePercent: 100}}
  status: {{flushSeconds: 1}}
  defaults: {{recipe: linux}}
"
        );
        repository.write("shoal.yaml", &fleet).expect("a file");
        repository.write("recipes/linux.yaml", RECIPE).expect("a file");
        repository.write("images/small.yaml", IMAGE).expect("a file");
        Some(Self { controller: None, programs, python, servers: 0, place })
    }

    /// A server with an emulator of its own; written, not committed. Git knows it by the UUID: the emulator shows no
    /// serial.
    pub(crate) async fn add(&mut self, name: &'static str, drives: Drives, powered_on: bool) -> Server {
        self.servers += 1;
        let mut identity = Identity::numbered(71, self.servers);
        let disk = Disk { size_bytes: DISK_BYTES, ..identity.disks[0].clone() };
        identity.disks = vec![disk];
        let system =
            System { uuid: identity.uuid.to_string(), mac: identity.macs[0].clone(), drives, powered_on };
        let directory = self.place.root().join(name);
        let emulator = Emulator::start(&self.python, directory.join("bmc"), system).await;
        let document = format!(
            "apiVersion: shoal.dev/v1
kind: Server
metadata: {{name: {name}}}
spec:
  uuid: {}
  bmc:
    address: {}
    credentials: {{secret: bmc/{name}}}
    tls: {{sha256: \"{}\"}}
  os: {{image: small, version: \"1\"}}
  disk: {{serial: {}}}
",
            identity.uuid,
            emulator.url(),
            emulator.fingerprint(),
            identity.disks[0].serial,
        );
        self.repository().write(format!("servers/{name}.yaml"), &document).expect("a file");
        self.write_password(name, PASSWORD);
        let sidecar = Sidecar::start(&emulator, identity, directory.join("disks")).await;
        Server { name, emulator, sidecar }
    }

    /// The Secret of a server's BMC; written, not committed.
    pub(crate) fn write_password(&self, name: &str, password: &str) {
        let path = self.place.checkout().join(format!("secrets/bmc/{name}.yaml"));
        // `shoal secret new` makes new ones only.
        if path.exists() {
            fs::remove_file(path).expect("it goes");
        }
        let login = format!("username: {USER}\npassword: {password}\n");
        self.repository().write_secret(&format!("bmc/{name}"), &login).expect("a Secret");
    }

    /// Commits and pushes what was written; a controller that runs is told.
    pub(crate) fn push(&self, message: &str) {
        self.repository().commit(message).expect("a commit");
        self.repository().push().expect("a push");
        if self.controller.is_some() {
            let said = self.programs.shoal(&self.place.checkout(), &["reconcile"]).expect("shoal runs");
            said.expect_success("shoal reconcile").expect("it reconciles");
        }
    }

    pub(crate) async fn start_controller(&mut self) {
        let settings = [TIME_DIVISOR.to_owned(), "--sweep-interval=1s".to_owned()];
        let at = Addresses::any();
        let started = Controller::start(&self.programs, &self.place, &at, &settings).await;
        let (controller, _) = started.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
        self.controller = Some(controller);
    }

    /// Waits until the controller's view of a server is as wanted.
    pub(crate) async fn until(
        &self,
        server: &Server,
        what: &str,
        is_so: impl Fn(&ServerView) -> bool,
    ) -> ServerView {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let servers = Peer::Socket(self.place.socket()).json::<Vec<ServerView>>("/api/v1/servers").await;
            let servers = servers.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
            let view = servers.into_iter().find(|view| view.status.name == server.name);
            if let Some(view) = view.as_ref().filter(|view| is_so(view)) {
                return view.clone();
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {}: {what}\n{view:#?}\n{}",
                server.name,
                self.tell(server)
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the machine itself is as wanted.
    pub(crate) async fn until_machine(
        &self,
        server: &Server,
        what: &str,
        is_so: impl Fn(&MachineReport) -> bool,
    ) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&server.sidecar.report()) {
            assert!(
                Instant::now() < deadline,
                "waited in vain for the machine of {}: {what}\n{}",
                server.name,
                self.tell(server)
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the server's file on the status branch is as wanted.
    pub(crate) async fn until_published(
        &self,
        server: &Server,
        is_so: impl Fn(&ServerStatus) -> bool,
    ) -> ServerStatus {
        let path = format!("shoal/status:servers/{}.json", server.name);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The branch may not have the file yet.
            let text = self.programs.git(&self.place.bare(), &["show", &path]).unwrap_or_default();
            let status = serde_json::from_str(&text).ok();
            if let Some(status) = status.filter(|status| is_so(status)) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the status branch does not say it of {}:\n{text}\n{}",
                server.name,
                self.tell(server)
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    fn repository(&self) -> Repository<'_> {
        Repository::of(&self.programs, &self.place)
    }

    /// What the controller logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.controller_log()).unwrap_or_default()
    }

    /// Everything about a server, for a test that fails.
    fn tell(&self, server: &Server) -> String {
        let (report, error) = (server.sidecar.report(), server.sidecar.last_error());
        let events = serde_json::to_value(&report.events).unwrap_or(Value::Null);
        format!("{events:#}\n{error:?}\n{}\n{}", server.emulator.log(), self.log())
    }
}
