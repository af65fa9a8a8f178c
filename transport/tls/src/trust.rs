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

#[cfg(test)]
mod tests {
    use rustls::{ClientConnection, ServerConfig, ServerConnection};

    use super::*;
    use crate::{OwnCertificate, PinMismatch};

    /// A handshake in memory; the error is the client's.
    fn handshake(trust: Trust, server: Arc<ServerConfig>, name: &'static str) -> Result<(), rustls::Error> {
        let config = Arc::new(client_config(trust).unwrap());
        let mut client = ClientConnection::new(config, name.try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(server).unwrap();
        while client.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets()?;
            }
        }
        Ok(())
    }

    fn own(dir: &tempfile::TempDir) -> OwnCertificate {
        OwnCertificate::kept(dir.path()).unwrap()
    }

    #[test]
    fn a_pinned_key_is_believed_under_any_name_and_no_other_key_is() {
        let dir = tempfile::tempdir().unwrap();
        let own = own(&dir);
        let other = Pin::from([7; 32]);
        let trust = |pins: &[Pin]| Trust::Pins(pins.to_vec());
        handshake(trust(&[other, own.pin()]), own.config().unwrap(), "elsewhere.example.org").unwrap();
        for pins in [&[other][..], &[]] {
            let error = handshake(trust(pins), own.config().unwrap(), "localhost").unwrap_err();
            // As HTTP libraries hand it on.
            let error = std::io::Error::other(std::io::Error::other(error));
            assert!(PinMismatch::is_behind(&error), "{error}");
            assert!(is_untrusted(&error), "{error}");
        }
    }

    #[test]
    fn a_given_authority_is_believed_for_the_names_it_signed() {
        let dir = tempfile::tempdir().unwrap();
        let own = own(&dir);
        let pem = std::fs::read_to_string(dir.path().join("controller.crt")).unwrap();
        handshake(Trust::Ca(pem.clone()), own.config().unwrap(), "localhost").unwrap();
        let error = handshake(Trust::Ca(pem), own.config().unwrap(), "elsewhere.example.org").unwrap_err();
        assert!(is_untrusted(&error), "{error}");
        assert!(!PinMismatch::is_behind(&error), "nothing was pinned");
        assert!(!is_untrusted(&std::io::Error::other("the connection broke")));
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Trust::Ca(broken.to_owned())), Err(TrustError::Pem(_))));
        assert!(matches!(client_config(Trust::Ca(String::new())), Err(TrustError::Empty)));
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Trust::Ca(no_certificate.to_owned())), Err(TrustError::Empty)));
    }
}
