// SPDX-License-Identifier: AGPL-3.0-or-later
//! `sushy-emulator --fake` as a process: a BMC over HTTPS with Basic authentication, in front of nothing.
//!
//! Guarantees: it listens on loopback at a port that the kernel chose, and again at that port after it was
//! killed; all that it keeps is below its own directory; it ends with this value, by its own number.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use shoal_schema::Sha256;
use tokio::time::Instant;

use crate::redfish::Redfish;

/// The account of the BMC.
pub(crate) const USER: &str = "shoal";
pub(crate) const PASSWORD: &str = "canary-sushy-6d1f";

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// What it says when it listens.
const LISTENS: &str = "Running on https://";
/// What it says where the port is somebody else's.
const TAKEN: &str = "Address already in use";
/// The configuration of two virtual CDs. Devices are objects of their own in the answers, in this order.
const TWO_CDS: &str = "{'Cd': {'Name': 'Virtual CD', 'MediaTypes': ['CD', 'DVD']},
     'Cd2': {'Name': 'Second virtual CD', 'MediaTypes': ['CD', 'DVD']}}";
/// The configuration of one.
const ONE_CD: &str = "{'Cd': {'Name': 'Virtual CD', 'MediaTypes': ['CD', 'DVD']}}";

/// Which virtual media it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drives {
    OneCd,
    TwoCds,
    /// What it has when nobody says anything: a CD, and a device for floppies and USB sticks.
    CdAndStick,
}

impl Drives {
    /// Ids of the devices.
    pub(crate) fn devices(self) -> &'static [&'static str] {
        match self {
            Self::OneCd => &["Cd"],
            Self::TwoCds => &["Cd", "Cd2"],
            Self::CdAndStick => &["Cd", "Floppy"],
        }
    }

    fn setting(self) -> String {
        match self {
            Self::OneCd => format!("SUSHY_EMULATOR_VMEDIA_DEVICES = {ONE_CD}\n"),
            Self::TwoCds => format!("SUSHY_EMULATOR_VMEDIA_DEVICES = {TWO_CDS}\n"),
            Self::CdAndStick => String::new(),
        }
    }
}

/// The machine that it says it manages.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) uuid: String,
    pub(crate) mac: String,
    pub(crate) drives: Drives,
    pub(crate) powered_on: bool,
}

/// One that runs, or was killed.
pub(crate) struct Emulator {
    program: PathBuf,
    directory: PathBuf,
    system: System,
    fingerprint: String,
    address: SocketAddr,
    child: Child,
}

impl Emulator {
    /// Starts one that keeps everything in a new directory. `python` is that of an environment with sushy-tools.
    pub(crate) async fn start(python: &Path, directory: PathBuf, system: System) -> Self {
        let program = python.with_file_name("sushy-emulator");
        fs::create_dir_all(directory.join("tmp")).expect("a directory");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        let fingerprint = Sha256::of(certificate.der()).hex();
        let hash = bcrypt::hash(PASSWORD, 4).expect("a hash");
        for (name, content) in [
            ("cert.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
            ("users", format!("{USER}:{hash}\n")),
        ] {
            fs::write(directory.join(name), content).expect("a file");
        }
        // The kernel chooses the port.
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address) = listen(&program, &directory, &system, any).await.expect("a port");
        Self { program, directory, system, fingerprint, address, child }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// SHA-256 of its certificate, lower-case hex.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    /// A client of its own account.
    pub(crate) fn redfish(&self) -> Redfish {
        Redfish::new(self.url(), USER, PASSWORD)
    }

    /// `kill -9`; it is gone when this returns. Power, media and boot device are kept in its files.
    pub(crate) fn kill(&mut self) {
        // One that ended already cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The media are out when it comes back, as with a BMC that restarts. Only while it is away.
    pub(crate) fn forget_media(&self) {
        for name in ["vmedia.sqlite", "vmedia.sqlite-wal", "vmedia.sqlite-shm"] {
            match fs::remove_file(self.directory.join("state").join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("remove {name}: {error}"),
                _ => {}
            }
        }
    }

    /// Comes back at the same port.
    pub(crate) async fn start_again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A connection that some program makes to somewhere may have this port for a moment.
            if let Some((child, _)) = listen(&self.program, &self.directory, &self.system, self.address).await
            {
                self.child = child;
                return;
            }
            assert!(Instant::now() < deadline, "port {} stays taken", self.address.port());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How many requests it answered with this status so far, since it was started the last time.
    pub(crate) fn answered(&self, status: u16) -> usize {
        let tail = format!(" {status} -");
        log(&self.directory).lines().filter(|line| line.ends_with(&tail)).count()
    }

    /// What it said, for a test that fails.
    pub(crate) fn log(&self) -> String {
        log(&self.directory)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.kill();
    }
}

fn log(directory: &Path) -> String {
    fs::read_to_string(directory.join("log")).unwrap_or_default()
}

/// Starts the process and waits until it listens; nothing where the port is taken.
async fn listen(
    program: &Path,
    directory: &Path,
    system: &System,
    address: SocketAddr,
) -> Option<(Child, SocketAddr)> {
    fs::write(directory.join("emulator.conf"), configuration(directory, system, address)).expect("a file");
    let out = File::create(directory.join("log")).expect("a file");
    let mut child = Command::new(program)
        .args(["--fake", "--config", "emulator.conf"])
        .current_dir(directory)
        // Images are kept where temporary files go, and never removed. No proxy of anybody's.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("TMPDIR", directory.join("tmp"))
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a file"))
        .stderr(out)
        .spawn()
        .expect("sushy-emulator starts");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = log(directory);
        let listens = said.split_once(LISTENS).and_then(|(_, rest)| rest.split_once('\n'));
        if let Some((address, _)) = listens {
            return Some((child, address.trim().parse().expect("an address")));
        }
        let ended = child.try_wait().expect("a process");
        if ended.is_some() && log(directory).contains(TAKEN) {
            return None;
        }
        if ended.is_some() || Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("sushy-emulator does not listen: {ended:?}\n{said}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Its configuration is a Python program.
fn configuration(directory: &Path, system: &System, address: SocketAddr) -> String {
    let System { uuid, mac, drives, powered_on } = system;
    let path = |name: &str| directory.join(name).display().to_string();
    format!(
        "SUSHY_EMULATOR_LISTEN_IP = '{}'
SUSHY_EMULATOR_LISTEN_PORT = {}
SUSHY_EMULATOR_SSL_CERT = '{}'
SUSHY_EMULATOR_SSL_KEY = '{}'
SUSHY_EMULATOR_AUTH_FILE = '{}'
SUSHY_EMULATOR_STATE_DIR = '{}'
SUSHY_EMULATOR_FAKE_SYSTEMS = [
    {{'uuid': '{uuid}', 'name': 'fake', 'power_state': '{}', 'external_notifier': False,
     'nics': [{{'mac': '{mac}', 'ip': '192.0.2.1'}}]}}]
{}",
        address.ip(),
        address.port(),
        path("cert.pem"),
        path("key.pem"),
        path("users"),
        path("state"),
        if *powered_on { "On" } else { "Off" },
        drives.setting(),
    )
}
