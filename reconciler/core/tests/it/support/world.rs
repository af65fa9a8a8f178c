// SPDX-License-Identifier: AGPL-3.0-or-later
//! A fleet to plan: documents, what is observed of them, approvals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use shoal_core::by_name::ByName;
use shoal_core::desired::{Desired, fleet_spec, resolve};
use shoal_core::inventory::{Inventory, Lines, Located};
use shoal_core::observed::{Observed, unknown_record};
use shoal_core::plan::lint::{self, Linter};
use shoal_core::plan::{self, PlanRequest, Planner};
use shoal_core::record;
use shoal_schema::disk::{DiskSelector, Format, Partition};
use shoal_schema::kinds::{
    ApiVersion, Approval, ApprovalKind, ApprovalSpec, ApprovedAction, ApprovedEntry, Bmc, Fleet, FleetKind,
    FleetSpec, Image, ImageKind, ImageSpec, ImageVersion, Labels, Metadata, OsRef, Parameter, Recipe,
    RecipeKind, RecipeSpec, Secret, SecretKind, SecretRef, SecretSpec, Server, ServerKind, ServerSpec,
    Suspend, Suspension, Template,
};
use shoal_schema::plan::{Entry, Plan};
use shoal_schema::size::{ByteSize, PartitionSize};
use shoal_schema::status::{BmcFacts, JobSummary, Record, RecordState, ServerStatus};
use shoal_schema::{JobId, LedgerId, Sha256};

use super::{at, disk};

/// Something that happens to a fleet.
pub(crate) type Change = fn(&mut World);

/// A fleet. `Default` is empty; [`World::new`] has a recipe, an image and no server.
#[derive(Clone)]
pub(crate) struct World {
    /// Has made every plan of this world and of its copies so far.
    planner: Arc<Mutex<Planner>>,
    /// Has linted them all.
    linter: Arc<Mutex<Linter>>,
    pub(crate) inventory: Inventory,
    pub(crate) observed: Observed,
    /// The commit that is planned.
    pub(crate) commit: Option<String>,
    pub(crate) now: jiff::Timestamp,
}

pub(crate) fn located<T>(file: &str, value: T) -> Arc<Located<T>> {
    let lines = ["", "/metadata", "/spec", "/spec/os", "/spec/os/version", "/spec/disk", "/spec/reinstall"];
    let lines = lines.iter().zip(1..).map(|(pointer, line)| ((*pointer).into(), line)).collect();
    Arc::new(Located { value, file: file.into(), lines: Lines::new(lines) })
}

fn metadata(name: &str) -> Metadata {
    Metadata { name: name.to_owned(), labels: Labels::default(), description: None }
}

/// `13.1` → a digest of its own; `13.2` and `13.2-again` share one.
pub(crate) fn image_version(version: &str) -> ImageVersion {
    let content = version.trim_end_matches("-again");
    ImageVersion {
        oci: format!("registry.example:5000/os/debian:{content}@{}", Sha256::of(content.as_bytes())),
        format: shoal_schema::kinds::ImageFormat::RootfsTar,
        min_disk: None,
    }
}

pub(crate) fn by_path(path: &str) -> DiskSelector {
    DiskSelector { path: Some(path.to_owned()), ..DiskSelector::default() }
}

pub(crate) fn by_serial(serial: &str) -> DiskSelector {
    DiskSelector { serial: Some(serial.to_owned()), ..DiskSelector::default() }
}

fn partition(size: &str, type_guid: &str, format: Format) -> Partition {
    let size = match size.strip_suffix('%') {
        Some(share) => PartitionSize::Percent(share.parse().expect("a share")),
        None => PartitionSize::Bytes(ByteSize::parse(size).expect("a size")),
    };
    Partition { size, type_guid: type_guid.to_owned(), format, label: None }
}

fn recipe() -> RecipeSpec {
    let text = "hostname: ${server.name}\nmotd: ${motd|quote}\npassword: ${secret.root|quote}\n".to_owned();
    let secret = SecretRef { secret: "hosts/root".to_owned(), key: "password".to_owned() };
    RecipeSpec {
        target: "install-linux.target".to_owned(),
        disk: Some(by_path("/dev/sda")),
        layout: vec![partition("512M", "ef00", Format::Vfat), partition("100%", "8300", Format::Ext4)],
        user_data: Some(Template { text, secrets: BTreeMap::from([("root".to_owned(), secret)]) }),
        unattend_xml: None,
        ks_cfg: None,
        firmware_url: None,
        parameters: BTreeMap::from([(
            "motd".to_owned(),
            Parameter { description: None, default: Some("hello".to_owned()) },
        )]),
        metadata: BTreeMap::new(),
    }
}

impl World {
    /// A fleet with the recipe and image `debian`, a ledger, the commit `c1` in force, no server.
    pub(crate) fn new() -> Self {
        let mut inventory = Inventory::default();
        let fleet = Fleet {
            api_version: ApiVersion::V1,
            kind: FleetKind::Fleet,
            metadata: metadata("fleet"),
            spec: FleetSpec::default(),
        };
        inventory.fleet = Some(located("shoal.yaml", fleet));
        let recipe = Recipe {
            api_version: ApiVersion::V1,
            kind: RecipeKind::Recipe,
            metadata: metadata("debian"),
            spec: recipe(),
        };
        inventory.recipes.insert("debian".to_owned(), located("recipes/debian.yaml", recipe));
        let versions =
            ["13.1", "13.2", "13.2-again"].map(|version| (version.to_owned(), image_version(version)));
        let image = Image {
            api_version: ApiVersion::V1,
            kind: ImageKind::Image,
            metadata: metadata("debian"),
            spec: ImageSpec { versions: BTreeMap::from(versions) },
        };
        inventory.images.insert("debian".to_owned(), located("images/debian.yaml", image));
        let mut world = Self {
            planner: Arc::default(),
            linter: Arc::default(),
            inventory,
            observed: Observed {
                ledger: Some(LedgerId::from_bytes([7; 16])),
                counter: 1,
                commit: Some("c1".to_owned()),
                paused: false,
                servers: ByName::default(),
            },
            commit: Some("c2".to_owned()),
            now: at(0),
        };
        world.secret("hosts/root", "one");
        world
    }

    /// A fleet with one server, `web-01`, serial `S-web-01`, which wants debian 13.1.
    pub(crate) fn one() -> Self {
        let mut world = Self::new();
        world.add("web-01");
        world
    }

    /// [`World::one`], installed as wanted on the disk `D-web-01`.
    pub(crate) fn one_installed() -> Self {
        let mut world = Self::one();
        world.install("web-01");
        world
    }

    /// So many servers, `web-0000` and on, each installed as wanted.
    pub(crate) fn many_installed(count: usize) -> Self {
        let mut world = Self::new();
        for index in 0..count {
            world.add(&format!("web-{index:04}"));
        }
        for index in 0..count {
            world.install(&format!("web-{index:04}"));
        }
        world
    }

    /// Adds a server with a serial and a BMC of its own.
    pub(crate) fn add(&mut self, name: &str) {
        let spec = ServerSpec {
            serial: Some(format!("S-{name}")),
            uuid: None,
            macs: Vec::new(),
            bmc: Bmc { address: format!("https://bmc.{name}"), credentials: None, tls: None, system: None },
            power: None,
            recipe: Some("debian".to_owned()),
            os: Some(OsRef { image: "debian".to_owned(), version: "13.1".to_owned() }),
            disk: None,
            vars: BTreeMap::new(),
            network: Vec::new(),
            suspend: None,
            protect: false,
            reinstall: 0,
            on_failure: None,
            drift: None,
        };
        self.put(name, spec, Labels::default());
    }

    /// Puts a server's document.
    pub(crate) fn put(&mut self, name: &str, spec: ServerSpec, labels: Labels) {
        let server = Server {
            api_version: ApiVersion::V1,
            kind: ServerKind::Server,
            metadata: Metadata { labels, ..metadata(name) },
            spec,
        };
        self.inventory.servers.insert(name.to_owned(), located(&format!("servers/{name}.yaml"), server));
    }

    /// Changes a server's document.
    pub(crate) fn edit(&mut self, name: &str, change: impl FnOnce(&mut ServerSpec)) {
        let located = &self.inventory.servers[name];
        let (mut spec, labels) = (located.value.spec.clone(), located.value.metadata.labels.clone());
        change(&mut spec);
        self.put(name, spec, labels);
    }

    /// Sets a label.
    pub(crate) fn label(&mut self, name: &str, key: &str, value: &str) {
        let located = &self.inventory.servers[name];
        let (spec, mut labels) = (located.value.spec.clone(), located.value.metadata.labels.clone());
        Arc::make_mut(&mut labels).insert(key.to_owned(), value.to_owned());
        self.put(name, spec, labels);
    }

    /// Wants another version.
    pub(crate) fn version(&mut self, name: &str, version: &str) {
        self.edit(name, |spec| {
            spec.os = Some(OsRef { image: "debian".to_owned(), version: version.to_owned() });
        });
    }

    /// The document moves to another name.
    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        let located = self.inventory.servers.remove(old).expect("the old name is there");
        self.put(new, located.value.spec.clone(), located.value.metadata.labels.clone());
    }

    /// Changes the fleet's document.
    pub(crate) fn fleet(&mut self, change: impl FnOnce(&mut FleetSpec)) {
        let mut fleet = self.inventory.fleet.as_ref().expect("a fleet").value.clone();
        change(&mut fleet.spec);
        self.inventory.fleet = Some(located("shoal.yaml", fleet));
    }

    /// Changes the recipe.
    pub(crate) fn recipe(&mut self, change: impl FnOnce(&mut RecipeSpec)) {
        let mut recipe = self.inventory.recipes["debian"].value.clone();
        change(&mut recipe.spec);
        self.inventory.recipes.insert("debian".to_owned(), located("recipes/debian.yaml", recipe));
    }

    /// Puts a secret with some ciphertext.
    pub(crate) fn secret(&mut self, name: &str, ciphertext: &str) {
        let secret = Secret {
            api_version: ApiVersion::V1,
            kind: SecretKind::Secret,
            metadata: metadata(name),
            spec: SecretSpec {
                recipients: vec!["controller".to_owned()],
                recipients_digest: Sha256::of(b"recipients"),
                age: format!("-----BEGIN AGE ENCRYPTED FILE-----\n{ciphertext}\n"),
            },
        };
        self.inventory.secrets.insert(name.to_owned(), located(&format!("secrets/{name}.yaml"), secret));
    }

    /// The server as Git wants it.
    pub(crate) fn desired(&self, name: &str) -> Desired {
        resolve(&self.inventory, &fleet_spec(&self.inventory), name).expect("the server resolves")
    }

    /// A server's status, made where there is none.
    pub(crate) fn status(&mut self, name: &str) -> &mut ServerStatus {
        let servers = &mut self.observed.servers;
        if !servers.contains_key(name) {
            servers.insert(name.to_owned(), Arc::new(status(name)));
        }
        Arc::make_mut(servers.get_mut(name).expect("it was put there"))
    }

    /// A server's record.
    pub(crate) fn record(&mut self, name: &str) -> &mut Record {
        &mut self.status(name).record
    }

    /// What was last seen through the BMC: reachable, running, nothing left over.
    pub(crate) fn bmc(&mut self, name: &str) -> &mut BmcFacts {
        self.status(name).bmc.get_or_insert_with(bmc_facts)
    }

    /// A job installed the server as Git wants it now, on the disk `D-NAME` at `/dev/sda`.
    pub(crate) fn install(&mut self, name: &str) {
        let desired = self.desired(name);
        let target = desired.install.clone().expect("something to install");
        let on = disk(&format!("D-{name}"), "/dev/sda");
        let record = self.record(name);
        *record = record::permit_granted(&record::job_started(record, &desired), std::slice::from_ref(&on));
        // As after a job; the job itself is tested elsewhere.
        *record = Record { number: record.number, ..record::adopted(record, &desired, &target) };
        record.state = RecordState::Installed;
        record.installed.as_mut().expect("it was just installed").on = Some(on);
    }

    /// A job is active on a server.
    pub(crate) fn job_active(&mut self, name: &str, status: &str) {
        self.status(name).job = Some(JobSummary {
            id: JobId::from_bytes([1; 16]),
            status: status.to_owned(),
            outcome: None,
            attempt: 1,
        });
    }

    /// The plan.
    pub(crate) fn plan(&self) -> Plan {
        let request = PlanRequest {
            inventory: &self.inventory,
            observed: &self.observed,
            commit: self.commit.as_deref(),
            tool: "0.0.0-test",
            now: self.now,
        };
        let plan = plan::make(&request).expect("a plan");
        let mut planner = self.planner.lock().expect("no test panicked in it");
        // As a controller does, which moves records before it plans; others only plan.
        if self.observed.counter.is_multiple_of(2) {
            let fresh = Planner::default().renames(&self.inventory, &self.observed);
            assert_eq!(
                planner.renames(&self.inventory, &self.observed),
                fresh,
                "other renames than from nothing"
            );
        }
        let followed = planner.make(&request).expect("a plan");
        assert_eq!(*followed, plan, "a planner that made other plans before makes another one");
        let lints = self.linter.lock().expect("no test panicked in it").rules(&followed);
        assert_eq!(lints, lint::rules(&plan), "a linter that saw other plans before finds something else");
        assert_eq!(plan.compute_id().expect("an id"), plan.id, "the id is not that of the content");
        plan
    }

    /// A server's entry.
    pub(crate) fn entry(&self, name: &str) -> Option<Entry> {
        let entry = self.plan().entries.into_iter().find(|entry| entry.server == name);
        entry.map(Arc::unwrap_or_clone)
    }

    /// Agrees to the entry that the plan shows for a server now, in a file of its own.
    pub(crate) fn approve(&mut self, name: &str) {
        let digest = self.entry(name).expect("an entry to approve").digest;
        self.approve_digest(name, ApprovedAction::Install, digest, None);
    }

    /// Agrees to adopt a server as it is.
    pub(crate) fn approve_adoption(&mut self, name: &str) {
        let entry = self.entry(name).expect("an entry to adopt instead");
        let digest = self.adoption_digest(&entry);
        self.approve_digest(name, ApprovedAction::Adopt, digest, None);
    }

    /// The digest that `shoal adopt` writes.
    pub(crate) fn adoption_digest(&self, entry: &Entry) -> Sha256 {
        plan::adoption_digest(entry, self.observed.ledger.as_ref()).expect("a digest")
    }

    /// Puts an approval.
    pub(crate) fn approve_digest(
        &mut self,
        name: &str,
        action: ApprovedAction,
        entry: Sha256,
        expires: Option<jiff::Timestamp>,
    ) {
        let file = format!("approvals/{name}-{}.yaml", self.inventory.approvals.len());
        let approval = Approval {
            api_version: ApiVersion::V1,
            kind: ApprovalKind::Approval,
            metadata: metadata(&file),
            spec: ApprovalSpec {
                reason: "agreed in review".to_owned(),
                expires,
                entries: vec![ApprovedEntry { server: name.to_owned(), action, entry, loses: None }],
            },
        };
        self.inventory.approvals.insert(file.clone(), located(&file, approval));
    }
}

/// An entry in one line: class, action, reason, approval, holds; `nothing` where there is none.
pub(crate) fn in_short(entry: Option<&Entry>) -> String {
    let Some(entry) = entry else { return "nothing".to_owned() };
    let json = serde_json::to_value(entry).expect("an entry serialises");
    let word = |value: &serde_json::Value| value.as_str().expect("a word").to_owned();
    let holds: Vec<String> =
        json["holds"].as_array().into_iter().flatten().map(|hold| word(&hold["code"])).collect();
    let holds = if holds.is_empty() { String::new() } else { format!(" [{}]", holds.join(" ")) };
    let [class, action, reason] = ["class", "action", "reason"].map(|key| word(&json[key]));
    format!("{class} {action} {reason} {}{holds}", word(&json["approval"]["state"]))
}

/// What an entry without agreement ends with.
pub(crate) const NEEDS: &str = "needed [approval-needed]";

/// `web-01`, changed, and what the plan says of it.
pub(crate) fn assert_rows(start: fn() -> World, rows: &[(&str, Change, &str)]) {
    for (what, change, expected) in rows {
        let mut world = start();
        change(&mut world);
        let expected = expected.replace("NEEDS", NEEDS);
        assert_eq!(in_short(world.entry("web-01").as_ref()), expected, "{what}");
        assert!(lint::check(&world.plan()).is_empty(), "{what}");
    }
}

/// Nothing is done to `web-01`.
pub(crate) fn suspend(world: &mut World, until: Option<jiff::Timestamp>) {
    let why = Suspension { reason: "a new power supply".into(), until };
    world.edit("web-01", |spec| spec.suspend = Some(Suspend::Because(why)));
}

/// A status with nothing in it.
pub(crate) fn status(name: &str) -> ServerStatus {
    ServerStatus {
        api_version: ApiVersion::V1,
        name: name.to_owned(),
        record: unknown_record(),
        bmc: None,
        conditions: Vec::new(),
        job: None,
        attempted_entry: None,
        applied_entry: None,
        last_error: None,
        next_try: None,
        drift: Vec::new(),
    }
}

/// A BMC that answers, with a machine that runs.
pub(crate) fn bmc_facts() -> BmcFacts {
    BmcFacts {
        reachable: true,
        vendor: Some("Test".to_owned()),
        rung: Some("two-cd".to_owned()),
        scheme: Some("http".to_owned()),
        boots_by: Some("Cd".to_owned()),
        power: Some("On".to_owned()),
        ..BmcFacts::default()
    }
}
