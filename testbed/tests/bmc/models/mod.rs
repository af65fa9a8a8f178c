// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is particular about each model: its wrong routes fail as reported, its proper ones work.

mod ami_dgx;
mod bluefield;
mod hostile;
mod ibmc_v5;
mod ibmc_xfusion;
mod idrac10;
mod idrac9_5;
mod ilo4;
mod ilo5;
mod irmc_s5;
mod openbmc_gb200;
mod smc_x10;
mod smc_x12;
mod xcc;
mod xcc3;
mod xcc_18d;

use http::Method;
use serde_json::Value;

use crate::client::Answer;
use crate::fixture::Fixture;

/// The ids at the ends of the members of a collection.
async fn members(fixture: &Fixture, path: &str) -> Vec<String> {
    let collection = fixture.client.get(path).await.expect(200).json();
    let id = |member: &Value| {
        let path = member["@odata.id"].as_str().expect("a path");
        path.rsplit('/').next().expect("an id").to_owned()
    };
    collection["Members"].as_array().expect("a list").iter().map(id).collect()
}

async fn patch_with(fixture: &Fixture, path: &str, tag: &str, body: &Value) -> Answer {
    fixture.client.send(fixture.client.request(Method::PATCH, path).header("if-match", tag).json(body)).await
}

fn once(target: &str) -> Value {
    serde_json::json!({"Boot": {
        "BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget": target,
        "BootSourceOverrideMode": "UEFI",
    }})
}
