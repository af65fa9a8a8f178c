// SPDX-License-Identifier: AGPL-3.0-or-later
//! Over the network, with an account.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use rustls::ClientConfig;
use shoal_schema::SecretString;
use shoal_tls::{Trust, TrustError, client_config, is_untrusted};
use url::Url;

use super::download::Body;
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

    /// Sends a request; the answer is at its body.
    pub(super) async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Body), CliError> {
        let url = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, url).header("content-type", "application/json");
        if let Some((user, password)) = &self.account {
            request = request.basic_auth(user, Some(password.expose()));
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| self.failed(error))?;
        Ok((response.status(), Body::Https(response)))
    }

    /// The connection is no longer what it was.
    pub(super) fn broken(&self, error: Box<dyn std::error::Error + Send + Sync>) -> CliError {
        CliError::hardware("controller.broken", format!("{} broke off", self.shown())).because(error)
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
