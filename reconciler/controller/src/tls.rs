// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates: one of the controller's own making, drawn at the first start and known to machines
//! by the pin of its key; or files, read again on SIGHUP.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::controller::Controller;
use crate::hex::hex;
use crate::jobs::perform::chain;
use crate::keys::write_private;
use crate::settings::TlsMode;

/// The certificate of the controller's own making.
pub struct OwnCertificate {
    cert: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pin: String,
}

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot use the file {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no certificate or key.
    #[error("{path} holds no usable PEM")]
    Pem {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// Certificate and key do not fit together.
    #[error("certificate and key cannot be used for TLS")]
    Config(#[source] rustls::Error),
    /// A certificate is damaged.
    #[error("the certificate in {path} is damaged")]
    Damaged {
        /// The file.
        path: String,
    },
}

impl OwnCertificate {
    /// The certificate kept below a directory; made there at the first start.
    pub fn kept(dir: &Path) -> Result<Self, TlsError> {
        let (cert_path, key_path) = (dir.join("controller.crt"), dir.join("controller.key"));
        if !cert_path.exists() || !key_path.exists() {
            let made = rcgen::generate_simple_self_signed(vec![
                "shoal-controller".to_owned(),
                "localhost".to_owned(),
            ])
            .map_err(TlsError::Make)?;
            for (path, text) in [(&key_path, made.signing_key.serialize_pem()), (&cert_path, made.cert.pem())]
            {
                write_private(path, text.as_bytes())
                    .map_err(|source| TlsError::File { path: path.display().to_string(), source })?;
            }
        }
        let (mut chain, key) = read_pair(&cert_path, &key_path)?;
        let path = || cert_path.display().to_string();
        if chain.is_empty() {
            return Err(TlsError::Damaged { path: path() });
        }
        let cert = chain.swap_remove(0);
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&cert).map_err(|_| TlsError::Damaged { path: path() })?;
        let pin = hex(&Sha256::digest(parsed.public_key().raw));
        Ok(Self { cert, key, pin })
    }

    /// SHA-256 of the public key (SPKI), as task media carry it.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// A server's configuration with it.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        config(vec![self.cert.clone()], self.key.clone_key())
    }
}

impl Controller {
    /// Every key that a machine may meet at the callback address: our own, and that of a certificate
    /// that was given.
    pub(crate) fn pins(&self) -> Vec<String> {
        let mut pins = vec![self.own_certificate.pin().to_owned()];
        if let TlsMode::Files { cert, .. } = &self.settings.api.tls {
            match pin_of_file(cert) {
                Ok(pin) => pins.push(pin),
                Err(error) => tracing::error!(error = %chain(&error), "a certificate has no pin"),
            }
        }
        pins
    }
}

/// A server's configuration with certificate and key from files.
pub fn config_from_files(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = read_pair(cert, key)?;
    config(chain, key)
}

/// The pin of the first certificate in a file.
fn pin_of_file(cert: &Path) -> Result<String, TlsError> {
    let path = || cert.display().to_string();
    let der = CertificateDer::from_pem_file(cert).map_err(|source| TlsError::Pem { path: path(), source })?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&der).map_err(|_| TlsError::Damaged { path: path() })?;
    Ok(hex(&Sha256::digest(parsed.public_key().raw)))
}

fn read_pair(
    cert: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let pem = |path: &Path| {
        let path = path.display().to_string();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem(cert))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    Ok((chain, key))
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
