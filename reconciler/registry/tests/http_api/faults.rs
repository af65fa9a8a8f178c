// SPDX-License-Identifier: AGPL-3.0-or-later
//! A disk that gets full in the middle: what clients are told, and what is there afterwards.

use std::sync::Arc;

use reqwest::Method;
use shoal_registry_storage::disk::{Fault, FaultDisk, Tear};

use crate::support::{Server, Setup, header, image, noise, refusal, sha256};

async fn faulty() -> (Server, Arc<FaultDisk>) {
    let disk = Arc::new(FaultDisk::new());
    let server = Server::with(Setup { disk: Some(Arc::clone(&disk) as _), ..Setup::default() }).await;
    (server, disk)
}

#[tokio::test]
async fn an_upload_that_met_a_full_disk_goes_on_from_where_it_got() {
    let (server, disk) = faulty().await;
    let bytes = noise(3 << 20);
    let location = server.begin("a").await;
    disk.arm(Fault::NoSpaceAfterBytes(1_500_000), Tear::default());
    assert_eq!(refusal(server.chunk(&location, 0, &bytes).await).await, (507, "DENIED".to_owned()));
    disk.arm(Fault::None, Tear::default());
    let range = header(&server.get(&location).await, "range");
    let last: usize = range.strip_prefix("0-").unwrap().parse().unwrap();
    assert!(last > 0 && last < bytes.len(), "{range}");
    assert_eq!(server.chunk(&location, last + 1, &bytes[last + 1..]).await.status(), 202);
    let digest = sha256(&bytes);
    assert_eq!(server.finish(&location, digest.as_str(), b"").await.status(), 201);
    assert!(server.get(&format!("/v2/a/blobs/{digest}")).await.bytes().await.unwrap() == bytes);
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_step_of_a_push_is_said_so_and_the_push_can_be_repeated() {
    let (server, disk) = faulty().await;
    for step in 0.. {
        let bytes = noise(300_000 + step as usize);
        let digest = sha256(&bytes);
        let path = format!("/v2/a/blobs/uploads/?digest={digest}");
        disk.arm(Fault::NoSpaceAt(step), Tear::default());
        let pushed = server.request(Method::POST, &path).body(bytes.clone()).send().await.unwrap();
        let met = disk.steps().len() as u64 > step;
        disk.arm(Fault::None, Tear::default());
        if pushed.status() != 201 {
            assert_eq!(refusal(pushed).await, (507, "DENIED".to_owned()), "step {step}");
            assert_eq!(server.push_blob("a", &bytes).await, digest, "step {step}");
        }
        let got = server.get(&format!("/v2/a/blobs/{digest}")).await;
        assert!(got.bytes().await.unwrap() == bytes, "step {step}");
        if !met {
            assert!(step > 5, "only {step} steps");
            return;
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_step_of_a_manifest_leaves_the_tag_as_it_was_or_moved() {
    let (server, disk) = faulty().await;
    let (_, mut before) = server.push_image("a", "v1").await;
    for step in 0.. {
        let config = format!("{{\"step\":{step}}}");
        let blob = server.push_blob("a", config.as_bytes()).await;
        let manifest = image(&blob, config.len(), &[]);
        let after = sha256(manifest.to_string().as_bytes());
        disk.arm(Fault::NoSpaceAt(step), Tear::default());
        let pushed = server.push_manifest("a", "v1", &manifest).await;
        let met = disk.steps().len() as u64 > step;
        disk.arm(Fault::None, Tear::default());
        let now = header(&server.get("/v2/a/manifests/v1").await, "docker-content-digest");
        if pushed.status() == 201 {
            assert_eq!(now, after.as_str(), "step {step}");
            before = after;
        } else {
            assert_eq!(refusal(pushed).await, (507, "DENIED".to_owned()), "step {step}");
            assert!(now == before.as_str() || now == after.as_str(), "step {step}: {now}");
            assert_eq!(server.push_manifest("a", "v1", &manifest).await.status(), 201, "step {step}");
            before = after;
        }
        if !met {
            assert!(step > 3, "only {step} steps");
            return;
        }
    }
}
