// SPDX-License-Identifier: AGPL-3.0-or-later
//! Manifests and tags (distribution-spec, Pulling manifests, Pushing Manifests, Content Management).

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shoal_oci::{Algorithm, Digest, media_type};

use crate::support::{Server, Setup, header, image, refusal, refusal_in_full, sha256};

async fn put(server: &Server, reference: &str, content_type: Option<&str>, body: &str) -> Response {
    let request = server.request(Method::PUT, &format!("/v2/a/manifests/{reference}"));
    let request =
        content_type.into_iter().fold(request, |request, text| request.header("content-type", text));
    request.body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte_with_the_type_it_was_pushed_with() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let text = format!(
        "{{ \"unknown\": [1, 2.50, \"\\u00e4\"],\n\t\"schemaVersion\":2, \"config\": {{\"mediaType\": \"x/y\", \
         \"digest\": \"{config}\", \"size\": 2, \"more\": null}}, \"layers\": [] }}\n"
    );
    let with_parameters = format!("{}; charset=utf-8", media_type::IMAGE_MANIFEST);
    let pushed = put(&server, "v1", Some(&with_parameters), &text).await;
    let digest = sha256(text.as_bytes());
    assert_eq!(pushed.status(), 201);
    assert_eq!(header(&pushed, "location"), format!("/v2/a/manifests/{digest}"));
    assert_eq!(header(&pushed, "docker-content-digest"), digest.as_str());
    for reference in ["v1", digest.as_str()] {
        for method in [Method::GET, Method::HEAD] {
            let path = format!("/v2/a/manifests/{reference}");
            let request = server.request(method.clone(), &path).header("accept", "text/html");
            let got = request.send().await.unwrap();
            assert_eq!(got.status(), 200);
            assert_eq!(header(&got, "content-type"), media_type::IMAGE_MANIFEST);
            assert_eq!(header(&got, "content-length"), text.len().to_string());
            assert_eq!(header(&got, "docker-content-digest"), digest.as_str());
            assert_eq!(header(&got, "etag"), format!("\"{digest}\""));
            let expected = if method == Method::GET { text.as_str() } else { "" };
            assert_eq!(got.text().await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn ranges_and_conditions_hold_for_manifests_too() {
    let server = Server::start().await;
    let (manifest, digest) = server.push_image("a", "v1").await;
    let request = server.request(Method::GET, "/v2/a/manifests/v1").header("range", "bytes=2-10");
    let part = request.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.text().await.unwrap(), manifest.to_string()[2..=10]);
    let request = server.request(Method::GET, "/v2/a/manifests/v1");
    let known = request.header("if-none-match", format!("\"{digest}\"")).send().await.unwrap();
    assert_eq!(known.status(), 304);
}

#[tokio::test]
async fn a_push_by_digest_makes_the_tags_of_its_query() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let manifest = image(&config, 2, &[]).to_string();
    for digest in [sha256(manifest.as_bytes()), Digest::of(Algorithm::Sha512, manifest.as_bytes())] {
        let tags: Vec<String> = (0..12).map(|n| format!("{}-{n}", digest.algorithm().as_str())).collect();
        let reference = format!("{digest}?tag={}", tags.join("&tag="));
        let pushed = put(&server, &reference, Some(media_type::IMAGE_MANIFEST), &manifest).await;
        assert_eq!(pushed.status(), 201);
        assert_eq!(header(&pushed, "docker-content-digest"), digest.as_str());
        let made: Vec<_> =
            pushed.headers().get_all("oci-tag").iter().map(|tag| tag.to_str().unwrap()).collect();
        assert_eq!(made, tags);
        for tag in tags {
            let head = server.head(&format!("/v2/a/manifests/{tag}")).await;
            assert_eq!(header(&head, "docker-content-digest"), digest.as_str());
        }
    }
}

#[tokio::test]
async fn tags_that_are_none_or_too_many_make_nothing() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let manifest = image(&config, 2, &[]).to_string();
    let digest = sha256(manifest.as_bytes());
    let reference = format!("{digest}?tag=ok&tag=.bad");
    let bad = put(&server, &reference, Some(media_type::IMAGE_MANIFEST), &manifest).await;
    assert_eq!(refusal(bad).await, (400, "MANIFEST_INVALID".to_owned()));
    let many: Vec<String> = (0..101).map(|n| format!("t{n}")).collect();
    let reference = format!("{digest}?tag={}", many.join("&tag="));
    let many = put(&server, &reference, Some(media_type::IMAGE_MANIFEST), &manifest).await;
    assert_eq!(refusal(many).await, (414, "MANIFEST_INVALID".to_owned()));
    for reference in ["ok", "t0", digest.as_str()] {
        assert_eq!(server.head(&format!("/v2/a/manifests/{reference}")).await.status(), 404, "{reference}");
    }
}

#[tokio::test]
async fn the_digest_in_the_path_must_be_that_of_the_body() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let manifest = image(&config, 2, &[]).to_string();
    for reference in [sha256(b"else").as_str(), "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let refused = put(&server, reference, Some(media_type::IMAGE_MANIFEST), &manifest).await;
        assert_eq!(refusal(refused).await, (400, "DIGEST_INVALID".to_owned()), "{reference}");
    }
    let refused = put(&server, ".bad", Some(media_type::IMAGE_MANIFEST), &manifest).await;
    assert_eq!(refusal(refused).await, (400, "MANIFEST_INVALID".to_owned()));
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let server = Server::start().await;
    for body in ["", "{", "[]", "null", "\"x\"", "{\"config\": {\"digest\": \"x\"}}", "\u{feff}{}"] {
        let refused = put(&server, "v1", Some(media_type::IMAGE_MANIFEST), body).await;
        assert_eq!(refusal(refused).await, (400, "MANIFEST_INVALID".to_owned()), "{body}");
    }
    assert_eq!(server.head("/v2/a/manifests/v1").await.status(), 404);
}

#[tokio::test]
async fn the_type_is_that_of_the_header_or_of_the_field_and_both_must_agree() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let manifest = image(&config, 2, &[]);
    let mut silent = manifest.clone();
    silent.as_object_mut().unwrap().remove("mediaType");
    let other = put(&server, "v1", Some(media_type::IMAGE_INDEX), &manifest.to_string()).await;
    assert_eq!(refusal(other).await, (400, "MANIFEST_INVALID".to_owned()));
    let neither = put(&server, "v1", None, &silent.to_string()).await;
    assert_eq!(refusal(neither).await, (400, "MANIFEST_INVALID".to_owned()));
    assert_eq!(put(&server, "v1", None, &manifest.to_string()).await.status(), 201);
    assert_eq!(header(&server.head("/v2/a/manifests/v1").await, "content-type"), media_type::IMAGE_MANIFEST);
    let own = "application/vnd.example.thing+json";
    assert_eq!(put(&server, "v2", Some(own), &silent.to_string()).await.status(), 201);
    assert_eq!(header(&server.head("/v2/a/manifests/v2").await, "content-type"), own);
}

#[tokio::test]
async fn every_blob_that_is_missing_is_named() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let (one, two) = (sha256(b"one"), sha256(b"two"));
    server.push_blob("elsewhere", b"one").await;
    let manifest = image(&config, 2, &[(&one, 3), (&two, 3)]);
    let refused = server.push_manifest("a", "v1", &manifest).await;
    assert_eq!(refused.status(), 404);
    let body: Value = refused.json().await.unwrap();
    let errors = body["errors"].as_array().unwrap();
    let named: Vec<_> = errors.iter().map(|error| error["detail"]["digest"].as_str().unwrap()).collect();
    assert_eq!(named, [one.as_str(), two.as_str()]);
    assert!(errors.iter().all(|error| error["code"] == "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(server.head("/v2/a/manifests/v1").await.status(), 404);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_INDEX,
        "manifests": [{"mediaType": media_type::IMAGE_MANIFEST, "digest": one.as_str(), "size": 3}],
    });
    let refused = server.push_manifest("a", "v1", &index).await;
    assert_eq!(refusal(refused).await, (404, "MANIFEST_BLOB_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn a_sparse_repository_takes_a_manifest_whose_content_is_missing() {
    let server = Server::with(Setup::policy(json!({"sparse": ["mirror/*"]}))).await;
    let manifest = image(&sha256(b"{}"), 2, &[(&sha256(b"missing"), 7)]);
    assert_eq!(server.push_manifest("mirror/a", "v1", &manifest).await.status(), 201);
    assert_eq!(server.get("/v2/mirror/a/manifests/v1").await.text().await.unwrap(), manifest.to_string());
    assert_eq!(server.push_manifest("a", "v1", &manifest).await.status(), 404);
}

#[tokio::test]
async fn a_subject_is_acknowledged_whether_it_is_there_or_not() {
    let server = Server::start().await;
    let (subject, digest) = server.push_image("a", "v1").await;
    let config = server.push_blob("a", b"{}").await;
    for (digest, size) in [(digest, subject.to_string().len()), (sha256(b"missing"), 7)] {
        let mut manifest = image(&config, 2, &[]);
        manifest["subject"] =
            json!({"mediaType": media_type::IMAGE_MANIFEST, "digest": digest.as_str(), "size": size});
        let own = sha256(manifest.to_string().as_bytes());
        let pushed = server.push_manifest("a", own.as_str(), &manifest).await;
        assert_eq!(pushed.status(), 201);
        assert_eq!(header(&pushed, "oci-subject"), digest.as_str());
    }
}

#[tokio::test]
async fn a_tag_moves_unless_its_repository_keeps_tags_as_they_are() {
    let server = Server::with(Setup::policy(json!({"immutableTags": ["release/*"]}))).await;
    for (repository, again) in [("work/a", 201), ("release/a", 409)] {
        let (first, digest) = server.push_image(repository, "v1").await;
        let config = server.push_blob(repository, b"{\"a\":1}").await;
        let other = image(&config, 7, &[]);
        assert_eq!(server.push_manifest(repository, "v1", &first).await.status(), 201, "the same again");
        let moved = server.push_manifest(repository, "v1", &other).await;
        assert_eq!(moved.status(), again);
        let now =
            header(&server.head(&format!("/v2/{repository}/manifests/v1")).await, "docker-content-digest");
        assert_eq!(now == digest.as_str(), again == 409);
        if again == 409 {
            let (_, code, message) = refusal_in_full(moved).await;
            assert_eq!(code, "DENIED");
            assert!(message.contains("v1"), "{message}");
            let by_digest = sha256(other.to_string().as_bytes());
            let tagged = server.push_manifest(repository, &format!("{by_digest}?tag=v1"), &other).await;
            assert_eq!(refusal(tagged).await, (409, "DENIED".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_tag_that_may_not_move_may_not_be_deleted_either() {
    let server = Server::with(Setup::policy(json!({"immutableTags": ["release/*"]}))).await;
    let (_, digest) = server.push_image("release/a", "v1").await;
    for reference in ["v1", digest.as_str()] {
        let path = format!("/v2/release/a/manifests/{reference}");
        assert_eq!(refusal(server.delete(&path).await).await, (409, "DENIED".to_owned()), "{reference}");
        assert_eq!(server.get(&path).await.status(), 200, "{reference}");
    }
}

#[tokio::test]
async fn a_deleted_tag_leaves_its_manifest_and_a_deleted_manifest_takes_its_tags() {
    let server = Server::start().await;
    let (manifest, digest) = server.push_image("a", "v1").await;
    assert_eq!(server.push_manifest("a", "v2", &manifest).await.status(), 201);
    assert_eq!(server.delete("/v2/a/manifests/v1").await.status(), 202);
    assert_eq!(refusal(server.get("/v2/a/manifests/v1").await).await, (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(server.get("/v2/a/manifests/v2").await.status(), 200);
    let by_digest = format!("/v2/a/manifests/{digest}");
    assert_eq!(server.delete(&by_digest).await.status(), 202);
    for path in [by_digest.as_str(), "/v2/a/manifests/v2"] {
        assert_eq!(refusal(server.get(path).await).await, (404, "MANIFEST_UNKNOWN".to_owned()));
        assert_eq!(server.head(path).await.status(), 404);
        assert_eq!(refusal(server.delete(path).await).await, (404, "MANIFEST_UNKNOWN".to_owned()));
    }
}

#[tokio::test]
async fn what_is_not_there_is_unknown() {
    let server = Server::start().await;
    server.push_image("a", "v1").await;
    let missing = sha256(b"missing");
    for reference in ["v2", missing.as_str(), "sha256:abc", ".bad"] {
        let path = format!("/v2/a/manifests/{reference}");
        assert_eq!(refusal(server.get(&path).await).await, (404, "MANIFEST_UNKNOWN".to_owned()), "{path}");
        assert_eq!(refusal(server.delete(&path).await).await.0, 404, "{path}");
    }
    let elsewhere = server.get("/v2/nowhere/manifests/v1").await;
    assert_eq!(refusal(elsewhere).await, (404, "NAME_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn a_damaged_manifest_is_an_error_and_never_wrong_bytes() {
    let server = Server::start().await;
    let (_, digest) = server.push_image("a", "v1").await;
    server.damage(&digest, 3);
    assert_eq!(refusal(server.get("/v2/a/manifests/v1").await).await.0, 500);
    let again = server.get("/v2/a/manifests/v1").await;
    assert!(matches!(again.status().as_u16(), 404 | 500), "{}", again.status());
}

#[tokio::test]
async fn a_manifest_of_four_megabytes_is_taken() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let mut manifest = image(&config, 2, &[]);
    manifest["annotations"] = json!({"filler": "x".repeat(4 * 1000 * 1000 - 1000)});
    assert_eq!(server.push_manifest("a", "v1", &manifest).await.status(), 201);
    assert_eq!(server.get("/v2/a/manifests/v1").await.text().await.unwrap(), manifest.to_string());
}

#[tokio::test]
async fn a_large_manifest_is_sent_piece_by_piece_each_of_which_was_checked() {
    let server = Server::start().await;
    let config = server.push_blob("a", b"{}").await;
    let mut manifest = image(&config, 2, &[]);
    manifest["annotations"] = json!({"filler": "x".repeat(1 << 20)});
    let text = manifest.to_string();
    let digest = sha256(text.as_bytes());
    assert_eq!(server.push_manifest("a", "v1", &manifest).await.status(), 201);
    assert_eq!(server.get("/v2/a/manifests/v1").await.text().await.unwrap(), text);
    let part = server.request(Method::GET, "/v2/a/manifests/v1").header("range", "bytes=262140-262150");
    assert_eq!(part.send().await.unwrap().text().await.unwrap(), text[262_140..=262_150]);
    // What comes before the damage has left by the time it is found.
    server.damage(&digest, 900_000);
    let mut raw = server.raw().await;
    raw.send("GET /v2/a/manifests/v1 HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let sent = raw.rest().await;
    assert!(sent.len() < 900_000 && !sent.is_empty(), "{}", sent.len());
    assert!(text.as_bytes().starts_with(&sent));
    let again = server.get("/v2/a/manifests/v1").await;
    assert_eq!(refusal(again).await, (404, "MANIFEST_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn a_manifest_that_became_empty_on_disk_is_an_error() {
    let server = Server::start().await;
    let (_, digest) = server.push_image("a", "v1").await;
    std::fs::write(server.blob_file(&digest), "").unwrap();
    assert_eq!(refusal(server.get("/v2/a/manifests/v1").await).await.0, 500);
}
