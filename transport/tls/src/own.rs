// SPDX-License-Identifier: AGPL-3.0-or-later
//! A server's certificate: one of its own making, drawn at the first start and known to clients by the
//! pin of its key; or files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::{Pin, private_file};

/// A certificate of a server's own making.
pub struct OwnCertificate {
    cert: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pin: Pin,
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
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// A file is there, but nothing is in it.
    #[error("{path} holds no certificate")]
    Empty {
        /// The file.
        path: String,
    },
}

impl OwnCertificate {
    /// The controller's certificate, kept below a directory and made there at the first start.
    pub fn kept(dir: &Path) -> Result<Self, TlsError> {
        Self::kept_as(dir, "controller")
    }

    /// The certificate of a server of this name, kept as `NAME.crt` and `NAME.key` below a directory and
    /// made there at the first start; it names the host `shoal-NAME`.
    pub fn kept_as(dir: &Path, name: &str) -> Result<Self, TlsError> {
        let (cert_path, key_path) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
        if !cert_path.exists() || !key_path.exists() {
            let names = vec![format!("shoal-{name}"), "localhost".to_owned()];
            let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
            let key = Zeroizing::new(made.signing_key.serialize_pem());
            // The key first: a certificate whose key is missing would be made anew, a key alone as well.
            for (path, text) in [(&key_path, key.as_str()), (&cert_path, made.cert.pem().as_str())] {
                private_file::write(path, text.as_bytes())
                    .map_err(|source| TlsError::File { path: path.display().to_string(), source })?;
            }
        }
        let (mut chain, key) = read_pair(&cert_path, &key_path)?;
        if chain.is_empty() {
            return Err(TlsError::Empty { path: cert_path.display().to_string() });
        }
        let cert = chain.swap_remove(0);
        let pin = pin_of(&cert, &cert_path)?;
        Ok(Self { cert, key, pin })
    }

    /// Its public key, as clients pin it.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// A server's configuration with it.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        config(vec![self.cert.clone()], self.key.clone_key())
    }
}

/// A server's configuration with certificate and key from files.
pub fn config_from_files(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = read_pair(cert, key)?;
    config(chain, key)
}

/// The pin of the first certificate in a PEM file.
pub fn pin_of_file(cert: &Path) -> Result<Pin, TlsError> {
    let der = CertificateDer::from_pem_file(cert)
        .map_err(|source| TlsError::Pem { path: cert.display().to_string(), source })?;
    pin_of(&der, cert)
}

fn pin_of(cert: &CertificateDer<'_>, path: &Path) -> Result<Pin, TlsError> {
    Pin::of_certificate(cert).map_err(|source| TlsError::Damaged { path: path.display().to_string(), source })
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_its_pin_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = OwnCertificate::kept_as(dir.path(), "registry").unwrap();
        let again = OwnCertificate::kept_as(dir.path(), "registry").unwrap();
        assert_eq!(first.pin(), again.pin());
        assert_eq!(pin_of_file(&dir.path().join("registry.crt")).unwrap(), first.pin());
        let key = fs::metadata(dir.path().join("registry.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert_ne!(
            OwnCertificate::kept(dir.path()).unwrap().pin(),
            first.pin(),
            "another server's is another"
        );
    }

    #[test]
    fn a_key_whose_certificate_was_never_written_is_replaced_with_it() {
        let dir = tempfile::tempdir().unwrap();
        OwnCertificate::kept(dir.path()).unwrap();
        fs::remove_file(dir.path().join("controller.crt")).unwrap();
        let made = OwnCertificate::kept(dir.path()).unwrap();
        made.config().unwrap();
        assert_eq!(OwnCertificate::kept(dir.path()).unwrap().pin(), made.pin());
    }

    #[test]
    fn a_damaged_or_foreign_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        OwnCertificate::kept_as(dir.path(), "a").unwrap();
        OwnCertificate::kept_as(dir.path(), "b").unwrap();
        let path = |name: &str| dir.path().join(name);
        config_from_files(&path("a.crt"), &path("a.key")).unwrap();
        let mixed = config_from_files(&path("a.crt"), &path("b.key"));
        assert!(matches!(mixed, Err(TlsError::Config(_))));
        fs::write(path("a.crt"), "").unwrap();
        let empty = OwnCertificate::kept_as(dir.path(), "a").err().unwrap().to_string();
        assert!(empty.contains("a.crt"), "{empty}");
        fs::write(path("b.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let damaged = pin_of_file(&path("b.crt")).unwrap_err().to_string();
        assert!(damaged.contains("b.crt"), "{damaged}");
    }
}
