// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding the machine.

use serde_json::json;
use shoal_redfish::{Bmc, BmcEndpoint, IdentityHint};

use super::{Outcome, Trial, ensure};
use crate::support::fake::Fake;
use crate::support::trees::{SYSTEM, link, made_by, two_cd};

pub(super) async fn baseboards_are_no_machines(trial: Trial) -> Outcome {
    let board = "/redfish/v1/Systems/HGX_Baseboard_0";
    let mut tree = two_cd();
    tree.insert(board.to_owned(), json!({"Id": "HGX_Baseboard_0", "SerialNumber": "B1"}));
    tree.insert("/redfish/v1/Systems".to_owned(), json!({"Members": [link(board), link(SYSTEM)]}));
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
