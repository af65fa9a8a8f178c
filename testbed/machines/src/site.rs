// SPDX-License-Identifier: AGPL-3.0-or-later
//! The site: repository, controller with its registry, machines.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use shoal_schema::api::ServerView;
use shoal_schema::status::ServerStatus;
use shoal_testbed::bmc::Identity;
use shoal_testbed::bmc::profiles::{self, Profile};
use shoal_testbed_qemu::{Acceleration, CONTROLLER_IN_GUEST, DiskBus, Network, VmConfig, VmDisk};
use shoal_testbed_site::{Addresses, Controller, Peer, Place, Programs, Repository};
use tokio::time::Instant;

use crate::artifacts::Artifacts;
use crate::first_disk;
use crate::inventory::{self, IMAGES, LAYOUT, LINUX, Os, SMALL, Wanted};
use crate::redfish::Person;
use crate::relay::Relay;
use crate::server::{Account, Server};

/// The controller's port, as the guests see it.
const PORT: u16 = 8443;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Within so long what the controller knows is published.
const PUBLISHED: Duration = Duration::from_secs(60);
/// Memory of a machine, in MiB.
const MEMORY_MIB: u32 = 1536;
/// Bytes of a machine's disk.
const DISK_BYTES: u64 = 4 << 30;

/// How a machine is made.
#[derive(Clone)]
pub struct Options {
    /// The model of its BMC.
    pub profile: &'static Profile,
    /// Its disks. The first one is installed on.
    pub disks: Vec<VmDisk>,
    /// What is on the first disk: a tar archive with one file, the disk, or the disk itself (`.raw.zst`). Blank without.
    pub first_disk: Option<PathBuf>,
    /// What it is to run.
    pub os: Os,
    /// The recipe, [`LINUX`] or one that [`Site::write_recipe`] wrote.
    pub recipe: String,
    /// Who the machine itself is, where it is not the one that its BMC knows.
    pub impostor: Option<Identity>,
    /// Git says `onFailure: keep`.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        let disk = VmDisk { bus: DiskBus::Nvme, serial: "NVME0001".to_owned(), size_bytes: DISK_BYTES };
        Self {
            profile: &profiles::IDRAC9_6,
            disks: vec![disk],
            first_disk: None,
            os: SMALL,
            recipe: LINUX.to_owned(),
            impostor: None,
            keep: false,
        }
    }
}

/// A site that runs.
pub struct Site {
    artifacts: Artifacts,
    programs: Programs,
    relay: Relay,
    controller: Option<Controller>,
    addresses: Addresses,
    account: Account,
    canaries: Vec<(String, String)>,
    images: Vec<(Os, String)>,
    servers: usize,
    // Dropped last: everything is in it.
    place: Place,
}

impl Site {
    /// Makes the repository, starts the controller, pushes the images into its registry. No server is wanted yet.
    pub async fn start(artifacts: Artifacts, place: Place) -> anyhow::Result<Self> {
        let programs = Programs::find(&place)?;
        symlink(artifacts.maintenance_iso().canonicalize()?, place.maintenance_iso())
            .context("put the maintenance ISO into the site")?;
        let account = Account { user: "shoal".to_owned(), password: random("bmc-")? };
        let hash = random("$6$canary$")?;
        let repository = Repository::make(&programs, &place)?;
        let public = repository.make_age_key()?;
        repository.write("shoal.yaml", &inventory::fleet(&public))?;
        repository.write("recipes/linux.yaml", &inventory::recipe(LINUX, &LAYOUT))?;
        let login = format!("username: \"{}\"\npassword: \"{}\"\n", account.user, account.password);
        repository.write_secret("bmc/lab", &login)?;
        repository.write_secret("os/admin", &format!("hash: \"{hash}\"\n"))?;
        repository.commit("a lab without servers")?;
        repository.push()?;

        let relay = Relay::start().await?;
        let canaries =
            vec![("BMC password".to_owned(), account.password.clone()), ("user-data".to_owned(), hash)];
        let mut site = Self {
            artifacts,
            programs,
            relay,
            controller: None,
            addresses: Addresses::any(),
            account,
            canaries,
            images: Vec::new(),
            servers: 0,
            place,
        };
        fs::create_dir(site.statics()).context("make a directory for files")?;
        // The disk that the tests run on may be nearly full.
        fs::write(site.policy(), "minFree: 0%\n").context("write the registry's policy")?;
        site.start_controller().await?;
        for os in IMAGES {
            let reference = site.push_image(os)?;
            site.images.push((os, reference));
        }
        site.write_images()?;
        site.repository().commit("images")?;
        Ok(site)
    }

    /// Starts the controller, at the addresses that it had.
    pub async fn start_controller(&mut self) -> anyhow::Result<()> {
        self.start_controller_with(&[]).await
    }

    /// The same with further settings (flags).
    pub async fn start_controller_with(&mut self, more: &[&str]) -> anyhow::Result<()> {
        let mut settings = vec![
            format!("--callback-url=https://{CONTROLLER_IN_GUEST}:{PORT}"),
            "--registry=true".to_owned(),
            "--sweep-interval=2s".to_owned(),
            format!("--static-dir={}", self.statics().display()),
            format!("--registry-policy-file={}", self.policy().display()),
        ];
        settings.extend(more.iter().map(|flag| (*flag).to_owned()));
        let (controller, addresses) =
            Controller::start(&self.programs, &self.place, &self.addresses, &settings).await?;
        self.relay.lead_to(Some(addresses.api_tls));
        self.controller = Some(controller);
        self.addresses = addresses;
        Ok(())
    }

    /// `kill -9`.
    pub fn kill_controller(&mut self) -> anyhow::Result<()> {
        self.relay.lead_to(None);
        let controller = self.controller.take().context("no controller runs")?;
        controller.kill().map(drop)
    }

    /// Pushes an image as a person would; the reference for the inventory, as machines reach the registry.
    fn push_image(&self, os: Os) -> anyhow::Result<String> {
        let file = self.artifacts.image(os).display().to_string();
        let to = format!("{}/os-images/{}:{}", self.addresses.api, os.image, os.version);
        let said = self.programs.shoal(self.place.root(), &["image", "push", &file, &to])?;
        let reference = said.expect_success("shoal image push")?;
        let reference = reference.trim().lines().last().unwrap_or_default().to_owned();
        let path = reference.split_once('/').with_context(|| format!("understand {reference:?}"))?.1;
        Ok(format!("{CONTROLLER_IN_GUEST}:{PORT}/{path}"))
    }

    /// Another reference for an image from now on; written, not committed.
    pub fn set_image(&mut self, os: Os, reference: &str) -> anyhow::Result<()> {
        for (_, there) in self.images.iter_mut().filter(|(there, _)| *there == os) {
            reference.clone_into(there);
        }
        self.write_images()
    }

    /// Pushes one more image, and puts it into the inventory; written, not committed.
    pub fn offer(&mut self, os: Os) -> anyhow::Result<()> {
        let file = self.artifacts.image(os);
        if !file.is_file() {
            bail!("{} is not there; 'just machines' builds it, as root", file.display());
        }
        let reference = self.push_image(os)?;
        self.add_image(os, &reference)
    }

    /// One more image in the inventory, which nobody pushed; written, not committed.
    pub fn add_image(&mut self, os: Os, reference: &str) -> anyhow::Result<()> {
        self.images.push((os, reference.to_owned()));
        self.write_images()
    }

    /// The reference of an image in the inventory.
    pub fn image(&self, os: Os) -> Option<&str> {
        self.images.iter().find(|(there, _)| *there == os).map(|(_, reference)| reference.as_str())
    }

    fn write_images(&self) -> anyhow::Result<()> {
        let names: BTreeSet<&str> = self.images.iter().map(|(os, _)| os.image).collect();
        for name in names {
            let of_it = self.images.iter().filter(|(os, _)| os.image == name);
            let versions: Vec<(Os, &str)> = of_it.map(|(os, reference)| (*os, reference.as_str())).collect();
            self.repository().write(format!("images/{name}.yaml"), &inventory::image(name, &versions))?;
        }
        Ok(())
    }

    /// Writes a recipe with another layout, a line of YAML for each partition; not committed.
    pub fn write_recipe(&self, name: &str, layout: &[&str]) -> anyhow::Result<()> {
        self.repository().write(format!("recipes/{name}.yaml"), &inventory::recipe(name, layout))
    }

    /// From now on BMCs are offered media over TLS alone; written, not committed.
    pub fn give_media_over_tls(&self) -> anyhow::Result<()> {
        let urls = format!("  mediaUrls: [{{url: \"https://{}\"}}]\n  defaults:", self.addresses.media_tls);
        let fleet = self.repository().read("shoal.yaml")?;
        self.repository().write("shoal.yaml", &fleet.replace("  defaults:", &urls))
    }

    /// Makes a machine, and its file in the inventory; committed, not pushed.
    pub async fn add(&mut self, name: &str, options: Options) -> anyhow::Result<Server> {
        self.servers += 1;
        let identity = Identity::numbered(41, self.servers);
        let directory = self.place.root().join("machines").join(name);
        let mut config = VmConfig::new(identity, directory, self.artifacts.programs.clone());
        config.memory_mib = MEMORY_MIB;
        config.acceleration = Acceleration::Software;
        config.network = Network::Restricted(vec![(PORT, self.relay.address())]);
        config.disks = options.disks;
        let disk = config.disks.first().context("a machine without a disk")?;
        if let Some(archive) = &options.first_disk {
            first_disk::unpack(archive, &config.directory, disk.size_bytes)?;
        }
        let disk = disk.serial.clone();
        let wanted = Wanted {
            name: name.to_owned(),
            os: options.os,
            recipe: options.recipe,
            disk,
            keep: options.keep,
        };
        let known = config.identity.clone();
        if let Some(impostor) = options.impostor {
            config.identity = impostor;
        }
        let server = Server::start(config, known, options.profile, wanted, &self.account).await?;
        self.write_server(&server)?;
        self.repository().commit(&format!("{name}: wanted"))?;
        Ok(server)
    }

    /// Writes the server's file, as its `wanted` is now.
    pub fn write_server(&self, server: &Server) -> anyhow::Result<()> {
        let bmc = server.bmc();
        let fingerprint = bmc.fingerprint().unwrap_or_default();
        let text = inventory::server(&server.wanted, &server.identity().serial, &bmc.url(), fingerprint);
        self.repository().write(format!("servers/{}.yaml", server.wanted.name), &text)
    }

    /// Agrees to the plan's entry for a server, in Git, as soon as the published status lets that be done.
    pub async fn approve(&self, name: &str, reason: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PUBLISHED;
        loop {
            self.repository().fetch()?;
            match self.shoal(&["approve", name, "--reason", reason]) {
                Ok(_) => return self.push(),
                // What is published is a moment behind what the controller knows.
                Err(error) if Instant::now() < deadline && error.to_string().contains("is active") => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The plan of what was committed, for people.
    pub fn plan(&self) -> anyhow::Result<String> {
        self.repository().fetch()?;
        let said = self.programs.shoal(&self.place.checkout(), &["plan"])?;
        // 2 is a plan with something in it.
        if !matches!(said.code, Some(0 | 2)) {
            bail!("shoal plan ended with {:?}\n{}{}", said.code, said.out, said.err);
        }
        Ok(said.out)
    }

    /// Pushes, and tells the controller.
    pub fn push(&self) -> anyhow::Result<()> {
        self.repository().push()?;
        self.shoal(&["reconcile"]).map(drop)
    }

    /// Runs `shoal` in the clone; its output.
    pub fn shoal(&self, args: &[&str]) -> anyhow::Result<String> {
        let said = self.programs.shoal(&self.place.checkout(), args)?;
        said.expect_success(&format!("shoal {}", args.join(" ")))
    }

    /// The repository.
    pub fn repository(&self) -> Repository<'_> {
        Repository::of(&self.programs, &self.place)
    }

    /// A person at a server's BMC.
    pub fn person_at<'a>(&'a self, server: &'a Server) -> anyhow::Result<Person<'a>> {
        Person::at(server.bmc(), &self.account)
    }

    /// Fetches a file over plain HTTP from loopback.
    pub async fn fetch(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not plain HTTP"))?;
        let (address, path) = rest.split_once('/').with_context(|| format!("{url} has no path"))?;
        let peer = Peer::Address(address.parse().with_context(|| format!("understand {url}"))?);
        let (status, body) = peer.get(&format!("/{path}")).await?;
        if status != 200 {
            bail!("GET {url} was answered with {status}");
        }
        Ok(body.to_vec())
    }

    /// Puts a file where the controller serves it to everybody; its address.
    pub fn publish_file(&self, name: &str, content: &[u8]) -> anyhow::Result<String> {
        fs::write(self.statics().join(name), content).with_context(|| format!("publish {name}"))?;
        Ok(format!("http://{}/static/{name}", self.addresses.api))
    }

    /// The same for a file that is there.
    pub fn publish_link(&self, name: &str, file: &Path) -> anyhow::Result<String> {
        fs::hard_link(file, self.statics().join(name))
            .or_else(|_| fs::copy(file, self.statics().join(name)).map(drop))
            .with_context(|| format!("publish {name}"))?;
        Ok(format!("http://{}/static/{name}", self.addresses.api))
    }

    fn policy(&self) -> PathBuf {
        self.place.root().join("registry-policy.yaml")
    }

    fn statics(&self) -> PathBuf {
        self.place.root().join("static")
    }

    /// Where everything is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The relay that guests reach the controller through.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// What must be found nowhere: what it is, and its value.
    pub fn canaries(&self) -> &[(String, String)] {
        &self.canaries
    }

    /// What the controller says of a server.
    pub async fn server(&self, name: &str) -> anyhow::Result<Option<ServerView>> {
        let servers: Vec<ServerView> = Peer::Socket(self.place.socket()).json("/api/v1/servers").await?;
        Ok(servers.into_iter().find(|server| server.status.name == name))
    }

    /// Waits until `done` says so of a server; an error tells where it stands.
    pub async fn until(
        &self,
        server: &Server,
        what: &str,
        patience: Duration,
        mut done: impl FnMut(&ServerView) -> bool,
    ) -> anyhow::Result<ServerView> {
        let deadline = Instant::now() + patience;
        let name = &server.wanted.name;
        loop {
            let view = self.server(name).await?;
            if let Some(view) = view.as_ref().filter(|view| done(view)) {
                return Ok(view.clone());
            }
            if Instant::now() >= deadline {
                let status = self.shoal(&["status", name]).unwrap_or_else(|error| format!("{error:#}"));
                let events = server.machine.events();
                let console = server.last_words(60);
                bail!("{what}: not in {} s\n{status}\n{events:?}\n{console}", patience.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A file as it stands on the status branch.
    pub fn published(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("shoal/status:servers/{name}.json");
        self.programs.git(&self.place.bare(), &["show", &path])
    }

    /// Waits until `done` says so of a server's file on the status branch.
    pub async fn until_published(
        &self,
        name: &str,
        patience: Duration,
        mut done: impl FnMut(&ServerStatus) -> bool,
    ) -> anyhow::Result<ServerStatus> {
        let deadline = Instant::now() + patience;
        loop {
            // The branch may not have the file yet.
            let text = self.published(name).unwrap_or_default();
            let status = serde_json::from_str(&text).ok();
            if let Some(status) = status.filter(|status| done(status)) {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("the status branch does not say it in {} s\n{text}", patience.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Everything that ever stood on the status branch.
    pub fn status_history(&self) -> anyhow::Result<String> {
        self.programs.git(&self.place.bare(), &["log", "--patch", "shoal/status"])
    }
}

fn random(prefix: &str) -> anyhow::Result<String> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("draw a secret: {error}"))?;
    let mut text = prefix.to_owned();
    for byte in bytes {
        write!(text, "{byte:02x}").context("write a secret")?;
    }
    Ok(text)
}
