// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whose certificates a client believes.

use std::error::Error;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::Pin;
use crate::pinned::{Pinned, behind};

/// Where distributions keep the system's CAs.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The system's CAs.
    System,
    /// These CAs, PEM.
    Ca(String),
    /// These public keys, and authorities with one of them; names and dates are not looked at. Without
    /// any key: nobody, for a client that speaks plain HTTP only.
    Pins(Vec<Pin>),
}

/// A client cannot be set up to trust anybody.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The given CAs cannot be read.
    #[error("the CA file is no valid PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// The given CAs are none.
    #[error("the CA file holds no usable certificate")]
    Empty,
    /// The system has no CAs.
    #[error("this system has no CA bundle")]
    NoBundle,
    /// rustls refused the protocol versions.
    #[error("cannot set TLS up")]
    Config(#[source] rustls::Error),
}

/// The client's side of TLS with that trust. Reads the system's CA bundle where that is asked for.
pub fn client_config(trust: Trust) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Config)?;
    let roots = match trust {
        Trust::Pins(pins) => {
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned::new(pins, provider)))
                .with_no_client_auth());
        }
        Trust::Ca(pem) => given(&pem)?,
        Trust::System => system()?,
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn given(pem: &str) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add_parsable_certificates([certificate.map_err(TrustError::Pem)?]);
    }
    if roots.is_empty() { Err(TrustError::Empty) } else { Ok(roots) }
}

fn system() -> Result<RootCertStore, TrustError> {
    for path in BUNDLES {
        let Ok(certificates) = CertificateDer::pem_file_iter(path) else { continue };
        let mut roots = RootCertStore::empty();
        // One that cannot be read is not worth more than the others are.
        roots.add_parsable_certificates(certificates.flatten());
        if !roots.is_empty() {
            return Ok(roots);
        }
    }
    Err(TrustError::NoBundle)
}

/// Whether a certificate that was not believed is the reason, at any depth, of another error.
pub fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    behind(error, |_| true)
}
