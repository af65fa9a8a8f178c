// SPDX-License-Identifier: AGPL-3.0-or-later
//! A team's repository: a bare one, a clone with an inventory, and the status that a controller
//! would have published. Three servers: `web-01` runs what Git says, `web-02` an older version,
//! and nobody has met `db-01`.

use std::collections::BTreeMap;

use shoal_core::desired::{fleet_spec, resolve};
use shoal_core::observed::unknown_record;
use shoal_core::record;
use shoal_inventory::{Checks, DirectorySource, Loader};
use shoal_schema::disk::DiskFacts;
use shoal_schema::kinds::{ApiVersion, Recipient};
use shoal_schema::status::{BmcFacts, Record, RecordState, SUMMARY_PATH, ServerStatus, StatusSummary};
use shoal_schema::{LedgerId, SecretString};

use super::harness::Sandbox;

/// The fleet's document, with one who can read secrets.
fn fleet(key: &str) -> String {
    format!(
        "apiVersion: shoal.dev/v1\nkind: Fleet\nmetadata:\n  name: fleet\nspec:\n  defaults:\n    \
         recipe: debian\n  recipients:\n    - name: controller\n      key: {key}\n"
    )
}

const RECIPE: &str = "\
apiVersion: shoal.dev/v1
kind: Recipe
metadata:
  name: debian
spec:
  target: install-linux.target
  disk:
    minSize: 100G
  layout:
    - {size: 512M, type_guid: ef00, format: vfat, label: ESP}
    - {size: 100%, type_guid: \"8300\", format: ext4, label: root}
";

const IMAGE: &str = "\
apiVersion: shoal.dev/v1
kind: Image
metadata:
  name: debian
spec:
  versions:
    \"13.1\":
      oci: registry.example/os/debian@sha256:1111111111111111111111111111111111111111111111111111111111111111
    \"13.2\":
      oci: registry.example/os/debian@sha256:2222222222222222222222222222222222222222222222222222222222222222
";

/// A server's document.
pub(crate) fn server(name: &str, serial: &str, address: &str, version: &str) -> String {
    format!(
        "apiVersion: shoal.dev/v1\nkind: Server\nmetadata:\n  name: {name}\nspec:\n  serial: {serial}\n  \
         bmc:\n    address: https://{address}\n    tls:\n      trustOnFirstUse: true\n    credentials:\n      \
         secret: bmc/all\n  os:\n    image: debian\n    version: \"{version}\"\n"
    )
}

/// A Secret that nobody can open, for planning never does; and who could.
fn secret() -> (String, String) {
    let key = shoal_secrets::KeyPair::generate().public;
    let recipients = [Recipient { name: "controller".to_owned(), key: key.clone() }];
    let value = |text: &str| SecretString::new(text.to_owned());
    let values = BTreeMap::from([
        ("username".to_owned(), value("root")),
        ("password".to_owned(), value("c4n4ry-passw0rd")),
    ]);
    let spec = shoal_secrets::encrypt("bmc/all", &values, &recipients).expect("it encrypts");
    let age = format!("    {}\n", spec.age.trim_end().replace('\n', "\n    "));
    let text = format!(
        "apiVersion: shoal.dev/v1\nkind: Secret\nmetadata:\n  name: bmc/all\nspec:\n  recipients: [controller]\n  \
         recipientsDigest: {}\n  age: |\n{age}",
        spec.recipients_digest
    );
    (text, key)
}

/// The files of the inventory.
pub(crate) fn write_inventory(sandbox: &Sandbox, dir: &str) {
    let file = |path: &str, text: &str| sandbox.write(&format!("{dir}/{path}"), text);
    let (secret, key) = secret();
    file("shoal.yaml", &fleet(&key));
    file("secrets/bmc/all.yaml", &secret);
    file("recipes/debian.yaml", RECIPE);
    file("images/debian.yaml", IMAGE);
    file("servers/rack-a/web-01.yaml", &server("web-01", "SN-WEB-01", "10.0.0.1", "13.1"));
    file("servers/rack-a/web-02.yaml", &server("web-02", "SN-WEB-02", "10.0.0.2", "13.1"));
    file("servers/rack-b/db-01.yaml", &server("db-01", "SN-DB-01", "10.0.0.3", "13.1"));
}

/// A repository with a clone in `fleet`.
pub(crate) struct Team {
    pub(crate) sandbox: Sandbox,
}

impl Team {
    /// With an inventory, and no status yet.
    pub(crate) fn without_status() -> Self {
        let sandbox = Sandbox::new();
        sandbox.git("", &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        sandbox.git("", &["clone", "-q", "origin.git", "fleet"]);
        sandbox.git("fleet", &["switch", "-q", "-C", "main"]);
        sandbox.git("fleet", &["config", "user.name", "Ada"]);
        sandbox.git("fleet", &["config", "user.email", "ada@example.org"]);
        write_inventory(&sandbox, "fleet");
        let team = Self { sandbox };
        team.push("inventory");
        team
    }

    /// With an inventory and its status, and then version 13.2 asked for `web-02`.
    pub(crate) fn new() -> Self {
        let team = Self::without_status();
        team.publish(&["web-01", "web-02"]);
        team.bump("web-02");
        team.push("web-02: debian 13.2");
        team
    }

    /// Asks for version 13.2, in the work tree alone.
    pub(crate) fn bump(&self, name: &str) {
        let path = format!("fleet/servers/rack-a/{name}.yaml");
        let text = self.sandbox.read(&path).replace("13.1", "13.2");
        self.sandbox.write(&path, &text);
    }

    /// Commits everything and pushes it.
    pub(crate) fn push(&self, message: &str) {
        self.sandbox.git("fleet", &["add", "-A"]);
        self.sandbox.git("fleet", &["commit", "-q", "-m", message]);
        self.sandbox.git("fleet", &["push", "-q", "origin", "HEAD"]);
    }

    /// What a controller publishes that installed these servers as Git says now.
    pub(crate) fn publish(&self, installed: &[&str]) {
        let commit = self.sandbox.git("fleet", &["rev-parse", "HEAD"]);
        let files = self.status_files(installed, &commit);
        let dir = self.sandbox.path("status");
        let _ = std::fs::remove_dir_all(&dir);
        self.sandbox.git("", &["clone", "-q", "origin.git", "status"]);
        self.sandbox.git("status", &["switch", "-q", "--orphan", "shoal/status"]);
        for (path, text) in files {
            self.sandbox.write(&format!("status/{path}"), &text);
        }
        self.sandbox.git("status", &["add", "-A"]);
        self.sandbox.git("status", &["commit", "-q", "-m", "status"]);
        self.sandbox.git("status", &["push", "-q", "-f", "origin", "shoal/status"]);
        self.fetch();
    }

    /// Brings what was pushed into the clone.
    pub(crate) fn fetch(&self) {
        self.sandbox.git("fleet", &["fetch", "-q", "origin"]);
    }

    /// A status by path, as a controller writes it.
    pub(crate) fn status_files(&self, installed: &[&str], commit: &str) -> Vec<(String, String)> {
        let source = DirectorySource::new(self.sandbox.path("fleet"));
        let inventory = Loader::new(std::num::NonZeroUsize::MIN)
            .load(&source, &Checks::default())
            .expect("the inventory loads")
            .inventory;
        let fleet = fleet_spec(&inventory);
        let mut files = Vec::new();
        for name in inventory.servers.keys() {
            let desired = resolve(&inventory, &fleet, name).expect("the server resolves");
            let mut record = unknown_record();
            if installed.contains(&name.as_str()) {
                let target = desired.install.as_ref().expect("something to install");
                let started = record::job_started(&record, &desired);
                let disk = DiskFacts {
                    path: "/dev/sda".to_owned(),
                    serial: Some(format!("DISK-{name}")),
                    wwn: None,
                    size_bytes: 480 << 30,
                    rotational: Some(false),
                };
                record = Record {
                    number: started.number,
                    disks: vec![disk.clone()],
                    state: RecordState::Installed,
                    ..record::adopted(&started, &desired, target)
                };
                if let Some(on) = &mut record.installed {
                    on.on = Some(disk);
                }
            }
            let shelf = inventory.servers[name].file.rsplit_once('/').map_or("servers", |(dir, _)| dir);
            files.push((format!("{shelf}/{name}.json"), json(&status(name, record))));
        }
        let summary = StatusSummary {
            api_version: ApiVersion::V1,
            ledger: LedgerId::from_bytes([7; 16]),
            counter: 4,
            writer: "shoal test".to_owned(),
            incarnation: String::new(),
            commit: Some(commit.to_owned()),
            refused: None,
            counts: BTreeMap::new(),
            paused: false,
            guards: Vec::new(),
        };
        files.push((SUMMARY_PATH.to_owned(), json(&summary)));
        files
    }
}

fn status(name: &str, record: Record) -> ServerStatus {
    ServerStatus {
        api_version: ApiVersion::V1,
        name: name.to_owned(),
        record,
        bmc: Some(BmcFacts {
            reachable: true,
            vendor: Some("Test".to_owned()),
            model: Some("T100".to_owned()),
            rung: Some("two-cd".to_owned()),
            scheme: Some("http".to_owned()),
            boots_by: Some("Cd".to_owned()),
            power: Some("On".to_owned()),
            ..BmcFacts::default()
        }),
        conditions: Vec::new(),
        job: None,
        attempted_entry: None,
        applied_entry: None,
        last_error: None,
        next_try: None,
        drift: Vec::new(),
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("status is JSON") + "\n"
}
