// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small world: a bare repository that is pushed to, a farm of BMCs, puppets, a controller that can
//! be stopped and started.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_controller::settings::{Auth, Clock, Listener, Settings, Source, TlsMode};
use shoal_controller::{Addresses, Running, start};
use shoal_core::job::Budgets;
use shoal_git::{Credential, RemoteUrl};
use shoal_schema::SecretString;
use shoal_schema::kinds::Recipient;
use shoal_secrets::KeyPair;
use shoal_taskiso::{TaskFiles, build_volume};
use shoal_testbed::bmc::{
    BmcConfig, Credentials, Farm, FarmConfig, Identity, Password, TokioClock, profiles,
};
use shoal_testbed::faults::FaultPlan;

use super::puppet::Puppet;

pub(crate) const PASSWORD: &str = "canary-bmc-9f3a1c";
pub(crate) const HOOK_KEY: &str = "canary-hook-51d0ce";
pub(crate) const OS_HASH: &str = "canary-os-77b2e4";
const LIMIT: Duration = Duration::from_secs(25);

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) farm: Farm,
    pub(crate) puppets: Vec<Puppet>,
    pub(crate) controller: Option<Running>,
    runtime: Option<tokio::runtime::Runtime>,
    /// Where it first listened: it comes back to the same place, as machines expect.
    addresses: Addresses,
    key: KeyPair,
    /// What is otherwise in the controller's settings.
    pub(crate) tweak: fn(&mut Settings),
    /// Hears everything that the controller says, down to the smallest.
    pub(crate) listener: Option<tracing::Dispatch>,
}

impl World {
    /// One server per profile name, with machines that do as they are told.
    pub(crate) async fn new(profile_names: &[&str]) -> Self {
        // What the controller says is shown with a test that fails.
        let filter = tracing_subscriber::EnvFilter::new("info,shoal_controller=debug");
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let dir = tempfile::tempdir().unwrap();
        let mut puppets = Vec::new();
        let mut bmcs = Vec::new();
        for (index, name) in profile_names.iter().enumerate() {
            let identity = Identity::numbered(7, index);
            let puppet = Puppet::new(&identity.serial, &identity.disks[0].serial);
            bmcs.push(BmcConfig {
                profile: profiles::by_name(name).unwrap(),
                identity,
                credentials: Credentials { user: "root".into(), password: Password::new(PASSWORD.into()) },
                machine: Arc::new(puppet.clone()),
                powered_on: true,
                log_capacity: 10_000,
            });
            puppets.push(puppet);
        }
        let farm = Farm::start(FarmConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: true,
            bmcs,
            faults: FaultPlan::default(),
            seed: 7,
            clock: Arc::new(TokioClock::starting_at(jiff::Timestamp::now())),
            time_scale: 0.002,
            control: None,
            log_file: None,
        })
        .await
        .unwrap();
        let world = Self {
            dir,
            farm,
            puppets,
            controller: None,
            runtime: None,
            addresses: Addresses::default(),
            key: KeyPair::generate(),
            tweak: |_| {},
            listener: None,
        };
        world.git(&["init", "-q", "--bare", "-b", "main", "repo.git"]);
        world.git(&["init", "-q", "-b", "main", "work"]);
        world.git(&["-C", "work", "remote", "add", "origin", "../repo.git"]);
        let iso = build_volume("SHOAL_MAINTENANCE", &TaskFiles::new(), 0, 0, 1 << 20).unwrap();
        std::fs::write(world.path("maintenance.iso"), &iso.bytes).unwrap();
        world.write_inventory();
        world
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git_in(self.dir.path(), args)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path("work").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn push(&self, message: &str) -> String {
        self.git(&["-C", "work", "add", "-A"]);
        self.git(&["-C", "work", "commit", "-q", "-m", message]);
        self.git(&["-C", "work", "push", "-q", "origin", "main"]);
        self.git(&["-C", "work", "rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Documents are written as JSON, which is YAML.
    pub(crate) fn write_json(&self, path: &str, document: &Value) {
        self.write(path, &serde_json::to_string_pretty(document).unwrap());
    }

    pub(crate) fn write_fleet(&self, first_install: &str) {
        self.write_json(
            "shoal.yaml",
            &json!({
                "apiVersion": "shoal.dev/v1", "kind": "Fleet", "metadata": {"name": "test"},
                "spec": {
                    "firstInstall": first_install,
                    "status": {"flushSeconds": 0},
                    "limits": {"sharePercent": 100, "removedSharePercent": 10},
                    "defaults": {"recipe": "debian"},
                    "recipients": [{"name": "controller", "key": self.key.public}],
                },
            }),
        );
    }

    fn write_inventory(&self) {
        self.write_fleet("blankOnly");
        self.write_json(
            "recipes/debian.yaml",
            &json!({
                "apiVersion": "shoal.dev/v1", "kind": "Recipe", "metadata": {"name": "debian"},
                "spec": {
                    "target": "install-linux.target",
                    "layout": [
                        {"size": "512M", "type_guid": "ef00", "format": "vfat", "label": "esp"},
                        {"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"},
                    ],
                    "userData": {
                        "text": "#cloud-config\nhostname: ${server.name}\npasswd: ${secret.root|quote}\n",
                        "secrets": {"root": {"secret": "os/admin", "key": "hash"}},
                    },
                },
            }),
        );
        self.write_image(&[("12.8", 'a'), ("13.1", 'b')]);
        self.write_secret("bmc/rack-a", &[("username", "root"), ("password", PASSWORD)]);
        self.write_secret("os/admin", &[("hash", OS_HASH)]);
        self.write_secret("hooks/chat", &[("key", HOOK_KEY)]);
        for index in 0..self.puppets.len() {
            self.write_server(index, "12.8");
        }
    }

    pub(crate) fn write_image(&self, versions: &[(&str, char)]) {
        let versions: BTreeMap<&str, Value> = versions
            .iter()
            .map(|(version, digit)| {
                let digest: String = std::iter::repeat_n(*digit, 64).collect();
                (*version, json!({"oci": format!("registry.test/os/debian@sha256:{digest}")}))
            })
            .collect();
        self.write_json(
            "images/debian.yaml",
            &json!({
                "apiVersion": "shoal.dev/v1", "kind": "Image", "metadata": {"name": "debian"},
                "spec": {"versions": versions},
            }),
        );
    }

    /// The Fleet says whom to tell.
    pub(crate) fn tell(&self, notify: &Value) {
        let path = self.path("work/shoal.yaml");
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        document["spec"]["notify"] = notify.clone();
        std::fs::write(path, document.to_string()).unwrap();
    }

    /// Nothing in Git says which certificate a BMC has.
    pub(crate) fn trust_on_first_use(&self, index: usize) {
        let path = self.path("work").join(format!("servers/rack-a/{}.yaml", name(index)));
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        document["spec"]["bmc"]["tls"] = json!({"trustOnFirstUse": true});
        std::fs::write(path, document.to_string()).unwrap();
    }

    /// Another address stands in a server's file than its own BMC's, and nothing is installed there.
    pub(crate) fn bmc_at(&self, index: usize, address: &str) {
        let path = self.path("work").join(format!("servers/rack-a/{}.yaml", name(index)));
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        document["spec"]["bmc"] = json!({"address": address, "credentials": {"secret": "bmc/rack-a"}});
        document["spec"]["suspend"] = json!(true);
        std::fs::write(path, document.to_string()).unwrap();
    }

    /// Another Secret has the account of a server's BMC.
    pub(crate) fn bmc_account(&self, index: usize, secret: &str) {
        let path = self.path("work").join(format!("servers/rack-a/{}.yaml", name(index)));
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        document["spec"]["bmc"]["credentials"]["secret"] = json!(secret);
        std::fs::write(path, document.to_string()).unwrap();
    }

    /// Encrypts a Secret for the controller and writes it.
    pub(crate) fn write_secret(&self, name: &str, values: &[(&str, &str)]) {
        let fleet = [Recipient { name: "controller".into(), key: self.key.public.clone() }];
        let data: BTreeMap<String, SecretString> =
            values.iter().map(|(k, v)| ((*k).into(), SecretString::new((*v).into()))).collect();
        let spec = shoal_secrets::encrypt(name, &data, &fleet).unwrap();
        self.write_json(
            &format!("secrets/{name}.yaml"),
            &json!({
                "apiVersion": "shoal.dev/v1", "kind": "Secret", "metadata": {"name": name},
                "spec": serde_json::to_value(&spec).unwrap(),
            }),
        );
    }

    pub(crate) fn write_server(&self, index: usize, version: &str) {
        let bmc = &self.farm.bmcs()[index];
        let identity = bmc.identity();
        self.write_json(
            &format!("servers/rack-a/{}.yaml", name(index)),
            &json!({
                "apiVersion": "shoal.dev/v1", "kind": "Server",
                "metadata": {"name": name(index), "labels": {"rack": "a"}},
                "spec": {
                    "serial": identity.serial,
                    "bmc": {
                        "address": bmc.url(),
                        "credentials": {"secret": "bmc/rack-a"},
                        "tls": {"sha256": bmc.fingerprint().unwrap()},
                    },
                    "os": {"image": "debian", "version": version},
                    "disk": {"serial": identity.disks[0].serial},
                },
            }),
        );
    }

    fn settings(&self) -> Settings {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Settings {
            source: Source::Git {
                url: RemoteUrl::local(&self.path("repo.git")),
                branch: Some("main".into()),
                credential: Credential::None,
            },
            db_path: self.path("state/db/shoal.redb"),
            storage_root: self.path("state"),
            api: Listener { addr: self.addresses.api.unwrap_or(loopback), tls: TlsMode::Off },
            api_tls: self.addresses.api_tls.or(Some(loopback)),
            media: self.addresses.media.or(Some(loopback)),
            media_tls: None,
            callback_url: None,
            media_urls: Vec::new(),
            socket: Some(self.path("shoal.sock")),
            auth: Auth::None,
            maintenance_iso: self.path("maintenance.iso"),
            static_dir: None,
            registry: Some(super::registry::settings(self.path("state/oci"))),
            identities: Some(self.key.key_file("test")),
            signing_secret: None,
            old_signing_secret: None,
            worker_concurrency: 16,
            bmc_concurrency: 64,
            redfish_timeout: Duration::from_secs(10),
            redfish_retries: 3,
            time_divisor: 50,
            budgets: Budgets { boot_ms: 4_000, ..Budgets::default().divided(100) },
            poll: Duration::from_millis(200),
            sweep: Duration::from_secs(2),
            job_retention: Duration::from_secs(86_400),
            version: "0.0.0-test",
            clock: Arc::new(SystemClock),
        }
    }

    /// Starts the controller on a runtime of its own, so that it can be dropped like a process.
    pub(crate) async fn start(&mut self) {
        let mut settings = self.settings();
        (self.tweak)(&mut settings);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(listener) = self.listener.clone() {
            // For as long as the thread lives.
            builder.on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&listener)));
        }
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let running = runtime.spawn(async move { start(settings).await }).await.unwrap().unwrap();
        self.addresses = running.addresses.clone();
        self.controller = Some(running);
        self.runtime = Some(runtime);
    }

    pub(crate) async fn stop(&mut self) {
        if let (Some(running), Some(runtime)) = (self.controller.take(), self.runtime.take()) {
            runtime.spawn(running.stop()).await.unwrap();
            tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
        }
    }

    /// Every task of the controller is dropped where it stands, as far as the outside can tell.
    pub(crate) async fn crash(&mut self) {
        let (running, runtime) = (self.controller.take(), self.runtime.take().unwrap());
        tokio::task::spawn_blocking(move || {
            runtime.shutdown_timeout(Duration::from_secs(30));
            drop(running);
        })
        .await
        .unwrap();
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://{}{path}", self.controller.as_ref().unwrap().addresses.api.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        client().get(self.api(path)).send().await.unwrap().json().await.unwrap()
    }

    /// The recipe that Git, as it was written last, renders for a server.
    pub(crate) fn recipe(&self, index: usize) -> Value {
        let source = shoal_inventory::DirectorySource::new(self.path("work"));
        let checks = shoal_inventory::Checks { watched_branch: None, now: None };
        let inventory = shoal_inventory::Loader::new(std::num::NonZeroUsize::MIN)
            .load(&source, &checks)
            .unwrap()
            .inventory;
        let fleet = shoal_core::desired::fleet_spec(&inventory);
        let desired = shoal_core::desired::resolve(&inventory, &fleet, &name(index)).unwrap();
        serde_json::to_value(desired.install.unwrap().wire_recipe()).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = client().post(self.api(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Waits until a server's view is as wanted; shows the last one when it never is.
    pub(crate) async fn wait_server(&self, index: usize, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/servers/{}", name(index));
        let mut last = Value::Null;
        let end = tokio::time::Instant::now() + LIMIT;
        while tokio::time::Instant::now() < end {
            last = self.get(&path).await;
            if fits(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} never came about; last: {last:#}");
    }

    pub(crate) async fn wait_job_complete(&self, index: usize, outcome: &str) -> Value {
        self.wait_server(index, &format!("a job that {outcome}"), |view| {
            view["job"]["status"] == "complete" && view["job"]["outcome"] == outcome
        })
        .await
    }

    /// A file of the status branch, as JSON; waits until it is as wanted.
    pub(crate) async fn wait_status(&self, path: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = String::new();
        let end = tokio::time::Instant::now() + LIMIT;
        while tokio::time::Instant::now() < end {
            let output = Command::new("git")
                .args(["--git-dir", "repo.git", "show", &format!("shoal/status:{path}")])
                .current_dir(self.dir.path())
                .output()
                .unwrap();
            last = String::from_utf8_lossy(&output.stdout).into_owned();
            if let Ok(value) = serde_json::from_str::<Value>(&last)
                && fits(&value)
            {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} never stood on the status branch; last: {last}");
    }

    /// Approves the pending entry of a server in Git.
    pub(crate) async fn approve(&self, index: usize, action: &str) -> String {
        let view = self.wait_server(index, "an entry to approve", |view| view["entry"].is_object()).await;
        let digest = view["entry"]["digest"].as_str().unwrap().to_owned();
        self.write_json(
            &format!("approvals/{}-{}.yaml", name(index), &digest[7..15]),
            &approval(&name(index), action, &digest),
        );
        self.push("approve");
        digest
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn name(index: usize) -> String {
    format!("web-{index:02}")
}

pub(crate) fn git_in(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(shoal_testbed::tls::unverified_client_config().unwrap())
        .build()
        .unwrap()
}

pub(crate) fn approval(server: &str, action: &str, digest: &str) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1", "kind": "Approval",
        "metadata": {"name": format!("{server}-{}", &digest[7..15])},
        "spec": {"reason": "test", "entries": [{"server": server, "action": action, "entry": digest}]},
    })
}
