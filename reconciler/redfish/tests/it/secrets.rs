// SPDX-License-Identifier: AGPL-3.0-or-later
//! Nothing secret comes out, whatever a BMC echoes, and everything else is told.

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shoal_redfish::{Bmc, CallRecord, Op, RedfishBmc, Wiring};
use tracing_subscriber::fmt::MakeWriter;

use crate::flow::image;
use crate::support::client::{PASSWORD, Recorder, USER, endpoint, wiring};
use crate::support::fake::{Fake, refused};
use crate::support::server::{Reply, Server};
use crate::support::trees::{FIRST, SESSIONS, SYSTEM, two_cd};

const TOKEN: &str = "s3ss10n-t0k3n";

/// Collects what is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_that_is_planted_as_a_secret_is_in_any_error_log_or_record() {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(logged.clone())
        .with_ansi(false)
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let fake = Fake::new(two_cd());
    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let echo = format!("{PASSWORD} {TOKEN} {}", image("boot.iso").url.expose());
    fake.hook(|asked, state| {
        (asked.method == "POST" && asked.path == SESSIONS).then(|| {
            state.sessions.insert(TOKEN.to_owned());
            Reply::status(201).header("X-Auth-Token", TOKEN).header("Location", format!("{SESSIONS}/{TOKEN}"))
        })
    });
    fake.hook(move |asked, _| {
        let refuse = asked.path.contains("/Actions/") || asked.method == "DELETE";
        refuse.then(|| refused(400, &format!("Base.1.0.{echo}"), &echo, &[&echo]))
    });
    let server = Server::https(fake.clone()).await;
    let recorder = Arc::new(Recorder::default());
    let wiring = Wiring { observer: recorder.clone(), ..wiring() };
    let endpoint = endpoint(&server);
    let bmc = RedfishBmc::connect(&endpoint, wiring).await.unwrap();
    let mut out = format!("{endpoint:?}");
    for error in [
        bmc.insert(FIRST, &image("boot.iso")).await.unwrap_err(),
        bmc.ensure_power_off(std::time::Duration::ZERO).await.unwrap_err(),
        bmc.close().await.unwrap_err(),
    ] {
        out.push_str(&format!("{error} {error:?} {}", error.hint()));
    }
    let records = format!("{:?}", recorder.0.lock().unwrap());
    out.push_str(&records);
    let logs = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(logs.contains("redfish call"), "{logs}");
    out.push_str(&logs);
    for secret in [PASSWORD, TOKEN, "c4pab1l1ty", &basic] {
        assert!(!out.contains(secret), "{secret} in {out}");
    }
}

fn shown(record: &CallRecord) -> String {
    format!(
        "{} {} {} {} {}",
        record.op.label(),
        record.method,
        record.resource,
        record.code_label(),
        record.attempt
    )
}

#[tokio::test]
async fn every_exchange_is_told_with_its_own_number() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let recorder = Arc::new(Recorder::default());
    let wiring = Wiring { observer: recorder.clone(), ..wiring() };
    let bmc = RedfishBmc::connect(&endpoint(&server), wiring).await.unwrap();
    let start = recorder.0.lock().unwrap().len();
    fake.answer("GET", SYSTEM, 1, || Reply::status(503));
    fake.answer("GET", SYSTEM, 1, Reply::broken);
    bmc.boot_progress().await.unwrap();
    bmc.ensure_power_on().await.unwrap();
    bmc.close().await.unwrap();
    let records = recorder.0.lock().unwrap();
    let lines: Vec<String> = records[start..].iter().map(shown).collect();
    assert_eq!(
        lines,
        [
            format!("power-on GET {SYSTEM} 503 1"),
            format!("power-on GET {SYSTEM} unreachable 2"),
            format!("power-on GET {SYSTEM} 200 3"),
            format!("logout DELETE {SESSIONS}/{{hidden}} 204 1"),
        ]
    );
    let numbers: Vec<u64> = records.iter().map(|record| record.correlation.number()).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.bmc == server.address().to_string()));
    assert_eq!(records[0].op, Op::Login);
    assert_eq!(records.last().map(|record| record.vendor), Some("other"));
    drop(records);
    assert_eq!(fake.log().len(), recorder.0.lock().unwrap().len());
}
