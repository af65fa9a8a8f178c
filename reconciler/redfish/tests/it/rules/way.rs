// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding the machine.

use serde_json::json;
use shoal_redfish::{Bmc, BmcEndpoint, Error, ErrorKind, IdentityHint};

use super::{Outcome, Trial, ensure};
use crate::support::fake::Fake;
use crate::support::server::Reply;
use crate::support::trees::{FIRST, MANAGER, MEDIA, SYSTEM, Tree, link, made_by, two_cd};

const SYSTEMS: &str = "/redfish/v1/Systems";

/// A connection must fail for this reason.
async fn fails(trial: &Trial, tree: Tree, identity: IdentityHint, label: &str) -> Outcome {
    let fake = Fake::new(tree);
    let Err(error) = trial.connect_as(&fake, |endpoint| BmcEndpoint { identity, ..endpoint }).await else {
        return Err("some machine was chosen".into());
    };
    let named = error.downcast_ref::<Error>().map(|error| error.kind().label());
    ensure!(named == Some(label), "{error}");
    Ok(())
}

pub(super) async fn links_are_followed(trial: Trial) -> Outcome {
    let text = serde_json::to_string(&two_cd())?;
    let moved =
        text.replace(SYSTEMS, "/redfish/v1/Machines").replace("/redfish/v1/Managers/1", "/somewhere/BMC");
    let (_server, bmc) = trial.connect(&Fake::new(serde_json::from_str(&moved)?)).await?;
    ensure!(bmc.discovered().system == "/redfish/v1/Machines/1", "{}", bmc.discovered().system);
    Ok(())
}

/// Two blades behind one BMC.
fn blades() -> Tree {
    let other = format!("{SYSTEMS}/2");
    let mut tree = two_cd();
    let mut blade = tree[SYSTEM].clone();
    (blade["Id"], blade["SerialNumber"], blade["UUID"]) = (json!("2"), json!("ACME-2"), json!(null));
    tree.insert(SYSTEMS.to_owned(), json!({"Members": [link(SYSTEM), link(&other)]}));
    tree.insert(other, blade);
    tree
}

pub(super) async fn systems_are_not_guessed_between(trial: Trial) -> Outcome {
    fails(&trial, blades(), IdentityHint::default(), "ambiguous-system").await
}

pub(super) async fn machines_are_proven_before_an_erase(trial: Trial) -> Outcome {
    let identity = IdentityHint { serial: Some("ACME-9".to_owned()), uuid: None };
    fails(&trial, two_cd(), identity, "wrong-machine").await
}

pub(super) async fn baseboards_are_no_machines(trial: Trial) -> Outcome {
    let board = "/redfish/v1/Systems/HGX_Baseboard_0";
    let mut tree = two_cd();
    tree.insert(board.to_owned(), json!({"Id": "HGX_Baseboard_0", "SerialNumber": "B1"}));
    tree.insert(SYSTEMS.to_owned(), json!({"Members": [link(board), link(SYSTEM)]}));
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    ensure!(bmc.discovered().system == SYSTEM, "{}", bmc.discovered().system);
    Ok(())
}

pub(super) async fn service_tag_is_the_sku_on_dell(trial: Trial) -> Outcome {
    let mut tree = made_by(two_cd(), "Dell Inc.");
    tree.get_mut(SYSTEM).unwrap()["SKU"] = json!("F54P1G3");
    let identity = IdentityHint { serial: Some("F54P1G3".to_owned()), uuid: None };
    trial.connect_as(&Fake::new(tree), |endpoint| BmcEndpoint { identity, ..endpoint }).await?;
    Ok(())
}

pub(super) async fn odd_json_is_endured(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    let system = tree.get_mut(SYSTEM).unwrap();
    (system["SerialNumber"], system["UUID"]) = (json!(123_456), json!(""));
    tree.get_mut(MANAGER).unwrap().as_object_mut().unwrap().remove("@odata.id");
    tree.get_mut(FIRST).unwrap()["Inserted"] = json!("False");
    let (_server, bmc) = trial.connect(&Fake::new(tree)).await?;
    let found = bmc.discovered();
    ensure!(found.serial.as_deref() == Some("123456") && found.uuid.is_none(), "{:?}", found.serial);
    ensure!(found.managers == [MANAGER] && !found.media[0].inserted, "{found:?}");
    Ok(())
}

/// A BMC whose expanded collections name their members by nothing that could be followed.
pub(super) async fn expand_is_never_asked_for(trial: Trial) -> Outcome {
    let fake = Fake::new(two_cd());
    fake.hook(|asked, state| {
        let (path, _) = asked.path.split_once("?$expand")?;
        let count = state.tree.get(path)?["Members"].as_array()?.len();
        Some(Reply::json(200, &json!({"Members": vec![json!({"Name": "expanded"}); count]})))
    });
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(fake.log().iter().all(|line| !line.path.contains('?')), "something was asked with a query");
    ensure!(bmc.discovered().boot_slot.is_some(), "no slot");
    Ok(())
}

pub(super) async fn circles_of_links_end(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    tree.get_mut(MEDIA).unwrap()["Members@odata.nextLink"] = json!(MEDIA);
    let fake = Fake::new(tree);
    let (_server, bmc) = trial.connect(&fake).await?;
    ensure!(bmc.discovered().media.len() == 2, "{:?}", bmc.discovered().media);
    Ok(())
}

/// A BMC that has four hundred slots, which is no BMC.
pub(super) async fn resources_without_end_are_not_walked(trial: Trial) -> Outcome {
    let mut tree = two_cd();
    let pages = [MEDIA.to_owned(), format!("{MEDIA}/more")];
    for (number, page) in pages.iter().enumerate() {
        let paths: Vec<String> = (0..200).map(|slot| format!("{MEDIA}/{number}-{slot}")).collect();
        let members: Vec<_> = paths.iter().map(|path| link(path)).collect();
        let mut listed = json!({"Members": members});
        if let Some(next) = pages.get(number + 1) {
            listed["Members@odata.nextLink"] = json!(next);
        }
        tree.insert(page.clone(), listed);
        tree.extend(paths.into_iter().map(|path| (path, json!({}))));
    }
    let fake = Fake::new(tree);
    let Err(error) = trial.connect(&fake).await else {
        return Err(format!("{} requests", fake.log().len()).into());
    };
    let kind = error.downcast_ref::<Error>().map(Error::kind);
    ensure!(matches!(kind, Some(ErrorKind::TooManyResources { .. })), "{error}");
    Ok(())
}
