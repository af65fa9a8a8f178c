// SPDX-License-Identifier: AGPL-3.0-or-later
//! The same looks by other clients, and what other people do to BMCs.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use shoal_testbed_site::Place;

use crate::emulator::{Emulator, PASSWORD, USER};
use crate::process;

/// Looks at once, as many as the controller has.
const AT_ONCE: usize = 64;
/// BMCs that one run of curl asks: with more, it spends its time on its own list.
const A_RUN: usize = 500;

/// What one look at every BMC cost.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    /// Seconds.
    pub(super) wall: f64,
    /// Seconds of processor time.
    pub(super) cpu: f64,
    /// The same of the emulator.
    pub(super) emulator_cpu: f64,
    /// Requests that look.
    pub(super) reads: u64,
    /// Logins and logouts.
    pub(super) sessions: u64,
    /// The most memory, in MiB.
    pub(super) peak: f64,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
}

/// What the controller read in its last look at the first BMC, the system first.
pub(super) async fn paths(emulator: &Emulator) -> Result<Vec<String>> {
    let log: Vec<Record> = emulator.control.json("/control/bmc/0/log").await?;
    let logged_out = log.iter().rposition(|record| record.method == "DELETE").context("no look is over")?;
    let from = log[..logged_out].iter().rposition(|record| record.method == "POST").context("no login")?;
    let reads = log[from..logged_out].iter().filter(|record| record.method == "GET");
    Ok(reads.map(|record| record.path.clone()).collect())
}

/// By sushy, a thread for each look at once.
pub(super) async fn sushy(emulator: &Emulator, python: &Path, paths: &[String]) -> Result<Looked> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sushy/sweep.py");
    let mut command = Command::new(python);
    command.arg(script).arg(USER).arg(AT_ONCE.to_string()).args(paths).env("SUSHY_PASSWORD", PASSWORD);
    // Certificates are not checked. Python reads the system's CAs all the same, for every connection, and would spend
    // four fifths of its time on them.
    command.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/dev/null");
    let addresses = emulator.bmcs.iter().map(|bmc| bmc.url.as_str()).collect::<Vec<_>>().join("\n");
    let looked = measured(emulator, |most| {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", python.display()))?;
        child.stdin.take().context("no standard input")?.write_all(addresses.as_bytes())?;
        finish(&mut child, most)?;
        let said = std::io::read_to_string(child.stdout.take().context("no standard output")?)?;
        if said.trim() != emulator.bmcs.len().to_string() {
            bail!("sushy had an answer of {} BMCs", said.trim());
        }
        Ok(())
    });
    looked.await
}

/// By curl: every look is sent with the password, so that there are no sessions.
pub(super) async fn curl(emulator: &Emulator, place: &Place, paths: &[String]) -> Result<Looked> {
    let mut configs = Vec::new();
    for (number, bmcs) in emulator.bmcs.chunks(A_RUN).enumerate() {
        let mut text = String::new();
        for path in paths {
            for bmc in bmcs {
                text.push_str(&format!("url = \"{}{path}\"\noutput = \"/dev/null\"\n", bmc.url));
            }
        }
        let config = place.root().join(format!("curl-{number}"));
        fs::write(&config, text)?;
        configs.push(config);
    }
    measured(emulator, |most| configs.iter().try_for_each(|config| run_curl(config, most))).await
}

fn run_curl(config: &Path, most: &mut f64) -> Result<()> {
    let mut child = Command::new("curl")
        .args(["--no-progress-meter", "--fail", "--insecure", "--noproxy", "*", "--parallel"])
        .args(["--parallel-max", &AT_ONCE.to_string(), "--user", &format!("{USER}:{PASSWORD}"), "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start curl")?;
    finish(&mut child, most)
}

/// Waits for a program, and looks at its memory meanwhile.
fn finish(child: &mut Child, most: &mut f64) -> Result<()> {
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("it ended with {status}");
            }
            return Ok(());
        }
        if let Ok(now) = process::memory(child.id(), "VmHWM") {
            *most = most.max(now);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn measured(emulator: &Emulator, work: impl FnOnce(&mut f64) -> Result<()>) -> Result<Looked> {
    let before = emulator.totals().await?;
    let (cpu, emulator_cpu) = (process::children_cpu()?, process::cpu(emulator.pid())?);
    let began = Instant::now();
    let mut peak = 0.0;
    work(&mut peak)?;
    let wall = began.elapsed().as_secs_f64();
    let after = emulator.totals().await?;
    Ok(Looked {
        wall,
        cpu: process::children_cpu()? - cpu,
        emulator_cpu: process::cpu(emulator.pid())? - emulator_cpu,
        reads: after.reads - before.reads,
        sessions: after.sessions + after.sessions_closed - before.sessions - before.sessions_closed,
        peak,
    })
}

/// One thing that somebody does to a BMC: method, path below the service root, body.
type Deed = (&'static str, &'static str, &'static str);

const SYSTEM: &str = "Systems/System.Embedded.1";

/// Somebody puts images in, sets a boot override and switches off.
pub(super) const CHANGED: [Deed; 4] = [
    ("POST", "/VirtualMedia/1/Actions/VirtualMedia.InsertMedia", r#"{"Image": "IMAGE"}"#),
    ("POST", "/VirtualMedia/2/Actions/VirtualMedia.InsertMedia", r#"{"Image": "IMAGE"}"#),
    ("PATCH", "", r#"{"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"}}"#),
    ("POST", "/Actions/ComputerSystem.Reset", r#"{"ResetType": "ForceOff"}"#),
];

/// And takes it back.
pub(super) const BACK: [Deed; 4] = [
    ("POST", "/VirtualMedia/1/Actions/VirtualMedia.EjectMedia", "{}"),
    ("POST", "/VirtualMedia/2/Actions/VirtualMedia.EjectMedia", "{}"),
    (
        "PATCH",
        "",
        r#"{"Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}}"#,
    ),
    ("POST", "/Actions/ComputerSystem.Reset", r#"{"ResetType": "On"}"#),
];

/// Does these things to every BMC. The paths are those of one model.
pub(super) fn change(
    emulator: &Emulator,
    place: &Place,
    profile: &str,
    deeds: [Deed; 4],
    image: &str,
) -> Result<()> {
    if !profile.starts_with("idrac") {
        bail!("changes are known for iDRACs alone, not for {profile}");
    }
    for (method, path, body) in deeds {
        let body = body.replace("IMAGE", image).replace('"', "\\\"");
        for bmcs in emulator.bmcs.chunks(A_RUN) {
            let each = |url: &str| {
                format!(
                    "url = \"{url}/redfish/v1/{SYSTEM}{path}\"\nrequest = {method}\nfail\ninsecure\n\
                     noproxy = \"*\"\nuser = \"{USER}:{PASSWORD}\"\nheader = \"content-type: application/json\"\n\
                     data = \"{body}\"\noutput = \"/dev/null\"\nnext\n"
                )
            };
            let text: String = bmcs.iter().map(|bmc| each(&bmc.url)).collect();
            let config = place.root().join("curl-change");
            fs::write(&config, text.trim_end().trim_end_matches("next"))?;
            let status = Command::new("curl")
                .args([
                    "--no-progress-meter",
                    "--parallel",
                    "--parallel-max",
                    &AT_ONCE.to_string(),
                    "--config",
                ])
                .arg(&config)
                .status()
                .context("start curl")?;
            if !status.success() {
                bail!("{method} {path}: curl ended with {status}");
            }
        }
    }
    Ok(())
}
