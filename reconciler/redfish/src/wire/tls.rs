// SPDX-License-Identifier: AGPL-3.0-or-later
//! Trust in a BMC's certificate: by CA, by fingerprint, by first use.
//!
//! # Guarantees
//! In every mode the handshake's signature is checked, so a fingerprint proves possession of
//! the key. The reason of a refusal is kept, since the HTTP library below hides it.
//!
//! # Caveats
//! A pinned certificate is believed whatever it says about names and dates: BMCs ship with
//! expired certificates for other names.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

use super::roots::{roots_from_pem, system_roots};
use crate::contract::endpoint::TlsTrust;

/// SHA-256 of a leaf certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of_der(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hex digits, with or without colons")]
pub struct BadFingerprint;

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Hex with or without colons, in either case, with or without `sha256:` in front.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix("sha256:").unwrap_or(&text);
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or(BadFingerprint)?;
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect();
        if digits.len() != 64 {
            return Err(BadFingerprint);
        }
        bytes.try_into().map(Self).map_err(|_| BadFingerprint)
    }
}

/// Why a certificate was refused.
#[derive(Debug)]
pub(crate) enum Distrust {
    Changed { expected: Fingerprint, seen: Fingerprint },
    Untrusted { seen: Fingerprint, why: rustls::Error },
}

/// What the verifier of one client saw.
#[derive(Debug, Default)]
pub(crate) struct TlsWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    seen: Option<Fingerprint>,
    distrust: Option<Distrust>,
}

impl TlsWatch {
    /// The certificate that was last presented.
    pub(crate) fn seen(&self) -> Option<Fingerprint> {
        self.lock().seen
    }

    /// The reason of the last refusal, once.
    pub(crate) fn take_distrust(&self) -> Option<Distrust> {
        self.lock().distrust.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        // Plain values only: a panic elsewhere cannot leave them half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Mode {
    Chain(Arc<WebPkiServerVerifier>),
    Exactly(Fingerprint),
    First,
    Any,
}

#[derive(Debug)]
struct Verifier {
    mode: Mode,
    first: Mutex<Option<Fingerprint>>,
    algorithms: WebPkiSupportedAlgorithms,
    watch: Arc<TlsWatch>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of_der(end_entity);
        self.watch.lock().seen = Some(seen);
        let expected = match &self.mode {
            Mode::Any => None,
            Mode::Chain(chain) => {
                return chain
                    .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                    .inspect_err(|why| {
                        self.watch.lock().distrust = Some(Distrust::Untrusted { seen, why: why.clone() });
                    });
            }
            Mode::Exactly(pin) => Some(*pin),
            Mode::First => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                Some(*first.get_or_insert(seen))
            }
        };
        match expected {
            Some(expected) if expected != seen => {
                self.watch.lock().distrust = Some(Distrust::Changed { expected, seen });
                Err(rustls::Error::InvalidCertificate(
                    rustls::CertificateError::ApplicationVerificationFailure,
                ))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A TLS configuration for one BMC, with what it will have seen. The error says which setting
/// cannot be used.
pub(crate) fn client_config(trust: &TlsTrust) -> Result<(ClientConfig, Arc<TlsWatch>), String> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let chain = |roots| {
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map(Mode::Chain)
            .map_err(|error| format!("the ca cannot be used: {error}"))
    };
    let mode = match trust {
        TlsTrust::SystemRoots => chain(system_roots()?)?,
        TlsTrust::CaPem(pem) => chain(Arc::new(roots_from_pem(pem.as_bytes())?))?,
        TlsTrust::Pinned(pin) | TlsTrust::FirstUse { known: Some(pin) } => Mode::Exactly(*pin),
        TlsTrust::FirstUse { known: None } => Mode::First,
        TlsTrust::Insecure => Mode::Any,
    };
    let watch = Arc::new(TlsWatch::default());
    let verifier = Verifier {
        mode,
        first: Mutex::new(None),
        algorithms: provider.signature_verification_algorithms,
        watch: Arc::clone(&watch),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("tls cannot be set up: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // One peer per client: the default room for 256 would cost memory for nothing.
    config.resumption = Resumption::in_memory_sessions(4);
    Ok((config, watch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        let read: Fingerprint = plain.parse().unwrap();
        assert_eq!(colons.parse(), Ok(read));
        assert_eq!(format!("sha256:{plain}").parse(), Ok(read));
        assert_eq!(read.to_string(), plain);
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for text in ["", "abc", &"ab".repeat(31), &"ab".repeat(33), &"zz".repeat(32)] {
            assert_eq!(text.parse::<Fingerprint>(), Err(BadFingerprint), "{text}");
        }
    }
}
