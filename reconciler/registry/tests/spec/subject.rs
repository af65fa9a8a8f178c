// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pushing manifests with a subject.

use crate::content::{config, image, index, manifest, small_image};
use crate::support::Served;

// covers: subject-01
#[tokio::test]
async fn a_push_with_a_subject_is_told_that_it_was_seen() {
    let registry = Served::start().await;
    let config = config("subject");
    registry.push_blob("subject", &config).await;
    let base = small_image(&config);
    let plain = registry.put_manifest("subject", "base", &base).await.expect(201);
    assert!(plain.header("oci-subject").is_none());
    for subject in [&base, &base.by_sha512()] {
        let mut about = image(&config, &[]);
        about["subject"] = subject.descriptor();
        let mut list = index(&[]);
        list["subject"] = subject.descriptor();
        for (number, pushed) in [manifest(&about), manifest(&list)].iter().enumerate() {
            for reference in [format!("about-{number}"), pushed.digest.to_string()] {
                let created = registry.put_manifest("subject", &reference, pushed).await.expect(201);
                assert_eq!(created.header("oci-subject"), Some(subject.digest.as_str()), "{reference}");
            }
        }
    }
}
