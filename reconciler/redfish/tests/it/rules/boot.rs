// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override.

use serde_json::{Value, json};
use shoal_redfish::{Bmc, ErrorKind};

use super::{Outcome, Trial, ensure};
use crate::boot::{boot, settings_only};
use crate::flow::image;
use crate::support::fake::Fake;
use crate::support::server::Reply;
use crate::support::trees::{SYSTEM, Tree, machine, made_by, two_cd};

const TARGETS: &str = "BootSourceOverrideTarget@Redfish.AllowableValues";
const MODE: &str = "BootSourceOverrideMode";

async fn set(trial: &Trial, fake: &std::sync::Arc<Fake>) -> Outcome {
    let (_server, bmc) = trial.connect(fake).await?;
    bmc.set_boot_once_cd().await?;
    Ok(())
}

/// Answers a change of the system's override.
fn on_patch(fake: &Fake, answer: impl Fn(&Value, &mut Tree) -> Option<Reply> + Send + 'static) {
    fake.hook(move |asked, state| {
        let is_patch = asked.method == "PATCH" && asked.path == SYSTEM;
        if is_patch { answer(&asked.json()["Boot"], &mut state.tree) } else { None }
    });
}

pub(super) async fn only_what_differs_is_sent(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    on_patch(&fake, |sent, tree| {
        let now = &tree[SYSTEM]["Boot"];
        let idle = sent.as_object()?.iter().any(|(name, value)| now[name] == *value);
        idle.then(|| Reply::status(400))
    });
    set(&trial, &fake).await
}

/// A BMC that falls back to Legacy when no mode is sent.
async fn forgets_the_mode(trial: &Trial, vendor: &str) -> Outcome {
    let fake = Fake::new(made_by(two_cd(), vendor));
    on_patch(&fake, |sent, tree| {
        if sent.get(MODE).is_none() {
            boot(tree)[MODE] = json!("Legacy");
        }
        None
    });
    set(trial, &fake).await?;
    let sent = fake.asked("PATCH", SYSTEM).len();
    ensure!(sent == 1, "it was Legacy for a while: sent {sent} times");
    Ok(())
}

pub(super) async fn ami_wants_the_whole_override(trial: Trial) -> Outcome {
    for vendor in ["AMI", "ASRockRack", "GIGABYTE"] {
        forgets_the_mode(&trial, vendor).await?;
    }
    Ok(())
}

pub(super) async fn supermicro_forgets_the_mode(trial: Trial) -> Outcome {
    forgets_the_mode(&trial, "Supermicro").await
}

pub(super) async fn no_mode_where_none_is_shown(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    boot(&mut tree).as_object_mut().unwrap().remove(MODE);
    let fake = Fake::new(tree);
    on_patch(&fake, |sent, _| sent.get(MODE).map(|_| Reply::status(400)));
    set(&trial, &fake).await
}

pub(super) async fn dell_changes_the_boot_mode_by_a_job(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "Dell Inc.");
    boot(&mut tree)[MODE] = json!("Legacy");
    let fake = Fake::new(tree);
    let (_server, bmc) = trial.connect(&fake).await?;
    let Err(error) = bmc.set_boot_once_cd().await else {
        return Err("the mode was changed".into());
    };
    ensure!(matches!(error.kind(), ErrorKind::WrongBootMode { .. }), "{error}");
    Ok(())
}

pub(super) async fn supermicro_boots_usb_cd(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "Supermicro");
    boot(&mut tree)[TARGETS] = json!(["None", "Pxe", "Cd", "UsbCd"]);
    let fake = Fake::new(tree);
    set(&trial, &fake).await?;
    let target = fake.state().tree[SYSTEM]["Boot"]["BootSourceOverrideTarget"].clone();
    ensure!(target == "UsbCd", "{target}");
    Ok(())
}

pub(super) async fn missing_targets_are_no_refusal(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    boot(&mut tree).as_object_mut().unwrap().remove(TARGETS);
    set(&trial, &Fake::new(tree)).await
}

pub(super) async fn overrides_may_stand_in_the_settings(trial: Trial) -> Outcome {
    let fake = Fake::new(settings_only());
    on_patch(&fake, |_, _| Some(Reply::status(400)));
    set(&trial, &fake).await
}

pub(super) async fn settings_may_not_be_linked(trial: Trial) -> Outcome {
    for name in ["Settings", "SD", "Pending"] {
        let mut tree = two_cd();
        let known = boot(&mut tree).clone();
        *boot(&mut tree) = json!({"BootOrder": ["a", "b"]});
        let at = format!("{SYSTEM}/{name}");
        tree.insert(at.clone(), json!({"@odata.id": at, "Boot": known}));
        set(&trial, &Fake::new(tree)).await?;
    }
    Ok(())
}

pub(super) async fn refused_overrides_go_to_the_settings(trial: Trial) -> Outcome {
    for status in [400, 405] {
        let mut tree = settings_only();
        boot(&mut tree)[TARGETS] = json!(["None", "Cd"]);
        let fake = Fake::new(tree);
        on_patch(&fake, move |_, _| Some(Reply::status(status)));
        set(&trial, &fake).await?;
    }
    Ok(())
}

pub(super) async fn once_may_show_as_continuous(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    on_patch(&fake, |_, tree| {
        boot(tree)["BootSourceOverrideEnabled"] = json!("Continuous");
        boot(tree)["BootSourceOverrideTarget"] = json!("Cd");
        Some(Reply::status(204))
    });
    set(&trial, &fake).await
}

pub(super) async fn overrides_are_set_for_every_start(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    // As XCC lists it: `Continuous` is refused.
    on_patch(&fake, |sent, _| {
        (sent["BootSourceOverrideEnabled"] == "Continuous").then(|| Reply::status(400))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    for start in 1..=3 {
        bmc.set_boot_once_cd().await?;
        let shown = fake.state().tree[SYSTEM]["Boot"].clone();
        ensure!(shown["BootSourceOverrideEnabled"] == "Once", "start {start}: {shown}");
        // The machine starts, and whatever it started uses the override up.
        boot(&mut fake.state().tree)["BootSourceOverrideEnabled"] = json!("Disabled");
        boot(&mut fake.state().tree)["BootSourceOverrideTarget"] = json!("None");
    }
    let sent = fake.asked("PATCH", SYSTEM).len();
    ensure!(sent == 3, "sent {sent} times for three starts");
    Ok(())
}

/// The targets that a BMC lists, instead of those that it had.
fn lists(tree: &mut Tree, name: &str, targets: &[&str]) {
    let boot = boot(tree).as_object_mut().unwrap();
    boot.remove(TARGETS);
    boot.insert(name.to_owned(), json!(targets));
}

pub(super) async fn targets_may_be_listed_as_supported(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "HP");
    lists(&mut tree, "BootSourceOverrideSupported", &["None", "UsbCd", "Hdd"]);
    let fake = Fake::new(tree);
    on_patch(&fake, |sent, _| (sent["BootSourceOverrideTarget"] != "UsbCd").then(|| Reply::status(400)));
    set(&trial, &fake).await
}

pub(super) async fn modes_may_be_part_of_the_target(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "Supermicro");
    lists(&mut tree, TARGETS, &["None", "Cd", "UsbCd", "UefiUsbKey", "UefiCd", "UefiUsbCd"]);
    boot(&mut tree).as_object_mut().unwrap().remove(MODE);
    let fake = Fake::new(tree);
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.set_boot_once_cd().await?;
    let shown = fake.state().tree[SYSTEM]["Boot"]["BootSourceOverrideTarget"].clone();
    ensure!(shown == "UefiUsbCd", "it starts {shown} under Legacy");
    Ok(())
}

pub(super) async fn hidden_overrides_are_believed(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    on_patch(&fake, |_, tree| {
        *boot(tree) = json!({});
        Some(Reply::status(204))
    });
    set(&trial, &fake).await
}

pub(super) async fn clearing_may_take_a_target(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    boot(&mut tree)["BootSourceOverrideEnabled"] = json!("Continuous");
    boot(&mut tree)["BootSourceOverrideTarget"] = json!("Cd");
    let fake = Fake::new(tree);
    on_patch(&fake, |sent, tree| match sent.get("BootSourceOverrideTarget") {
        Some(target) => {
            boot(tree)["BootSourceOverrideTarget"] = target.clone();
            Some(Reply::status(204))
        }
        None => Some(Reply::status(400)),
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.clear_boot_override().await?;
    Ok(())
}

pub(super) async fn the_disk_may_stand_for_none(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    boot(&mut tree)[TARGETS] = json!(["Pxe", "Cd", "Hdd"]);
    boot(&mut tree)["BootSourceOverrideEnabled"] = json!("Continuous");
    boot(&mut tree)["BootSourceOverrideTarget"] = json!("Cd");
    let fake = Fake::new(tree);
    on_patch(&fake, |sent, tree| match sent["BootSourceOverrideTarget"].as_str() {
        Some("None") => Some(Reply::status(500)),
        Some(target) => {
            boot(tree)["BootSourceOverrideTarget"] = json!(target);
            Some(Reply::status(204))
        }
        None => Some(Reply::status(400)),
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.clear_boot_override().await?;
    let state = bmc.read_state().await?;
    ensure!(!state.boot.is_active(), "{:?}", state.boot);
    let shown = fake.state().tree[SYSTEM]["Boot"]["BootSourceOverrideTarget"].clone();
    ensure!(shown == "Hdd", "{shown}");
    let sent = fake.asked("PATCH", SYSTEM).len();
    bmc.clear_boot_override().await?;
    ensure!(fake.asked("PATCH", SYSTEM).len() == sent, "cleared again");
    Ok(())
}

fn without_slots(targets: &[&str]) -> Tree {
    let mut tree = machine(&[]);
    boot(&mut tree)[TARGETS] = json!(targets);
    tree
}

pub(super) async fn http_boot_is_the_last_rung(trial: Trial) -> Outcome {
    let fake = Fake::new(without_slots(&["None", "Pxe", "UefiHttp"]));
    let (_server, bmc) = trial.connect(&fake).await?;
    let composed = image("boot.iso").url;
    bmc.set_boot_once_http(&composed).await?;
    let shown = fake.state().tree[SYSTEM]["Boot"].clone();
    ensure!(shown["BootSourceOverrideTarget"] == "UefiHttp", "{shown}");
    ensure!(shown["HttpBootUri"] == composed.expose(), "{shown}");
    Ok(())
}

pub(super) async fn grace_hopper_boots_over_http_unlisted(trial: Trial) -> Outcome {
    let mut tree = made_by(without_slots(&["None", "Pxe"]), "NVIDIA");
    tree.get_mut(SYSTEM).unwrap()["Model"] = json!("GH200 Grace Hopper");
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    bmc.set_boot_once_http(&image("boot.iso").url).await?;
    Ok(())
}

pub(super) async fn http_boot_addresses_are_taken_back(trial: Trial) -> Outcome {
    let fake = Fake::new(without_slots(&["None", "UefiHttp"]));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.set_boot_once_http(&image("boot.iso").url).await?;
    // The machine started, and the override is used up.
    boot(&mut fake.state().tree)["BootSourceOverrideEnabled"] = json!("Disabled");
    bmc.clear_boot_override().await?;
    let left = fake.state().tree[SYSTEM]["Boot"]["HttpBootUri"].clone();
    ensure!(left.is_null(), "{left}");
    Ok(())
}

/// A BMC that reads the override only late in POST, so that whatever is written before takes its place.
pub(super) async fn no_override_names_a_disk(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.set_boot_once_cd().await?;
    bmc.clear_boot_override().await?;
    let named: Vec<Value> = fake.asked("PATCH", SYSTEM).into_iter().map(|line| line.body).collect();
    ensure!(!named.iter().any(|body| body.to_string().contains("Hdd")), "{named:?}");
    Ok(())
}

/// A machine whose `Cd` is listed and starts nothing, of a maker of whom nobody knows it.
pub(super) async fn silent_targets_are_followed_by_the_next(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    boot(&mut tree)[TARGETS] = json!(["None", "Cd", "UsbCd"]);
    let fake = Fake::new(tree);
    let (_server, bmc) = trial.connect(&fake).await?;
    for attempt in 0..3 {
        bmc.set_boot_once_cd_by(attempt).await?;
        if boot(&mut fake.state().tree)["BootSourceOverrideTarget"] == "UsbCd" {
            return Ok(());
        }
    }
    Err("it is started from Cd for ever".into())
}
