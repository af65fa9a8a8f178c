// SPDX-License-Identifier: AGPL-3.0-or-later
//! The first look: does something answer there, and with which certificate? No account is sent.
//!
//! Any certificate is accepted for this look; whether it is trusted is for the client to say,
//! which sends no account before it has made sure.

use std::time::Duration;

use jiff::Timestamp;
use shoal_redfish::{CallObserver as _, CallRecord, Correlation, Fingerprint, Op, Timeouts};
use url::Url;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::calls::Calls;
use super::finding::{Check, Findings, Verdict};
use crate::output::clean;

/// A certificate that expires sooner is worth a word.
const SOON: i64 = 30;
/// Characters of a name in a certificate that are shown.
const LONGEST_NAME: usize = 120;

/// Looks. False where nothing answers, so that nothing else need be tried.
pub(super) async fn look(
    findings: &mut Findings,
    calls: &Calls,
    url: &Url,
    timeouts: Timeouts,
    now: Timestamp,
) -> bool {
    let place = place(url);
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .tls_danger_accept_invalid_certs(true)
        .tls_info(true)
        .build();
    let Ok(client) = client else {
        findings.not_known(Check::Address, "the first look could not be set up", "");
        return true;
    };
    let started = tokio::time::Instant::now();
    // The service root: whoever asks may read it (DSP0266, section on authentication).
    let mut root = url.clone();
    root.set_path("/redfish/v1/");
    let answer = client.get(root).send().await;
    let took = started.elapsed();
    calls.call(&CallRecord {
        // The client counts its own calls from 1.
        correlation: Correlation::new(0),
        bmc: place.clone(),
        vendor: "unknown",
        op: Op::Discover,
        method: "GET",
        resource: "/redfish/v1/".to_owned(),
        code: answer.as_ref().ok().map(|answer| answer.status().as_u16()),
        duration: took,
        attempt: 1,
        failure: answer
            .as_ref()
            .err()
            .map(|error| if error.is_timeout() { "timeout" } else { "unreachable" }),
    });
    let took = spoken(took);
    match answer {
        Ok(answer) => {
            findings.ok(Check::Address, format!("{place} answers, after {took}"));
            let info = answer.extensions().get::<reqwest::tls::TlsInfo>();
            match info.and_then(reqwest::tls::TlsInfo::peer_certificate) {
                Some(der) => judge(findings, der, now),
                None if url.scheme() == "https" => {
                    findings.not_known(Check::Certificate, "it could not be read", "");
                }
                // The client warns of it.
                None => {}
            }
            true
        }
        Err(error) if error.is_connect() => {
            let why = chain(&error.without_url());
            findings.add(
                Check::Address,
                Verdict::Failed,
                format!("{place} does not answer: {why}"),
                "check the address, the route and the firewall, and whether the BMC is up and speaks TLS 1.2",
            );
            false
        }
        Err(error) => {
            let why = chain(&error.without_url());
            let advice =
                "the BMC takes the connection and is slow or busy: a larger --timeout, or a reset of the BMC";
            findings.add(Check::Address, Verdict::Warning, format!("{place}: {why}, after {took}"), advice);
            true
        }
    }
}

/// Host and port.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A length of time in few words.
pub(super) fn spoken(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn judge(findings: &mut Findings, der: &[u8], now: Timestamp) {
    let pin = Fingerprint::of_der(der);
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        findings.add(Check::Certificate, Verdict::Warning, format!("sha-256 {pin}; it cannot be read"), "");
        return;
    };
    let name = |name: &dyn std::fmt::Display| {
        let text: String = clean(&name.to_string()).replace('\n', " ").chars().take(LONGEST_NAME).collect();
        if text.is_empty() { "nobody".to_owned() } else { text }
    };
    let signer = if certificate.issuer() == certificate.subject() {
        "signed by itself".to_owned()
    } else {
        format!("signed by {}", name(certificate.issuer()))
    };
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let date = |second| {
        Timestamp::from_second(second)
            .map_or_else(|_| "a date out of range".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
    };
    let facts =
        format!("sha-256 {pin}, for {}, {signer}, until {}", name(certificate.subject()), date(until));
    let renew = "renew the certificate on the BMC; a pinned one (--pin, bmc.tls.sha256) is believed whatever its dates say";
    let now = now.as_second();
    if until < now {
        findings.add(Check::Certificate, Verdict::Warning, format!("{facts}: expired"), renew);
    } else if from > now {
        let seen = format!("{facts}: not valid before {}", date(from));
        findings.add(
            Check::Certificate,
            Verdict::Warning,
            seen,
            "check the clock of the BMC and of this machine",
        );
    } else if until - now < SOON * 86_400 {
        let days = (until - now) / 86_400;
        findings.add(Check::Certificate, Verdict::Warning, format!("{facts}: {days} days left"), renew);
    } else {
        findings.ok(Check::Certificate, facts);
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    clean(&text).into_owned()
}
