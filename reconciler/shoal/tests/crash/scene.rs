// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where a run takes place: a repository, emulated servers, and a controller that is started again whenever it was
//! killed.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use shoal_testbed_site::{Addresses, Controller, Peer, Place, Programs, Repository};
use tokio::task::block_in_place;

use crate::forge::{Forge, may_be_full};
use crate::machines::{Machines, PASSWORD, USER};
use crate::points::{Ear, Plan, Points};

/// The controller's pauses and budgets are divided by this: a boot may take 18 seconds, on a busy host too.
const SETTINGS: [&str; 3] = ["--time-divisor=50", "--sweep-interval=1s", "--poll-interval=2s"];
/// The ports of a controller begin here, on an address of its own; this one says that the address is taken.
const FIRST_PORT: u16 = 20_000;

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
const IMAGE: &str = "apiVersion: shoal.dev/v1
kind: Image
metadata: {name: small}
spec:
  versions:
    \"1\": {oci: \"registry.test/os/small@sha256:1111111111111111111111111111111111111111111111111111111111111111\"}
    \"2\": {oci: \"registry.test/os/small@sha256:2222222222222222222222222222222222222222222222222222222222222222\"}
";

/// A run's surroundings. Dropped in this order.
pub(crate) struct Scene {
    controller: Option<Controller>,
    pub(crate) points: Points,
    pub(crate) machines: Machines,
    forge: Forge,
    pub(crate) programs: Programs,
    addresses: Addresses,
    _ear: Ear,
    /// Nobody else takes the address meanwhile.
    _taken: TcpListener,
    pub(crate) place: Place,
}

/// The name of a server in Git.
pub(crate) fn name(index: usize) -> String {
    format!("web-{index:02}")
}

impl Scene {
    /// So many servers, off and blank, pushed with version 1 of what they are to run; every install needs an approval.
    /// No controller runs yet.
    pub(crate) async fn new(servers: usize, seed: u64, plan: Plan) -> Self {
        let place = Place::new("shoal-crash-", None).expect("a directory");
        let watcher = place.root().join("watcher.sock");
        let programs = Programs::find(&place).expect("shoal").with("SHOAL_WATCHER", &watcher);
        place.write_maintenance_stand_in().expect("a file");
        let machines = Machines::start(&place.disks(), servers, seed).await;
        let (points, ear) = Points::listen(&watcher, plan);
        machines.farm.show_to(Arc::new(points.clone()));
        let forge = Forge::start(place.root().to_owned(), Arc::new(points.clone())).await;
        let (taken, ip) = own_address();
        let addresses = Addresses::at(ip, FIRST_PORT + 1);
        let scene = Self {
            controller: None,
            points,
            machines,
            forge,
            programs,
            addresses,
            _ear: ear,
            _taken: taken,
            place,
        };
        block_in_place(|| scene.write_repository(servers));
        scene
    }

    fn write_repository(&self, servers: usize) {
        let repository = Repository::make(&self.programs, &self.place).expect("a repository");
        may_be_full(&self.place.bare());
        let recipient = repository.make_age_key().expect("a key");
        let fleet = format!(
            "apiVersion: shoal.dev/v1
kind: Fleet
metadata: {{name: fleet}}
spec:
  firstInstall: approve
  recipients: [{{name: controller, key: {recipient}}}]
  limits: {{concurrent: 4, sharePercent: 100}}
  status: {{flushSeconds: 0}}
  defaults: {{recipe: linux}}
"
        );
        repository.write("shoal.yaml", &fleet).expect("a file");
        repository.write("recipes/linux.yaml", RECIPE).expect("a file");
        repository.write("images/small.yaml", IMAGE).expect("a file");
        let login = format!("username: {USER}\npassword: {PASSWORD}\n");
        repository.write_secret("bmc/lab", &login).expect("a Secret");
        for index in 0..servers {
            self.write_server(index, "1");
        }
        self.push("a fleet");
    }

    /// Another version for a server; written, not committed.
    pub(crate) fn write_server(&self, index: usize, version: &str) {
        let bmc = &self.machines.farm.bmcs()[index];
        let identity = bmc.identity();
        let document = format!(
            "apiVersion: shoal.dev/v1
kind: Server
metadata: {{name: {name}}}
spec:
  uuid: {uuid}
  bmc:
    address: {address}
    credentials: {{secret: bmc/lab}}
    tls: {{sha256: \"{fingerprint}\"}}
  os: {{image: small, version: \"{version}\"}}
  disk: {{serial: {disk}}}
",
            name = name(index),
            uuid = identity.uuid,
            address = bmc.url(),
            fingerprint = bmc.fingerprint().unwrap_or_default(),
            disk = identity.disks[0].serial,
        );
        self.repository().write(format!("servers/{}.yaml", name(index)), &document).expect("a file");
    }

    /// Commits and pushes what was written.
    pub(crate) fn push(&self, message: &str) {
        self.repository().commit(message).expect("a commit");
        self.repository().push().expect("a push");
    }

    pub(crate) fn repository(&self) -> Repository<'_> {
        Repository::of(&self.programs, &self.place)
    }

    /// The way to the controller.
    pub(crate) fn peer(&self) -> Peer {
        Peer::Socket(self.place.socket())
    }

    /// Sees to it that a controller runs, however often it is killed meanwhile.
    pub(crate) async fn keep_it_running(&mut self) {
        if self.controller.is_some() && self.points.lives() {
            return;
        }
        // Waits for the one that was killed.
        block_in_place(|| self.controller = None);
        let kills = self.points.kills().len();
        if let Err(error) = self.start_once().await {
            let why = self.points.kills().len() > kills || self.points.filled().is_some();
            assert!(why, "{error}\n{}", self.tell());
        }
    }

    /// Starts a controller; an error where it ends instead.
    pub(crate) async fn start_once(&mut self) -> Result<(), String> {
        let mut settings = SETTINGS.map(str::to_owned).to_vec();
        settings.push(format!("--repo={}", self.forge.url("fleet.git")));
        let started = Controller::start(&self.programs, &self.place, &self.addresses, &settings).await;
        let (controller, _) = started.map_err(|error| format!("{error:#}"))?;
        self.controller = Some(controller);
        Ok(())
    }

    /// What a command says that talks to the controller; nothing where the controller does not answer any more.
    pub(crate) fn shoal(&self, args: &[&str]) -> Option<String> {
        let said = self.programs.shoal(&self.place.checkout(), args).expect("shoal runs");
        (said.code == Some(0)).then_some(said.out)
    }

    /// Stops the controller as an operator does; the last status is published.
    pub(crate) async fn stop_controller(&mut self) {
        if let Some(controller) = self.controller.take() {
            let code = controller.stop().await.expect("it stops");
            assert_eq!(code, Some(0), "{}", self.tell());
        }
    }

    /// What the controllers said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.controller_log()).unwrap_or_default()
    }

    /// Everything, for a test that fails.
    pub(crate) fn tell(&self) -> String {
        let mut text = String::new();
        let kills: Vec<String> = self.points.kills().iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "killed: {kills:?}");
        for (index, machine) in self.machines.simulated.iter().enumerate() {
            let _ = writeln!(text, "--- the machine of {}", name(index));
            for event in machine.report().events {
                let _ = writeln!(text, "{} {:?}", event.at, event.what);
            }
            let _ = writeln!(text, "--- the BMC of {}", name(index));
            for record in self.machines.farm.bmcs()[index].log(0) {
                if crate::judge::is_worth_telling(&record) {
                    let _ = writeln!(text, "{} {:?}", record.at, record.what);
                }
            }
        }
        let _ = writeln!(text, "--- the controller's log\n{}", self.log());
        text
    }
}

/// A loopback address that this run has to itself: ports on it stay free while the controller is dead.
fn own_address() -> (TcpListener, IpAddr) {
    loop {
        let mut bytes = [0; 3];
        getrandom::fill(&mut bytes).expect("randomness");
        let ip = IpAddr::from([127, 64 | bytes[0] >> 1, bytes[1], bytes[2] | 2]);
        if let Ok(taken) = TcpListener::bind((ip, FIRST_PORT)) {
            return (taken, ip);
        }
    }
}
