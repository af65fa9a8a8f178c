// SPDX-License-Identifier: AGPL-3.0-or-later
//! The API as HTTP, and how a client sees that this is a registry.

use http::Method;

use crate::content::{config, small_image};
use crate::errors::ACCOUNTS;
use crate::support::{Served, Setup};

// covers: support-01
#[tokio::test]
async fn the_base_tells_that_this_is_a_registry() {
    let registry = Served::start().await;
    registry.get("/v2/").await.expect(200);
    registry.head("/v2/").await.expect(200);
}

// covers: support-02
#[tokio::test]
async fn where_a_login_is_needed_the_base_asks_for_it() {
    let registry = Served::start_with(Setup::default().accounts(ACCOUNTS)).await;
    let asked = registry.get("/v2/").await.refused(401, "UNAUTHORIZED");
    let challenge = asked.header("www-authenticate").unwrap();
    assert!(challenge.to_ascii_lowercase().starts_with("basic realm="), "{challenge}");
    registry.ask(Method::GET, "/v2/").login("anna", "right").send().await.expect(200);
    registry.ask(Method::GET, "/v2/").login("anna", "wrong").send().await.refused(401, "UNAUTHORIZED");
}

// covers: api-01
#[tokio::test]
async fn a_method_that_is_not_for_a_resource_is_told_which_ones_are() {
    let registry = Served::start().await;
    let config = config("methods");
    registry.push_blob("methods", &config).await;
    for (method, target) in [
        (Method::PUT, "/v2/methods/tags/list".to_owned()),
        (Method::POST, format!("/v2/methods/blobs/{}", config.digest)),
        (Method::POST, "/v2/methods/manifests/latest".to_owned()),
        (Method::DELETE, format!("/v2/methods/referrers/{}", config.digest)),
        (Method::PATCH, "/v2/".to_owned()),
    ] {
        let answer = registry.ask(method.clone(), &target).send().await.refused(405, "UNSUPPORTED");
        let allowed = answer.list("allow");
        assert!(allowed.contains(&"GET".to_owned()) && allowed.contains(&"HEAD".to_owned()), "{allowed:?}");
        assert!(!allowed.contains(&method.to_string()), "{allowed:?}");
    }
    registry.get("/v2/methods/no/such/resource").await.expect(404);
}

// covers: api-01
#[tokio::test]
async fn content_has_a_tag_and_is_not_sent_to_whoever_has_it() {
    let registry = Served::start().await;
    let config = config("tags");
    registry.push_blob("tags", &config).await;
    registry.put_manifest("tags", "latest", &small_image(&config)).await.expect(201);
    for target in [format!("/v2/tags/blobs/{}", config.digest), "/v2/tags/manifests/latest".to_owned()] {
        let tag = registry.get(&target).await.expect(200).header("etag").unwrap().to_owned();
        let ask = |known: &str| registry.ask(Method::GET, &target).header("if-none-match", known);
        let known = ask(&format!("\"other\", {tag}")).send().await.expect(304);
        assert!(known.body.is_empty());
        assert_eq!(known.header("etag"), Some(tag.as_str()));
        assert!(!ask("\"other\"").send().await.expect(200).body.is_empty());
    }
}

// covers: api-01
#[tokio::test]
async fn a_tag_that_moved_has_another_entity_tag() {
    let registry = Served::start().await;
    let (one, two) = (config("one"), config("two"));
    registry.push_blobs("moved", &[&one, &two]).await;
    registry.put_manifest("moved", "latest", &small_image(&one)).await.expect(201);
    let before = registry.get_manifest("moved", "latest").await.header("etag").unwrap().to_owned();
    registry.put_manifest("moved", "latest", &small_image(&two)).await.expect(201);
    let ask = registry.ask(Method::GET, "/v2/moved/manifests/latest").header("if-none-match", &before);
    assert_eq!(ask.send().await.expect(200).body, small_image(&two).bytes);
}
