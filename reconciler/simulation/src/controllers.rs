// SPDX-License-Identifier: AGPL-3.0-or-later
//! Controllers: how one is started, found on the network, and loses its power.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use shoal_controller::outside::{Blocking, Outside};
use shoal_controller::settings::{Auth, Listener, Settings, Source, TlsMode};
use shoal_controller::{Running, start_in};
use shoal_core::job::Budgets;
use shoal_git::Credential;
use shoal_schema::SecretString;
use shoal_store::MemoryStore;
use shoal_taskiso::{TaskFiles, build_volume};
use shoal_tls::OwnCertificate;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::bmc::SimDoor;
use crate::dice::SeededRandom;
use crate::git::{SimMirror, url};
use crate::journal::jobs_in;
use crate::people::KEY;
use crate::store::SimStore;
use crate::world::{World, WorldClock};

/// One start of a controller.
pub(crate) struct Incarnation {
    /// 0 is the one that should be there; 1 is a second one that somebody started.
    pub side: usize,
    /// Cancelled when its power goes.
    pub power: CancellationToken,
    /// What it answers, while it runs.
    pub faces: Option<Faces>,
    /// What runs.
    pub running: Option<Running>,
}

/// What a controller answers.
#[derive(Clone)]
pub(crate) struct Faces {
    api: Router,
    media: Router,
}

/// Files that every controller of this process may share: they are read, and never written after the first start.
static FILES: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    let iso = build_volume("SHOAL_MAINTENANCE", &TaskFiles::new(), 0, 0, 1 << 20).expect("an image");
    let path = dir.path().join("maintenance.iso");
    std::fs::write(&path, &iso.bytes).expect("it can be written");
    let keys = dir.path().join("keys");
    std::fs::create_dir(&keys).expect("a directory");
    OwnCertificate::kept(&keys).expect("a certificate");
    (dir, path)
});

/// The host names of a controller: where it is called, and where media are.
pub(crate) fn hosts(side: usize) -> (&'static str, &'static str) {
    [("controller-a", "media-a"), ("controller-b", "media-b")][side]
}

fn settings(world: &Arc<World>, side: usize) -> Settings {
    let (api, media) = hosts(side);
    Settings {
        source: Source::Git { url: url(), branch: Some("main".to_owned()), credential: Credential::None },
        db_path: PathBuf::new(),
        storage_root: FILES.0.path().to_owned(),
        api: Listener { addr: ([127, 0, 0, 1], 0).into(), tls: TlsMode::Off },
        api_tls: None,
        media: None,
        media_tls: None,
        callback_url: Some(format!("https://{api}")),
        media_urls: vec![format!("http://{media}")],
        socket: None,
        auth: Auth::None,
        maintenance_iso: FILES.1.clone(),
        static_dir: None,
        registry: None,
        identities: Some(KEY.key_file("simulation")),
        signing_secret: Some(SecretString::new(format!("{api}: a secret of the simulation"))),
        old_signing_secret: None,
        worker_concurrency: 16,
        bmc_concurrency: 64,
        redfish_timeout: Duration::from_secs(30),
        redfish_retries: 3,
        time_divisor: 1,
        budgets: Budgets::default(),
        poll: Duration::from_secs(60),
        sweep: Duration::from_secs(600),
        job_retention: Duration::from_secs(30 * 86_400),
        version: "0.0.0-simulation",
        clock: Arc::new(WorldClock(Arc::clone(world))),
    }
}

/// Starts a controller on a database.
pub(crate) fn start(world: &Arc<World>, side: usize, store: Arc<MemoryStore>) {
    let power = CancellationToken::new();
    let (number, seed) = world.with(|state| {
        let incarnation = Incarnation { side, power: power.clone(), faces: None, running: None };
        state.incarnations.push(incarnation);
        state.jobs[side] = jobs_in(&store);
        (state.incarnations.len() - 1, state.dice.roll())
    });
    let outside = Outside {
        store: Arc::new(SimStore::new(Arc::clone(world), number, side, store)),
        repository: Some(Arc::new(SimMirror::new(Arc::clone(world), side))),
        bmcs: Arc::new(SimDoor::new(Arc::clone(world), number)),
        random: Arc::new(SeededRandom::new(seed)),
        blocking: Blocking::Inline,
        power,
        http: None,
    };
    world.say("start", || format!("controller {side}, incarnation {number}"));
    match start_in(settings(world, side), outside) {
        Ok(running) => world.with(|state| {
            let faces = Faces { api: running.api_router(), media: running.media_router() };
            state.incarnations[number].faces = Some(faces);
            state.incarnations[number].running = Some(running);
        }),
        Err(error) => world.with(|state| {
            state.oracle.broken(format!("a controller does not start: {error}"));
        }),
    }
}

/// The newest incarnation of a side that has power.
pub(crate) fn alive(world: &World, side: usize) -> Option<usize> {
    world.with(|state| {
        let mut all = state.incarnations.iter().enumerate().rev();
        let newest = all.find(|(_, incarnation)| incarnation.side == side)?;
        (!newest.1.power.is_cancelled() && newest.1.faces.is_some()).then_some(newest.0)
    })
}

/// Lets go of what a controller without power still holds.
pub(crate) fn bury(world: &World) {
    let dead: Vec<(Option<Faces>, Option<Running>)> = world.with(|state| {
        let gone = state.incarnations.iter_mut().filter(|incarnation| incarnation.power.is_cancelled());
        gone.map(|incarnation| (incarnation.faces.take(), incarnation.running.take())).collect()
    });
    drop(dead);
}

/// An answer.
pub(crate) struct Answer {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Asks a controller by its host name. Nothing: nobody is there, or its power went meanwhile.
pub(crate) async fn ask(
    world: &Arc<World>,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Vec<u8>,
) -> Option<Answer> {
    let side = (0..2).find(|side| hosts(*side).0 == host || hosts(*side).1 == host)?;
    let number = alive(world, side)?;
    let (router, power) = world.with(|state| {
        let incarnation = &state.incarnations[number];
        let faces = incarnation.faces.clone()?;
        let router = if hosts(side).0 == host { faces.api } else { faces.media };
        Some((router, incarnation.power.clone()))
    })?;
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let request = request.body(Body::from(body)).ok()?;
    let exchange = async move {
        let answer = router.oneshot(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.ok()?.to_bytes().to_vec();
        Some(Answer { status, body })
    };
    let answer = power.run_until_cancelled(exchange).await.flatten()?;
    if let Some(job) = path.strip_prefix("/api/v1/jobs/").and_then(|rest| rest.strip_suffix("/permit"))
        && answer.json()["decision"] == "granted"
        && let Some(boot) = asked["boot_id"].as_str()
    {
        let attempt = asked["attempt"].as_u64().unwrap_or_default();
        world.with(|state| {
            state.oracle.answered(job, boot, world.elapsed());
            let current = state.jobs[side].get(job).map(|job| job.attempt);
            if current.is_some_and(|current| current != attempt) {
                let text = format!("job {job} is at attempt {current:?}, and attempt {attempt} got a permit");
                state.oracle.broken(text);
            }
        });
    }
    Some(answer)
}
