// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a machine does: starts, boots what it is given, asks for the permit, writes its disk, reports.
//!
//! It is a bolder machine than a real one: it compares no identity by itself and refuses no disk, so that the
//! controller's own answer is all that stands between a task medium and a disk.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_taskiso::reader::open_task;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::controllers::{Answer, ask, hosts};
use crate::hardware::{Content, Writing};
use crate::oracle::Write;
use crate::world::{State, World};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Switches a machine on that is off.
pub(crate) fn switch_on(world: &Arc<World>, state: &mut State, number: usize) {
    let machine = &mut state.machines[number];
    machine.on = true;
    machine.boots += 1;
    machine.life = CancellationToken::new();
    let (world, life, boot) = (Arc::clone(world), machine.life.clone(), machine.boots);
    tokio::spawn(async move { life.run_until_cancelled_owned(start(world, number, boot)).await });
}

/// What a start boots from.
enum From {
    Nothing,
    Disk,
    Media(Vec<String>),
    Known(Box<(Vec<u8>, Vec<u8>)>),
}

async fn start(world: Arc<World>, number: usize, boot: u32) {
    let post = world.with(|state| state.dice.ms(20_000, 120_000));
    tokio::time::sleep(post).await;
    let from = world.with(|state| {
        let machine = &mut state.machines[number];
        if std::mem::take(&mut machine.hangs_next) {
            return From::Nothing;
        }
        if std::mem::take(&mut machine.stale_next)
            && let Some(task) = machine.last_task.clone()
        {
            return From::Known(Box::new(task));
        }
        let Some(bmc) = state.bmcs.iter_mut().find(|bmc| bmc.machine == number) else { return From::Disk };
        let from_medium = bmc.boot_once.take() == Some(bmc.starts_by);
        match (from_medium, &bmc.slots[0]) {
            (true, Some(_)) => From::Media(bmc.slots.iter().flatten().cloned().collect()),
            _ => From::Disk,
        }
    });
    match from {
        From::Nothing => world.say("machine hangs", || format!("machine {number}")),
        From::Disk => system(&world, number),
        From::Known(task) => maintenance(&world, number, boot, *task).await,
        From::Media(urls) => match read(&world, &urls).await {
            Some(task) => {
                world.with(|state| {
                    state.machines[number].last_task = Some(task.clone());
                    if let Ok(task) = serde_json::from_slice::<Value>(&task.0) {
                        let attempt = task["attempt"].as_u64().unwrap_or_default();
                        state.read_medium(task["job_id"].as_str().unwrap_or_default(), attempt);
                    }
                });
                maintenance(&world, number, boot, task).await;
            }
            None => {
                world.say("media unreadable", || format!("machine {number}"));
                system(&world, number);
            }
        },
    }
}

fn system(world: &Arc<World>, number: usize) {
    let runs = world.with(|state| {
        let machine = &mut state.machines[number];
        machine.runs_system = matches!(machine.disk.content, Content::System(_) | Content::Foreign);
        machine.runs_system
    });
    world.say("boots its disk", || format!("machine {number}, a system: {runs}"));
}

/// Task and recipe out of the media.
async fn read(world: &Arc<World>, urls: &[String]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut task = None;
    for url in urls {
        let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
        let mut answer = None;
        for _ in 0..3 {
            answer = ask(world, host, "GET", &format!("/{path}"), &[], Vec::new()).await;
            if answer.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let answer = answer.filter(|answer| answer.status == 200)?;
        if let Ok((_, volume)) = open_task(answer.body) {
            task = Some((volume.read("task.json", 1 << 20).ok()?, volume.read("recipe.json", 1 << 20).ok()?));
        }
    }
    task
}

/// A request over a network that loses, repeats and delays. Nothing: no answer came.
async fn say(
    world: &Arc<World>,
    url: &str,
    headers: Vec<(&'static str, String)>,
    body: Value,
) -> Option<Answer> {
    let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
    let (host, path, body) = (host.to_owned(), format!("/{path}"), body.to_string().into_bytes());
    let (fault, late) = world.with(|state| {
        let fault = state.dice.percent(state.faults.network).then(|| state.dice.below(4));
        (fault, state.dice.ms(1_000, 900_000))
    });
    let once = {
        let world = Arc::clone(world);
        move |after: Duration| {
            let (world, host, path) = (Arc::clone(&world), host.clone(), path.clone());
            let (headers, body) = (headers.clone(), body.clone());
            async move {
                tokio::time::sleep(after).await;
                ask(&world, &host, "POST", &path, &headers, body).await
            }
        }
    };
    match fault {
        None => tokio::time::timeout(PATIENCE, once(Duration::from_millis(5))).await.ok().flatten(),
        Some(0) => {
            world.say("request lost", || url.to_owned());
            tokio::time::sleep(PATIENCE).await;
            None
        }
        Some(1) => {
            world.say("answer lost", || url.to_owned());
            drop(once(Duration::from_millis(5)).await);
            None
        }
        Some(2) => {
            world.say("request repeated later", || url.to_owned());
            tokio::spawn(once(late));
            once(Duration::from_millis(5)).await
        }
        Some(_) => {
            world.say("request delayed", || url.to_owned());
            tokio::spawn(once(late));
            tokio::time::sleep(PATIENCE).await;
            None
        }
    }
}

/// The side whose controller made a task.
fn side_of(task: &Value) -> usize {
    let callback = task["callback"]["url"].as_str().unwrap_or_default();
    usize::from(callback.contains(hosts(1).0))
}

/// The letter of the image that a recipe installs.
fn image_of(recipe: &[u8]) -> Option<char> {
    let text = String::from_utf8_lossy(recipe);
    text.split("sha256:").find_map(|rest| {
        let digest = rest.get(..64)?;
        let first = digest.chars().next()?;
        digest.chars().all(|c| c == first).then_some(first)
    })
}

async fn maintenance(world: &Arc<World>, number: usize, boot: u32, (task, recipe): (Vec<u8>, Vec<u8>)) {
    let Ok(task) = serde_json::from_slice::<Value>(&task) else { return };
    let Some(image) = image_of(&recipe) else { return };
    let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
    let (job, token, callback) =
        (text("job_id"), text("token"), task["callback"]["url"].as_str().unwrap_or_default().to_owned());
    let attempt = task["attempt"].as_u64().unwrap_or_default();
    let boot_id = format!("boot-{number}-{boot}");
    world.say("maintenance boots", || format!("machine {number} for {} attempt {attempt}", text("server")));
    let Some(stamp) = permit(world, number, &task, &callback, &job, &token, &boot_id).await else { return };
    world.say("writes", || format!("machine {number} for {}", text("server")));
    world.with(|state| {
        let (server, entry) = (text("server"), text("entry_digest"));
        let write = Write { job: &job, server: &server, boot: &boot_id, entry: &entry, image };
        state.writes(number, &write, world.elapsed());
        let machine = &mut state.machines[number];
        let side = side_of(&task);
        machine.writes = Some(Writing { job: job.clone(), since: Instant::now(), side });
        machine.disk.becomes(Content::Half, None, world.elapsed());
    });
    let (work, fails) = world.with(|state| {
        let left = &mut state.machines[number].fails_next;
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        (state.dice.ms(60_000, 1_200_000), fails)
    });
    tokio::time::sleep(work).await;
    world.with(|state| {
        let machine = &mut state.machines[number];
        machine.writes = None;
        if !fails {
            machine.disk.becomes(Content::System(image), stamp, world.elapsed());
            machine.tampered = false;
        }
    });
    world.say("wrote", || format!("machine {number}, fails {fails}"));
    report(world, number, &task, &callback, &token, &boot_id, fails).await;
}

/// The stamp that comes with the permit; nothing where there is none.
async fn permit(
    world: &Arc<World>,
    number: usize,
    task: &Value,
    callback: &str,
    job: &str,
    token: &str,
    boot_id: &str,
) -> Option<Option<shoal_schema::wire::stamp::Stamp>> {
    let url = format!("{callback}/api/v1/jobs/{job}/permit");
    loop {
        let body = world.with(|state| {
            let machine = &state.machines[number];
            let disk = &machine.disk;
            let facts = json!({"path": "/dev/sda", "serial": disk.serial, "size_bytes": 64_u64 << 30});
            let contents = match disk.content {
                Content::Blank => Vec::new(),
                Content::Foreign => vec!["ext4 \"data\""],
                Content::Half => vec!["gpt"],
                Content::System(_) => vec!["ext4 \"root\""],
            };
            let fits = task["disk"]["serial"].as_str().is_none_or(|wanted| wanted == disk.serial);
            let mut chosen = facts.clone();
            chosen["blank"] = json!(disk.content == Content::Blank);
            chosen["contents"] = json!(contents);
            if let Some(stamp) = &disk.stamp {
                chosen["stamp"] = json!(stamp);
            }
            json!({
                "attempt": task["attempt"], "epoch": task["epoch"], "boot_id": boot_id,
                "identity": {"serial": machine.serial},
                "disk": fits.then_some(chosen), "matching_disks": u32::from(fits), "disks": [facts],
                "dispatcher_version": "0.0.0",
            })
        });
        let bearer = vec![("authorization", format!("Bearer {token}"))];
        let answer = say(world, &url, bearer, body).await;
        let decision = answer.as_ref().map(Answer::json).unwrap_or_default();
        world.say("permit", || format!("machine {number}: {}", said(answer.as_ref(), &decision)));
        match decision["decision"].as_str() {
            Some("granted") => {
                world.with(|state| {
                    state.granted(job, task["attempt"].as_u64().unwrap_or_default(), boot_id);
                });
                return Some(serde_json::from_value(decision["stamp"].clone()).ok());
            }
            Some("wait") => {
                let seconds = decision["retry_after_seconds"].as_u64().unwrap_or(10);
                tokio::time::sleep(Duration::from_secs(seconds.max(1))).await;
            }
            Some(_) => return None,
            None if answer.as_ref().is_some_and(|answer| answer.status < 500) => return None,
            None => tokio::time::sleep(Duration::from_secs(10)).await,
        }
    }
}

fn said(answer: Option<&Answer>, decision: &Value) -> String {
    let status = answer.map_or_else(|| "nothing".to_owned(), |answer| answer.status.to_string());
    format!("{status} {} {}", decision["decision"], decision["code"])
}

async fn report(
    world: &Arc<World>,
    number: usize,
    task: &Value,
    callback: &str,
    token: &str,
    boot_id: &str,
    fails: bool,
) {
    let serial = world.with(|state| state.machines[number].serial.clone());
    let url = format!("{callback}/api/v1/status-webhook/{serial}");
    let mut body = json!({
        "status": if fails { "failed" } else { "success" }, "delivery_id": format!("{boot_id}-report"),
        "job_id": task["job_id"], "attempt": task["attempt"], "boot_id": boot_id,
    });
    if fails {
        body["failed_step"] = json!("image-linux.service");
        body["error"] = json!({"code": "write_failed", "message": "input/output error on /dev/sda"});
    }
    for _ in 0..30 {
        let secret = vec![("x-webhook-secret", token.to_owned())];
        let answer = say(world, &url, secret, body.clone()).await;
        world
            .say("report", || format!("machine {number}: {:?}", answer.as_ref().map(|answer| answer.status)));
        if answer.is_some_and(|answer| answer.status < 500) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
}
