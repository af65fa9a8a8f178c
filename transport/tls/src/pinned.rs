// SPDX-License-Identifier: AGPL-3.0-or-later
//! Trust by key alone: the server's public key, or that of the authority which signed it, has a known SHA-256.
//!
//! Validity dates are ignored under a pin, because a machine fresh from the shelf may think it is 1970 and its clock
//! is set by the very answer it asks for. Names are ignored too: the pin says more than a name does, and hosts reach
//! the controller by addresses that no certificate lists. Handshake signatures are verified as always, so only the
//! holder of the key can answer.

use std::error::Error;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use subtle::ConstantTimeEq as _;

use crate::Pin;

/// The server's key is not one of the pinned ones.
#[derive(Debug, thiserror::Error)]
#[error("the server's key is not pinned")]
pub struct PinMismatch;

impl PinMismatch {
    /// Whether this is the reason, at any depth, of another error.
    pub fn is_behind(error: &(dyn Error + 'static)) -> bool {
        behind(
            error,
            |refused| matches!(refused, CertificateError::Other(OtherError(why)) if why.is::<Self>()),
        )
    }
}

/// Whether a refused certificate that passes the test is the reason, at any depth, of another error.
pub(crate) fn behind(error: &(dyn Error + 'static), is_meant: impl Fn(&CertificateError) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(refused)) = error.downcast_ref()
            && is_meant(refused)
        {
            return true;
        }
        // `source` of an io::Error skips the error that it wraps.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// Believes these keys and nothing else; without any it believes nobody.
#[derive(Debug)]
pub(crate) struct Pinned {
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub(crate) fn new(pins: Vec<Pin>, provider: Arc<CryptoProvider>) -> Self {
        Self { pins, provider }
    }

    fn knows(&self, certificate: &ParsedCertificate<'_>) -> bool {
        let seen = Pin::of_key(certificate.subject_public_key_info().as_ref());
        self.pins.iter().any(|pin| pin.ct_eq(&seen).into())
    }

    /// Whether a pinned authority, sent along, signed the server's certificate.
    fn signed_by_pinned(&self, end_entity: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> bool {
        let Some(valid_from) = valid_from(end_entity) else { return false };
        let Ok(leaf) = ParsedCertificate::try_from(end_entity) else { return false };
        let mut roots = RootCertStore::empty();
        for other in others {
            let pinned = ParsedCertificate::try_from(other).is_ok_and(|other| self.knows(&other));
            if pinned && let Err(error) = roots.add(other.clone().into_owned()) {
                tracing::debug!(%error, "a pinned key that can be no authority");
            }
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        !roots.is_empty()
            && verify_server_cert_signed_by_trust_anchor(&leaf, &roots, others, valid_from, algorithms)
                .is_ok()
    }
}

/// The first moment at which the certificate is valid: the time to judge its chain by when the clock is unknown.
fn valid_from(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.as_ref()).ok()?;
    let seconds = u64::try_from(parsed.validity().not_before.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let leaf = ParsedCertificate::try_from(end_entity)?;
        if self.knows(&leaf) || self.signed_by_pinned(end_entity, intermediates) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::Other(OtherError(Arc::new(PinMismatch))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
