// SPDX-License-Identifier: AGPL-3.0-or-later
//! A whole job, and nothing secret of it in anything that is said, shown, counted, published or kept; and
//! every call to the BMC told with the job that it belongs to.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shoal_testbed::bmc::{
    BmcConfig, Credentials, Farm, FarmConfig, Identity, NullMachine, Password, TokioClock, profiles,
};
use shoal_testbed::faults::FaultPlan;
use tracing_subscriber::fmt::MakeWriter;

use super::world::{HOOK_KEY, OS_HASH, PASSWORD, World, client};

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Heard {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn everything(heard: &Heard) -> tracing::Dispatch {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(heard.clone())
        .with_ansi(false)
        .finish()
        .into()
}

/// The tokens of a BMC's first sessions: a twin of it, with the same seed, gives out the same ones.
async fn session_tokens(profile: &str, count: usize) -> Vec<String> {
    let farm = Farm::start(FarmConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: true,
        bmcs: vec![BmcConfig {
            profile: profiles::by_name(profile).unwrap(),
            identity: Identity::numbered(7, 0),
            credentials: Credentials { user: "root".into(), password: Password::new(PASSWORD.into()) },
            machine: Arc::new(NullMachine::default()),
            powered_on: true,
            log_capacity: 10,
        }],
        faults: FaultPlan::default(),
        seed: 7,
        clock: Arc::new(TokioClock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
        time_scale: 0.002,
        control: None,
        log_file: None,
    })
    .await
    .unwrap();
    let bmc = &farm.bmcs()[0];
    let mut tokens = Vec::new();
    for _ in 0..count {
        let url = format!("{}/redfish/v1/SessionService/Sessions", bmc.url());
        let login = json!({"UserName": "root", "Password": PASSWORD});
        let answer = client().post(&url).json(&login).send().await.unwrap();
        let token = answer.headers()["x-auth-token"].to_str().unwrap().to_owned();
        let session = answer.headers()["location"].to_str().unwrap().to_owned();
        let session = bmc.url().parse::<url::Url>().unwrap().join(&session).unwrap();
        let ended = client().delete(session).header("x-auth-token", &token).send().await.unwrap();
        assert!(ended.status().is_success());
        tokens.push(token);
    }
    farm.shutdown().await;
    tokens
}

/// All that a reader of the API sees.
async fn api(world: &World, job: &str) -> String {
    let mut all = String::new();
    let job = format!("/api/v1/jobs/{job}");
    for path in [
        "/api/v1/status",
        "/api/v1/servers",
        "/api/v1/servers/web-00",
        "/api/v1/jobs",
        &job,
        "/api/v1/plan",
        "/metrics",
    ] {
        let answer = client().get(world.api(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        all.push_str(&answer.text().await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_job_leaves_no_secret_in_logs_metrics_answers_status_or_database() {
    let heard = Heard::default();
    let mut world = World::new(&["ilo5"]).await;
    world.listener = Some(everything(&heard));
    // What a BMC refuses, and how often a session ends, is told too.
    let faults = "rules:
      - {name: thrown out, methods: [GET], path: '**/VirtualMedia/*', after: 2, count: 1, fault: {kind: unauthorized}}
      - {name: not ready, methods: [POST], path: '**InsertMedia', count: 1, fault: {kind: status, status: 503}}";
    world.farm.bmcs()[0].set_faults(FaultPlan::parse(faults).unwrap()).unwrap();
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "succeeded").await;
    let job = view["job"]["job_id"].as_str().unwrap().to_owned();
    let mut shown = api(&world, &job).await;
    world.wait_status("servers/rack-a/web-00.json", "the end", |s| s["job"]["outcome"] == "succeeded").await;
    let task = world.puppets[0].seen().task.unwrap();
    let boot = world.farm.bmcs()[0].state().counters;
    world.stop().await;

    // What there was to be hidden, and that it was there.
    let mut secrets = vec![PASSWORD.to_owned(), OS_HASH.to_owned(), HOOK_KEY.to_owned()];
    secrets.push(STANDARD.encode(format!("root:{PASSWORD}")));
    secrets.push(task["token"].as_str().unwrap().to_owned());
    let capabilities: Vec<String> = world.puppets[0].seen().media;
    assert_eq!(capabilities.len(), 2, "two media");
    for url in capabilities {
        secrets.push(url.split('/').rev().nth(1).unwrap().to_owned());
    }
    let tokens = session_tokens("ilo5", boot.sessions as usize).await;
    assert!(tokens.len() > 1, "{tokens:?}");
    secrets.extend(tokens);

    let logs = heard.text();
    assert!(logs.contains("redfish call") && logs.contains("TRACE"), "{} bytes of logs", logs.len());
    shown.push_str(&logs);
    shown.push_str(&world.git(&["--git-dir", "repo.git", "log", "-p", "shoal/status"]));
    let database = std::fs::read(world.path("state/db/shoal.redb")).unwrap();
    for secret in &secrets {
        assert!(secret.len() >= 12, "{secret} is nothing to look for");
        if let Some(at) = shown.find(secret.as_str()) {
            let (from, to) =
                (shown.floor_char_boundary(at.saturating_sub(300)), shown.ceil_char_boundary(at + 300));
            panic!("{secret} in: {}", &shown[from..to]);
        }
        assert!(!database.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret} in the database");
    }

    // Each call of the job is told with the job, and has a number of its own.
    let calls: Vec<&str> = logs.lines().filter(|line| line.contains("redfish call")).collect();
    let of_the_job = calls.iter().filter(|line| line.contains(&format!("job_id={job}"))).count();
    assert!(of_the_job > 20, "{of_the_job} of {}", calls.len());
    for line in &calls {
        assert!(line.contains("server_serial=") && line.contains("worker_id="), "{line}");
        assert!(line.contains("job{") || line.contains("look{") || line.contains("deed{"), "{line}");
        for field in ["op=", "code=", "duration_ms=", "correlation_id=", "vendor=", "attempt="] {
            assert!(line.contains(field), "{field} is not in {line}");
        }
    }
    let numbers: std::collections::BTreeSet<&str> = calls
        .iter()
        .filter_map(|line| line.split("correlation_id=").nth(1)?.split_whitespace().next())
        .collect();
    assert_eq!(numbers.len(), calls.len(), "a number stands for one call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_names_the_call_that_the_log_tells_more_about() {
    let heard = Heard::default();
    let mut world = World::new(&["ilo5"]).await;
    world.listener = Some(everything(&heard));
    let faults = "rules:\n  - {name: no, methods: [POST], path: '**InsertMedia', fault: {kind: refuse, why: unlicensed}}";
    world.farm.bmcs()[0].set_faults(FaultPlan::parse(faults).unwrap()).unwrap();
    world.push("one server");
    world.start().await;
    let view = world.wait_job_complete(0, "failed").await;
    let error = &view["job"]["error"];
    assert_eq!(error["code"], "licence-missing", "{error}");
    let message = error["message"].as_str().unwrap();
    let call = message.rsplit_once("[call ").unwrap().1.trim_end_matches(']').to_owned();
    assert!(call.starts_with("1-"), "the first incarnation: {call}");
    let metrics = client().get(world.api("/metrics")).send().await.unwrap().text().await.unwrap();
    for (name, labels) in [
        ("requests_total", r#"{code="201",op="login",vendor="unknown"}"#),
        ("requests_total", r#"{code="200",op="discover",vendor="hpe"}"#),
        ("request_duration_seconds_count", r#"{op="insert-boot",vendor="hpe"}"#),
    ] {
        let series = format!("shoal_provisioner_redfish_{name}{labels}");
        assert!(metrics.contains(&series), "{series} is not in\n{metrics}");
    }
    world.stop().await;
    let logs = heard.text();
    let line = logs.lines().find(|line| line.contains(&format!("correlation_id={call}")));
    let line = line.unwrap_or_else(|| panic!("no call {call} is logged"));
    assert!(line.contains("op=\"insert-boot\"") && line.contains("InsertMedia"), "{line}");
    // After a restart no number comes twice.
    world.start().await;
    world.wait_server(0, "another look", |view| view["status"]["bmc"]["reachable"] == true).await;
    world.stop().await;
    assert!(heard.text().contains("correlation_id=2-"), "the second incarnation has numbers of its own");
}
