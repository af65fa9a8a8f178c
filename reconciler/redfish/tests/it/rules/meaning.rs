// SPDX-License-Identifier: AGPL-3.0-or-later
//! What refusals mean, and what passes by itself.

use serde_json::json;
use shoal_redfish::{Bmc, ErrorKind, Rung};

use super::oem::old_idrac;
use super::{Outcome, Trial, ensure};
use crate::boot::boot;
use crate::flow::image;
use crate::support::fake::{Fake, refused};
use crate::support::server::Reply;
use crate::support::trees::{
    FIRST, MANAGER, MEDIA, ROOT, SYSTEM, Tree, link, machine, made_by, patched_slot, two_cd,
};

const INSERT: &str = "/1/Actions/VirtualMedia.InsertMedia";

pub(super) async fn idrac_may_say_data_sources_unavailable(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, 6, || refused(500, "IDRAC.2.7.SYS518", "Data sources are unavailable", &[]));
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.insert(FIRST, &image("boot.iso")).await?;
    Ok(())
}

pub(super) async fn ilo_refuses_while_in_post(trial: Trial) -> Outcome {
    for key in ["UnableToModifyDuringSystemPOST", "InvalidOperationForSystemState"] {
        let fake = Fake::new(two_cd());
        fake.answer("PATCH", SYSTEM, 3, move || refused(400, &format!("iLO.2.14.{key}"), "", &[]));
        let (_server, bmc) = trial.connect(&fake).await?;
        bmc.set_boot_once_cd().await?;
    }
    Ok(())
}

pub(super) async fn early_on_conflicts(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(SYSTEM).unwrap()["PowerState"] = json!("Off");
    let fake = Fake::new(tree);
    fake.answer("POST", "ComputerSystem.Reset", 3, || {
        refused(409, "Base.1.12.ActionParameterValueConflict", "", &["ResetType", "On"])
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    bmc.ensure_power_on().await?;
    Ok(())
}

/// An insert that is refused like this must fail under this name.
async fn named(trial: &Trial, label: &str, reply: impl Fn() -> Reply + Send + 'static) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, u32::MAX, reply);
    let (_server, bmc) = trial.connect(&fake).await?;
    let Err(error) = bmc.insert(FIRST, &image("boot.iso")).await else {
        return Err("it was inserted".into());
    };
    ensure!(error.kind().label() == label, "{}: {error}", error.kind().label());
    ensure!(!error.hint().is_empty(), "no hint");
    Ok(())
}

pub(super) async fn missing_licences_are_named(trial: Trial) -> Outcome {
    named(&trial, "licence-missing", || refused(400, "iLO.2.14.LicenseKeyRequired", "", &[])).await?;
    named(&trial, "licence-missing", || refused(403, "Base.1.0.0.OemLicenseNotPassed", "", &["DCMS"]))
        .await?;
    named(&trial, "licence-missing", || refused(403, "", "A required license is missing or expired", &[]))
        .await
}

/// A licence that does not suffice must be told by discovery, one that does must not.
async fn warns(trial: &Trial, tree: impl Fn(&str) -> Tree, poor: &str, rich: &str) -> Outcome {
    for (licence, expected) in [(rich, false), (poor, true)] {
        let (_server, bmc) = trial.connect(&Fake::new(tree(licence))).await?;
        let warnings = &bmc.discovered().warnings;
        let told = warnings.iter().any(|warning| warning.text.contains("images from a url need"));
        ensure!(told == expected, "{licence}: {warnings:?}");
    }
    Ok(())
}

pub(super) async fn ilo_needs_an_advanced_licence(trial: Trial) -> Outcome {
    let tree = |licence: &str| {
        let mut tree = made_by(two_cd(), "HPE");
        tree.get_mut(MANAGER).unwrap()["Oem"] = json!({"Hpe": {"License": {"LicenseString": licence}}});
        tree
    };
    warns(&trial, tree, "iLO Standard", "iLO Advanced").await
}

pub(super) async fn xcc_needs_an_enterprise_licence(trial: Trial) -> Outcome {
    let tree = |licence: &str| {
        let mut tree = made_by(machine(&[patched_slot(&format!("{MEDIA}/EXT1"))]), "Lenovo");
        let (service, all, one) =
            ("/redfish/v1/LicenseService", "/redfish/v1/LicenseService/Licenses", "/redfish/v1/L/1");
        tree.get_mut(ROOT).unwrap()["LicenseService"] = link(service);
        tree.insert(service.to_owned(), json!({"Licenses": link(all)}));
        tree.insert(all.to_owned(), json!({"Members": [link(one)]}));
        tree.insert(one.to_owned(), json!({"Id": "1", "Name": licence}));
        tree
    };
    warns(&trial, tree, "XCC Advanced Upgrade", "Lenovo XClarity Controller Enterprise Upgrade").await
}

pub(super) async fn disabled_media_are_named(trial: Trial) -> Outcome {
    named(&trial, "virtual-media-disabled", || refused(400, "iLO.2.14.VirtualMediaIsDisabled", "", &[])).await
}

pub(super) async fn occupied_slots_are_named(trial: Trial) -> Outcome {
    let label = "slot-occupied";
    named(&trial, label, || refused(400, "iBMC.1.0.ConnectionOccupied", "", &[])).await?;
    named(&trial, label, || refused(500, "", "Virtual media is already attached to the host", &[])).await
}

pub(super) async fn full_media_connections_are_named(trial: Trial) -> Outcome {
    let label = "media-connections-in-use";
    named(&trial, label, || refused(400, "iLO.2.14.MaxVirtualMediaConnectionEstablished", "", &[])).await
}

pub(super) async fn unlicensed_slots_are_not_missing(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    boot(&mut tree)["BootSourceOverrideTarget@Redfish.AllowableValues"] = json!(["None", "Cd", "UefiHttp"]);
    let fake = Fake::new(tree);
    fake.hook(|asked, _| {
        let is_slot = asked.path.starts_with(&format!("{MEDIA}/"));
        is_slot.then(|| refused(403, "Base.1.0.0.OemLicenseNotPassed", "SFT-OOB-LIC is needed", &[]))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(bmc.discovered().rung == Rung::None, "{}", bmc.discovered().rung);
    for result in [bmc.set_boot_once_cd().await, bmc.set_boot_once_http(&image("boot.iso").url).await] {
        let Err(error) = result else {
            return Err("an override was set".into());
        };
        ensure!(matches!(error.kind(), ErrorKind::LicenceMissing { .. }), "{error}");
    }
    Ok(())
}

pub(super) async fn refused_schemes_are_named(trial: Trial) -> Outcome {
    let label = "unsupported-image-scheme";
    named(&trial, label, || refused(400, "iBMC.1.0.FileTransferProtocolMismatch", "", &[])).await
}

pub(super) async fn unreadable_images_are_named(trial: Trial) -> Outcome {
    let label = "image-unreadable";
    named(&trial, label, || refused(400, "Base.1.13.ResourceAtUriInUnknownFormat", "", &[])).await?;
    named(&trial, label, || refused(500, "IDRAC.2.7.RAC0720", "Unable to locate the ISO", &[])).await
}

pub(super) async fn refused_images_are_not_our_login(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.answer("POST", INSERT, u32::MAX, || refused(401, "Base.1.13.ResourceAtUriUnauthorized", "", &[]));
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(bmc.insert(FIRST, &image("boot.iso")).await.is_err(), "it was inserted");
    bmc.read_state().await?;
    Ok(())
}

pub(super) async fn ilo_changes_nothing_once_an_image_is_in(trial: Trial) -> Outcome {
    named(&trial, "slot-occupied", || {
        let words =
            "The value for property WriteProtected cannot be changed after virtual media image is inserted.";
        refused(400, "iLO.2.18.UnableToModifyAfterVirtualMediaInsert", words, &["WriteProtected"])
    })
    .await
}

pub(super) async fn pending_configuration_is_named(trial: Trial) -> Outcome {
    const WORDS: &str = "Unable to perform the import or export operation because there are pending attribute changes \
                         or a configuration job is in progress.";
    // A job that ends is waited for, and one that does not is named. The physical drive is never started.
    for (refusals, ends) in [(2, true), (u32::MAX, false)] {
        let fake = old_idrac(true, "#OemManager.ImportSystemConfiguration");
        fake.first("POST", "ImportSystemConfiguration", refusals, || {
            refused(400, "IDRAC.2.3.LC068", WORDS, &[])
        });
        let (_server, bmc) = trial.hurried(&fake).await?;
        match bmc.set_boot_once_cd().await {
            Ok(_) => ensure!(ends, "an override was set"),
            Err(error) => {
                ensure!(error.kind().label() == "configuration-pending" && !ends, "{error}");
                ensure!(error.hint().contains("job queue"), "{}", error.hint());
            }
        }
        ensure!(fake.asked("PATCH", SYSTEM).is_empty(), "the physical drive is started");
    }
    // The standard override of newer firmware.
    let fake = Fake::new(made_by(two_cd(), "Dell Inc."));
    fake.answer("PATCH", SYSTEM, u32::MAX, || {
        let words =
            "Pending configuration values are already committed, unable to perform another set operation.";
        refused(400, "IDRAC.2.8.SYS011", words, &[])
    });
    let (_server, bmc) = trial.hurried(&fake).await?;
    let told = bmc.set_boot_once_cd().await.map_err(|error| error.kind().label());
    ensure!(told == Err("configuration-pending"), "{told:?}");
    Ok(())
}
