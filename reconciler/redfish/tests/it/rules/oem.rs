// SPDX-License-Identifier: AGPL-3.0-or-later
//! Makers' own ways to bring an image in and to start from it.

use std::sync::Arc;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, RedfishBmc, Rung};

use super::media::plain;
use super::slots::boot_slot;
use super::{Outcome, Trial, ensure};
use crate::flow::image;
use crate::support::fake::{Fake, eject, insert, refused};
use crate::support::server::Reply;
use crate::support::trees::{FIRST, MANAGER, MEDIA, SYSTEM, link, machine, made_by, slot};

const TASK: &str = "/redfish/v1/TaskService/Tasks/7";

pub(super) async fn ilo_four_has_its_own_actions(trial: Trial) -> Outcome {
    let target = |verb: &str| format!("{FIRST}/Actions/Oem/Hp/HpiLOVirtualMedia.{verb}VirtualMedia/");
    let mut cd = slot(FIRST, &["CD", "DVD"]);
    cd.as_object_mut().unwrap().remove("Actions");
    cd["Oem"] = json!({"Hp": {"Actions": {
        "#HpiLOVirtualMedia.InsertVirtualMedia": {"target": target("Insert")},
        "#HpiLOVirtualMedia.EjectVirtualMedia": {"target": target("Eject")}
    }}});
    let fake = Fake::new(made_by(machine(&[cd]), "HP"));
    fake.hook(|asked, state| {
        let slot = state.tree.get_mut(FIRST)?;
        if asked.path.ends_with(".InsertVirtualMedia/") {
            insert(slot, &asked.json());
        } else if asked.path.ends_with(".EjectVirtualMedia/") {
            eject(slot);
        } else if asked.method == "PATCH" && asked.path == FIRST {
            // Also a PATCH is taken, of the image alone.
            let body = asked.json();
            let others = body.as_object()?.keys().filter(|name| *name != "Image");
            let others: Vec<&str> = others.map(String::as_str).collect();
            if !others.is_empty() {
                return Some(refused(400, "iLO.0.10.PropertyNotWritableOrUnknown", "", &others));
            }
            if body["Image"].is_null() { eject(slot) } else { insert(slot, &body) }
        } else {
            return None;
        }
        Some(Reply::status(200))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    let slot = boot_slot(&bmc)?;
    bmc.insert(&slot, &image("boot.iso")).await?;
    bmc.eject(&slot).await?;
    Ok(())
}

/// A CD of Huawei's, whose one action fails the first `failing` connects.
fn ibmc(mut failing: u32) -> Arc<Fake> {
    let control = format!("{FIRST}/Oem/Huawei/Actions/VirtualMedia.VmmControl");
    let mut cd = slot(FIRST, &["CD"]);
    cd["Actions"] = json!({});
    cd["Oem"] = json!({"Huawei": {"Actions": {"#VirtualMedia.VmmControl": {"target": control}}}});
    let fake = Fake::new(made_by(machine(&[cd]), "Huawei"));
    let mut failed = false;
    fake.hook(move |asked, state| {
        if asked.path == TASK {
            let end = if failed { "Exception" } else { "Completed" };
            let messages = json!({"MessageId": "iBMC.1.0.ConnectionFailed", "Message": "Please try again"});
            return Some(Reply::json(200, &json!({"TaskState": end, "Messages": messages})));
        }
        if asked.method == "PATCH" {
            return Some(Reply::status(405));
        }
        if !asked.path.ends_with("VmmControl") {
            return None;
        }
        let slot = state.tree.get_mut(FIRST)?;
        failed = false;
        match asked.json()["VmmControlType"].as_str() {
            Some("Connect") if slot["Inserted"] == true => return Some(Reply::status(400)),
            Some("Connect") if failing > 0 => {
                failing -= 1;
                failed = true;
            }
            Some("Connect") => insert(slot, &asked.json()),
            Some("Disconnect") => eject(slot),
            _ => return Some(Reply::status(400)),
        }
        Some(Reply::json(202, &json!({"@odata.id": TASK, "@odata.type": "#Task.v1_0_2.Task"})))
    });
    fake
}

pub(super) async fn huawei_controls_media_by_one_action(trial: Trial) -> Outcome {
    let (_server, bmc) = trial.connect(&ibmc(0)).await?;
    let slot = boot_slot(&bmc)?;
    bmc.insert(&slot, &image("boot.iso")).await?;
    bmc.eject(&slot).await?;
    Ok(())
}

pub(super) async fn huawei_connects_at_random(trial: Trial) -> Outcome {
    let (_server, bmc) = trial.connect(&ibmc(2)).await?;
    bmc.insert(&boot_slot(&bmc)?, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn old_supermicro_mounts_by_configuration(trial: Trial) -> Outcome {
    let config = "/redfish/v1/Managers/1/VM1/CfgCD";
    let mut tree = made_by(machine(&[]), "Supermicro");
    tree.get_mut(MEDIA).unwrap()["Oem"] = json!({"Supermicro": {"VirtualMediaConfig": link(config)}});
    let target = |verb: &str| json!({"target": format!("{config}/Actions/IsoConfig.{verb}")});
    tree.insert(
        config.to_owned(),
        json!({
            "@odata.id": config, "Host": "", "Path": "", "Username": "", "Password": "********",
            "Actions": {"#IsoConfig.Mount": target("Mount"), "#IsoConfig.UnMount": target("UnMount")}
        }),
    );
    let fake = Fake::new(tree);
    fake.hook(move |asked, state| {
        let members = match asked.path.rsplit('/').next() {
            Some("IsoConfig.Mount") if state.tree[config]["Path"] != "" => json!([link(FIRST)]),
            Some("IsoConfig.UnMount") => json!([]),
            _ => return None,
        };
        state.tree.get_mut(MEDIA)?["Members"] = members;
        Some(Reply::json(200, &json!({"Success": {"code": "Base.1.0.0.Success"}})))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    let slot = boot_slot(&bmc)?;
    ensure!(bmc.discovered().rung == Rung::Single, "{}", bmc.discovered().rung);
    bmc.eject(&slot).await?;
    bmc.insert(&slot, &image("boot.iso")).await?;
    let sent = fake.asked("PATCH", "/CfgCD")[0].body.clone();
    ensure!(sent["Host"] == "https://127.0.0.1:9", "{sent}");
    let state = bmc.read_state().await?;
    let shown = state.slots[0].image.clone().ok_or("no image is shown")?;
    ensure!(image("boot.iso").url.same_image(&shown), "{shown}");
    bmc.eject(&slot).await?;
    ensure!(!bmc.read_state().await?.slots[0].inserted, "still inserted");
    Ok(())
}

/// An XCC without slots, whose one image after the other goes on a list that is mounted as a whole.
fn old_xcc(enabled: bool) -> (Arc<Fake>, String) {
    let map = format!("{MANAGER}/Oem/Lenovo/RemoteMap");
    let list = format!("{map}/MountImages");
    let mut tree = made_by(machine(&[]), "Lenovo");
    tree.get_mut(MANAGER).unwrap()["Oem"] = json!({"Lenovo": {"RemoteMap": link(&map)}});
    let target = |verb: &str| json!({"target": format!("{map}/Actions/LenovoRemoteMapService.{verb}")});
    tree.insert(
        map.clone(),
        json!({
            "@odata.id": map, "Id": "RemoteMap", "ServiceEnabled": enabled, "MountImages": link(&list),
            "Actions": {
                "#LenovoRemoteMapService.Mount": target("Mount"),
                "#LenovoRemoteMapService.UMount": target("UMount")
            }
        }),
    );
    tree.insert(list.clone(), json!({"@odata.id": list, "Members": []}));
    let fake = Fake::new(tree);
    let at = list.clone();
    fake.hook(move |asked, state| {
        let is_listed = |path: &str| path.strip_prefix(&at).is_some_and(|rest| rest.len() > 1);
        let verb = asked.path.rsplit('.').next().unwrap_or_default();
        if asked.method == "POST" && asked.path == at {
            let members = state.tree[&at]["Members"].as_array().map_or(0, Vec::len);
            let path = format!("{at}/{members}");
            let mut image = asked.json();
            (image["@odata.id"], image["Mounted"]) = (json!(path), json!(false));
            state.tree.get_mut(&at)?["Members"].as_array_mut()?.push(link(&path));
            state.tree.insert(path, image);
            return Some(Reply::status(201));
        }
        if asked.method == "DELETE" && is_listed(&asked.path) {
            let members = state.tree.get_mut(&at)?["Members"].as_array_mut()?;
            members.retain(|member| *member != link(&asked.path));
            state.tree.remove(&asked.path);
            return Some(Reply::status(204));
        }
        if asked.method != "POST" || !matches!(verb, "Mount" | "UMount") {
            return None;
        }
        for (_, image) in state.tree.iter_mut().filter(|(path, _)| is_listed(path)) {
            image["Mounted"] = json!(verb == "Mount");
        }
        Some(Reply::status(204))
    });
    (fake, list)
}

pub(super) async fn old_xcc_mounts_by_a_list(trial: Trial) -> Outcome {
    let (fake, list) = old_xcc(true);
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(bmc.discovered().rung == Rung::Single, "{}", bmc.discovered().rung);
    let slot = boot_slot(&bmc)?;
    for attempt in 0..2 {
        let image = plain(&format!("boot-{attempt}.iso"));
        bmc.eject(&slot).await?;
        bmc.insert(&slot, &image).await?;
        let state = bmc.read_state().await?;
        let shown = state.slots[0].image.clone().ok_or("no image is shown")?;
        ensure!(image.url.same_image(&shown), "{shown}");
        let members = fake.state().tree[&list]["Members"].clone();
        ensure!(members.as_array().is_some_and(|members| members.len() == 1), "also mounted: {members}");
    }
    let sent = fake.asked("POST", "/MountImages")[0].body.clone();
    ensure!(sent["Type"] == "HTTP" && sent["Readonly"] == true, "{sent}");
    bmc.eject(&slot).await?;
    ensure!(!bmc.read_state().await?.slots[0].inserted, "still inserted");
    // Where it is switched off, newer firmware is what helps.
    let (_server, bmc) = trial.connect(&old_xcc(false).0).await?;
    tells(&bmc, "update the XCC")
}

/// Some warning must say this.
fn tells(bmc: &RedfishBmc, words: &str) -> Outcome {
    let warnings = &bmc.discovered().warnings;
    ensure!(warnings.iter().any(|warning| warning.text.contains(words)), "not told: {warnings:?}");
    Ok(())
}

/// There must be no slot to boot from, for this reason.
async fn is_of_no_use(trial: &Trial, fake: &Arc<Fake>, words: &str) -> Outcome {
    let (_server, bmc) = trial.connect(fake).await?;
    ensure!(bmc.discovered().rung == Rung::None, "{}", bmc.discovered().rung);
    ensure!(
        bmc.discovered().obstacles().iter().any(|obstacle| obstacle.message.contains(words)),
        "no obstacle"
    );
    tells(&bmc, words)
}

pub(super) async fn h3c_takes_file_shares_only(trial: Trial) -> Outcome {
    let mut cd = slot(FIRST, &["CD"]);
    cd["Actions"] = json!({});
    let control = format!("{FIRST}/Oem/Public/Actions/VirtualMedia.VmmControl");
    cd["Oem"] = json!({"Public": {"Actions": {"#VirtualMedia.VmmControl": {"target": control}}}});
    let tree = made_by(machine(&[cd]), "New H3C Technologies Co., Ltd.");
    is_of_no_use(&trial, &Fake::new(tree), "file shares only").await
}

pub(super) async fn slots_may_take_file_shares_only(trial: Trial) -> Outcome {
    let mut cd = slot(FIRST, &["CD"]);
    cd["Actions"]["#VirtualMedia.InsertMedia"]["TransferProtocolType@Redfish.AllowableValues"] =
        json!(["NFS", "CIFS"]);
    is_of_no_use(&trial, &Fake::new(made_by(machine(&[cd]), "AMI")), "file shares only").await
}

pub(super) async fn old_irmc_takes_file_shares_only(trial: Trial) -> Outcome {
    let shares = "/redfish/v1/Systems/1/Oem/ts_fujitsu/VirtualMedia";
    let mut tree = made_by(machine(&[]), "FUJITSU");
    tree.get_mut(SYSTEM).unwrap()["Oem"] = json!({"ts_fujitsu": {"VirtualMedia": link(shares)}});
    is_of_no_use(&trial, &Fake::new(tree), "file shares only").await
}

pub(super) async fn cd_instances_may_be_none(trial: Trial) -> Outcome {
    let ami = json!({"Oem": {"Ami": {"VirtualMedia": {"RMediaStatus": "Enabled", "CDInstances": 0}}}});
    let target = format!("{MANAGER}/Actions/Oem/VirtualMedia.ConfigureCDInstance");
    let configure = json!({"target": target, "CDInstances": 0});
    let tsm = json!({"Actions": {"Oem": {"#VirtualMedia.ConfigureCDInstance": configure}}});
    for says in [ami, tsm] {
        let mut tree = made_by(machine(&[]), "AMI");
        let manager = tree.get_mut(MANAGER).and_then(Value::as_object_mut).unwrap();
        manager.extend(says.as_object().unwrap().clone());
        is_of_no_use(&trial, &Fake::new(tree), "ConfigureCDInstance").await?;
    }
    Ok(())
}

pub(super) async fn actions_may_stand_among_the_makers_own(trial: Trial) -> Outcome {
    let target = |verb: &str| json!({"target": format!("{FIRST}/Actions/Oem/Ami/VirtualMedia.{verb}Media")});
    let mut cd = slot(FIRST, &["CD"]);
    cd["Actions"] = json!({"Oem": {
        "#VirtualMedia.InsertMedia": target("Insert"),
        "#VirtualMedia.EjectMedia": target("Eject")
    }});
    let fake = Fake::new(made_by(machine(&[cd]), "AMI"));
    fake.hook(|asked, state| {
        let slot = state.tree.get_mut(FIRST)?;
        match asked.path.rsplit('.').next() {
            Some("InsertMedia") => insert(slot, &asked.json()),
            Some("EjectMedia") => eject(slot),
            _ => return (asked.method == "PATCH").then(|| Reply::status(405)),
        }
        Some(Reply::status(204))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    let slot = boot_slot(&bmc)?;
    bmc.insert(&slot, &image("boot.iso")).await?;
    bmc.eject(&slot).await?;
    Ok(())
}

pub(super) async fn remote_media_are_switched_on_first(trial: Trial) -> Outcome {
    let enable = format!("{MANAGER}/Actions/Oem/AMIVirtualMedia.EnableRMedia");
    let mut tree = made_by(machine(&[slot(FIRST, &["CD"])]), "AMI");
    let manager = tree.get_mut(MANAGER).unwrap();
    manager["Oem"] = json!({"Ami": {"VirtualMedia": {"RMediaStatus": "Disabled"}}});
    manager["Actions"] = json!({"Oem": {"#AMIVirtualMedia.EnableRMedia": {"target": enable}}});
    let fake = Fake::new(tree);
    let mut reads_until_on = None;
    fake.hook(move |asked, state| {
        let status = &mut state.tree.get_mut(MANAGER)?["Oem"]["Ami"]["VirtualMedia"]["RMediaStatus"];
        if asked.path == enable && asked.json()["RMediaState"] == "Enable" {
            reads_until_on = Some(3);
            return Some(Reply::json(200, &json!({"error": {"code": "Base.1.5.Success"}})));
        }
        if asked.method == "GET" && asked.path == MANAGER {
            reads_until_on = reads_until_on.map(|reads: u32| reads.saturating_sub(1));
            if reads_until_on == Some(0) {
                *status = json!("Enabled");
            }
        }
        (asked.path.ends_with("InsertMedia") && *status == "Disabled").then(|| Reply::status(500))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(fake.writes().is_empty(), "a look changes nothing");
    bmc.insert(&boot_slot(&bmc)?, &image("boot.iso")).await?;
    // Lenovo's older spelling, where no slot is shown before.
    let mut tree = made_by(machine(&[]), "Lenovo");
    let target = format!("{MANAGER}/Actions/Oem/VirtualMedia.EnableRMedia");
    let off = json!({"target": target, "Status": "Disabled"});
    tree.get_mut(MANAGER).unwrap()["Actions"] = json!({"Oem": {"#VirtualMedia.EnableRMedia": off}});
    let hidden = tree.clone();
    is_of_no_use(&trial, &Fake::new(tree), "enable remote media support").await?;
    let off = trial.connect(&Fake::new(hidden)).await?.1;
    tells(&off, &format!("POST {{\"RMediaState\": \"Enable\"}} to {target}"))
}

/// An iDRAC whose standard override starts the physical drive.
pub(super) fn old_idrac(attributes: bool, name: &str) -> Arc<Fake> {
    let import = format!("{MANAGER}/Actions/Oem/EID_674_Manager.ImportSystemConfiguration");
    let shown = format!("{MANAGER}/Oem/Dell/DellAttributes/1");
    let mut tree = made_by(machine(&[slot(&format!("{MEDIA}/CD"), &["CD", "DVD"])]), "Dell Inc.");
    let manager = tree.get_mut(MANAGER).unwrap();
    manager["Actions"] = json!({"Oem": {name: {"target": import}}});
    if attributes {
        manager["Links"] = json!({"Oem": {"Dell": {"DellAttributes": [link(&shown)]}}});
        tree.insert(shown.clone(), json!({"Attributes": {"ServerBoot.1.BootOnce": "Disabled"}}));
    }
    let fake = Fake::new(tree);
    fake.hook(move |asked, state| {
        if asked.path == TASK {
            return Some(Reply::json(200, &json!({"TaskState": "Completed", "TaskStatus": "OK"})));
        }
        if asked.path != import {
            return None;
        }
        let buffer = asked.json()["ImportBuffer"].as_str().unwrap_or_default().to_owned();
        let once = buffer.contains("BootOnce\">Enabled<") && buffer.contains("FirstBootDevice\">VCD-DVD<");
        let (once, device) = if once { ("Enabled", "VCD-DVD") } else { ("Disabled", "Normal") };
        let now = json!({"ServerBoot.1.BootOnce": once, "ServerBoot.1.FirstBootDevice": device});
        state.tree.insert(shown.clone(), json!({"Attributes": now}));
        Some(Reply::status(202).header("Location", TASK))
    });
    fake
}

pub(super) async fn old_idrac_boots_its_physical_drive(trial: Trial) -> Outcome {
    // As iDRACs of 3.00 to 3.36 and of 4.00 on spell it.
    let older = "OemManager.v1_0_0#OemManager.ImportSystemConfiguration";
    let newer = "#OemManager.v1_2_0.OemManager#OemManager.ImportSystemConfiguration";
    for (attributes, name) in [(true, older), (false, older), (true, newer)] {
        let fake = old_idrac(attributes, name);
        let shown = format!("{MANAGER}/Oem/Dell/DellAttributes/1");
        let (_server, bmc) = trial.connect(&fake).await?;
        bmc.set_boot_once_cd().await?;
        let once = |state: &Value| state["Attributes"]["ServerBoot.1.BootOnce"] == "Enabled";
        ensure!(fake.state().tree.get(&shown).is_some_and(once), "the virtual CD is not started");
        ensure!(fake.asked("PATCH", SYSTEM).is_empty(), "the physical drive is started");
        bmc.clear_boot_override().await?;
        ensure!(!fake.state().tree.get(&shown).is_some_and(once), "it is still started");
    }
    Ok(())
}

pub(super) async fn fujitsu_boots_by_its_own_configuration(trial: Trial) -> Outcome {
    let config = "/redfish/v1/Systems/1/Oem/ts_fujitsu/BootConfig";
    let mut tree = made_by(machine(&[slot(FIRST, &["CD"])]), "FUJITSU");
    tree.get_mut(SYSTEM).unwrap()["Oem"] = json!({"ts_fujitsu": {"BootConfig": link(config)}});
    tree.insert(
        config.to_owned(),
        json!({"@odata.etag": "1", "BootDevice": "None", "BootType": "UEFI", "NextBootOnlyEnabled": true}),
    );
    let fake = Fake::new(tree);
    // The standard override is taken and comes to nothing.
    fake.hook(|asked, _| (asked.method == "PATCH" && asked.path == SYSTEM).then(|| Reply::status(200)));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.set_boot_once_cd().await?;
    let shown = fake.state().tree[config].clone();
    ensure!(shown["BootDevice"] == "Cd" && shown["NextBootOnlyEnabled"] == true, "{shown}");
    ensure!(fake.asked("PATCH", config)[0].if_match.as_deref() == Some("1"), "no If-Match");
    bmc.clear_boot_override().await?;
    ensure!(fake.state().tree[config]["BootDevice"] == "None", "it is still started");
    Ok(())
}

pub(super) async fn idrac_may_keep_media_from_the_host(trial: Trial) -> Outcome {
    for (attached, told) in [("AutoAttach", false), ("Detached", true)] {
        let shown = format!("{MANAGER}/Oem/Dell/DellAttributes/1");
        let mut tree = made_by(machine(&[slot(FIRST, &["CD"])]), "Dell Inc.");
        tree.get_mut(MANAGER).unwrap()["Links"] =
            json!({"Oem": {"Dell": {"DellAttributes": [link(&shown)]}}});
        tree.insert(shown, json!({"Attributes": {"VirtualMedia.1.Attached": attached}}));
        let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
        let warnings = &bmc.discovered().warnings;
        let is_told = warnings.iter().any(|warning| warning.text.contains("kept from the host"));
        ensure!(is_told == told, "{attached}: {warnings:?}");
    }
    Ok(())
}
