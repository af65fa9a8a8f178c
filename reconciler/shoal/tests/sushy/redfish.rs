// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small Redfish client: independent of the product's own.

use serde_json::{Value, json};
use shoal_testbed::tls::unverified_client_config;

/// A service and an account.
pub(crate) struct Redfish {
    http: reqwest::Client,
    url: String,
    user: &'static str,
    password: &'static str,
}

/// What came of a request: the body, or why there is none, for people.
pub(crate) type Answer = Result<Value, String>;

impl Redfish {
    pub(crate) fn new(url: String, user: &'static str, password: &'static str) -> Self {
        let tls = unverified_client_config().expect("a TLS client");
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build();
        Self { http: http.expect("an HTTP client"), url, user, password }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(path, self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(path, self.http.post(format!("{}{path}", self.url)).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(path, self.http.patch(format!("{}{path}", self.url)).json(&body)).await
    }

    async fn send(&self, path: &str, request: reqwest::RequestBuilder) -> Answer {
        let failed = |error: reqwest::Error| format!("{path}: {error:?}");
        let answer = request.basic_auth(self.user, Some(self.password)).send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        if !status.is_success() {
            return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)));
        }
        Ok(serde_json::from_slice(&body).unwrap_or(json!(null)))
    }
}
