// SPDX-License-Identifier: AGPL-3.0-or-later
//! HTTP as BMCs speak it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use shoal_redfish::{Bmc, BmcEndpoint, ErrorKind, RedfishBmc, RetryPolicy};

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
