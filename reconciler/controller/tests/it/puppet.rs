// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine at the end of the BMC's wire: boots what it is given, asks for the permit, reports. What
//! it does is set by the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shoal_taskiso::reader::open_task;
use shoal_testbed::bmc::{
    AfterShutdown, AttachedMedium, BootDevice, BootPlan, BootProgress, Host, Machine, StopCause,
};

/// What the machine does once it has booted the maintenance OS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// Reports this unit as failed instead of success.
    pub(crate) fails_in: Option<(&'static str, &'static str)>,
    /// Says that it is this machine.
    pub(crate) serial: Option<String>,
    /// Asks and then says nothing any more.
    pub(crate) silent_after_permit: bool,
    /// Goes off once it has its permit, as often as this says.
    pub(crate) power_cuts: u32,
    /// Never asks.
    pub(crate) never_asks: bool,
    /// Says that its disk holds something.
    pub(crate) disk_in_use: bool,
    /// Reports twice with one delivery id.
    pub(crate) reports_twice: bool,
}

/// What the machine has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Boots of the maintenance OS.
    pub(crate) maintenance_boots: u32,
    /// Boots of its own disk.
    pub(crate) disk_boots: u32,
    /// Answers to requests for a permit.
    pub(crate) answers: Vec<Value>,
    /// Answers to reports.
    pub(crate) reports: Vec<Value>,
    /// Where its media came from at the last boot of the maintenance OS.
    pub(crate) media: Vec<String>,
    /// The last task medium.
    pub(crate) task: Option<Value>,
    /// The boot that asked last.
    pub(crate) boot_id: Option<String>,
}

/// The machine.
#[derive(Clone)]
pub(crate) struct Puppet {
    inner: Arc<Inner>,
}

struct Inner {
    serial: String,
    disk_serial: String,
    script: Mutex<Script>,
    seen: Mutex<Seen>,
    running: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Puppet {
    pub(crate) fn new(serial: &str, disk_serial: &str) -> Self {
        Self {
            inner: Arc::new(Inner {
                serial: serial.to_owned(),
                disk_serial: disk_serial.to_owned(),
                script: Mutex::default(),
                seen: Mutex::default(),
                running: Mutex::default(),
            }),
        }
    }

    pub(crate) fn set(&self, script: Script) {
        *self.inner.script.lock().unwrap() = script;
    }

    pub(crate) fn seen(&self) -> Seen {
        self.inner.seen.lock().unwrap().clone()
    }
}

impl Machine for Puppet {
    fn boot(&self, host: Host, plan: BootPlan) {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            match plan.device {
                BootDevice::Cd { .. } | BootDevice::UefiHttp { .. } => {
                    {
                        let mut seen = inner.seen.lock().unwrap();
                        seen.maintenance_boots += 1;
                        seen.media = plan.media.iter().map(|medium| medium.url.clone()).collect();
                    }
                    inner.maintenance(&host, &plan).await;
                }
                _ => {
                    inner.seen.lock().unwrap().disk_boots += 1;
                    host.report(BootProgress::OSRunning);
                }
            }
        });
        *self.inner.running.lock().unwrap() = Some(task);
    }

    fn stop(&self, _: StopCause) {
        if let Some(task) = self.inner.running.lock().unwrap().take() {
            task.abort();
        }
    }

    fn shutdown_requested(&self, host: Host, then: AfterShutdown) {
        match then {
            AfterShutdown::PowerOff => host.power_off(),
            AfterShutdown::Reboot => host.reboot(),
        };
    }
}

impl Inner {
    async fn maintenance(&self, host: &Host, plan: &BootPlan) {
        let mut task = None;
        let mut media = Vec::new();
        if let BootDevice::UefiHttp { uri: Some(uri) } = &plan.device {
            let Some(bytes) = fetch(host, uri).await else { return };
            media.push(bytes);
        }
        for medium in &plan.media {
            let Some(bytes) = read_all(host, medium).await else { return };
            media.push(bytes);
        }
        for bytes in media {
            if let Ok((_, volume)) = open_task(bytes) {
                let json = volume.read("task.json", 1 << 20).unwrap();
                task = Some(serde_json::from_slice::<Value>(&json).unwrap());
            }
        }
        let Some(task) = task else { return };
        self.seen.lock().unwrap().task = Some(task.clone());
        let script = self.script.lock().unwrap().clone();
        if script.never_asks {
            return;
        }
        let boot_id = format!("boot-{}-{}", self.serial, host.boot());
        self.seen.lock().unwrap().boot_id = Some(boot_id.clone());
        let Some(granted) = self.ask(&task, &script, &boot_id).await else { return };
        if script.silent_after_permit {
            return;
        }
        if script.power_cuts > 0 {
            self.script.lock().unwrap().power_cuts -= 1;
            host.power_off();
            return;
        }
        self.report(&task, &script, &boot_id, granted).await;
    }

    /// Whether the permit was granted; nothing where it never was answered for good.
    async fn ask(&self, task: &Value, script: &Script, boot_id: &str) -> Option<bool> {
        let body = json!({
            "attempt": task["attempt"], "epoch": task["epoch"], "boot_id": boot_id,
            "identity": {"serial": script.serial.as_ref().unwrap_or(&self.serial)},
            "disk": {
                "path": "/dev/sda", "serial": self.disk_serial, "size_bytes": 64_u64 << 30,
                "blank": !script.disk_in_use,
                "contents": if script.disk_in_use { vec!["ext4 \"data\""] } else { vec![] },
            },
            "matching_disks": 1,
            "dispatcher_version": "0.0.0",
        });
        let url = format!("{}/api/v1/jobs/{}/permit", base(task), task["job_id"].as_str()?);
        loop {
            let answer = client()
                .post(&url)
                .bearer_auth(task["token"].as_str()?)
                .json(&body)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success());
            let Some(answer) = answer else {
                // The controller may be down for a moment.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let answer: Value = answer.json().await.ok()?;
            self.seen.lock().unwrap().answers.push(answer.clone());
            match answer["decision"].as_str()? {
                "granted" => return Some(true),
                "wait" => tokio::time::sleep(Duration::from_millis(50)).await,
                "already_installed" => return None,
                _ => return Some(false),
            }
        }
    }

    async fn report(&self, task: &Value, script: &Script, boot_id: &str, granted: bool) {
        let mut body = json!({
            "status": "success", "delivery_id": format!("{boot_id}-1"), "job_id": task["job_id"],
            "attempt": task["attempt"], "boot_id": boot_id,
        });
        if !granted {
            body["status"] = "failed".into();
            body["failed_step"] = "permit.service".into();
        } else if let Some((unit, code)) = script.fails_in {
            body["status"] = "failed".into();
            body["failed_step"] = unit.into();
            body["error"] = json!({
                "code": code, "message": format!("{unit} did not work"), "hint": "add one to the layout",
                "log_tail": "last line",
            });
        }
        let url = format!("{}/api/v1/status-webhook/{}", base(task), self.serial);
        let times = if script.reports_twice { 2 } else { 1 };
        for _ in 0..times {
            loop {
                let request = client().post(&url).header("x-webhook-secret", task["token"].as_str().unwrap());
                if let Ok(answer) = request.json(&body).send().await
                    && let Ok(answer) = answer.json::<Value>().await
                {
                    self.seen.lock().unwrap().reports.push(answer);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Reads a medium as a BMC does: again and again while the server is away, until the power goes.
async fn read_all(host: &Host, medium: &AttachedMedium) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while host.is_current() {
        if let Ok(reader) = host.open(medium).await {
            while (bytes.len() as u64) < reader.size() {
                match reader.read_at(bytes.len() as u64, 1 << 20).await {
                    Ok(piece) => bytes.extend_from_slice(&piece),
                    Err(_) => break,
                }
            }
            if bytes.len() as u64 == reader.size() {
                return Some(bytes);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// Fetches an image as firmware does that boots over HTTP: in one piece.
async fn fetch(host: &Host, uri: &str) -> Option<Vec<u8>> {
    while host.is_current() {
        if let Ok(answer) = client().get(uri).send().await
            && answer.status().is_success()
            && let Ok(bytes) = answer.bytes().await
        {
            return Some(bytes.to_vec());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

fn base(task: &Value) -> String {
    task["callback"]["url"].as_str().unwrap().trim_end_matches('/').to_owned()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(shoal_testbed::tls::unverified_client_config().unwrap())
        .build()
        .unwrap()
}
