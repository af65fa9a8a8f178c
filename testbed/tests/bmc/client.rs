// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plain HTTP client: no understanding of Redfish, no retries.

use http::{HeaderMap, Method};
use reqwest::RequestBuilder;
use serde_json::Value;
use shoal_testbed::bmc::BmcHandle;
use shoal_testbed::tls::unverified_client_config;

use crate::fixture::{PASSWORD, USER};

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    base: String,
    who: Who,
    /// What a login names below `Oem`, where it has to.
    domain: Option<(&'static str, &'static str)>,
}

#[derive(Clone)]
enum Who {
    Nobody,
    Basic(String, String),
    Token(String),
}

/// An answer, read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value =
            self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers));
        value.to_str().expect("a header of text")
    }

    /// The id of the first extended message.
    pub(crate) fn message_id(&self) -> String {
        let json = self.json();
        let message = &json["error"]["@Message.ExtendedInfo"][0]["MessageId"];
        message.as_str().unwrap_or_else(|| panic!("no message in {json}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl Client {
    fn new(bmc: &BmcHandle, who: Who) -> Self {
        let tls = unverified_client_config().expect("ring is there");
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build();
        Self {
            http: http.expect("a client without options that can fail"),
            base: bmc.url(),
            who,
            domain: bmc.profile().sessions.domain,
        }
    }

    pub(crate) fn nobody(bmc: &BmcHandle) -> Self {
        Self::new(bmc, Who::Nobody)
    }

    pub(crate) fn basic(bmc: &BmcHandle) -> Self {
        Self::with_password(bmc, PASSWORD)
    }

    pub(crate) fn with_password(bmc: &BmcHandle, password: &str) -> Self {
        Self::new(bmc, Who::Basic(USER.to_owned(), password.to_owned()))
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { who: Who::Token(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.who {
            Who::Nobody => request,
            Who::Basic(user, password) => request.basic_auth(user, Some(password)),
            Who::Token(token) => request.header("x-auth-token", token),
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    pub(crate) async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Ok(Answer { status, headers, body: response.text().await? })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// The body of a login; the domain of the account belongs to it on some.
    pub(crate) fn login_body(&self) -> Value {
        let mut body = serde_json::json!({"UserName": USER, "Password": PASSWORD});
        if let Some((vendor, domain)) = self.domain {
            body["Oem"] = serde_json::json!({vendor: {"Domain": domain}});
        }
        body
    }

    /// Opens a session as the usual user; the token and the `Location`.
    pub(crate) async fn login(&self) -> (String, String) {
        let answer = self.post("/redfish/v1/SessionService/Sessions", self.login_body()).await.expect(201);
        (answer.header("x-auth-token").to_owned(), answer.header("location").to_owned())
    }
}
