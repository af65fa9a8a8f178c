// SPDX-License-Identifier: AGPL-3.0-or-later
//! Listing tags.

use serde_json::json;

use crate::content::{config, small_image};
use crate::support::{Answer, Served};

/// In ASCII order: digits, capitals, `_`, small letters.
const SORTED: [&str; 9] = ["1", "10", "2", "A", "B.1", "_x", "a", "b-2", "b.1"];

/// A repository `tags` with these tags, which are pushed in another order than they are listed in.
async fn tagged() -> Served {
    let registry = Served::start().await;
    let config = config("tags");
    registry.push_blob("tags", &config).await;
    for at in [4, 8, 0, 6, 2, 7, 1, 5, 3] {
        registry.put_manifest("tags", SORTED[at], &small_image(&config)).await.expect(201);
    }
    registry
}

fn tags(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    assert_eq!(json["name"], "tags");
    let tags = json["tags"].as_array().unwrap();
    tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

// covers: tags-01, tags-03, tags-04
#[tokio::test]
async fn the_list_has_every_tag_in_ascii_order() {
    let registry = tagged().await;
    let list = registry.get("/v2/tags/tags/list").await.expect(200);
    assert_eq!(list.header("content-type"), Some("application/json"));
    assert_eq!(list.json(), json!({"name": "tags", "tags": SORTED}));
    assert!(list.next().is_none());
}

// covers: tags-02
#[tokio::test]
async fn a_repository_without_tags_has_an_empty_list() {
    let registry = Served::start().await;
    let config = config("empty");
    registry.push_blob("untagged", &config).await;
    registry.push("untagged", &small_image(&config)).await;
    let list = registry.get("/v2/untagged/tags/list").await.expect(200);
    assert_eq!(list.json(), json!({"name": "untagged", "tags": []}));
}

// covers: tags-05, tags-06, tags-09
#[tokio::test]
async fn pages_follow_each_other_until_every_tag_was_seen_once() {
    let registry = tagged().await;
    for size in [1, 2, 4, 8] {
        let mut seen = Vec::new();
        let mut target = Some(format!("/v2/tags/tags/list?n={size}"));
        while let Some(page) = target.take() {
            let page = registry.get(&page).await.expect(200);
            let on_page = tags(&page);
            target = page.next();
            let left = SORTED.len() - seen.len();
            assert_eq!(on_page.len(), left.min(size), "{seen:?}");
            assert_eq!(target.is_some(), left > size, "{seen:?}");
            seen.extend(on_page);
        }
        assert_eq!(seen, SORTED);
    }
}

// covers: tags-05, tags-09
#[tokio::test]
async fn a_page_as_long_as_the_list_or_longer_is_the_list() {
    let registry = tagged().await;
    for size in [9, 10, 1_000_000] {
        let list = registry.get(&format!("/v2/tags/tags/list?n={size}")).await.expect(200);
        assert_eq!(tags(&list), SORTED);
        assert!(list.next().is_none(), "{size}");
    }
}

// covers: tags-07, tags-08
#[tokio::test]
async fn a_page_of_nothing_is_empty_and_leads_nowhere() {
    let registry = tagged().await;
    for target in ["/v2/tags/tags/list?n=0", "/v2/tags/tags/list?n=0&last=A"] {
        let list = registry.get(target).await.expect(200);
        assert_eq!(list.json(), json!({"name": "tags", "tags": []}));
        assert!(list.headers.get("link").is_none(), "{target}");
    }
}

// covers: tags-10, tags-11, tags-12, tags-13
#[tokio::test]
async fn the_list_after_a_tag_begins_with_the_one_that_follows_whether_or_not_that_tag_is_there() {
    let registry = tagged().await;
    for (last, begin) in [
        ("1", 1),
        ("10", 2),
        // As a position this would be in the middle.
        ("3", 3),
        ("A", 4),
        ("AA", 4),
        ("_x", 6),
        ("b-2", 8),
        ("b.1", 9),
        ("zzz", 9),
    ] {
        let list = registry.get(&format!("/v2/tags/tags/list?last={last}")).await.expect(200);
        assert_eq!(tags(&list), SORTED[begin..], "{last}");
        let page = registry.get(&format!("/v2/tags/tags/list?n=2&last={last}")).await.expect(200);
        assert_eq!(tags(&page), SORTED[begin..(begin + 2).min(9)], "{last}");
        assert_eq!(page.next().is_some(), begin + 2 < 9, "{last}");
    }
}
