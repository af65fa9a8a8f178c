// SPDX-License-Identifier: AGPL-3.0-or-later
//! Referrers tag schema and enabling the referrers API: clients that keep the list themselves.

use serde_json::{Value, json};

use crate::content::{CONFIG, config, image, index, manifest, small_image};
use crate::support::Served;

// covers: referrers-tag-04, upgrade-01, upgrade-02
#[tokio::test]
async fn a_list_that_a_client_keeps_and_the_registrys_own_stand_side_by_side() {
    let registry = Served::start().await;
    let config = config("fallback");
    registry.push_blob("fallback", &config).await;
    let subject = small_image(&config);
    let about = |number: u8| {
        let mut value = image(&config, &[]);
        value["subject"] = subject.descriptor();
        value["annotations"] = json!({"number": number.to_string()});
        manifest(&value)
    };
    let (old, new) = (about(1), about(2));

    // As an old client does it: the image, then the list under the tag.
    registry.push("fallback", &old).await;
    let tag = format!("sha256-{}", subject.digest.hex());
    let mut list = index(&[]);
    let mut entry = old.descriptor();
    entry["artifactType"] = json!(CONFIG);
    entry["annotations"] = json!({"number": "1"});
    list["manifests"] = json!([entry]);
    let list = manifest(&list);
    registry.put_manifest("fallback", &tag, &list).await.expect(201);
    assert_eq!(registry.get_manifest("fallback", &tag).await.expect(200).body, list.bytes);

    let own = registry.get_referrers("fallback", &subject.digest).await.expect(200).json();
    assert_eq!(own["manifests"], json!([entry]));

    // From then on without the tag.
    registry.push("fallback", &new).await;
    let own = registry.get_referrers("fallback", &subject.digest).await.expect(200).json();
    let mut listed: Vec<&Value> =
        own["manifests"].as_array().unwrap().iter().map(|entry| &entry["digest"]).collect();
    listed.sort_by_key(|digest| digest.as_str() != Some(old.digest.as_str()));
    assert_eq!(listed, [old.digest.as_str(), new.digest.as_str()]);
    assert_eq!(registry.get_manifest("fallback", &tag).await.expect(200).body, list.bytes);
}
