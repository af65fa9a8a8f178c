// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling manifests.

use crate::content::{Content, IMAGE, INDEX, config, small_image};
use crate::support::Served;

/// Manifests as no serialiser would write them, by what each of them is.
fn peculiar(config: &Content) -> Vec<Content> {
    let config = config.descriptor();
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let own = "application/vnd.example.thing.v7+json";
    vec![
        Content::new(
            IMAGE,
            format!(
                "{{\r\n\t\"layers\" : [ ],  \"x-unknown\": {{\"n\": 1.50e+3, \"big\": 123456789012345678901234567890}},\n \
                 \"config\":{config}, \"schemaVersion\":2, \"mediaType\":\"{IMAGE}\" }}\n\n"
            ),
        ),
        Content::new(
            INDEX,
            format!(
                "{{\"annotations\":{{\"\\u00fc\":\"\\/ \u{fc}\"}},\"manifests\":[],\"mediaType\":\"{INDEX}\",\"schemaVersion\":2}}"
            ),
        ),
        Content::new(
            docker,
            format!("{{\"schemaVersion\":2,\"mediaType\":\"{docker}\",\"config\":{config},\"layers\":[]}}\n"),
        ),
        Content::new(list, format!("{{\"manifests\":[],\"schemaVersion\":2,\"mediaType\":\"{list}\"}} ")),
        // No `mediaType`: an image of OCI need not have one.
        Content::new(IMAGE, format!("{{\"config\":{config},\"layers\":[],\"schemaVersion\":2}}")),
        Content::new(own, "{ \"of its own\": [null, true, {\"deep\": [[]]}] }"),
    ]
}

// covers: pull-manifest-01, pull-manifest-07, pull-manifest-09, pull-manifest-11, pull-manifest-12
// covers: pull-manifest-13, push-manifest-09
#[tokio::test]
async fn a_manifest_of_any_type_comes_back_byte_for_byte_by_its_tag_and_by_its_digest() {
    let registry = Served::start().await;
    let config = config("pull");
    registry.push_blob("pull/any", &config).await;
    for (number, manifest) in peculiar(&config).into_iter().enumerate() {
        let tag = format!("v{number}");
        registry.put_manifest("pull/any", &tag, &manifest).await.expect(201);
        for reference in [tag.as_str(), manifest.digest.as_str()] {
            let answer = registry.get_manifest("pull/any", reference).await.expect(200);
            assert_eq!(answer.body, manifest.bytes, "{reference}");
            assert_eq!(answer.header("content-type"), Some(manifest.media_type.as_str()), "{reference}");
            assert_eq!(answer.header("docker-content-digest"), Some(manifest.digest.as_str()), "{reference}");
            assert_eq!(answer.header("content-length"), Some(manifest.bytes.len().to_string().as_str()));
        }
    }
}

// covers: pull-manifest-01, pull-manifest-11
#[tokio::test]
async fn a_manifest_pushed_by_its_sha512_digest_comes_back_by_it() {
    let registry = Served::start().await;
    let config = config("sha512");
    let image = small_image(&config).by_sha512();
    registry.push_blob("pull", &config).await;
    registry.push("pull", &image).await;
    let answer = registry.get_manifest("pull", &image.digest).await.expect(200);
    assert_eq!(answer.body, image.bytes);
    assert_eq!(answer.header("docker-content-digest"), Some(image.digest.as_str()));
}

// covers: pull-manifest-16
#[tokio::test]
async fn a_manifest_that_the_repository_does_not_have_is_not_found() {
    let registry = Served::start().await;
    let (config, other) = (config("here"), config("there"));
    let (here, there) = (small_image(&config), small_image(&other));
    registry.push_blob("here", &config).await;
    registry.put_manifest("here", "latest", &here).await.expect(201);
    registry.push_blob("there", &other).await;
    registry.put_manifest("there", "only-there", &there).await.expect(201);
    registry.get_manifest("here", "none").await.refused(404, "MANIFEST_UNKNOWN");
    registry.get_manifest("here", "only-there").await.refused(404, "MANIFEST_UNKNOWN");
    registry.get_manifest("here", &there.digest).await.refused(404, "MANIFEST_UNKNOWN");
    // A blob is no manifest, although both are content by digest.
    registry.get_manifest("here", &config.digest).await.refused(404, "MANIFEST_UNKNOWN");
    registry.get_manifest("here", here.by_sha512().digest).await.refused(404, "MANIFEST_UNKNOWN");
}

// covers: pull-manifest-03
#[tokio::test]
async fn a_repository_whose_name_has_the_specified_form_is_let_in_and_no_other() {
    let registry = Served::start().await;
    let blob = config("name");
    for name in
        ["a", "0", "a/b/c/d/e", "a.b_c__d-e---f", "library/os-images__x/9.9", "a--b/0", "v2/blobs/uploads"]
    {
        registry.push_blob(name, &blob).await;
        registry.get_blob(name, &blob.digest).await.expect(200);
    }
    for name in [
        "A", "aB/c", "-a", "a-", "_a", "a_", ".a", "a.", "a..b", "a___b", "a._b", "a/-b", "a//b", "a/b-/c",
        "a+b", "a%20b", "%C3%A4", "a%2Fb", "a:b", "a@b", "a%00b",
    ] {
        let answer = registry.post(&format!("/v2/{name}/blobs/uploads/")).await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{name}: {}", answer.status);
        assert!(answer.header("location").is_none(), "{name}");
        registry
            .get(&format!("/v2/{name}/tags/list"))
            .await
            .refused(answer.status.as_u16(), &answer.codes()[0]);
    }
    let names: Vec<_> = registry.storage.repositories().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

// covers: pull-manifest-17
#[tokio::test]
async fn a_name_is_refused_where_clients_could_not_write_it_down() {
    let registry = Served::start().await;
    let blob = config("long");
    let longest = ["abcdefg"; 32].join("/");
    assert_eq!(longest.len(), 255);
    registry.push_blob(&longest, &blob).await;
    registry.post(&format!("/v2/{longest}h/blobs/uploads/")).await.refused(404, "NAME_INVALID");
}

// covers: pull-manifest-02, pull-manifest-04, pull-manifest-05, push-manifest-06
#[tokio::test]
async fn a_manifest_is_named_by_a_tag_or_digest_of_the_specified_form_and_by_nothing_else() {
    let registry = Served::start().await;
    let config = config("tags");
    let image = small_image(&config);
    registry.push_blob("tags", &config).await;
    let longest = "x".repeat(128);
    for tag in ["a", "Z", "0", "_", "__", "A.b-C_d", "1.2.3-rc.1", "latest", &longest] {
        registry.put_manifest("tags", tag, &image).await.expect(201);
        registry.get_manifest("tags", tag).await.expect(200);
    }
    let before = registry.get("/v2/tags/tags/list").await.expect(200).json();
    let too_long = "x".repeat(129);
    let short = "sha256:abcdef";
    let shouted = image.digest.as_str().to_uppercase();
    let long = format!("{}0", image.digest);
    for reference in
        ["-a", ".a", "a+b", "a%20b", "a:b", "a@b", "%C3%A4", &too_long, short, "md5:abc", &shouted, &long]
    {
        registry.put_manifest("tags", reference, &image).await.expect(400);
        let status = registry.get_manifest("tags", reference).await.status.as_u16();
        assert!([400, 404].contains(&status), "{reference}: {status}");
    }
    assert_eq!(registry.get("/v2/tags/tags/list").await.json(), before);
}
