// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lists: tags, referrers, repositories (distribution-spec, Content Discovery).

use serde_json::{Value, json};
use shoal_oci::{Digest, media_type};

use crate::support::{Server, Setup, header, image, refusal, sha256};

/// The path of the next page; nothing where this is the last one.
fn next(link: &str) -> Option<String> {
    let (path, rel) = link.strip_prefix('<')?.split_once(">; ")?;
    assert_eq!(rel, "rel=\"next\"");
    assert!(path.starts_with("/v2/"), "{path}");
    Some(path.to_owned())
}

/// A list of names, and its `Link`.
async fn names(server: &Server, path: &str, field: &str) -> (Vec<String>, String) {
    let response = server.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    let link = header(&response, "link");
    let body: Value = response.json().await.unwrap();
    let names = body[field].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    (names.collect(), link)
}

async fn tagged(server: &Server, repository: &str, tags: &[&str]) {
    let config = server.push_blob(repository, b"{}").await;
    let manifest = image(&config, 2, &[]);
    let digest = sha256(manifest.to_string().as_bytes());
    let reference = format!("{digest}?tag={}", tags.join("&tag="));
    assert_eq!(server.push_manifest(repository, &reference, &manifest).await.status(), 201);
}

#[tokio::test]
async fn tags_come_in_ascii_order_with_the_name_of_their_repository() {
    let server = Server::start().await;
    tagged(&server, "a/b", &["b", "A", "10", "9", "_x", "a"]).await;
    let response = server.get("/v2/a/b/tags/list").await;
    assert_eq!(header(&response, "content-type"), "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({"name": "a/b", "tags": ["10", "9", "A", "_x", "a", "b"]}));
}

#[tokio::test]
async fn pages_of_tags_are_as_long_as_asked_for_and_linked() {
    let server = Server::start().await;
    tagged(&server, "a", &["1", "2", "3", "4", "5"]).await;
    let (mut path, mut seen, mut pages) = ("/v2/a/tags/list?n=2".to_owned(), Vec::new(), 0);
    loop {
        let (tags, link) = names(&server, &path, "tags").await;
        pages += 1;
        seen.extend(tags);
        let Some(following) = next(&link) else { break };
        path = following;
    }
    assert_eq!((seen.join(""), pages), ("12345".to_owned(), 3));
    for (query, tags, linked) in [
        ("n=0", vec![], false),
        ("n=5", vec!["1", "2", "3", "4", "5"], false),
        ("n=99999999999999999999999", vec!["1", "2", "3", "4", "5"], false),
        ("last=3", vec!["4", "5"], false),
        ("last=35", vec!["4", "5"], false),
        ("n=1&last=3", vec!["4"], true),
        ("n=2&last=3", vec!["4", "5"], false),
        ("last=9", vec![], false),
    ] {
        let (found, link) = names(&server, &format!("/v2/a/tags/list?{query}"), "tags").await;
        assert_eq!(
            (found, link.is_empty()),
            (tags.into_iter().map(str::to_owned).collect(), !linked),
            "{query}"
        );
    }
}

#[tokio::test]
async fn tags_of_a_repository_that_is_not_there_are_unknown_and_a_wrong_number_is_refused() {
    let server = Server::start().await;
    assert_eq!(refusal(server.get("/v2/nowhere/tags/list").await).await, (404, "NAME_UNKNOWN".to_owned()));
    server.push_blob("a", b"x").await;
    for n in ["-1", "x", "1.5", "+1"] {
        assert_eq!(refusal(server.get(&format!("/v2/a/tags/list?n={n}")).await).await.0, 400, "{n}");
    }
}

#[tokio::test]
async fn deleting_the_last_tag_leaves_an_empty_list() {
    let server = Server::start().await;
    tagged(&server, "a", &["v1"]).await;
    assert_eq!(server.delete("/v2/a/manifests/v1").await.status(), 202);
    assert_eq!(names(&server, "/v2/a/tags/list", "tags").await.0, Vec::<String>::new());
}

/// Pushes a manifest that refers to another one.
async fn refer(server: &Server, subject: &Digest, artifact_type: Option<&str>, filler: &str) -> Digest {
    let config = server.push_blob("a", b"{}").await;
    let mut manifest = image(&config, 2, &[]);
    manifest["subject"] =
        json!({"mediaType": media_type::IMAGE_MANIFEST, "digest": subject.as_str(), "size": 7});
    manifest["annotations"] = json!({"filler": filler});
    if let Some(artifact_type) = artifact_type {
        manifest["artifactType"] = json!(artifact_type);
    }
    let digest = sha256(manifest.to_string().as_bytes());
    let pushed = server.push_manifest("a", digest.as_str(), &manifest).await;
    assert_eq!(header(&pushed, "oci-subject"), subject.as_str());
    digest
}

#[tokio::test]
async fn referrers_come_as_an_index_with_their_types_and_annotations() {
    let server = Server::start().await;
    let subject = sha256(b"subject");
    let typed = refer(&server, &subject, Some("application/x-sbom"), "one").await;
    let plain = refer(&server, &subject, None, "two").await;
    let response = server.get(&format!("/v2/a/referrers/{subject}")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), media_type::IMAGE_INDEX);
    assert_eq!(header(&response, "oci-filters-applied"), "");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["schemaVersion"], &body["mediaType"]), (&json!(2), &json!(media_type::IMAGE_INDEX)));
    let all = body["manifests"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    for (digest, artifact_type, filler) in
        [(&typed, "application/x-sbom", "one"), (&plain, "application/vnd.oci.image.config.v1+json", "two")]
    {
        let one = all.iter().find(|one| one["digest"] == digest.as_str()).unwrap();
        assert_eq!(one["artifactType"], artifact_type);
        assert_eq!(one["annotations"], json!({"filler": filler}));
        assert_eq!(one["mediaType"], media_type::IMAGE_MANIFEST);
    }
    assert_eq!(server.delete(&format!("/v2/a/manifests/{typed}")).await.status(), 202);
    let left: Value = server.get(&format!("/v2/a/referrers/{subject}")).await.json().await.unwrap();
    assert_eq!(left["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn referrers_of_one_type_come_alone_and_the_answer_says_so() {
    let server = Server::start().await;
    let subject = sha256(b"subject");
    let wanted = refer(&server, &subject, Some("application/x+sbom"), "one").await;
    refer(&server, &subject, Some("application/x-other"), "two").await;
    for (filter, expected) in [("application/x%2Bsbom", vec![wanted.as_str()]), ("none", vec![])] {
        let response = server.get(&format!("/v2/a/referrers/{subject}?artifactType={filter}")).await;
        assert_eq!(header(&response, "oci-filters-applied"), "artifactType");
        let body: Value = response.json().await.unwrap();
        let found: Vec<_> =
            body["manifests"].as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn nothing_refers_to_what_nobody_refers_to_and_a_wrong_digest_is_refused() {
    let server = Server::start().await;
    let digest = sha256(b"x");
    let empty = json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": []});
    let body: Value = server.get(&format!("/v2/nowhere/referrers/{digest}")).await.json().await.unwrap();
    assert_eq!(body, empty);
    for wrong in ["sha256:abc", "v1", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let refused = refusal(server.get(&format!("/v2/a/referrers/{wrong}")).await).await;
        assert_eq!(refused, (400, "DIGEST_INVALID".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn a_long_list_of_referrers_comes_in_linked_pages_below_four_mebibytes() {
    let server = Server::start().await;
    let subject = sha256(b"subject");
    let mut pushed = Vec::new();
    for n in 0..6 {
        let filler = format!("{n}{}", "x".repeat(1_500_000));
        pushed.push(refer(&server, &subject, Some("application/x"), &filler).await.to_string());
    }
    pushed.sort();
    let mut path = format!("/v2/a/referrers/{subject}?artifactType=application%2Fx");
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let response = server.get(&path).await;
        assert_eq!(header(&response, "oci-filters-applied"), "artifactType");
        let link = header(&response, "link");
        let text = response.text().await.unwrap();
        assert!(text.len() < 4 << 20, "{}", text.len());
        let body: Value = serde_json::from_str(&text).unwrap();
        let digests = body["manifests"].as_array().unwrap().iter();
        seen.extend(digests.map(|one| one["digest"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(following) = next(&link) else { break };
        path = following;
    }
    assert_eq!((seen, pages), (pushed, 3));
}

#[tokio::test]
async fn a_filter_pages_through_what_it_leaves_and_nothing_else() {
    let server = Server::start().await;
    let subject = sha256(b"subject");
    let mut wanted = Vec::new();
    for n in 0..12 {
        let filler = format!("{n}{}", "x".repeat(1_500_000));
        if n % 4 == 0 {
            wanted.push(refer(&server, &subject, Some("application/x"), &filler).await.to_string());
        } else {
            refer(&server, &subject, Some("application/y"), &filler).await;
        }
    }
    wanted.sort();
    let path = format!("/v2/a/referrers/{subject}?artifactType=application%2Fx");
    let digests = async |path: &str| {
        let response = server.get(path).await;
        let link = header(&response, "link");
        let body: Value = response.json().await.unwrap();
        let all = body["manifests"].as_array().unwrap().iter();
        (all.map(|one| one["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), link)
    };
    let (first, link) = digests(&path).await;
    assert_eq!(first, wanted[..2]);
    let (second, link) = digests(&next(&link).unwrap()).await;
    assert_eq!((second.as_slice(), link.as_str()), (&wanted[2..], ""));
}

#[tokio::test]
async fn a_referrer_with_more_annotations_than_an_entry_can_have_is_listed_with_all_of_them() {
    let server = Server::with(Setup::policy(json!({"maxManifest": "16M"}))).await;
    let subject = sha256(b"subject");
    let filler = "x".repeat(9 << 20);
    let mut pushed = [
        refer(&server, &subject, Some("application/x"), &filler).await.to_string(),
        refer(&server, &subject, Some("application/x"), "small").await.to_string(),
    ];
    pushed.sort();
    let (mut path, mut seen) = (format!("/v2/a/referrers/{subject}"), Vec::new());
    let mut lengths = Vec::new();
    loop {
        let response = server.get(&path).await;
        assert_eq!(response.status(), 200);
        let link = header(&response, "link");
        let body: Value = response.json().await.unwrap();
        for one in body["manifests"].as_array().unwrap() {
            seen.push(one["digest"].as_str().unwrap().to_owned());
            lengths.push(one["annotations"]["filler"].as_str().unwrap().len());
        }
        let Some(following) = next(&link) else { break };
        path = following;
    }
    lengths.sort_unstable();
    assert_eq!((seen.as_slice(), lengths), (pushed.as_slice(), vec![5, 9 << 20]));
}

#[tokio::test]
async fn the_catalog_lists_repositories_in_pages() {
    let server = Server::start().await;
    assert_eq!(names(&server, "/v2/_catalog", "repositories").await.0, Vec::<String>::new());
    for repository in ["b", "a/c", "a/b", "a"] {
        server.push_image(repository, "v1").await;
    }
    let (mut path, mut seen) = ("/v2/_catalog?n=3".to_owned(), Vec::new());
    loop {
        let (found, link) = names(&server, &path, "repositories").await;
        seen.push(found);
        let Some(following) = next(&link) else { break };
        path = following;
    }
    assert_eq!(seen, [vec!["a", "a/b", "a/c"], vec!["b"]]);
}
