// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates as BMCs have them, and the trust that BMCs do not have.
//!
//! Every emulated BMC makes a self-signed certificate of its own, as factory-fresh hardware does, so that a client
//! must pin or distrust each one separately. In the other direction a BMC that fetches an image over HTTPS does not
//! verify the server unless told to: [`unverified_client_config`] is that client.
//!
//! Assumptions: one crypto provider (ring), handed to rustls explicitly; nothing is installed process-wide.

use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The self-signed certificate could not be generated.
    #[error("generate a self-signed certificate for {name}")]
    Generate {
        /// Common name of the certificate.
        name: String,
        /// What rcgen said.
        #[source]
        source: rcgen::Error,
    },
    /// rustls refused the certificate, the key or the protocol versions.
    #[error("configure TLS for {name}")]
    Configure {
        /// Common name of the certificate, or what the configuration is for.
        name: String,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
}

/// A server's TLS identity: the configuration and the fingerprint that a client may pin.
#[derive(Clone)]
pub struct ServerIdentity {
    /// Ready for a TLS acceptor; HTTP/1.1 only.
    pub config: Arc<ServerConfig>,
    /// SHA-256 over the DER certificate, lower-case hex, without colons.
    pub fingerprint: String,
    /// The certificate itself, DER.
    pub certificate: CertificateDer<'static>,
}

/// Makes a self-signed certificate for `name`, valid for `names` as subject alternative names.
pub fn self_signed(name: &str, names: Vec<String>) -> Result<ServerIdentity, TlsError> {
    let generate = |source| TlsError::Generate { name: name.to_owned(), source };
    let key = KeyPair::generate().map_err(generate)?;
    let mut params = CertificateParams::new(names).map_err(generate)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).map_err(generate)?.der().clone();
    let fingerprint = hex(&Sha256::digest(&certificate));

    let configure = |source| TlsError::Configure { name: name.to_owned(), source };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(configure)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .map_err(configure)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Thousands of BMCs share a process: no cache of sessions for each.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ServerIdentity { config: Arc::new(config), fingerprint, certificate })
}

/// A client that accepts any certificate, as BMCs do when they fetch an image.
pub fn unverified_client_config() -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Configure { name: "an unverified client".to_owned(), source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny { provider }))
        .with_no_client_auth();
    Ok(config)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        out.push_str(&format!("{byte:02x}"));
        out
    })
}

/// Accepts every chain; signatures of the handshake are still checked.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
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
