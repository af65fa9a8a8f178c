// SPDX-License-Identifier: AGPL-3.0-or-later
//! Error codes: each condition with its own, and what an error's body is like.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;

use crate::content::{Content, IMAGE, blob, config, image, manifest, small_image};
use crate::rules::CODES;
use crate::support::{Answer, Served, Setup};

/// The password of anna is `right`.
pub(crate) const ACCOUNTS: &str = "anna:$2y$04$4H3fMiKwsLd7yIwPX0H1f.dJmUuUBMSjod7Im1l5DfjDMiVLisify\n";

/// The conditions that need neither accounts nor a policy.
async fn open_refusals() -> Vec<Answer> {
    let registry = Served::start().await;
    let (config, none) = (config("errors"), blob("none"));
    registry.push_blob("errors", &config).await;
    let upload = registry.upload("errors").await;
    let gap = registry.chunk(&upload, 5, b"x").await;
    let wrong = registry.close(&upload, &none.digest, b"other").await;
    let missing = manifest(&image(&config, &[&none]));
    let upload = registry.upload("errors").await;
    let patch = registry.ask(Method::PATCH, &upload).header("content-range", "0-9");
    vec![
        registry.get_blob("errors", &none.digest).await.refused(404, "BLOB_UNKNOWN"),
        gap.refused(416, "BLOB_UPLOAD_INVALID"),
        registry.chunk("/v2/errors/blobs/uploads/none", 0, b"x").await.refused(404, "BLOB_UPLOAD_UNKNOWN"),
        wrong.refused(400, "DIGEST_INVALID"),
        registry.put_manifest("errors", "latest", &missing).await.refused(404, "MANIFEST_BLOB_UNKNOWN"),
        registry
            .put_manifest("errors", "latest", &Content::new(IMAGE, "{"))
            .await
            .refused(400, "MANIFEST_INVALID"),
        registry.get_manifest("errors", "latest").await.refused(404, "MANIFEST_UNKNOWN"),
        registry.get("/v2/NO/tags/list").await.refused(404, "NAME_INVALID"),
        registry.get("/v2/never/pushed/tags/list").await.refused(404, "NAME_UNKNOWN"),
        patch.body(b"short").send().await.refused(400, "SIZE_INVALID"),
        registry.ask(Method::POST, "/v2/errors/tags/list").send().await.refused(405, "UNSUPPORTED"),
    ]
}

/// The conditions that need accounts: nobody, somebody who may not, somebody who guesses.
async fn closed_refusals() -> Vec<Answer> {
    let policy = json!({"access": [{"users": ["anna"], "repositories": ["hers/*"], "allow": ["pull"]}]});
    let registry = Served::start_with(Setup::default().accounts(ACCOUNTS).policy(policy)).await;
    let get = |target: &str| registry.ask(Method::GET, target);
    let mut answers = vec![
        get("/v2/hers/a/tags/list").send().await.refused(401, "UNAUTHORIZED"),
        get("/v2/other/a/tags/list").login("anna", "right").send().await.refused(403, "DENIED"),
    ];
    for _ in 0..5 {
        get("/v2/").login("anna", "wrong").send().await.refused(401, "UNAUTHORIZED");
    }
    answers.push(get("/v2/").login("anna", "wrong").send().await.refused(429, "TOOMANYREQUESTS"));
    answers
}

// covers: error-01, error-02, error-03, error-04, error-06
#[tokio::test]
async fn every_code_of_the_specification_is_used_for_its_condition_and_no_other_code_is() {
    let mut codes = BTreeSet::new();
    for answer in open_refusals().await.into_iter().chain(closed_refusals().await) {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.what);
        let body = answer.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        for error in body["errors"].as_array().unwrap() {
            let code = error["code"].as_str().unwrap();
            assert!(code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{code}");
            // People read words, and more of them than the code says.
            let message = error["message"].as_str().unwrap();
            assert!(message.split(' ').count() > 1 && !message.contains(code), "{message}");
            codes.insert(code.to_owned());
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), CODES);
}

// covers: error-05
#[tokio::test]
async fn whoever_guesses_passwords_is_told_when_to_come_again() {
    let registry = Served::start_with(Setup::default().accounts(ACCOUNTS)).await;
    let guess = |password: &str| registry.ask(Method::GET, "/v2/").login("anna", password);
    for _ in 0..5 {
        guess("wrong").send().await.expect(401);
    }
    // The right password does not help: otherwise guessing would go on.
    for password in ["wrong", "right"] {
        let answer = guess(password).send().await.refused(429, "TOOMANYREQUESTS");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
}

// covers: error-06
#[tokio::test]
async fn a_tag_that_may_not_move_is_denied_and_stays() {
    let policy = json!({"immutableTags": ["fixed/*"]});
    let registry = Served::start_with(Setup::default().policy(policy)).await;
    let (one, two) = (config("one"), config("two"));
    registry.push_blobs("fixed/a", &[&one, &two]).await;
    let (one, two) = (small_image(&one), small_image(&two));
    registry.put_manifest("fixed/a", "v1", &one).await.expect(201);
    registry.put_manifest("fixed/a", "v1", &two).await.refused(409, "DENIED");
    registry.put_manifest("fixed/a", "v1", &one).await.expect(201);
    assert_eq!(registry.get_manifest("fixed/a", "v1").await.expect(200).body, one.bytes);
}
