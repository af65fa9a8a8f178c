// SPDX-License-Identifier: AGPL-3.0-or-later
//! Over the network, with an account.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use rustls::ClientConfig;
use shoal_schema::SecretString;
use shoal_tls::{Trust, TrustError, client_config, is_untrusted};
use url::Url;

use super::{Answer, MAX_ANSWER};
use crate::error::CliError;

/// TCP and TLS may take so long.
const CONNECT: Duration = Duration::from_secs(10);

/// A controller elsewhere.
pub(super) struct Https {
    url: Url,
    account: Option<(String, SecretString)>,
    client: reqwest::Client,
}

impl Https {
    pub(super) fn new(
        url: Url,
        account: Option<(String, SecretString)>,
        trust: Trust,
    ) -> Result<Self, CliError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .tls_backend_preconfigured(tls(&url, trust)?)
            .build()
            .map_err(|error| {
                CliError::internal("controller.client", "cannot make an HTTP client").because(error)
            })?;
        Ok(Self { url, account, client })
    }

    pub(super) fn shown(&self) -> String {
        format!("the controller at {}", self.url.as_str().trim_end_matches('/'))
    }

    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, CliError> {
        let url = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, url).header("content-type", "application/json");
        if let Some((user, password)) = &self.account {
            request = request.basic_auth(user, Some(password.expose()));
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let message = format!("{} answers with more than {MAX_ANSWER} bytes", self.shown());
                return Err(CliError::hardware("controller.answer", message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body: body.freeze() })
    }

    fn failed(&self, error: reqwest::Error) -> CliError {
        let connect = error.is_connect();
        let untrusted = is_untrusted(&error);
        // reqwest repeats the address in its text; it is in ours.
        let error = error.without_url();
        if untrusted {
            return CliError::hardware(
                "controller.untrusted",
                format!("the certificate of {} is not trusted", self.shown()),
            )
            .because(error)
            .hint("name its CA with --ca, or the pin that the controller logs at start with --pin");
        }
        let (code, word) = if connect {
            ("controller.unreachable", "cannot be reached")
        } else {
            ("controller.broken", "broke off")
        };
        CliError::hardware(code, format!("{} {word}", self.shown()))
            .because(error)
            .hint("check the address, and that the controller runs and listens there")
    }
}

fn tls(url: &Url, trust: Trust) -> Result<ClientConfig, CliError> {
    let trust = match trust {
        // Plain HTTP needs no CA, and a machine may have none.
        Trust::System if url.scheme() == "http" => Trust::Pins(Vec::new()),
        trust => trust,
    };
    client_config(trust).map_err(|error| {
        let message = error.to_string();
        let refused = match &error {
            TrustError::Config(_) => CliError::internal("controller.tls", message),
            TrustError::Pem(_) | TrustError::Empty => CliError::user("controller.ca", message),
            TrustError::NoBundle => CliError::user("controller.ca", message)
                .hint("install ca-certificates, or name a CA with --ca or a pin with --pin"),
        };
        refused.because(error)
    })
}
