// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients that other people wrote drive emulated BMCs, over HTTPS and logged in: what they ask for must come to pass
//! in the BMC and in its machine.
//!
//! Where a client fails on a model, the test says so and why: on hardware of that kind it fails in the same way. The
//! step is then made without the client, for the next one to stand on.
//!
//! Each test has a Python process of its own, which makes one step for each line that it is sent. The packages come
//! from PyPI (`shoal_testbed::python`).

mod sushy;
mod tacklebox;

use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::Value;
use shoal_testbed::bmc::profiles::Profile;
use shoal_testbed::bmc::{AuthKind, BootDevice, Power, RequestRecord, What};
use shoal_testbed::python;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::behaviour_boot::booted;
use crate::fixture::{Fixture, Options, PASSWORD, USER};
use crate::image_server::ImageServer;
use crate::route;

/// A Python script that makes a step for each line on its standard input.
struct Steps {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _home: TempDir,
}

impl Steps {
    fn start(python: &PathBuf, home: TempDir, script: &str, args: &[&str]) -> Self {
        let script = format!("{}/tests/bmc/clients/{script}", env!("CARGO_MANIFEST_DIR"));
        // Nobody's environment: no proxy, and no certificates that `requests` would prefer to those of the caller.
        let mut child = Command::new(python)
            .arg(script)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .env("BMC_PASSWORD", PASSWORD)
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, input, output, _home: home }
    }

    async fn make(&mut self, step: &Value) -> Value {
        self.input.write_all(format!("{step}\n").as_bytes()).await.expect("it reads");
        let line =
            self.output.next_line().await.expect("text").unwrap_or_else(|| panic!("it ended at {step}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    async fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().await.expect("it ends").success());
    }
}

/// A BMC, images for it, and a client.
struct Round {
    fixture: Fixture,
    images: ImageServer,
    steps: Steps,
}

impl Round {
    /// Nothing, with a reason, where the client cannot be had.
    async fn start(profile: &'static Profile, script: &str, more: &[&str]) -> Option<Self> {
        let requirements = include_str!("requirements.txt");
        // Another thread: the first time takes as long as pip does.
        let directory = env!("CARGO_TARGET_TMPDIR");
        let find = move || python::for_tests(directory, "redfish-clients", requirements);
        let python = tokio::task::spawn_blocking(find).await.expect("it says whether")?;
        let fixture = Fixture::with(profile, Options { tls: true, ..Options::default() }).await;
        let home = tempfile::tempdir().expect("a directory");
        let certificate = home.path().join("bmc.pem");
        let der = STANDARD.encode(fixture.bmc().certificate().expect("it has one"));
        let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
        std::fs::write(&certificate, pem).expect("a file");
        let url = fixture.bmc().url();
        let args = [&[url.as_str(), USER, certificate.to_str().expect("text")], more].concat();
        let steps = Steps::start(&python, home, script, &args);
        Some(Self { images: route::images(profile, 4096).await, fixture, steps })
    }

    fn image(&self) -> String {
        self.images.url("boot.iso")
    }

    /// Index of the slot of that id.
    fn index(&self, slot: &str) -> usize {
        let slots = self.fixture.bmc().profile().slots;
        slots.iter().position(|model| model.id == slot).unwrap_or_else(|| panic!("no slot {slot}"))
    }

    /// The image is in that slot and in no other.
    async fn is_inserted(&self, slot: &str) {
        let (index, image) = (self.index(slot), self.image());
        let right = |fixture: &Fixture| {
            let slots = fixture.bmc().state().slots;
            slots
                .iter()
                .enumerate()
                .all(|(at, slot)| slot.image.as_deref() == (at == index).then_some(image.as_str()))
        };
        self.fixture.until(&format!("the image is in {slot} alone"), right).await;
        assert!(!self.images.ranges().is_empty(), "the BMC did not look at the image");
    }

    /// Every slot is empty.
    async fn is_empty(&self) {
        let empty = |fixture: &Fixture| fixture.bmc().state().slots.iter().all(|slot| slot.image.is_none());
        self.fixture.until("no slot has an image", empty).await;
    }

    fn is_overridden(&self, target: &str) {
        let found = self.fixture.bmc().state().boot_override;
        assert_eq!((format!("{:?}", found.enabled).as_str(), found.target.as_str()), ("Once", target));
    }

    fn is_not_overridden(&self) {
        assert_eq!(format!("{:?}", self.fixture.bmc().state().boot_override.enabled), "Disabled");
    }

    /// The machine was started once more, the override is used up, and this is where it started from.
    async fn boots(&self, count: usize) -> BootDevice {
        let plan = booted(&self.fixture, count).await;
        self.is_not_overridden();
        plan.device
    }

    async fn is_off(&self) {
        self.fixture.until("off", |fixture| fixture.bmc().state().power == Power::Off).await;
    }

    /// Inserts without the client.
    async fn insert_by_hand(&self, slot: &str) {
        let path = route::slot_path(&self.fixture, self.index(slot));
        route::insert(&self.fixture, &path, &self.image()).await;
        self.is_inserted(slot).await;
    }

    /// What was asked with that method at a path with that end.
    fn asked(&self, method: Method, end: &str) -> Vec<RequestRecord> {
        let records = self.fixture.bmc().log(0).into_iter();
        records
            .filter_map(|record| match record.what {
                What::Request(request) => Some(request),
                What::Event(_) => None,
            })
            .filter(|request| request.method == method.as_str() && request.path.ends_with(end))
            .collect()
    }

    /// The client is gone, and its sessions with it; it showed its password to nothing but the session service.
    async fn ends(self) {
        assert_eq!(self.fixture.bmc().state().open_sessions, 0, "a session was left open");
        assert!(!self.asked(Method::POST, "/Sessions").is_empty());
        let by_session = |request: &RequestRecord| request.auth == AuthKind::Session;
        assert!(self.asked(Method::DELETE, "").iter().all(by_session));
        self.steps.end().await;
    }
}

/// What became of the requests.
fn statuses(asked: &[RequestRecord]) -> Vec<u16> {
    asked.iter().map(|request| request.status).collect()
}
