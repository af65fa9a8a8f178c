// SPDX-License-Identifier: AGPL-3.0-or-later
//! The protocol validator: a process for each model, for it spends its time waiting.

use std::path::Path;
use std::sync::Arc;

use shoal_testbed::bmc::profiles::Profile;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fail::{Fail, Report};
use crate::{command, farm};

/// How many at a time.
const AT_ONCE: usize = 6;

pub(crate) async fn validate(python: &Path, models: &[&'static Profile]) -> Vec<(&'static Profile, Report)> {
    let farm = farm::start(models).await;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (index, (bmc, profile)) in farm.bmcs().iter().zip(models.iter().copied()).enumerate() {
        let (url, python, turns) = (bmc.url(), python.to_owned(), turns.clone());
        running.spawn(async move {
            let _turn = turns.acquire().await.expect("it is never closed");
            (index, profile, validated(&python, &url).await)
        });
    }
    let mut found = running.join_all().await;
    found.sort_by_key(|(index, ..)| *index);
    found.into_iter().map(|(_, profile, report)| (profile, report)).collect()
}

async fn validated(python: &Path, url: &str) -> Report {
    let home = tempfile::tempdir().expect("a directory");
    let output = command(python, home.path())
        .arg(python.with_file_name("rf_protocol_validator"))
        .args(["--rhost", url, "--user", farm::USER, "--password", farm::PASSWORD])
        // The certificate is self-signed, and there is no HTTP beside HTTPS.
        .args(["--no-cert-check", "--avoid-http-redirect", "--report-type", "tsv", "--report-dir", "reports"])
        .output()
        .await
        .expect("Python starts");
    let mut tables = std::fs::read_dir(home.path().join("reports"))
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"));
    let Some(table) = tables.next() else {
        let said = String::from_utf8_lossy(&output.stderr);
        let message = said.lines().last().unwrap_or_default().to_owned();
        let fails = vec![Fail { assertion: "Set Up".to_owned(), at: url.to_owned(), message }];
        return Report { passes: 0, finished: false, fails };
    };
    read(&std::fs::read_to_string(table).expect("a table"))
}

/// Reads a table of tests: a line each, with assertion, method, status, address, result, message and requirement.
fn read(table: &str) -> Report {
    let mut report = Report { passes: 0, finished: true, fails: Vec::new() };
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [assertion, method, _, address, result, message, _] = columns[..] else {
            panic!("not a test: {line}");
        };
        match result {
            "PASS" => report.passes += 1,
            "FAIL" => report.fails.push(Fail {
                assertion: assertion.to_owned(),
                at: format!("{method} {address}"),
                message: message.to_owned(),
            }),
            "WARN" | "NOT_TESTED" => {}
            other => panic!("an unknown result {other}: {line}"),
        }
    }
    report
}
