// SPDX-License-Identifier: AGPL-3.0-or-later
//! Images in and out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Effect, Error, ErrorKind, ImageKind, ImageRef, MediaUrl};

use super::{Outcome, Trial, ensure};
use crate::flow::image;
use crate::support::fake::{Fake, eject, refused};
use crate::support::server::Reply;
use crate::support::trees::{FIRST, MANAGER, MEDIA, SYSTEM, machine, made_by, patched_slot, slot, two_cd};

const INSERT: &str = "/1/Actions/VirtualMedia.InsertMedia";
const EJECT: &str = "/1/Actions/VirtualMedia.EjectMedia";

pub(super) fn plain(name: &str) -> ImageRef {
    ImageRef { url: MediaUrl::new(format!("http://127.0.0.1:9/media/x/{name}")), kind: ImageKind::Iso }
}

pub(super) async fn accepted_writes_are_sent_again(trial: Trial) -> Outcome {
    let trial = trial.hurry();
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    // Each of them is lost once.
    fake.answer("POST", INSERT, 1, || Reply::status(204));
    fake.answer("PATCH", SYSTEM, 1, || Reply::status(200));
    fake.answer("POST", "ComputerSystem.Reset", 1, || Reply::status(204));
    fake.answer("POST", EJECT, 1, || Reply::status(204));
    let mut failed = Vec::new();
    failed.extend(bmc.insert(FIRST, &image("boot.iso")).await.err());
    failed.extend(bmc.set_boot_once_cd().await.err());
    failed.extend(bmc.ensure_power_off(Duration::ZERO).await.err());
    failed.extend(bmc.eject(FIRST).await.err());
    ensure!(failed.is_empty(), "{failed:?}");
    Ok(())
}

fn is_without_effect<T>(what: &str, result: Result<T, Error>) -> Outcome {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::NoEffect { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(format!("{what} was believed").into()),
    }
}

pub(super) async fn writes_are_read_back(trial: Trial) -> Outcome {
    let trial = trial.hurry();
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    fake.hook(|asked, _| (asked.method != "GET").then(|| Reply::status(204)));
    is_without_effect("an insert", bmc.insert(FIRST, &image("boot.iso")).await)?;
    is_without_effect("an override", bmc.set_boot_once_cd().await)?;
    is_without_effect("a power off", bmc.ensure_power_off(Duration::ZERO).await)?;
    fake.state().tree.get_mut(FIRST).unwrap()["Inserted"] = json!(true);
    is_without_effect("an eject", bmc.eject(FIRST).await)
}

/// An image of this scheme must be refused before anything is sent.
async fn refuses(trial: &Trial, fake: &Arc<Fake>, image: &ImageRef) -> Outcome {
    let (_server, bmc) = trial.connect(fake).await?;
    let slot = bmc.discovered().boot_slot.clone().unwrap_or_default();
    let Err(error) = bmc.insert(&slot, image).await else {
        return Err("it was inserted".into());
    };
    ensure!(matches!(error.kind(), ErrorKind::UnsupportedImageScheme { .. }), "{error}");
    ensure!(fake.writes().is_empty(), "something was sent");
    Ok(())
}

pub(super) async fn first_xcc_takes_http_only(trial: Trial) -> Outcome {
    let slot = patched_slot(&format!("{MEDIA}/EXT1"));
    refuses(&trial, &Fake::new(made_by(machine(&[slot]), "Lenovo")), &image("boot.iso")).await
}

pub(super) async fn open_bmc_takes_https_only(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "NVIDIA");
    tree.get_mut(MANAGER).unwrap()["Model"] = json!("OpenBmc");
    refuses(&trial, &Fake::new(tree), &plain("boot.iso")).await
}

pub(super) async fn fujitsu_takes_https_only(trial: Trial) -> Outcome {
    refuses(&trial, &Fake::new(made_by(two_cd(), "FUJITSU")), &plain("boot.iso")).await
}

pub(super) async fn xfusion_takes_https_only(trial: Trial) -> Outcome {
    refuses(&trial, &Fake::new(made_by(two_cd(), "xFusion")), &plain("boot.iso")).await
}

pub(super) async fn huawei_takes_no_http(trial: Trial) -> Outcome {
    refuses(&trial, &Fake::new(made_by(two_cd(), "Huawei")), &plain("boot.iso")).await
}

pub(super) async fn slots_may_verify_certificates(trial: Trial) -> Outcome {
    for (verifies, told) in [(false, false), (true, true)] {
        let mut tree = made_by(two_cd(), "xFusion");
        tree.get_mut(FIRST).unwrap()["VerifyCertificate"] = json!(verifies);
        let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
        let warnings = &bmc.discovered().warnings;
        let is_told = warnings.iter().any(|warning| warning.text.contains("checks the certificate"));
        ensure!(is_told == told, "{verifies}: {warnings:?}");
    }
    Ok(())
}

pub(super) async fn action_info_says_what_insert_takes(trial: Trial) -> Outcome {
    let info = "/redfish/v1/Managers/1/VirtualMedia/InsertMediaActionInfo";
    let mut tree = two_cd();
    tree.get_mut(FIRST).unwrap()["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"] = json!(info);
    tree.insert(
        info.to_owned(),
        json!({"Parameters": [
            {"Name": "Image", "Required": true},
            {"Name": "TransferProtocolType", "Required": true, "AllowableValues": ["NFS", "HTTPS"]}
        ]}),
    );
    let fake = Fake::new(tree);
    fake.hook(|asked, _| {
        let bare = asked.path.ends_with(INSERT) && asked.json().get("TransferProtocolType").is_none();
        bare.then(|| Reply::status(400))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    let sent = fake.asked("POST", INSERT).len();
    ensure!(sent == 1, "sent {sent} times");
    Ok(())
}

pub(super) async fn insert_bodies_learn(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, _| {
        let misses = |name: &str| asked.json().get(name).is_none();
        if !asked.path.ends_with(INSERT) {
            None
        } else if misses("TransferProtocolType") {
            let args = ["InsertMedia", "TransferProtocolType"];
            Some(refused(400, "Base.1.12.ActionParameterMissing", "", &args))
        } else if misses("UserName") || misses("Password") {
            Some(refused(400, "Base.1.8.PropertyMissing", "UserName and Password are required", &[]))
        } else {
            None
        }
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

fn supermicro() -> Arc<Fake> {
    Fake::new(made_by(machine(&[slot(&format!("{MEDIA}/VirtualMedia1"), &["CD"])]), "Supermicro"))
}

pub(super) async fn supermicro_takes_the_image_alone(trial: Trial) -> Outcome {
    let fake = supermicro();
    fake.answer("POST", ".InsertMedia", u32::MAX, || Reply::status(400));
    let (_server, bmc) = trial.connect(&fake).await?;
    let slot = bmc.discovered().boot_slot.clone().unwrap_or_default();
    ensure!(bmc.insert(&slot, &image("boot.iso")).await.is_err(), "it was inserted");
    let only = |body: &Value| body.as_object().is_some_and(|body| body.len() == 1);
    ensure!(fake.asked("POST", ".InsertMedia").iter().all(|line| only(&line.body)), "more than the image");
    Ok(())
}

pub(super) async fn supermicro_takes_no_query(trial: Trial) -> Outcome {
    let fake = supermicro();
    let (_server, bmc) = trial.connect(&fake).await?;
    let slot = bmc.discovered().boot_slot.clone().unwrap_or_default();
    let signed = ImageRef { url: MediaUrl::new("https://h/media/x/task.iso?sig=a"), kind: ImageKind::Iso };
    let Err(error) = bmc.insert(&slot, &signed).await else {
        return Err("it was inserted".into());
    };
    ensure!(matches!(error.kind(), ErrorKind::UnsupportedImageUrl { .. }), "{error}");
    Ok(())
}

pub(super) async fn failed_inserts_are_sent_again(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, 2, || Reply::status(500));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

/// Shows another image than the one in the first slot, in the first `reads` reads.
fn shows(fake: &Fake, mut reads: u32, change: impl Fn(&str) -> String + Send + 'static) {
    fake.hook(move |asked, state| {
        let slot = state.tree.get(FIRST)?;
        if asked.method != "GET" || asked.path != FIRST || slot["Inserted"] != true || reads == 0 {
            return None;
        }
        reads -= 1;
        let mut shown = slot.clone();
        shown["Image"] = json!(change(slot["Image"].as_str()?));
        Some(Reply::json(200, &shown))
    });
}

pub(super) async fn echoes_may_lack_the_port(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    shows(&fake, u32::MAX, |image| image.replace(":9/", "/"));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn old_images_may_show_for_a_while(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    shows(&fake, 3, |_| "https://127.0.0.1:9/media/of-an-earlier-attempt/boot.iso".to_owned());
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn stale_images_do_not_count(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(FIRST).unwrap()["Image"] = json!("http://127.0.0.1:9/media/x/old.iso");
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn empty_slots_are_ejected_all_the_same(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    let effect = bmc.eject(FIRST).await?;
    ensure!(effect == Effect::AlreadySo, "{effect:?}");
    ensure!(fake.asked("POST", EJECT).len() == 1, "no eject was sent");
    Ok(())
}

pub(super) async fn open_bmc_slots_are_honest(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "NVIDIA");
    tree.get_mut(MANAGER).unwrap()["Model"] = json!("OpenBmc");
    let fake = Fake::new(tree);
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.eject(FIRST).await?;
    ensure!(fake.asked("POST", EJECT).is_empty(), "an empty slot was ejected");
    Ok(())
}

pub(super) async fn ejected_images_may_show_for_a_while(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(FIRST).unwrap()["Inserted"] = json!(true);
    let fake = Fake::new(tree);
    fake.answer("POST", EJECT, u32::MAX, || {
        let words = "No Virtual Media devices are currently connected.";
        refused(500, "IDRAC.2.8.VRM0009", words, &[])
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    let mut reads = 0;
    fake.hook(move |asked, state| {
        reads += u32::from(asked.method == "GET" && asked.path == FIRST);
        if reads > 20 {
            eject(state.tree.get_mut(FIRST)?);
        }
        None
    });
    bmc.eject(FIRST).await?;
    Ok(())
}

pub(super) async fn ejects_may_want_a_body(trial: Trial) -> Outcome {
    for status in [400, 415] {
        let fake = Fake::new(two_cd());
        fake.hook(move |asked, _| {
            (asked.path.ends_with(EJECT) && asked.body.is_empty()).then(|| Reply::status(status))
        });
        let (_server, bmc) = trial.connect(&fake).await?;
        bmc.insert(FIRST, &image("boot.iso")).await?;
        bmc.eject(FIRST).await?;
    }
    Ok(())
}

pub(super) async fn ejects_are_judged_by_the_slot(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    fake.hook(|asked, state| {
        asked.path.ends_with(EJECT).then(|| {
            eject(state.tree.get_mut(FIRST).unwrap());
            Reply::status(500)
        })
    });
    bmc.eject(FIRST).await?;
    ensure!(fake.asked("POST", EJECT).len() == 1, "sent again");
    Ok(())
}

pub(super) async fn vanished_slots_are_empty(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        asked.path.ends_with(EJECT).then(|| {
            state.tree.remove(FIRST);
            Reply::status(204)
        })
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    bmc.eject(FIRST).await?;
    ensure!(fake.asked("GET", SYSTEM).len() == 1, "the system has nothing to do with it");
    Ok(())
}

pub(super) async fn eject_may_show_only_when_full(trial: Trial) -> Outcome {
    const NAME: &str = "#VirtualMedia.EjectMedia";
    let mut tree = two_cd();
    tree.get_mut(FIRST).unwrap()["Actions"].as_object_mut().unwrap().remove(NAME);
    let fake = Fake::new(tree);
    fake.hook(|asked, state| {
        let slot = state.tree.get_mut(FIRST)?;
        let actions = slot["Inserted"] == true;
        if actions {
            slot["Actions"][NAME] = json!({"target": format!("{FIRST}/Actions/VirtualMedia.EjectMedia")});
        }
        (asked.method == "PATCH").then(|| Reply::status(405))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.eject(FIRST).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    bmc.eject(FIRST).await?;
    Ok(())
}
