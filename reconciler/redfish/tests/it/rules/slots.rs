// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which slots there are, and how an image gets into them.

use serde_json::{Value, json};
use shoal_redfish::{Bmc, ImageKind, ImageRef, MediaUrl, RedfishBmc, Rung};

use super::{Outcome, Trial, ensure};
use crate::flow::image;
use crate::support::fake::Fake;
use crate::support::server::Reply;
use crate::support::trees::{
    FIRST, MEDIA, SECOND, SYSTEM, Tree, link, machine, made_by, patched_slot, slot, two_cd,
};

const OWN: &str = "/redfish/v1/Systems/1/VirtualMedia";

fn on(id: &str, kinds: &[&str]) -> Value {
    slot(&format!("{MEDIA}/{id}"), kinds)
}

/// With slots below the system as well.
fn with_own_slots(mut tree: Tree, ids: &[&str]) -> Tree {
    tree.get_mut(SYSTEM).unwrap()["VirtualMedia"] = link(OWN);
    let paths: Vec<String> = ids.iter().map(|id| format!("{OWN}/{id}")).collect();
    let members: Vec<Value> = paths.iter().map(|path| link(path)).collect();
    tree.insert(OWN.to_owned(), json!({"Members": members}));
    for path in paths {
        tree.insert(path.clone(), slot(&path, &["CD"]));
    }
    tree
}

pub(super) fn boot_slot(bmc: &RedfishBmc) -> Result<String, String> {
    bmc.discovered().boot_slot.clone().ok_or_else(|| "no slot to boot from".to_owned())
}

pub(super) async fn slots_of_the_system_come_first(trial: Trial) -> Outcome {
    let tree = with_own_slots(machine(&[on("CD", &["CD"]), on("RemovableDisk", &["USBStick"])]), &["1", "2"]);
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    let boot = boot_slot(&bmc)?;
    ensure!(boot == format!("{OWN}/1"), "{boot}");
    Ok(())
}

pub(super) async fn missing_lists_are_asked_for_again(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("GET", MEDIA, 1, || Reply::json(200, &json!({"Members": null})));
    let (_server, bmc) = trial.connect(&fake).await?;
    boot_slot(&bmc)?;
    Ok(())
}

pub(super) async fn one_device_in_two_views_counts_once(trial: Trial) -> Outcome {
    let tree = with_own_slots(machine(&[on("CD", &["CD"])]), &["CD"]);
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    ensure!(bmc.discovered().media.len() == 1, "{:?}", bmc.discovered().media);
    Ok(())
}

pub(super) async fn slots_are_taken_in_the_order_of_their_ids(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.insert(MEDIA.to_owned(), json!({"Members": [link(SECOND), link(FIRST)]}));
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    let boot = boot_slot(&bmc)?;
    ensure!(boot == FIRST, "{boot}");
    Ok(())
}

pub(super) async fn slots_without_a_route_are_skipped(trial: Trial) -> Outcome {
    let console = json!({"@odata.id": format!("{MEDIA}/0"), "Id": "0", "MediaTypes": ["CD"]});
    let (_server, bmc) = trial.connect(&Fake::new(machine(&[console, on("1", &["CD"])]))).await?;
    bmc.insert(&boot_slot(&bmc)?, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn console_slots_are_not_patched(trial: Trial) -> Outcome {
    let proxy = format!("{MEDIA}/0");
    let fake = Fake::new(machine(&[patched_slot(&proxy), on("1", &["CD"])]));
    fake.hook(move |asked, _| (asked.method == "PATCH" && asked.path == proxy).then(|| Reply::status(405)));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(&boot_slot(&bmc)?, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn dvd_is_a_cd(trial: Trial) -> Outcome {
    let (_server, bmc) = trial.connect(&Fake::new(machine(&[on("1", &["DVD"])]))).await?;
    bmc.insert(&boot_slot(&bmc)?, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn kinds_fall_back_to_the_id(trial: Trial) -> Outcome {
    let (_server, bmc) = trial.connect(&Fake::new(machine(&[on("CD1", &[])]))).await?;
    bmc.insert(&boot_slot(&bmc)?, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn slots_may_take_patch_only(trial: Trial) -> Outcome {
    let (_server, bmc) = trial.connect(&Fake::new(machine(&[patched_slot(FIRST)]))).await?;
    let slot = boot_slot(&bmc)?;
    bmc.insert(&slot, &image("boot.iso")).await?;
    bmc.eject(&slot).await?;
    Ok(())
}

fn ext(n: u32) -> String {
    format!("{MEDIA}/EXT{n}")
}

pub(super) async fn xcc_takes_patch_unsaid(trial: Trial) -> Outcome {
    let at = ext(1);
    let fake = Fake::new(made_by(machine(&[patched_slot(&at)]), "Lenovo"));
    fake.hook(move |asked, state| {
        (asked.method == "GET" && asked.path == at)
            .then(|| Reply::json(200, &state.tree[&at]).header("Allow", "GET, HEAD"))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    let url = MediaUrl::new("http://127.0.0.1:9/media/x/boot.iso");
    bmc.insert(&boot_slot(&bmc)?, &ImageRef { url, kind: ImageKind::Iso }).await?;
    Ok(())
}

pub(super) async fn xcc_takes_addresses_in_ext_slots_only(trial: Trial) -> Outcome {
    let upload = patched_slot(&format!("{MEDIA}/RDOC1"));
    let (_server, bmc) =
        trial.connect(&Fake::new(made_by(machine(&[upload, patched_slot(&ext(1))]), "Lenovo"))).await?;
    ensure!(bmc.discovered().rung == Rung::Single, "{}", bmc.discovered().rung);
    Ok(())
}

pub(super) async fn old_idrac_fails_the_second_image(trial: Trial) -> Outcome {
    let slots = machine(&[on("CD", &["CD", "DVD"]), on("RemovableDisk", &["USBStick"])]);
    let (_server, bmc) = trial.connect(&Fake::new(made_by(slots, "Dell Inc."))).await?;
    ensure!(bmc.discovered().rung == Rung::Single, "{}", bmc.discovered().rung);
    Ok(())
}

pub(super) async fn old_supermicro_has_one_image(trial: Trial) -> Outcome {
    let slots = machine(&[on("CD1", &["CD"]), on("CD2", &["CD"])]);
    let (_server, bmc) = trial.connect(&Fake::new(made_by(slots, "Supermicro"))).await?;
    ensure!(bmc.discovered().rung == Rung::Single, "{}", bmc.discovered().rung);
    Ok(())
}

/// A BMC with three optical slots, of which the first is for the console and does not say so.
pub(super) async fn refusing_slots_are_followed_by_the_next(trial: Trial) -> Outcome {
    let fake = Fake::new(machine(&[on("1", &["CD"]), on("2", &["CD"]), on("3", &["CD"])]));
    fake.answer("POST", "/1/Actions/VirtualMedia.InsertMedia", u32::MAX, || Reply::status(405));
    let (_server, bmc) = trial.connect(&fake).await?;
    let found = bmc.discovered();
    let mut slots = vec![boot_slot(&bmc)?];
    slots.extend(found.facts.spare_slots.iter().cloned());
    let mut refusals = Vec::new();
    for slot in slots {
        match bmc.insert(&slot, &image("boot.iso")).await {
            Ok(_) => return Ok(()),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    Err(format!("no slot takes it: {refusals:?}").into())
}
