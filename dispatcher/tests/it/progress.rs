// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steps' progress on its way to the controller.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use shoal_dispatcher::exit::Exit;
use shoal_dispatcher::host::{Clock, Provision};
use shoal_dispatcher::output::{OUTCOME, OutputFile, SESSION};
use shoal_dispatcher::progress::{Ending, Listener, PIECE, ProgressPolicy, follow_with};
use shoal_dispatcher::redact::Redactor;
use shoal_dispatcher::run_log::RunLog;
use shoal_dispatcher::session::Session;
use shoal_dispatcher::transport::{Answer, TransportError};
use shoal_dispatcher::webhook::{Claim, Outcome, body};
use shoal_schema::wire::progress::ProgressBody;
use shoal_schema::{JobId, SecretString};
use zeroize::Zeroizing;

use crate::support::controller::Controller;
use crate::support::media::{JOB, TOKEN};

fn session(url: &str) -> Session {
    serde_json::from_value(json!({
        "callback": {"url": url},
        "token": TOKEN,
        "job_id": JOB,
        "attempt": 2,
        "boot_id": "boot-1",
        "machine": "SERIAL1",
        "started_at": "2026-03-01T12:00:00Z",
        "dispatcher_version": "1.2.3",
    }))
    .expect("a session")
}

fn claim() -> Vec<u8> {
    let body = body(&session("http://x"), &Outcome::Success, &Redactor::default(), Timestamp::UNIX_EPOCH);
    serde_json::to_vec(&Claim { body, exit: Exit::HandedOff }).expect("JSON")
}

fn line(step: &str, bytes: u64, done: bool) -> String {
    let line = json!({"step": step, "bytes": bytes, "total": 100, "written": 0, "rate": 7, "done": done});
    format!("{line}\n")
}

/// A machine whose steps append lines at certain times, and whose outcome is claimed at the end.
struct Steps {
    lines: Vec<(u64, String)>,
    claimed: u64,
    time: Mutex<Duration>,
}

impl Steps {
    fn new(lines: Vec<(u64, String)>, claimed: u64) -> Self {
        Self { lines, claimed, time: Mutex::default() }
    }
}

#[async_trait]
impl Clock for Steps {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        *self.time.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.time.lock().unwrap() += duration;
    }

    async fn set(&self, _time: Timestamp) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Provision for Steps {
    async fn write(&self, _file: &OutputFile) -> io::Result<()> {
        Ok(())
    }

    async fn create(&self, _file: &OutputFile) -> io::Result<bool> {
        Ok(false)
    }

    async fn read(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let claimed = name == OUTCOME && self.elapsed() >= Duration::from_millis(self.claimed);
        Ok(claimed.then(|| Zeroizing::new(claim())))
    }

    async fn step_progress(&self, from: u64) -> io::Result<Vec<u8>> {
        let now = self.elapsed();
        let there = self.lines.iter().filter(|(at, _)| Duration::from_millis(*at) <= now);
        let file: Vec<u8> = there.flat_map(|(_, text)| text.bytes()).collect();
        let from = usize::try_from(from).expect("small").min(file.len());
        Ok(file[from..file.len().min(from + PIECE)].to_vec())
    }
}

/// What was heard, and when.
struct Ear<'a> {
    steps: &'a Steps,
    heard: Mutex<Vec<(u64, ProgressBody)>>,
    statuses: Mutex<Vec<u16>>,
}

impl<'a> Ear<'a> {
    /// Answers with these statuses, then with 200.
    fn new(steps: &'a Steps, statuses: &[u16]) -> Self {
        let statuses = Mutex::new(statuses.iter().rev().copied().collect());
        Self { steps, heard: Mutex::default(), statuses }
    }

    fn times(&self) -> Vec<u64> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(at, _)| *at).collect()
    }
}

#[async_trait]
impl Listener for Ear<'_> {
    async fn hear(
        &self,
        job: &JobId,
        token: &SecretString,
        body: &ProgressBody,
    ) -> Result<Answer, TransportError> {
        assert_eq!((job.as_str(), token.expose()), (JOB, TOKEN));
        let at = u64::try_from(self.steps.elapsed().as_millis()).expect("small");
        self.heard.lock().unwrap().push((at, body.clone()));
        match self.statuses.lock().unwrap().pop() {
            Some(0) => Err(TransportError::TimedOut),
            status => {
                let body = Zeroizing::new(Vec::new());
                Ok(Answer { status: status.unwrap_or(200), retry_after: None, body })
            }
        }
    }
}

#[tokio::test]
async fn only_the_newest_state_is_told_and_only_when_it_changed() {
    // Ten lines a second for three seconds, then nothing for a long time, then the next step.
    let mut lines: Vec<_> = (0..30).map(|n| (n * 100, line("image-linux", n, n == 29))).collect();
    lines.push((20_000, line("bootloader-linux", 0, false)));
    let steps = Steps::new(lines, 30_000);
    let ear = Ear::new(&steps, &[]);
    let policy = ProgressPolicy::default();
    let followed = follow_with(&steps, &ear, &session("http://x"), &policy, &mut RunLog::default()).await;
    assert_eq!((followed.ending, followed.taken), (Ending::Outcome, 4));
    assert_eq!(ear.times(), [0, 2000, 4000, 20_000]);
    let heard = ear.heard.lock().unwrap();
    assert_eq!(heard.iter().map(|(_, body)| body.bytes).collect::<Vec<_>>(), [0, 20, 29, 0]);
    assert_eq!((heard[3].1.step.as_str(), heard[3].1.attempt), ("bootloader-linux", 2));
    assert_eq!(heard[3].1.boot_id, "boot-1");
}

#[tokio::test]
async fn a_controller_that_does_not_answer_is_called_less_often_and_complained_of_once() {
    let lines = (0..200).map(|n| (n * 1000, line("image-linux", n, false))).collect();
    let steps = Steps::new(lines, 200_000);
    let ear = Ear::new(&steps, &[0, 503, 429, 0, 0, 0]);
    let mut log = RunLog::default();
    let followed =
        follow_with(&steps, &ear, &session("http://x"), &ProgressPolicy::default(), &mut log).await;
    assert_eq!(followed.ending, Ending::Outcome);
    let times = ear.times();
    assert_eq!(times[..8], [0, 4000, 12_000, 28_000, 60_000, 120_000, 180_000, 182_000]);
    assert_eq!(log.lines().count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_refusal_ends_it_and_so_do_files_that_cannot_be_told() {
    for status in [400, 401, 404, 409] {
        let steps = Steps::new(vec![(0, line("partition", 0, false))], 10_000);
        let ear = Ear::new(&steps, &[status]);
        let policy = ProgressPolicy::default();
        let followed = follow_with(&steps, &ear, &session("http://x"), &policy, &mut RunLog::default()).await;
        assert_eq!((followed.ending, followed.taken, ear.times().len()), (Ending::Refused, 0, 1), "{status}");
    }
    let odd = format!("{}{}", line("Odd\u{1b}", 0, false), line("partition", u64::MAX, false));
    let steps = Steps::new(vec![(0, line("Odd", 0, false)), (5000, odd)], 10_000);
    let ear = Ear::new(&steps, &[]);
    let policy = ProgressPolicy::default();
    let followed = follow_with(&steps, &ear, &session("http://x"), &policy, &mut RunLog::default()).await;
    assert_eq!((followed.ending, followed.taken), (Ending::Outcome, 0));
    let unpermitted = Session { boot_id: None, ..session("http://x") };
    let followed = follow_with(&steps, &ear, &unpermitted, &policy, &mut RunLog::default()).await;
    assert_eq!(followed.ending, Ending::NoBoot);
}

#[tokio::test]
async fn the_progress_command_tells_a_controller_and_ends_well_whatever_happens() {
    let controller = Controller::plain().await;
    let root = tempfile::tempdir().expect("a directory");
    let path = |name: &str| -> PathBuf { root.path().join(name) };
    let command = || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_shoal-dispatcher"));
        command
            .env_clear()
            .args(["progress", "--interval=20ms"])
            .arg(format!("--env-dir={}", root.path().display()))
            .arg(format!("--progress-file={}", path("progress.jsonl").display()))
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true);
        command
    };
    let output = command().output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "without a session");
    std::fs::create_dir(path("secret")).expect("made");
    let session = serde_json::to_vec(&session(&controller.url())).expect("JSON");
    std::fs::write(path(SESSION), session).expect("written");
    let running = command().spawn().expect("it runs");
    std::fs::write(path("progress.jsonl"), line("image-linux", 42, false)).expect("written");
    let heard = controller.heard_progress().await;
    std::fs::write(path(OUTCOME), claim()).expect("written");
    let output = running.wait_with_output().await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains(TOKEN), "{said}");
    assert_eq!((heard.subject.as_str(), heard.credential), (JOB, Some(format!("Bearer {TOKEN}"))));
    let expected = json!({
        "attempt": 2, "boot_id": "boot-1", "step": "image-linux",
        "bytes": 42, "total": 100, "written": 0, "rate": 7, "done": false,
    });
    assert_eq!(heard.body, expected);
}
