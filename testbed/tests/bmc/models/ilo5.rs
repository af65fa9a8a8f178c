// SPDX-License-Identifier: AGPL-3.0-or-later
//! iLO 5: what an operator has to put right, in its own words.

use serde_json::json;
use shoal_testbed::bmc::profiles::ILO5;

use crate::fixture::{Fixture, Options};
use crate::image_server::ImageServer;

const INSERT: &str = "/redfish/v1/Managers/1/VirtualMedia/2/Actions/VirtualMedia.InsertMedia";

#[tokio::test]
async fn a_missing_licence_and_disabled_media_are_named() {
    let images = ImageServer::start(4096).await;
    let cases = [
        ("unlicensed", 403, "iLO.2.18.LicenseKeyRequired"),
        ("media_disabled", 400, "iLO.2.18.VirtualMediaIsDisabled"),
        ("no_more_connections", 400, "iLO.2.18.MaxVirtualMediaConnectionEstablished"),
        ("system_in_post", 400, "iLO.2.18.UnableToModifyDuringSystemPOST"),
    ];
    for (why, status, message) in cases {
        let fixture = Fixture::with(&ILO5, Options::default()).await;
        let plan = format!(
            "rules: [{{name: x, path: '**/VirtualMedia.InsertMedia', fault: {{kind: refuse, why: {why}}}}}]"
        );
        let plan = shoal_testbed::faults::FaultPlan::parse(&plan).expect("valid");
        fixture.bmc().set_faults(plan).expect("valid");
        let refused = fixture.client.post(INSERT, json!({"Image": images.url("a.iso")})).await;
        assert_eq!((refused.status, refused.message_id().as_str()), (status, message));
    }
}
