// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds for every answer of a registry, whatever was asked.

use serde_json::Value;
use shoal_oci::Digest;

use crate::support::Answer;

/// The codes of the specification.
pub(crate) const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
];

/// Which rule an answer breaks.
pub(crate) fn breach(answer: &Answer) -> Option<String> {
    if answer.headers.contains_key("warning") {
        return Some("a warning that nothing gave cause for".to_owned());
    }
    if let Some(digest) = answer.headers.get("docker-content-digest")
        && digest.to_str().ok().and_then(|text| Digest::parse(text).ok()).is_none()
    {
        return Some("the digest of the content is none".to_owned());
    }
    let is_json = answer.headers.get("content-type").is_some_and(|value| value == "application/json");
    if !answer.status.is_client_error() || answer.body.is_empty() || !is_json {
        return None;
    }
    match serde_json::from_slice(&answer.body) {
        Ok(body) => malformed(&body).map(str::to_owned),
        Err(error) => Some(format!("an error that is not JSON: {error}")),
    }
}

/// What is wrong with the body of an error.
fn malformed(body: &Value) -> Option<&'static str> {
    let Some(errors) = body["errors"].as_array().filter(|errors| !errors.is_empty()) else {
        return Some("an error without a list of errors");
    };
    for error in errors {
        let Some(fields) = error.as_object() else { return Some("an error that is no object") };
        if fields.keys().any(|key| !["code", "message", "detail"].contains(&key.as_str())) {
            return Some("an error with a field of its own");
        }
        let Some(code) = error["code"].as_str() else { return Some("an error without a code") };
        if !code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            return Some("a code that is not capital letters and underscores");
        }
        if !CODES.contains(&code) {
            return Some("a code that the specification does not have");
        }
        if error.get("message").is_some_and(|message| !message.is_string()) {
            return Some("a message that is no text");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::json;

    use super::*;

    fn answer(body: &Value) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Answer {
            what: "GET /".to_owned(),
            status: StatusCode::NOT_FOUND,
            headers,
            body: serde_json::to_vec(body).unwrap().into(),
        }
    }

    #[test]
    fn every_rule_is_noticed_when_it_is_broken() {
        let good = json!({"errors": [{"code": "BLOB_UNKNOWN", "message": "m", "detail": [1]}]});
        assert_eq!(breach(&answer(&good)), None);
        assert_eq!(breach(&answer(&json!({"errors": [{"code": "DENIED"}]}))), None);
        for body in [
            json!({"error": "x"}),
            json!({"errors": []}),
            json!({"errors": ["x"]}),
            json!({"errors": [{"message": "m"}]}),
            json!({"errors": [{"code": "blob_unknown"}]}),
            json!({"errors": [{"code": "TAG_INVALID"}]}),
            json!({"errors": [{"code": "DENIED", "message": 1}]}),
            json!({"errors": [{"code": "DENIED", "hint": "x"}]}),
        ] {
            assert!(breach(&answer(&body)).is_some(), "{body}");
        }
        for (name, value) in [("warning", "299 - \"x\""), ("docker-content-digest", "sha256:abc")] {
            let mut bad = answer(&good);
            bad.headers.insert(name, HeaderValue::from_static(value));
            assert!(breach(&bad).is_some(), "{name}");
        }
    }
}
