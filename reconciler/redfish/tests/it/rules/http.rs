// SPDX-License-Identifier: AGPL-3.0-or-later
//! HTTP as BMCs speak it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::stream;
use serde_json::json;
use shoal_redfish::{Bmc, BmcEndpoint, ErrorKind, RedfishBmc, RetryPolicy, Rule};

use super::{Outcome, Trial, ensure};
use crate::flow::image;
use crate::http::Counting;
use crate::support::client::{endpoint, wiring};
use crate::support::fake::Fake;
use crate::support::server::{Reply, Server};
use crate::support::trees::{FIRST, SYSTEM, machine, patched_slot, two_cd};

pub(super) async fn one_request_at_a_time(trial: Trial) -> Outcome {
    let counting = Arc::new(Counting::new(Fake::new(two_cd()), Duration::from_millis(20)));
    let server = Server::https(Arc::clone(&counting)).await;
    let (endpoint, wiring) = (endpoint(&server), wiring());
    let first = RedfishBmc::connect_without(&endpoint, wiring.clone(), &trial.off).await?;
    let second = RedfishBmc::resume(&endpoint, wiring, first.discovery())?;
    let (a, b) = tokio::join!(first.read_state(), second.read_state());
    a?;
    b?;
    let most = counting.most.load(Ordering::SeqCst);
    ensure!(most == 1, "{most} requests at once");
    Ok(())
}

pub(super) async fn broken_reads_are_repeated(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    fake.answer("GET", SYSTEM, 1, Reply::broken);
    bmc.read_state().await?;
    Ok(())
}

pub(super) async fn redirects_on_the_same_host_are_followed(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        (asked.method == "GET" && asked.path == SYSTEM)
            .then(|| Reply::status(308).header("Location", format!("{SYSTEM}/")))
    });
    trial.connect(&fake).await?;
    Ok(())
}

pub(super) async fn answers_are_asked_for_uncompressed(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let may_compress = asked.method == "GET" && asked.header("accept-encoding") != Some("identity");
        may_compress.then(|| Reply {
            body: vec![0x1f, 0x8b, 0x08, 0x00].into(),
            ..Reply::status(200).header("Content-Encoding", "gzip")
        })
    });
    trial.connect(&fake).await?;
    Ok(())
}

pub(super) async fn compressed_where_nothing_else_is_sent(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let picky = asked.path == SYSTEM && asked.header("accept-encoding") == Some("identity");
        picky.then(|| Reply::status(406))
    });
    trial.connect(&fake).await?;
    Ok(())
}

pub(super) async fn etags_may_stand_in_the_body(trial: Trial) -> Outcome {
    let fake = Fake::new(machine(&[patched_slot(FIRST)]));
    fake.hook(|asked, _| {
        let unguarded = asked.method == "PATCH" && asked.header("if-match") != Some("\"slot-1\"");
        unguarded.then(|| Reply::status(412))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn etags_are_tried_in_several_forms(trial: Trial) -> Outcome {
    for accepted in [Some("\"x\""), None, Some("*")] {
        let mut tree = two_cd();
        tree.get_mut(SYSTEM).unwrap()["@odata.etag"] = json!("W/\"x\"");
        let fake = Fake::new(tree);
        fake.hook(move |asked, _| {
            (asked.method == "PATCH" && asked.header("if-match") != accepted).then(|| Reply::status(412))
        });
        let (_server, bmc) = trial.connect(&fake).await?;
        bmc.set_boot_once_cd().await?;
    }
    Ok(())
}

/// A BMC whose ETags never change, and which answers 304 to them.
pub(super) async fn etags_must_prove_themselves(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        let value = state.tree.get(asked.path.trim_end_matches('/')).filter(|_| asked.method == "GET")?;
        let unchanged = asked.header("if-none-match") == Some("\"since-start\"");
        let reply = if unchanged { Reply::status(304) } else { Reply::json(200, value) };
        Some(reply.header("ETag", "\"since-start\""))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(!bmc.read_state().await?.slots[0].inserted, "nothing is inserted");
    fake.state().tree.get_mut(FIRST).unwrap()["Inserted"] = json!(true);
    ensure!(bmc.read_state().await?.slots[0].inserted, "the change is not seen");
    Ok(())
}

pub(super) async fn busy_answers_are_repeated(trial: Trial) -> Outcome {
    for status in [429, 503] {
        let fake = Fake::new(two_cd());
        let (_server, bmc) = trial.connect(&fake).await?;
        fake.answer("GET", SYSTEM, 2, move || Reply::status(status));
        bmc.read_state().await?;
    }
    Ok(())
}

/// A BMC that begins to count anew whenever it is asked too early.
pub(super) async fn retry_after_is_honoured(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let longest_retry_after = Duration::from_secs(5);
    let (_server, bmc) = trial
        .connect_as(&fake, |endpoint| BmcEndpoint {
            retry: RetryPolicy { longest_retry_after, ..endpoint.retry },
            ..endpoint
        })
        .await?;
    let mut asked_last: Option<Instant> = None;
    fake.hook(move |asked, _| {
        if asked.method != "GET" || asked.path != SYSTEM {
            return None;
        }
        let early = asked_last.is_none_or(|last| last.elapsed() < Duration::from_secs(1));
        asked_last = Some(Instant::now());
        early.then(|| Reply::status(503).header("Retry-After", "1"))
    });
    bmc.read_state().await?;
    Ok(())
}

pub(super) async fn messages_come_in_any_shape(trial: Trial) -> Outcome {
    let info = json!({"MessageId": "iLO.2.14.LicenseKeyRequired", "Message": ""});
    for body in [json!({"error": {"@Message.ExtendedInfo": info}}), json!({"@Message.ExtendedInfo": [info]})]
    {
        let fake = Fake::new(two_cd());
        fake.answer("POST", ".InsertMedia", u32::MAX, move || Reply::json(400, &body));
        let (_server, bmc) = trial.connect(&fake).await?;
        let Err(error) = bmc.insert(FIRST, &image("boot.iso")).await else {
            return Err("it was inserted".into());
        };
        ensure!(matches!(error.kind(), ErrorKind::LicenceMissing { .. }), "{error}");
    }
    Ok(())
}

/// Says to the child of the scenario below that it is to do without the rule.
const WITHOUT: &str = "SHOAL_TEST_WITHOUT_THE_RULE";

/// The environment of a test cannot be changed, so a child has one with a proxy that is dead.
pub(super) async fn no_proxy_of_the_environment(trial: Trial) -> Outcome {
    let dead = "http://127.0.0.1:1";
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--exact", "rules::http::a_bmc_is_reached_in_whatever_environment", "--ignored"]);
    child.envs(
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"].map(|name| (name, dead)),
    );
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    if !trial.off.is_empty() {
        child.env(WITHOUT, "1");
    }
    let said = tokio::task::spawn_blocking(move || child.output()).await??;
    let told = String::from_utf8_lossy(&said.stdout);
    ensure!(said.status.success() && told.contains("1 passed"), "{told}");
    Ok(())
}

#[tokio::test]
#[ignore = "a child of the scenario above"]
async fn a_bmc_is_reached_in_whatever_environment() {
    let off =
        if std::env::var_os(WITHOUT).is_some() { vec![Rule::NoProxyOfTheEnvironment] } else { Vec::new() };
    let server = Server::https(Fake::new(two_cd())).await;
    RedfishBmc::connect_without(&endpoint(&server), wiring(), &off).await.unwrap();
}

/// A look at a system that answers like this must fail for a reason with this label.
async fn is_given_up(
    trial: &Trial,
    label: &str,
    reply: impl Fn(u32) -> Option<Reply> + Send + 'static,
) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial
        .connect_as(&fake, |mut endpoint| {
            endpoint.timeouts.request = Duration::from_millis(500);
            endpoint.retry.tries = 1;
            endpoint
        })
        .await?;
    let mut asked_before = 0;
    fake.hook(move |asked, _| {
        if asked.method != "GET" || asked.path != SYSTEM {
            return None;
        }
        asked_before += 1;
        reply(asked_before)
    });
    let Err(error) = bmc.read_state().await else {
        return Err("it went on to the end".into());
    };
    ensure!(error.kind().label() == label, "{error}");
    Ok(())
}

pub(super) async fn redirects_must_end(trial: Trial) -> Outcome {
    // It ends all the same, after a hundred times.
    is_given_up(&trial, "bad-redirect", |times| {
        (times < 100).then(|| Reply::status(302).header("Location", SYSTEM))
    })
    .await
}

pub(super) async fn redirects_to_other_hosts_are_refused(trial: Trial) -> Outcome {
    let other = Fake::new(two_cd());
    let elsewhere = Server::http(Arc::clone(&other)).await;
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    let away = format!("{}{}", elsewhere.url, &SYSTEM[1..]);
    fake.answer("GET", SYSTEM, u32::MAX, move || Reply::status(307).header("Location", away.clone()));
    let told = bmc.read_state().await.map_err(|error| error.kind().label());
    ensure!(other.log().is_empty(), "another host was sent the token");
    ensure!(told.err() == Some("bad-redirect"), "it was followed");
    Ok(())
}

pub(super) async fn endless_answers_are_cut_off(trial: Trial) -> Outcome {
    // It ends all the same, after eight megabytes.
    is_given_up(&trial, "answer-too-large", |_| {
        let system = serde_json::to_vec(&two_cd()[SYSTEM]).unwrap();
        let blanks = std::iter::repeat_n(vec![b' '; 64 * 1024], 128);
        let parts = blanks.chain([system]).map(Ok::<_, std::io::Error>);
        Some(Reply { body: Body::from_stream(stream::iter(parts)), ..Reply::status(200) })
    })
    .await
}

pub(super) async fn slow_answers_are_given_up(trial: Trial) -> Outcome {
    // It ends all the same, after two seconds.
    is_given_up(&trial, "timeout", |_| {
        let drip = stream::unfold(0, |sent| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let system = || serde_json::to_vec(&two_cd()[SYSTEM]).unwrap();
            let part = match sent {
                0..100 => b" ".to_vec(),
                100 => system(),
                _ => return None,
            };
            Some((Ok::<_, std::io::Error>(part), sent + 1))
        });
        Some(Reply { body: Body::from_stream(drip), ..Reply::status(200) })
    })
    .await
}
