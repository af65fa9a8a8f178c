// SPDX-License-Identifier: AGPL-3.0-or-later
//! Over the network, with an account.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use shoal_schema::SecretString;
use url::Url;

use super::pin::{self, Pin};
use super::{Answer, MAX_ANSWER};
use crate::error::CliError;

/// TCP and TLS may take so long.
const CONNECT: Duration = Duration::from_secs(10);

/// Where distributions keep the system's CAs.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whose certificate is believed.
pub(super) enum Trust {
    /// The system's CAs.
    System,
    /// These CAs, PEM.
    Ca(String),
    /// This public key.
    Pin(Pin),
}

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
        let untrusted = pin::is_untrusted(&error);
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
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::internal("controller.tls", "cannot set TLS up").because(error))?;
    let pem = match trust {
        Trust::Pin(pin) => {
            let verifier = pin::Pinned::new(pin);
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth());
        }
        Trust::Ca(pem) => pem.into_bytes(),
        // Plain HTTP needs no CA, and a machine may have none.
        Trust::System if url.scheme() == "http" => Vec::new(),
        Trust::System => system_bundle()?,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate
            .map_err(|error| CliError::user("controller.ca", "the CA file is no valid PEM").because(error))?;
        roots.add_parsable_certificates([certificate]);
    }
    if roots.is_empty() && url.scheme() == "https" {
        return Err(CliError::user("controller.ca", "the CA file holds no usable certificate"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn system_bundle() -> Result<Vec<u8>, CliError> {
    let found = BUNDLES.iter().find_map(|path| std::fs::read(path).ok());
    found.ok_or_else(|| {
        CliError::user("controller.ca", "this system has no CA bundle")
            .hint("install ca-certificates, or name a CA with --ca or a pin with --pin")
    })
}
